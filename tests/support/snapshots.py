"""Steps of tests of snapshots, and archives that are damaged on purpose."""

import json
import tempfile
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx

from emulator.core.snapshots import files
from emulator.core.snapshots.archive import write_archive
from emulator.core.snapshots.saving import current_state
from emulator.store.blobs import FolderBlobStore
from emulator.store.sqlite import SqliteDatabase
from tests.support.harness import Service, expect

PATH = "/_emulator/snapshots"
# Turn a database of the newest schema into one of the schema OLDER.
OLDER = "0004"
TO_OLDER = (
    f"UPDATE alembic_version SET version_num = '{OLDER}'",
    "ALTER TABLE job ADD COLUMN progress FLOAT",
    "ALTER TABLE job ADD COLUMN step VARCHAR",
    "DROP TABLE kept_labels",
    "DROP TABLE test_label",
    "DROP TABLE test_image",
    "DROP TABLE test_evaluation",
    "DROP TABLE test_set",
    "DROP TABLE deletion",
    "ALTER TABLE iteration DROP COLUMN is_pulled",
    "DROP TABLE performance_record",
    "ALTER TABLE iteration DROP COLUMN training_report",
    "DROP TABLE former_publication",
    "DROP TABLE rollout",
    "DROP TABLE access_key",
    "DROP TABLE resource",
    "ALTER TABLE project DROP COLUMN resource",
    "DROP TABLE usage",
    "CREATE TABLE usage (month VARCHAR NOT NULL PRIMARY KEY, predictions INTEGER NOT NULL)",
)


def save(service: Service, name: str = "base") -> dict[str, Any]:
    response = service.request("PUT", f"{PATH}/{name}")
    assert response.status_code in (200, 201), response.text
    saved: dict[str, Any] = response.json()
    return saved


def restore(service: Service, name: str = "base") -> dict[str, Any]:
    restored: dict[str, Any] = expect(service.request("POST", f"{PATH}/{name}/restore"))
    return restored


def download(service: Service, name: str = "base") -> bytes:
    response = service.request("GET", f"{PATH}/{name}/archive")
    assert response.status_code == 200, response.text
    return response.content


def upload(service: Service, archive: bytes, name: str = "base") -> httpx.Response:
    return service.request("PUT", f"{PATH}/{name}/archive", content=archive)


def names(service: Service) -> list[str]:
    return [item["name"] for item in expect(service.request("GET", PATH))]


def data_folder(service: Service, name: str = "base") -> Path:
    """The folder of the files of a snapshot."""
    folder = service.settings.data / "snapshots" / name
    return folder / str(json.loads((folder / "snapshot.json").read_bytes())["folder"])


def state(service: Service) -> dict[str, Any]:
    """What clients see of all projects, their tags, images and iterations, without signed URIs."""
    seen: dict[str, Any] = {}
    for project in service.get("/projects"):
        path = f"/projects/{project['id']}"
        images = service.get(f"{path}/images", params={"take": 256})
        project.pop("thumbnailUri", None)
        seen[project["id"]] = {
            "project": project,
            "tags": service.get(f"{path}/tags"),
            "images": [(image["id"], image["created"], image.get("tags")) for image in images],
            "iterations": service.get(f"{path}/iterations"),
        }
    return seen


def files_of(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(BytesIO(archive)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def archive_of(files: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    made = BytesIO()
    with zipfile.ZipFile(made, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


def changed_manifest(archive: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    """An archive whose manifest `change` has modified."""
    files = files_of(archive)
    manifest = json.loads(files["snapshot.json"])
    change(manifest)
    return archive_of({**files, "snapshot.json": json.dumps(manifest).encode()})


def empty_archive() -> bytes:
    """The archive of a snapshot without projects."""
    with tempfile.TemporaryDirectory() as folder:
        database, blobs = SqliteDatabase(Path(folder)), FolderBlobStore(Path(folder))
        build = current_state(database, blobs, created=0, may_wait=True)
        made = BytesIO()
        write_archive(files.write(Path(folder) / "snapshot", build), made)
        database.close()
    return made.getvalue()
