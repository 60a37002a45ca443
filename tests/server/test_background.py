"""The server in a thread of this process."""

from __future__ import annotations

import gc
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from emulator.server.background import BackgroundServer
from emulator.settings import Settings, StartRefused
from tests.support.harness import TRAINING_KEY, files_body
from tests.support.images import pictures

TEMPORARY = Settings(ephemeral=True, port=0)


@pytest.fixture(autouse=True)
def nothing_remains() -> Iterator[None]:
    """Each test leaves the threads that were there before it."""
    before = {*threading.enumerate()}
    yield
    assert {*threading.enumerate()} - before == set()


def client_of(server: BackgroundServer) -> httpx.Client:
    base = f"{server.endpoint}/customvision/v3.3/training"
    return httpx.Client(base_url=base, headers={"Training-Key": TRAINING_KEY}, trust_env=False)


def test_a_server_is_ready_after_its_start_and_gone_after_its_stop() -> None:
    server = BackgroundServer(TEMPORARY)
    server.start()
    folder = server.settings.data
    assert folder.is_dir()
    with client_of(server) as client:
        project = client.post("/projects", params={"name": "one"}).json()["id"]
        response = client.post(f"/projects/{project}/images/files", json=files_body(pictures(5)))
        assert response.json()["isBatchSuccessful"]
    server.stop()
    assert not folder.exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port)).close()


def test_several_servers_have_states_of_their_own() -> None:
    servers = [BackgroundServer(TEMPORARY) for _ in range(3)]
    try:
        for number, server in enumerate(servers):
            server.start()
            with client_of(server) as client:
                client.post("/projects", params={"name": str(number)})
        names = []
        for server in servers:
            with client_of(server) as client:
                names.append([project["name"] for project in client.get("/projects").json()])
        assert names == [["0"], ["1"], ["2"]]
        servers[0].stop()
        with client_of(servers[1]) as client:  # also after the end of another one
            project = client.post("/projects", params={"name": "more"}).json()["id"]
            body = files_body(pictures(5))
            assert client.post(f"/projects/{project}/images/files", json=body).status_code == 200
    finally:
        for server in servers:
            server.stop()


def test_a_port_in_use_is_refused(tmp_path: Path) -> None:
    first = BackgroundServer(TEMPORARY)
    first.start()
    try:
        second = BackgroundServer(replace(TEMPORARY, port=first.port))
        with pytest.raises(StartRefused, match=f"cannot listen on 127.0.0.1 port {first.port}"):
            second.start()
        second.stop()
    finally:
        first.stop()


def test_the_garbage_collector_of_another_program_stays_as_it_is() -> None:
    gc.disable()
    try:
        frozen = gc.get_freeze_count()
        server = BackgroundServer(TEMPORARY)
        server.start()
        server.stop()
        assert not gc.isenabled()
        assert gc.get_freeze_count() == frozen
    finally:
        gc.enable()


def test_a_server_that_was_not_started_stops() -> None:
    BackgroundServer(TEMPORARY).stop()
