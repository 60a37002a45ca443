"""What the suites share: an application in this process, a worker that a test commands, pictures.

Every answer that a client of this module receives is judged by `tests.contract_chain.spec`.
"""

import asyncio
import base64
import random
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx

from emulator.app import Application
from emulator.core.context import Clock, Ids
from emulator.settings import Settings
from tests.contract_chain.spec import ContractValidator
from tests.support import stub_trainer as standin
from tests.support.coverage_evidence import note_validated

PATIENCE_SECONDS = 60
NEWEST = "v3.4-preview"
RESOURCE_ID = Settings().prediction_resource_id
TRAINING_KEY = Settings().training_keys[0]
PREDICTION_KEY = Settings().prediction_keys[0]
COMPACT = "0732100f-1a38-4e49-a514-c9b44c697ab5"
NOWHERE = "00000000-0000-4000-8000-000000000000"

_validator = ContractValidator(note_validated)
_T = TypeVar("_T")


def judge(response: httpx.Response) -> None:
    """Fail the test when an answer is not what the contract says."""
    request = response.request
    wrong = _validator.check(
        request.method,
        request.url.raw_path.decode(),
        response.status_code,
        dict(response.headers),
        b"" if request.method == "HEAD" else response.content,
    )
    assert not wrong, "\n".join(wrong)


def wait_until(condition: Callable[[], _T], what: str, patience_seconds: float = PATIENCE_SECONDS) -> _T:
    """The first true value of `condition`; the test fails when it does not come."""
    deadline = time.monotonic() + patience_seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.01)
    return value


# --- pictures -----------------------------------------------------------------------------------------------

COLOURS = {"red": (200, 40, 40), "green": (40, 180, 60), "blue": (50, 60, 200), "grey": (120, 120, 120)}


def picture(
    number: int = 0,
    colour: str = "red",
    size: tuple[int, int] = (48, 36),
    format: str = "PNG",
    mode: str = "RGB",
    **options: Any,
) -> bytes:
    """A small picture in which `colour` prevails; another one for every `number`."""
    from io import BytesIO

    from PIL import Image, ImageDraw

    chance = random.Random(f"{number} {colour}")
    image = Image.new("RGB", size, COLOURS[colour])
    draw = ImageDraw.Draw(image)
    for _ in range(6):
        left, top = chance.randrange(size[0]), chance.randrange(size[1])
        tint = tuple(min(255, max(0, value + chance.randrange(-30, 30))) for value in COLOURS[colour])
        draw.rectangle((left, top, left + chance.randrange(1, 9), top + chance.randrange(1, 9)), fill=tint)
    file = BytesIO()
    (image if mode == "RGB" else image.convert(mode)).save(file, format, **options)
    return file.getvalue()


def pictures(count: int, colour: str = "red", start: int = 0) -> list[bytes]:
    return [picture(number, colour) for number in range(start, start + count)]


# --- time, ids and the worker -------------------------------------------------------------------------------


class TestClock(Clock):
    """A clock that stands still, but for the microsecond that keeps what it tells apart."""

    __test__ = False

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 4, 5, 6, 7, 123456, tzinfo=UTC)
        super().__init__(lambda: self.time)

    def advance(self, **amount: float) -> None:
        self.time = max(self.time, self._last) + timedelta(**amount)


def seeded_ids(seed: int = 0) -> Ids:
    chance = random.Random(seed)
    return Ids(lambda: uuid.UUID(int=chance.getrandbits(128), version=4))


