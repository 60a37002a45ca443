"""Addresses at which there is no scheduler: what a server and a worker say."""

import importlib.util
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from emulator.cluster.connection import Connection
from tests.support.dask_cluster import HOW_TO_GET_DASK
from tests.support.harness import wait_until
from tests.support.nginx import free_port

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("distributed") is None, reason=HOW_TO_GET_DASK),
]
NO_SCHEDULER = "what answers there is no scheduler of Dask, or one of another version"


@pytest.fixture
def web_server() -> Iterator[str]:
    """The address of a server that sends an HTTP response to every client."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    with client:
                        client.sendall(
                            b"HTTP/1.1 400 Bad Request\r\nContent-Length: 100\r\n\r\n" + b"x" * 100
                        )
                        client.recv(100)

        threading.Thread(target=serve, daemon=True).start()
        yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def test_a_server_that_is_no_scheduler_is_named_so(web_server: str) -> None:
    connection = Connection(web_server)
    connection.start()
    try:
        wait_until(lambda: NO_SCHEDULER in str(connection.problem()), "the reason")
    finally:
        connection.close()


def first_line(address: str, folder: Path) -> str:
    """What a worker that cannot join says first."""
    command = [sys.executable, "-m", "emulator", "cluster-worker", address, "--folder", str(folder)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as worker:
        assert worker.stderr is not None
        try:
            return worker.stderr.readline()
        finally:
            worker.kill()


def test_a_worker_says_that_a_server_is_no_scheduler(web_server: str, tmp_path: Path) -> None:
    assert first_line(web_server, tmp_path).startswith(f"{web_server} could not be joined: {NO_SCHEDULER}")


def test_a_worker_says_that_nobody_answers(tmp_path: Path) -> None:
    address = f"tcp://127.0.0.1:{free_port()}"
    assert first_line(address, tmp_path) == f"{address} does not answer yet; trying on\n"
