"""Damaged pages of the database: found at the start and by `ready`, with an error that says so."""

import logging
import sqlite3
from pathlib import Path

import pytest

from emulator.app import create_app
from emulator.settings import StartRefused
from emulator.store import opening
from tests.support.harness import (
    Service,
    checkpoint,
    expect,
    refusal,
    running_service,
    test_settings,
    wait_until,
)
from tests.support.images import pictures

pytestmark = pytest.mark.sqlite
READY = "/_emulator/health/ready"
DAMAGED = "The database of the emulator is damaged: see /_emulator/health/ready."


def damage_pages(folder: Path, table: str) -> None:
    """Overwrite the first page of a table."""
    path = checkpoint(folder)
    connection = sqlite3.connect(path)
    (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    connection.close()
    with path.open("r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(b"\xa5" * 2000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with a project, a tag and images."""
    for service in running_service(tmp_path / "data"):
        project = service.project()
        service.images(project, pictures(12), service.tag(project, "a"))
    return tmp_path / "data"


def wait_for_damage(service: Service) -> None:
    wait_until(lambda: service.context.database.damage, "the check")


def database_state(service: Service) -> str:
    response = service.request("GET", READY, key=None)
    assert response.status_code == 503
    return str(response.json()["checks"]["database"])


@pytest.mark.parametrize("table", ["image", "tag", "ix_image_blob", "project"])
def test_a_small_database_is_checked_at_the_start(folder: Path, table: str) -> None:
    damage_pages(folder, table)
    with pytest.raises(StartRefused, match=r"emulator\.sqlite is damaged \(.*--accept-data-loss"):
        create_app(test_settings(folder))


def test_a_large_database_is_checked_after_the_start(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(opening, "_CHECKED_AT_ONCE_BYTES", 0)
    damage_pages(folder, "image_tag")
    for service in running_service(folder):
        service.parts.start()
        wait_for_damage(service)
        assert "it is damaged" in database_state(service)
        assert "is damaged: " in caplog.text


def test_damage_that_appears_while_the_server_runs(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    for service in running_service(folder):
        (project,) = service.get("/projects")
        path = f"/projects/{project['id']}"
        assert len(service.get(f"{path}/images")) == 12
        damage_pages(folder, "image")
        service.context.database._engine.dispose()  # pages in memory are not damaged
        service.context.image_index.clear()
        with caplog.at_level(logging.ERROR):
            for _ in range(3):
                status, code, message = refusal(service.send("GET", f"{path}/images"))
                assert (status, code) == (500, "ErrorUnknown")
                assert message.startswith(DAMAGED)
        assert len(caplog.records) == 1
        assert "Traceback" not in caplog.text
        assert "malformed" in database_state(service)


@pytest.mark.parametrize(
    ("statement", "path"),
    [
        ("UPDATE tag SET name = CAST(x'41ff42' AS TEXT)", "/tags"),
        ("UPDATE project SET augmentation_methods = '{'", ""),
        ("UPDATE project SET created = 9000000000000000000", ""),
    ],
)
def test_damaged_values(folder: Path, statement: str, path: str, caplog: pytest.LogCaptureFixture) -> None:
    for service in running_service(folder):
        (project,) = service.get("/projects")
        connection = sqlite3.connect(folder / "emulator.sqlite")
        with connection:
            connection.execute(statement)
        connection.close()
        response = service.send("GET", f"/projects/{project['id']}{path}")
        assert refusal(response)[:2] == (500, "ErrorUnknown")
        if "created" not in statement:
            assert refusal(response)[2].startswith(DAMAGED)
            assert "damaged" in database_state(service)


def test_damage_that_is_accepted_is_reported_and_nothing_is_swept(folder: Path) -> None:
    damage_pages(folder, "image")
    for service in running_service(folder, accept_data_loss=True):
        service.parts.start()
        wait_for_damage(service)
        assert "it is damaged" in database_state(service)
        assert len(service.blobs()) == 12
        assert len(expect(service.send("GET", "/domains"))) > 1
    assert len(list((folder / "blobs").glob("*/*"))) == 12