@dataclass
class FakeWorker:
    """Stands for the worker process: trains at once by `tests.support.stub_trainer`, or as a test wants it.

    failures: raised by the next jobs, one each. held: jobs wait in `waiting` until the test releases them.
    """

    failures: list[Exception] = field(default_factory=list)
    held: bool = False
    jobs: list[dict[str, Any]] = field(default_factory=list)
    waiting: list[Future[Any]] = field(default_factory=list)
    warm_ups: int = 0

    def warm_up(self) -> None:
        self.warm_ups += 1

    def submit(self, fn: Callable[..., Any], /, *args: Any, on_progress: Any = None, **kwargs: Any) -> Any:
        train = {
            "train_classifier": standin.train_classifier,
            "train_advanced_classifier": standin.train_classifier,
            "train_detector": standin.train_detector,
            "train_advanced_detector": standin.train_detector,
        }
        future: Future[Any] = Future()
        if fn.__name__ not in train:
            return self._run(future, fn, *args, **kwargs)
        self.jobs.append(
            {
                "function": fn.__name__,
                "train": train[fn.__name__],
                "dataset": args[0],
                "recipe": args[1],
                "on_progress": on_progress,
                **kwargs,
            }
        )
        if self.held:
            self.waiting.append(future)
        else:
            self.finish(future)
        return future

    def _run(self, future: "Future[Any]", fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """A job that is no training runs as it is; held, it never ends."""
        if self.held:
            return future
        try:
            if self.failures:
                raise self.failures.pop(0)
            future.set_result(fn(*args, **kwargs, progress=lambda fraction, text: None))
        except Exception as error:  # noqa: BLE001 - as an executor does
            future.set_exception(error)
        return future

    def release(self) -> None:
        self.finish(self.waiting.pop(0))

    def finish(self, future: "Future[Any]") -> None:
        job = self.jobs[-1]
        try:
            if self.failures:
                raise self.failures.pop(0)
            future.set_result(job["train"](job["dataset"], job["output"], job["on_progress"]))
        except Exception as error:  # noqa: BLE001 - as an executor does
            future.set_exception(error)


class FakeExporter(FakeWorker):
    """Stands for the process that writes exports: writes by `stub_trainer`, or as a test wants it."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, on_progress: Any = None, **kwargs: Any) -> Any:
        if fn.__name__ != "write_export":
            return self._run(Future(), fn, *args, **kwargs)
        self.jobs.append({"order": args[0], "output": args[1], "on_progress": on_progress})
        future: Future[Any] = Future()
        if self.held:
            self.waiting.append(future)
        else:
            self.finish(future)
        return future

    def finish(self, future: "Future[Any]") -> None:
        job = self.jobs[-1]
        try:
            if self.failures:
                raise self.failures.pop(0)
            future.set_result(standin.write_export(job["order"], job["output"]))
        except Exception as error:  # noqa: BLE001 - as an executor does
            future.set_exception(error)


# --- an application in this process -------------------------------------------------------------------------


class Service:
    """The application and what a client does with it. Trainings run when `finish_trainings` is called."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = TestClock()
        self.worker = FakeWorker()
        self.exporter = FakeExporter()
        self._loop = asyncio.Runner()
        self.open()

    def open(self) -> None:
        self.app = Application(self.settings, self.clock, seeded_ids(self.clock.now().microsecond))
        self.context = self.app.context
        self.context.worker = self.context.advanced_worker = self.worker
        self.context.export_worker = self.exporter
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(self.app))

    def close(self) -> None:
        self._loop.run(self.client.aclose())
        self.app.close()

    def restart(self) -> None:
        """End the application and start another one on the same data folder."""
        self.close()
        self.open()

    def end(self) -> None:
        self.close()
        self._loop.close()

    # Requests

    def unjudged(self, method: str, path: str) -> httpx.Response:
        """A request to a path of which the contract says nothing."""
        return self._loop.run(self._send(method, path, TRAINING_KEY, {}))

    def request(
        self, method: str, path: str, *, key: str | None = TRAINING_KEY, **more: Any
    ) -> httpx.Response:
        """Any request; `path` is the whole path. The answer has been judged."""
        response = self._loop.run(self._send(method, path, key, more))
        judge(response)
        return response

    def together(self, *requests: tuple[str, str, dict[str, Any]]) -> list[httpx.Response]:
        """Requests (method, path, more) sent at the same time; answers in their order."""

        async def send_all() -> list[httpx.Response]:
            return await asyncio.gather(
                *(self._send(method, path, TRAINING_KEY, more) for method, path, more in requests)
            )

        responses = self._loop.run(send_all())
        for response in responses:
            judge(response)
        return responses

    async def _send(self, method: str, path: str, key: str | None, more: dict[str, Any]) -> httpx.Response:
        headers = httpx.Headers(more.pop("headers", None))
        if key is not None:
            headers["Training-Key"] = key
        # Whole, or a path with two slashes at its front would be taken for a host.
        return await self.client.request(method, f"http://emulator.test{path}", headers=headers, **more)

    def send(self, method: str, path: str, version: str = NEWEST, **more: Any) -> httpx.Response:
        """A request to the training API; `path` is below ``/training``."""
        return self.request(method, training_path(path, version), **more)

    def get(self, path: str, **more: Any) -> Any:
        """The JSON that a GET of the training API answers with status 200."""
        return expect(self.send("GET", path, **more))

    def post(self, path: str, **more: Any) -> Any:
        return expect(self.send("POST", path, **more))

    def delete(self, path: str, **more: Any) -> None:
        response = self.send("DELETE", path, **more)
        assert response.status_code in (202, 204), response.text

    def refused(self, method: str, path: str, **more: Any) -> tuple[int, str, str]:
        """Status, code and message of a request that must be refused in the service's shape."""
        return refusal(self.send(method, path, **more))

    # What a client does

    def project(self, name: str = "project", **parameters: str) -> str:
        """The path of a new project: ``/projects/...``"""
        made = self.post("/projects", params={"name": name, **parameters})
        return f"/projects/{made['id']}"

    def tag(self, project: str, name: str, type: str | None = None) -> str:
        parameters = {"name": name} | ({"type": type} if type else {})
        return str(self.post(f"{project}/tags", params=parameters)["id"])

    def upload(self, project: str, images: Sequence[bytes], *tag_ids: str) -> list[dict[str, Any]]:
        """The items of the answer to an upload from files."""
        response = self.send("POST", f"{project}/images/files", json=files_body(images, tag_ids))
        assert response.status_code in (200, 207), response.text
        items: list[dict[str, Any]] = response.json()["images"]
        return items

    def images(self, project: str, images: Sequence[bytes], *tag_ids: str) -> list[str]:
        """The ids of images that were all taken."""
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
        """The path of an iteration that has been trained."""
        iteration = self.post(f"{project}/train", **more)
        self.finish_trainings()
        return f"{project}/iterations/{iteration['id']}"

    def finish_trainings(self) -> None:
        self.context.training_runs.run_waiting()
        self.context.advanced_training_runs.run_waiting()

    def exportable(self) -> str:
        """The path of a trained iteration of a compact domain."""
        project, _, _ = self.trainable(domainId=COMPACT)
        return self.train(project)

    def export(self, iteration: str, platform: str, flavor: str | None = None, **more: Any) -> dict[str, Any]:
        """An export that is over, as GetExports shows it."""
        parameters = {"platform": platform} | ({"flavor": flavor} if flavor else {})
        self.post(f"{iteration}/export", params=parameters, **more)
        self.finish_exports()
        shown: dict[str, Any] = self.get(f"{iteration}/export", **more)[-1]
        return shown

    def finish_exports(self) -> None:
        self.context.export_runs.run_waiting()

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

    # What lies in the store

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return database_rows(self.settings.data, query)

    def blobs(self) -> set[str]:
        return blobs_in(self.settings.data)

    def referenced_blobs(self) -> set[str]:
        return referenced_blobs(self.settings.data)


