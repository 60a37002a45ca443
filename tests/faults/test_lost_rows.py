"""A database that is missing, shortened or damaged beside images is refused; no image is deleted."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from emulator.app import create_app
from emulator.core import blob_sweep
from emulator.settings import StartRefused
from tests.conftest import Serve
from tests.support.harness import (
    blobs_in,
    checkpoint,
    database_rows,
    files_body,
    running_service,
    test_settings,
    wait_until,
)
from tests.support.images import pictures
from tests.support.live_server import LiveServer

pytestmark = pytest.mark.slow

DATABASE = "emulator.sqlite"
# Frames of a page, its header and checksum follow the header of the log.
_LOG_HEADER, _FRAME = 32, 4096 + 24


def _delete(folder: Path, *suffixes: str) -> None:
    for suffix in suffixes:
        (folder / f"{DATABASE}{suffix}").unlink()


def _truncate(path: Path, size: int) -> None:
    os.truncate(path, size)


def _overwrite(path: Path, start: int, size: int) -> None:
    with path.open("r+b") as file:
        file.seek(start)
        file.write(b"\xa5" * size)


def _log_of(folder: Path) -> Path:
    return folder / f"{DATABASE}-wal"


def _frames(folder: Path) -> int:
    return (_log_of(folder).stat().st_size - _LOG_HEADER) // _FRAME


LOSSES: dict[str, Callable[[Path], None]] = {
    "all files of the database deleted": lambda folder: _delete(folder, "", "-wal", "-shm"),
    "database deleted": lambda folder: _delete(folder, ""),
    "database empty": lambda folder: _truncate(folder / DATABASE, 0),
    "database empty, log deleted": lambda folder: (
        _delete(folder, "-wal", "-shm"),
        _truncate(folder / DATABASE, 0),
    )[1],
    "log deleted": lambda folder: _delete(folder, "-wal", "-shm"),
    "log empty": lambda folder: _truncate(_log_of(folder), 0),
    "log without frames": lambda folder: _truncate(_log_of(folder), _LOG_HEADER),
    "header of the log damaged": lambda folder: _overwrite(_log_of(folder), 8, 16),
    "log cut in half": lambda folder: _truncate(
        _log_of(folder), _LOG_HEADER + _frames(folder) // 2 * _FRAME + 1000
    ),
    "log damaged in the middle": lambda folder: _overwrite(
        _log_of(folder), _LOG_HEADER + _frames(folder) // 2 * _FRAME + 500, 50
    ),
    "last frame of the log damaged": lambda folder: _overwrite(
        _log_of(folder), _LOG_HEADER + (_frames(folder) - 1) * _FRAME + 500, 50
    ),
}


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a server that was killed after 12 uploads. Tests use copies."""
    folder = tmp_path_factory.mktemp("killed") / "data"
    server = LiveServer(folder)
    try:
        project = server.project()
        for image in pictures(12):
            server.post(f"{project}/images/files", json=files_body([image]))
    finally:
        server.kill()
    (folder / "standard-error.log").unlink()
    assert _frames(folder) > 24
    assert len(blobs_in(folder)) == 12
    return folder


@pytest.fixture
def data(killed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(killed, tmp_path / "data"))


