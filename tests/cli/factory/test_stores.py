"""The command `migrate-store`: from a data folder to a server and back, and what it refuses."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emulator.store.database import SQLModel
from tests.support.harness import running_service
from tests.support.images import picture
from tests.support.object_stores import HOW_TO_GET_OBSTORE, folder_address
from tests.support.postgresql import HOW_TO_GET_PSYCOPG, server
from tests.support.program import run
from tests.support.snapshots import state

pytestmark = pytest.mark.sqlite
pytest.importorskip("psycopg", reason=HOW_TO_GET_PSYCOPG)
pytest.importorskip("obstore", reason=HOW_TO_GET_OBSTORE)


@pytest.fixture
def address() -> Iterator[str]:
    url = server().new_database("TEMPLATE template0")
    yield url
    server().drop(url)


def dump(folder: Path) -> dict[str, list[Any]]:
    """All rows of a data folder, without what is new in each copy: numbers of changes and ids of jobs."""
    connection = sqlite3.connect(folder / "emulator.sqlite")
    connection.row_factory = sqlite3.Row
    try:
        rows = {
            name: [dict(row) for row in connection.execute(f"SELECT * FROM {name}")]
            for name in SQLModel.metadata.tables
        }
    finally:
        connection.close()
    for row in rows["project"]:
        del row["metadata_revision"]
    for row in rows["job"]:
        del row["id"], row["attempts"]
    return {name: sorted(found, key=repr) for name, found in rows.items()}


def test_a_store_is_moved_to_a_server_and_back(address: str, tmp_path: Path) -> None:
    desk, team, back = (tmp_path / name for name in ("desk", "team", "back"))
    blobs = folder_address(tmp_path / "objects")
    for service in running_service(desk):
        project, _, _ = service.trainable()
        published = service.publish(service.train(project))
        service.predict(published, picture())
        service.export(service.exportable(), "ONNX")
        service.delete(f"{project}/images", params={"imageIds": service.images(project, [picture(900)])})
        service.post(f"{service.trainable(name='queued')[0]}/train")
        before, uri = state(service), service.get(f"{project}/images")[0]["originalImageUri"]

    to_team = ("--to-data", str(team), "--to-database", address, "--to-blobs", blobs)
    moved = run("migrate-store", "--data", str(desk), *to_team)
    assert (moved.returncode, moved.stderr) == (0, "")
    assert moved.stdout.startswith("3 projects with ")
    for service in running_service(team, database=address, blobs=blobs):
        assert state(service) == before
        assert service.follow(uri).status_code == 200

    again = run("migrate-store", "--data", str(desk), *to_team)
    assert (again.returncode, again.stdout) == (1, "")
    assert "nothing was copied: postgresql://emulator@" in again.stderr
    assert "has projects, which would be replaced" in again.stderr

    source = ("--data", str(team), "--database", address, "--blobs", blobs)
    returned = run("migrate-store", *source, "--to-data", str(back))
    assert (returned.returncode, returned.stderr) == (0, "")
    assert dump(back) == dump(desk)
    for service in running_service(back):
        assert state(service) == before
        assert service.blobs() == service.referenced_blobs()
        assert service.follow(uri).status_code == 200


def test_a_missing_image_is_named_and_nothing_is_copied(address: str, tmp_path: Path) -> None:
    for service in running_service(tmp_path / "desk"):
        service.images(service.project(), [picture()])
        (blob,) = service.blobs()
        service.context.blobs.path(blob).unlink()
    arguments = ("--to-data", str(tmp_path / "team"), "--to-database", address)
    refused = run("migrate-store", "--data", str(tmp_path / "desk"), *arguments)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert f"nothing was copied: there is no file of the blob {blob}" in refused.stderr
    for service in running_service(tmp_path / "team", database=address):
        assert service.get("/projects") == []


def test_folders_that_cannot_be_copied_are_refused(tmp_path: Path) -> None:
    missing = run("migrate-store", "--data", str(tmp_path / "absent"), "--to-data", str(tmp_path / "new"))
    assert (missing.returncode, missing.stdout) == (1, "")
    assert "there is no folder" in missing.stderr
    same = run("migrate-store", "--data", str(tmp_path), "--to-data", str(tmp_path))
    assert (same.returncode, same.stdout) == (2, "")
    assert "--to-data: is the data folder itself" in same.stderr
    wrong = run("migrate-store", "--to-data", str(tmp_path), "--to-database", "mysql://user:secret@host/name")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "--to-database: must be a URL that begins with postgresql://" in wrong.stderr
    assert "secret" not in wrong.stderr
    inside = run("migrate-store", "--data", str(tmp_path), "--to-data", str(tmp_path / "inside"))
    assert (inside.returncode, inside.stdout) == (2, "")
    assert "--to-data: is in the data folder" in inside.stderr
    assert not (tmp_path / "inside").exists()


def test_a_database_that_is_not_that_of_the_source_is_named(tmp_path: Path) -> None:
    (tmp_path / "desk").mkdir()
    (tmp_path / "desk" / "emulator.sqlite").touch()
    database = ("--database", "postgresql://user:secret@host/name")
    refused = run(
        "migrate-store", "--data", str(tmp_path / "desk"), *database, "--to-data", str(tmp_path / "to")
    )
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "unset CUSTOM_VISION_EMULATOR_DATABASE" in refused.stderr
    assert "secret" not in refused.stderr


def test_what_a_killed_copy_left_is_deleted(tmp_path: Path) -> None:
    for service in running_service(tmp_path / "desk"):
        service.project()
    left = tmp_path / "new" / "migrate-store-left"
    left.mkdir(parents=True)
    moved = run("migrate-store", "--data", str(tmp_path / "desk"), "--to-data", str(tmp_path / "new"))
    assert (moved.returncode, moved.stderr) == (0, "")
    assert not list((tmp_path / "new").glob("migrate-store-*"))
