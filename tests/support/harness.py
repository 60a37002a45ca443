"""The application in this process and the requests that tests send to it.

Every response that a client of this module receives is validated by `tests.contract_chain.spec`.
"""

import asyncio
import base64
import functools
import hashlib
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from emulator.app import Parts, create_app
from emulator.settings import Settings
from emulator.store.blobs import blob_path
from emulator.store.database import FILE_NAME
from emulator.store.sqlite import SqliteDatabase
from emulator.store.tables import JobKind
from tests.contract_chain.spec import ContractValidator
from tests.support import chosen_store, postgresql
from tests.support.coverage_evidence import note_validated
from tests.support.fakes import FakeExporter, FakeWorker, TestClock, seeded_ids
from tests.support.images import pictures
from tests.support.waiting import PATIENCE_SECONDS as PATIENCE_SECONDS
from tests.support.waiting import wait_until as wait_until

NEWEST = "v3.4-preview"
RESOURCE_ID = Settings().prediction_resource_id
TRAINING_KEY = Settings().training_keys[0]
PREDICTION_KEY = Settings().prediction_keys[0]
COMPACT = "0732100f-1a38-4e49-a514-c9b44c697ab5"
ANOMALIES = "2f02d4b1-bf70-4825-8148-07fe427e5273"
NOWHERE = "00000000-0000-4000-8000-000000000000"

_validator = ContractValidator(note_validated)


def validate_response(response: httpx.Response) -> None:
    """Fail the test when a response violates the contract."""
    request = response.request
    wrong = _validator.check(
        request.method,
        request.url.raw_path.decode(),
        response.status_code,
        dict(response.headers),
        b"" if request.method == "HEAD" else response.content,
    )
    assert not wrong, "\n".join(wrong)


# --- an application in this process -------------------------------------------------------------------------


