"""A live server, or the process that writes an export, is killed: the export is completed all the same."""

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Serve
from tests.support.harness import (
    COMPACT,
    blobs_in,
    database_rows,
    files_body,
    referenced_blobs,
    wait_until,
)
from tests.support.images import pictures
from tests.support.live_server import LiveServer

pytestmark = pytest.mark.slow
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc: run it on Linux")


def trained(server: LiveServer) -> str:
    """The path of a trained, exportable iteration."""
    project = server.project(domainId=COMPACT)
    for colour in ("red", "blue"):
        tag = server.post(f"{project}/tags", params={"name": colour})["id"]
        server.post(f"{project}/images/files", json=files_body(pictures(6, colour), [tag]))
    iteration = server.post(f"{project}/train")["id"]
    assert server.wait_for_training(project, iteration)["status"] == "Completed"
    return f"{project}/iterations/{iteration}"


def begin(server: LiveServer, iteration: str) -> None:
    """Request an export and wait until it is being written."""
    server.post(f"{iteration}/export", params={"platform": "ONNX"})
    wait_until(
        lambda: database_rows(server.data, "SELECT attempts FROM job WHERE kind = 'export'") != [(0,)],
        "the export to begin",
    )


def ended(server: LiveServer, iteration: str) -> Any:
    def over() -> Any:
        (export,) = server.get(f"{iteration}/export")
        return export if export["status"] != "Exporting" else None

    return wait_until(over, "the end of the export")


def children_of(server: LiveServer) -> set[int]:
    found: set[int] = set()
    for task in Path(f"/proc/{server.pid}/task").iterdir():
        with suppress(OSError):
            found |= {int(text) for text in (task / "children").read_text().split()}
    return found


def test_an_export_survives_a_kill_of_the_server(serve: Serve) -> None:
    server = serve()
    iteration = trained(server)
    begin(server, iteration)
    server.kill()
    again = serve()
    done = ended(again, iteration)
    assert done["status"] == "Done", again.log()
    assert again.client.get(done["downloadUri"]).content[:2] == b"PK"
    assert list((again.data / "exports").iterdir()) == []
    assert database_rows(again.data, "SELECT * FROM job") == []
    assert referenced_blobs(again.data) <= blobs_in(again.data)


@linux_only
def test_a_killed_worker_is_replaced_and_the_export_tried_again(live: LiveServer) -> None:
    iteration = trained(live)
    before = children_of(live)
    begin(live, iteration)
    (worker,) = wait_until(lambda: children_of(live) - before, "the process that exports")
    os.kill(worker, signal.SIGKILL)
    assert ended(live, iteration)["status"] == "Done"
    assert worker not in children_of(live)
    assert before <= children_of(live)