def training_path(path: str, version: str = NEWEST) -> str:
    return f"/customvision/{version}/training{path}"


def expect(response: httpx.Response, status: int = 200) -> Any:
    assert response.status_code == status, response.text
    return response.json()


def refusal(response: httpx.Response) -> tuple[int, str, str]:
    """Status, code and message; the body has exactly the service's shape."""
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
    connection = sqlite3.connect(folder / "emulator.sqlite")
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def blobs_in(folder: Path) -> set[str]:
    """The names of all blobs on disk, whatever else was left there included."""
    return {path.name for path in (folder / "blobs").rglob("*") if path.is_file()}


def referenced_blobs(folder: Path) -> set[str]:
    columns = (
        ("image", "blob"),
        ("stored_prediction", "blob"),
        ("iteration", "model_blob"),
        ("iteration", "evaluation_blob"),
        ("export", "blob"),
    )
    query = " UNION ".join(f"SELECT {column} FROM {table}" for table, column in columns)
    return {row[0] for row in database_rows(folder, query)} - {None}


# --- settings and fixtures ----------------------------------------------------------------------------------


def test_settings(folder: Path, **changes: Any) -> Settings:
    return replace(Settings(data=folder), **changes)


test_settings.__test__ = False  # type: ignore[attr-defined]


def running_service(folder: Path, **changes: Any) -> Iterator[Service]:
    """The body of a fixture: a service on `folder`, ended afterwards."""
    service = Service(test_settings(folder, **changes))
    try:
        yield service
    finally:
        service.end()
