"""The examination of data folders: healthy, damaged, in use, and of older schemas."""

import os
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from emulator.core.status.doctor import Finding, _ObjectPlace, examine
from emulator.store.database import FILE_NAME
from tests.support.backups import files_of, flip
from tests.support.harness import Service, checkpoint
from tests.support.images import pictures
from tests.support.predicting import Predicted
from tests.support.snapshots import data_folder, save

ARCHIVES = Path(__file__).parents[2] / "upgrades" / "archives"

pytestmark = pytest.mark.sqlite


def problems(folder: Path, *, hashes: bool = True) -> list[Finding]:
    return [finding for finding in examine(folder, hashes=hashes) if finding.state == "problem"]


def notes(folder: Path) -> str:
    return "\n".join(finding.text for finding in examine(folder) if finding.state == "note")


def test_a_healthy_folder_in_use_has_no_problems(predicted: Predicted) -> None:
    save(predicted.service, "base")
    predicted.service.settings.data.chmod(0o700)
    found = list(examine(predicted.service.settings.data))
    assert {finding.state for finding in found if finding.check != "disk"} == {"ok"}
    assert [finding.check for finding in found] == [
        "folder",
        "disk",
        "database",
        "images and models",
        "orphans",
        "snapshots",
    ]


def test_a_folder_that_is_missing_or_new_has_a_finding(tmp_path: Path) -> None:
    (missing,) = examine(tmp_path / "absent")
    assert missing.state == "problem"
    assert problems(tmp_path) == []
    assert "no emulator was started" in notes(tmp_path)


def test_damaged_and_missing_images_are_named_with_a_remedy(service: Service) -> None:
    images = service.images(service.project(), pictures(3))
    data = service.settings.data
    damaged, missing = sorted(data.glob("blobs/*/*"))[:2]
    owners = {blob: image for image, blob in service.rows("SELECT id, blob FROM image")}
    flip(damaged)
    missing.unlink()
    by_state = {("missing" in finding.text): finding for finding in problems(data)}
    assert owners[damaged.name] in by_state[False].text
    assert owners[missing.name] in by_state[True].text
    assert {owners[damaged.name], owners[missing.name]} < set(images)
    assert all("restore" in finding.remedy for finding in by_state.values())
    assert ["missing" in finding.text for finding in problems(data, hashes=False)] == [True]


def test_many_damaged_images_are_counted(service: Service) -> None:
    service.images(service.project(), pictures(13))
    for path in service.settings.data.glob("blobs/*/*"):
        flip(path)
    found = problems(service.settings.data)
    assert len(found) == 11
    assert found[-1].text == "3 more files are missing or damaged."


def test_a_damaged_database_is_found(service: Service) -> None:
    service.images(service.project(), pictures(3))
    service.close()
    path = checkpoint(service.settings.data)
    intact = path.read_bytes()
    content = bytearray(intact)
    content[5000:9000] = b"\xff" * 4000
    path.write_bytes(content)
    (found,) = problems(service.settings.data)
    assert (found.check, "restore" in found.remedy) == ("database", True)
    path.write_bytes(b"other")
    (found,) = problems(service.settings.data)
    assert "is damaged" in found.text
    path.unlink()
    (found,) = problems(service.settings.data)
    assert "is missing" in found.text
    path.write_bytes(intact)
    service.open()


def test_rows_without_their_parents_are_found(service: Service) -> None:
    service.images(service.project(), pictures(1))
    path = service.settings.data / FILE_NAME
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE image SET project_id = 'none'")
    (found,) = problems(service.settings.data)
    assert found.text == "Rows of the table 'image' refer to rows of 'project' that do not exist."


def test_files_without_a_row_are_noted_unless_they_are_new(service: Service) -> None:
    name = service.context.blobs.put(b"orphan")
    assert "belong to nothing" not in notes(service.settings.data)
    os.utime(service.context.blobs.path(name), (0, 0))
    unfinished = service.settings.data / ".new-file"
    unfinished.touch()
    os.utime(unfinished, (0, 0))
    found = notes(service.settings.data)
    assert "1 files (6 bytes) belong to nothing" in found
    assert "1 files and folders were not finished" in found
    assert problems(service.settings.data) == []


def test_a_damaged_snapshot_is_found(service: Service) -> None:
    save(service, "base")
    flip(data_folder(service) / "database.sqlite")
    (found,) = problems(service.settings.data)
    assert found.check == "snapshots"
    assert found.remedy.endswith("snapshot delete base")


def test_a_damaged_secret_and_open_permissions_are_found(service: Service) -> None:
    (service.settings.data / "link-secret").write_bytes(b"short")
    (found,) = problems(service.settings.data)
    assert "link-secret is damaged" in found.text
    if os.name != "nt":
        service.settings.data.chmod(0o755)
        assert "mode 755" in notes(service.settings.data)


@pytest.mark.parametrize("schema", ["0001", "0008"])
def test_folders_of_older_schemas_are_examined_and_not_changed(tmp_path: Path, schema: str) -> None:
    with tarfile.open(ARCHIVES / f"{schema}.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    before = files_of(tmp_path / "data")
    assert problems(tmp_path / "data") == []
    after = files_of(tmp_path / "data")
    assert {name: content for name, content in after.items() if not name.endswith(("-shm", "-wal"))} == {
        name: content for name, content in before.items() if not name.endswith(("-shm", "-wal"))
    }


def test_the_objects_are_listed_once_for_all_blobs() -> None:
    class Listed(list[tuple[str, int, float]]):
        reads = 0

        def __iter__(self) -> Iterator[tuple[str, int, float]]:
            self.reads += 1
            return super().__iter__()

    class Objects:
        lists = 0
        found = Listed((f"name{number}", 1, 0.0) for number in range(5))

        def listed(self) -> Listed:
            self.lists += 1
            return self.found

    objects: Any = Objects()
    place = _ObjectPlace(objects)
    assert all(place.check(name, hashes=False) for name, _, _ in list.__iter__(objects.found))
    with pytest.raises(FileNotFoundError):
        place.check("none", hashes=False)
    assert len(list(place.files())) == 5
    assert (objects.lists, objects.found.reads) == (1, 1)