class Service:
    """The application and the requests of a client. Trainings run when `finish_trainings` is called."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._choose_store()
        if self.settings.database is None and not settings.data.exists():
            settings.data.mkdir(parents=True)
            (settings.data / FILE_NAME).write_bytes(_new_database())
        self.clock = TestClock()
        self.worker = FakeWorker()
        self.exporter = FakeExporter()
        self.proposal_worker = FakeWorker()
        self._loop = asyncio.Runner()
        self.open()

    def _choose_store(self) -> None:
        """Use the store of this run, unless the test has given one."""
        if self.settings.database is None and (store := chosen_store.store_of(self.settings.data)):
            self.settings = replace(self.settings, database=store.database, blobs=store.blobs)

    def open(self) -> None:
        self._choose_store()
        ids = seeded_ids(self.clock.now().microsecond)
        self.app = create_app(self.settings, clock=self.clock, ids=ids)
        self.parts: Parts = self.app.state.parts
        self.context = self.parts.context
        self.context.worker = self.context.advanced_worker = self.worker
        self.context.export_worker = self.exporter
        self.context.proposal_worker = self.proposal_worker
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(self.app))

    def close(self) -> None:
        self._loop.run(self.client.aclose())
        self.app.state.threads.close()  # otherwise they live until the application is garbage
        self.parts.close()

    def restart(self) -> None:
        """Stop the application and start another one on the same data folder."""
        self.close()
        chosen_store.end_leases_of(self.settings.data)
        self.open()

    def end(self) -> None:
        self.close()
        self._loop.close()
        chosen_store.free_store_of(self.settings.data)

    # Requests

    def send_unvalidated(
        self, method: str, path: str, *, key: str | None = TRAINING_KEY, **more: Any
    ) -> httpx.Response:
        """A request that is outside the contract; the response is not validated."""
        return self._loop.run(self._send(method, path, key, more))

    def request(
        self, method: str, path: str, *, key: str | None = TRAINING_KEY, **more: Any
    ) -> httpx.Response:
        """Any request; `path` is absolute. The response is validated.

        key: in the header of the path's API; by default a valid one.
        """
        response = self._loop.run(self._send(method, path, key, more))
        validate_response(response)
        return response

    def follow(self, uri: str) -> httpx.Response:
        """GET of an absolute URI from a response, without a key."""
        return self.request("GET", uri.removeprefix("http://emulator.localhost"), key=None)

    def together(self, *requests: tuple[str, str, dict[str, Any]]) -> list[httpx.Response]:
        """Send requests (method, path, more) concurrently; responses in the same order."""

        async def send_all() -> list[httpx.Response]:
            return await asyncio.gather(
                *(self._send(method, path, TRAINING_KEY, more) for method, path, more in requests)
            )

        responses = self._loop.run(send_all())
        for response in responses:
            validate_response(response)
        return responses

    async def _send(self, method: str, path: str, key: str | None, more: dict[str, Any]) -> httpx.Response:
        headers = httpx.Headers(more.pop("headers", None))
        if key is not None:
            predicts = "/prediction/" in path.lower()
            header, own = ("Prediction-Key", PREDICTION_KEY) if predicts else ("Training-Key", TRAINING_KEY)
            headers[header] = own if key == TRAINING_KEY else key
        # Absolute, or a path that begins with two slashes would be read as a host.
        return await self.client.request(method, f"http://emulator.localhost{path}", headers=headers, **more)

    def send(self, method: str, path: str, version: str = NEWEST, **more: Any) -> httpx.Response:
        """A request to the training API; `path` is below ``/training``."""
        return self.request(method, training_path(path, version), **more)

    def get(self, path: str, **more: Any) -> Any:
        """The JSON of a GET of the training API with status 200."""
        return expect(self.send("GET", path, **more))

    def post(self, path: str, **more: Any) -> Any:
        return expect(self.send("POST", path, **more))

    def delete(self, path: str, **more: Any) -> None:
        response = self.send("DELETE", path, **more)
        assert response.status_code in (202, 204), response.text

    def refused(self, method: str, path: str, **more: Any) -> tuple[int, str, str]:
        """Status, code and message of a request that must fail with an error of the service."""
        return refusal(self.send(method, path, **more))

    # Steps of a client

    def project(self, name: str = "project", **parameters: str) -> str:
        """The path of a new project: ``/projects/...``"""
        made = self.post("/projects", params={"name": name, **parameters})
        return f"/projects/{made['id']}"

    def tag(self, project: str, name: str, type: str | None = None) -> str:
        parameters = {"name": name} | ({"type": type} if type else {})
        return str(self.post(f"{project}/tags", params=parameters)["id"])

    def upload(self, project: str, images: Sequence[bytes], *tag_ids: str) -> list[dict[str, Any]]:
        """The items of the response to an upload from files."""
        response = self.send("POST", f"{project}/images/files", json=files_body(images, tag_ids))
        assert response.status_code in (200, 207), response.text
        items: list[dict[str, Any]] = response.json()["images"]
        return items

    def images(self, project: str, images: Sequence[bytes], *tag_ids: str) -> list[str]:
        """The ids of images that were all accepted."""
        items = self.upload(project, images, *tag_ids)
        assert {item["status"] for item in items} <= {"OK", "OKDuplicate"}, items
        return [item["image"]["id"] for item in items]

    def trainable(self, **parameters: str) -> tuple[str, str, str]:
        """A project with two tags of five images each: its path and the ids of the tags."""
        project = self.project(**{"classificationType": "Multiclass", **parameters})
        red, blue = self.tag(project, "red"), self.tag(project, "blue")
        self.images(project, pictures(5, "red"), red)
        self.images(project, pictures(5, "blue"), blue)
        return project, red, blue

    def train(self, project: str, **more: Any) -> str:
        """The path of a trained iteration."""
        iteration = self.post(f"{project}/train", **more)
        self.finish_trainings()
        return f"{project}/iterations/{iteration['id']}"

    def runner(self, kind: JobKind) -> Any:
        """What executes the jobs of a kind."""
        return self.context.jobs.runner(kind)

    def finish_trainings(self) -> None:
        self.runner(JobKind.TRAINING).run_waiting()
        self.runner(JobKind.ADVANCED_TRAINING).run_waiting()
        self.runner(JobKind.INSTANT_TRAINING).run_waiting()

    def exportable(self) -> str:
        """The path of a trained iteration of a compact domain."""
        project, _, _ = self.trainable(domainId=COMPACT)
        return self.train(project)

    def export(self, iteration: str, platform: str, flavor: str | None = None, **more: Any) -> dict[str, Any]:
        """A finished export, as GetExports shows it."""
        parameters = {"platform": platform} | ({"flavor": flavor} if flavor else {})
        self.post(f"{iteration}/export", params=parameters, **more)
        self.finish_exports()
        shown: dict[str, Any] = self.get(f"{iteration}/export", **more)[-1]
        return shown

    def finish_exports(self) -> None:
        self.runner(JobKind.EXPORT).run_waiting()

    def publish(self, iteration: str, name: str = "published", kind: str = "classify") -> str:
        """The path of the prediction API for the iteration, up to the name. `kind`: classify or detect."""
        assert (
            self.post(f"{iteration}/publish", params={"publishName": name, "predictionId": RESOURCE_ID})
            is True
        )
        project_id = iteration.split("/")[2]
        return f"/customvision/v3.1/prediction/{project_id}/{kind}/iterations/{name}"

    def predict(self, address: str, data: bytes, suffix: str = "/image", **more: Any) -> httpx.Response:
        headers = {"Prediction-Key": PREDICTION_KEY, "Content-Type": "application/octet-stream"}
        return self.request("POST", address + suffix, key=None, content=data, headers=headers, **more)

    # The state of the store

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return database_rows(self.settings.data, query)

    def blobs(self) -> set[str]:
        return blobs_in(self.settings.data)

    def referenced_blobs(self) -> set[str]:
        return referenced_blobs(self.settings.data)


@functools.cache
def _new_database() -> bytes:
    """The file of a new database. Writing it costs a test less than creating the tables."""
    with tempfile.TemporaryDirectory() as folder:
        SqliteDatabase(Path(folder)).close()
        return (Path(folder) / FILE_NAME).read_bytes()


def training_path(path: str, version: str = NEWEST) -> str:
    return f"/customvision/{version}/training{path}"


def expect(response: httpx.Response, status: int = 200) -> Any:
    assert response.status_code == status, response.text
    return response.json()


def refusal(response: httpx.Response) -> tuple[int, str, str]:
    """Status, code and message of an error whose body has exactly the service's shape."""
    body = response.json()
    assert list(body) == ["code", "message"], body
    assert response.status_code >= 400
    return response.status_code, body["code"], body["message"]