def refused(data: Path) -> str:
    """The only line of a start that is refused."""
    command = [sys.executable, "-m", "emulator", "serve", "--port", "0", "--data", str(data)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert (ran.returncode, ran.stdout) == (1, "")
    (line,) = ran.stderr.strip().splitlines()
    return line


def put_back(killed: Path, data: Path) -> None:
    for file in data.glob(f"{DATABASE}*"):
        file.unlink()
    for file in killed.glob(f"{DATABASE}*"):
        shutil.copy(file, data)


def expect_all_images(server: LiveServer) -> None:
    (project,) = server.get("/projects")
    images = server.get(f"/projects/{project['id']}/images")
    assert len(images) == 12
    for image in images:
        assert server.client.get(image["originalImageUri"]).status_code == 200


def rows_in(folder: Path) -> dict[str, bytes]:
    """The files of the database that have content, by their names."""
    files = (folder / DATABASE, _log_of(folder))
    return {file.name: file.read_bytes() for file in files if file.exists() and file.stat().st_size}


@pytest.mark.parametrize("loss", LOSSES)
def test_the_start_is_refused_and_nothing_is_changed(loss: str, killed: Path, data: Path) -> None:
    LOSSES[loss](data)
    before = rows_in(data)
    for _ in range(2):
        with pytest.raises(StartRefused) as refused:
            create_app(test_settings(data))
        assert str(data / DATABASE) in str(refused.value)
        assert "--accept-data-loss" in str(refused.value)
        assert rows_in(data) == before
        assert blobs_in(data) == blobs_in(killed)
    put_back(killed, data)
    for service in running_service(data):
        service.parts.start()
        (project,) = service.get("/projects")
        images = service.get(f"/projects/{project['id']}/images")
        assert len(images) == 12
        for image in images:
            assert service.follow(image["originalImageUri"]).status_code == 200
    assert not (data / "trash").exists()


@pytest.mark.parametrize("loss", ["all files of the database deleted", "log deleted", "log cut in half"])
def test_a_refused_start_of_the_server_is_one_line(loss: str, killed: Path, data: Path) -> None:
    LOSSES[loss](data)
    line = refused(data)
    assert "put a copy of emulator.sqlite back" in line
    assert "--accept-data-loss" in line
    assert blobs_in(data) == blobs_in(killed)


@pytest.mark.parametrize("loss", ["all files of the database deleted", "log cut in half"])
def test_a_loss_that_is_accepted_moves_images_to_the_trash_until_rows_return(
    loss: str, killed: Path, data: Path, serve: Serve
) -> None:
    LOSSES[loss](data)
    server = serve("--accept-data-loss", data=data)
    wait_until(lambda: "moved to" in server.log(), "the log of the sweep")
    known = {name for (name,) in database_rows(data, "SELECT blob FROM image")}
    assert len(known) < 12
    assert blobs_in(data) == known
    trash = {file.name: file.stat().st_size for file in (data / "trash").glob("*/*/*")}
    assert trash.keys() == blobs_in(killed) - known
    assert f"{len(trash)} files ({sum(trash.values())} bytes)" in server.log()
    # The loss is accepted once; the data is complete again from then on.
    assert server.terminate() == 0
    server = serve(data=data)
    server.project()
    server.kill()
    server = serve(data=data)
    server.kill()
    put_back(killed, data)
    server = serve("--accept-data-loss", data=data)
    expect_all_images(server)
    assert not (data / "trash").exists()


def test_a_file_that_is_no_database_is_kept_when_the_loss_is_accepted(data: Path, serve: Serve) -> None:
    checkpoint(data)
    _overwrite(data / DATABASE, 0, 100)
    content = (data / DATABASE).read_bytes()
    assert "is damaged (file is not a database)" in refused(data)
    server = serve("--accept-data-loss", data=data)
    assert server.get("/projects") == []
    assert (data / f"{DATABASE}.damaged-1").read_bytes() == content


def test_a_kill_alone_is_no_reason_to_refuse(data: Path, serve: Serve) -> None:
    for _ in range(2):
        server = serve(data=data)
        expect_all_images(server)
        server.kill()


def as_an_older_version_left_it(folder: Path, *statements: str) -> None:
    (folder / "emulator.commits").unlink()
    connection = sqlite3.connect(folder / DATABASE)
    with connection:
        for statement in ("PRAGMA user_version = 0", *statements):
            connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(("missing", "is_refused"), [(0, False), (6, False), (7, True), (12, True)])
def test_a_folder_of_an_older_version(missing: int, is_refused: bool, data: Path) -> None:
    some = f"SELECT number FROM image LIMIT {missing}"
    as_an_older_version_left_it(data, f"DELETE FROM image WHERE number IN ({some})")
    if is_refused:
        for _ in range(2):
            with pytest.raises(StartRefused, match=f"no row for {missing} of 12"):
                create_app(test_settings(data))
        assert len(blobs_in(data)) == 12
    for service in running_service(data, accept_data_loss=is_refused):
        blob_sweep.sweep_all(service.context)
        assert len(blobs_in(data)) == 12 - missing
        assert len(list((data / "trash").glob("*/*/*"))) == missing


def test_a_waiting_import_explains_blobs_without_rows(data: Path) -> None:
    job = "SELECT 'a', 'import', 0, 0, id, '{}' FROM project"
    as_an_older_version_left_it(
        data,
        "DELETE FROM image",
        f"INSERT INTO job (id, kind, created, attempts, project_id, details) {job}",
    )
    for service in running_service(data):
        assert len(service.get("/projects")) == 1


def test_a_server_notices_that_its_database_was_deleted(data: Path, serve: Serve) -> None:
    server = serve(data=data)
    ready = f"{server.endpoint}/_emulator/health/ready"
    assert httpx.get(ready, trust_env=False).status_code == 200
    if os.name == "nt":
        pytest.skip("Windows keeps files that are in use")
    _delete(data, "")
    response = httpx.get(ready, trust_env=False)
    assert response.status_code == 503
    assert "deleted or replaced" in response.json()["checks"]["database"]
