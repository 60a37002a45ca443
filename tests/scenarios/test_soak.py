"""A short soak test: 16 concurrent clients on a server with the stub trainer, followed by the audit.

`python -m bench soak` runs the long one, with real trainings.
"""

import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn

from bench import soak_audit
from bench.soak import Soaking
from emulator.app import create_app
from tests.support.fakes import FakeWorker
from tests.support.harness import PATIENCE_SECONDS, database_rows, test_settings, wait_until

CLIENTS, SECONDS = 16, 4
EXPECTED = {"upload", "train", "predict, stored", "delete a project"}


@contextmanager
def serving(data: Path) -> Iterator[int]:
    """The port of an application served by this process."""
    application = create_app(test_settings(data))
    context = application.state.context
    context.worker = context.advanced_worker = FakeWorker()
    server = uvicorn.Server(uvicorn.Config(application, lifespan="on", log_config=None, access_log=False))
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            wait_until(lambda: server.started or not thread.is_alive(), "the start of the server")
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(PATIENCE_SECONDS)


@pytest.mark.slow
def test_many_clients_at_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with serving(tmp_path) as port:
        soaking = Soaking(port, CLIENTS, seed=1)
        soaked = soaking.run(SECONDS)
        # A busy machine may not come to the rare actions in that time.
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not soaked.wrong and not set(soaked.record.milliseconds) >= EXPECTED:
            assert time.monotonic() < deadline, (
                f"never requested: {EXPECTED - set(soaked.record.milliseconds)}"
            )
            soaked = soaking.run(SECONDS)
        wait_until(lambda: not database_rows(tmp_path, "SELECT id FROM job"), "the end of all trainings")
        wrong = soaked.wrong + soak_audit.over_http(port, soaked.stage, soaked.clients)
    wrong += soak_audit.on_disk(tmp_path, soaked.clients)
    assert wrong == []
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


def test_the_audit_finds_every_error(tmp_path: Path) -> None:
    """Each fact that the audit checks is corrupted in turn, and the audit must fail."""
    with serving(tmp_path) as port:
        soaking = Soaking(port, 1, seed=1)
        soaked = soaking.run(0)
        client, project = soaked.clients[0], soaked.stage.projects[0]
        (image, tags), *_ = project.images.items()
        assert soak_audit.over_http(port, soaked.stage, soaked.clients) == []
        tags.clear()
        client.predictions["none"] = project
        del project.images[list(project.images)[1]]
        wrong = "\n".join(soak_audit.over_http(port, soaked.stage, soaked.clients))
    for what in (
        f"image {image} of the beginning has changed",
        "predictions, Newest",
        "more than the clients",
    ):
        assert what in wrong
    assert soak_audit.on_disk(tmp_path, []) == []
    orphan = tmp_path / "blobs" / "00" / ("0" * 64)
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_bytes(b"")
    (blob,) = next(iter(database_rows(tmp_path, "SELECT blob FROM image LIMIT 1")))
    next((tmp_path / "blobs").rglob(blob)).write_bytes(b"other")
    spoil(tmp_path, "UPDATE project SET tagged_count = tagged_count + 1")
    spoil(
        tmp_path,
        f"DELETE FROM image_tag WHERE image_number = (SELECT number FROM image WHERE id = '{image}')",
    )
    wrong = "\n".join(soak_audit.on_disk(tmp_path, []))
    for what in (
        "belongs to nothing",
        "other bytes",
        "tagged_count",
        "image_count of a tag",
        "tag_count of an",
    ):
        assert what in wrong, what


def spoil(data: Path, statement: str) -> None:
    connection = sqlite3.connect(data / "emulator.sqlite")
    with connection:
        connection.execute(statement)
    connection.close()