def files_body(images: Sequence[bytes], tag_ids: Sequence[str] = (), name: str = "image") -> dict[str, Any]:
    entries = [
        {"name": f"{name}{number}", "contents": base64.b64encode(data).decode()}
        for number, data in enumerate(images)
    ]
    return {"images": entries, "tagIds": list(tag_ids)}


def database_rows(folder: Path, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query; values of JSON are texts."""
    store = chosen_store.existing_store_of(folder)
    if store is not None:
        return postgresql.execute(store.database, query)
    connection = sqlite3.connect(folder / "emulator.sqlite")
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def checkpoint(folder: Path) -> Path:
    """Move all rows from the log into the database, as at the end of a server; returns its path."""
    path = folder / "emulator.sqlite"
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    connection.close()
    return path


def blobs_in(folder: Path) -> set[str]:
    """The names of all files in the folder of blobs, or of all blobs in the object store of this run."""
    objects = chosen_store.objects_of(folder)
    if objects is not None:
        return {one["path"].rpartition("/")[2] for batch in objects.list("blobs") for one in batch}
    return {path.name for path in (folder / "blobs").rglob("*") if path.is_file()}


def blob_content(folder: Path, name: str) -> bytes:
    """The bytes of a blob of a data folder, not verified."""
    objects = chosen_store.objects_of(folder)
    if objects is not None:
        return bytes(objects.get(f"blobs/{name[:2]}/{name}").bytes())
    return blob_path(folder, name).read_bytes()


def add_orphan(folder: Path) -> None:
    """Store a blob without a row, as after a kill between the two writes."""
    data = b"nobody refers to this"
    name = hashlib.sha256(data).hexdigest()
    objects = chosen_store.objects_of(folder)
    if objects is not None:
        objects.put(f"blobs/{name[:2]}/{name}", data)
        return
    path = blob_path(folder, name)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)


def is_database_intact(folder: Path) -> bool:
    """Whether the file of the database is intact; a server looks after its own."""
    if chosen_store.existing_store_of(folder) is not None:
        return True
    return database_rows(folder, "PRAGMA integrity_check") == [("ok",)]


def referenced_blobs(folder: Path) -> set[str]:
    columns = (
        ("image", "blob"),
        ("stored_prediction", "blob"),
        ("iteration", "model_blob"),
        ("iteration", "evaluation_blob"),
        ("export", "blob"),
        ("deletion", "blob"),
        ("test_image", "blob"),
        ("test_evaluation", "evaluation_blob"),
    )
    query = " UNION ".join(f"SELECT {column} FROM {table}" for table, column in columns)
    return {row[0] for row in database_rows(folder, query)} - {None}


# --- settings and fixtures ----------------------------------------------------------------------------------


def test_settings(folder: Path, **changes: Any) -> Settings:
    return replace(Settings(data=folder), **changes)


test_settings.__test__ = False  # type: ignore[attr-defined]


def running_service(folder: Path, **changes: Any) -> Iterator[Service]:
    """The body of a fixture: a service on `folder`, closed afterwards."""
    service = Service(test_settings(folder, **changes))
    try:
        yield service
    finally:
        service.end()
