"""The guard that keeps tests from the real service."""

from __future__ import annotations

import asyncio
import http.client
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import requests

from emulator.testing import AzureForbidden, EmulatorServer, forbid_azure
from emulator.testing.azure_guard import AzureGuard
from tests.support.web_servers import Server, answer_with

HOST = "mine.cognitiveservices.azure.com"


@pytest.fixture(autouse=True)
def no_name_is_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test whose guard fails must not reach a network: names resolve to nothing."""
    resolve = socket.getaddrinfo

    def only_here(host: Any, *more: Any, **named: Any) -> Any:
        if host in ("127.0.0.1", "localhost", None):
            return resolve(host, *more, **named)
        raise socket.gaierror(socket.EAI_NONAME, "no names in this test")

    monkeypatch.setattr(socket, "getaddrinfo", only_here)


@pytest.mark.parametrize(
    "host",
    [
        HOST,
        "MINE.CognitiveServices.Azure.Com.",
        "southcentralus.api.cognitive.microsoft.com",
        "customvision.ai",
        "www.customvision.ai",
        "mine.cognitiveservices.azure.us",
        "mine.cognitiveservices.azure.cn",
        "mine.privatelink.cognitiveservices.azure.com",
    ],
)
def test_hosts_of_the_service_are_refused(host: str) -> None:
    with (
        forbid_azure() as guard,
        pytest.raises(AzureForbidden, match=r"testing\.forbid_azure") as refused,
    ):
        socket.getaddrinfo(host, 443)
    assert refused.value.host == host.lower().rstrip(".")
    assert guard.attempts == [refused.value.host]


@pytest.mark.parametrize("host", ["azure.com", "notcustomvision.ai", "customvision.ai.example", "127.0.0.1"])
def test_other_hosts_are_not_refused(host: str) -> None:
    assert not AzureGuard().refuses(host)


def sync_clients() -> dict[str, Callable[[], object]]:
    url = f"https://{HOST}/customvision/v3.3/training/projects"
    return {
        "http.client": lambda: http.client.HTTPSConnection(HOST).request("GET", "/"),
        "requests": lambda: requests.get(url, timeout=5),
        "httpx": lambda: httpx.get(url),
        "socket": lambda: socket.create_connection((HOST, 443)),
        "connect": lambda: connected_by_name(HOST),
        "gethostbyname": lambda: socket.gethostbyname(HOST),
        "bytes": lambda: socket.getaddrinfo(HOST.encode(), 443),
    }


def connected_by_name(host: str) -> None:
    with socket.socket() as opened:
        opened.connect((host, 443))


@pytest.mark.parametrize("name", sync_clients())
def test_clients_get_the_error_itself(name: str) -> None:
    with forbid_azure(), pytest.raises(AzureForbidden, match=HOST):
        sync_clients()[name]()


def test_the_official_sdk_gets_the_error_itself() -> None:
    from emulator.testing.sdk_clients import training_client

    client = training_client(f"https://{HOST}", "key")
    with forbid_azure(), pytest.raises(AzureForbidden, match=HOST):
        client.get_projects()
    client.close()


def test_asynchronous_clients_get_the_error_itself() -> None:
    async def connect() -> None:
        with pytest.raises(AzureForbidden):
            await asyncio.open_connection(HOST, 443, ssl=True)
        async with httpx.AsyncClient() as client:
            with pytest.raises(AzureForbidden):
                await client.get(f"https://{HOST}/")

    with forbid_azure():
        asyncio.run(connect())


def test_a_proxy_is_no_way_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(lambda visit: visit.connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        for get in (
            lambda: requests.get(f"https://{HOST}/", timeout=5),
            lambda: httpx.get(f"https://{HOST}/"),
        ):
            with forbid_azure(), pytest.raises(AzureForbidden, match=HOST):
                get()
        assert len(proxy.requests) == 2


def test_a_connection_by_address_is_refused_when_tls_begins() -> None:
    with forbid_azure():
        context = ssl.create_default_context()
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        with pytest.raises(AzureForbidden):
            context.wrap_bio(incoming, outgoing, False, HOST)
        with socket.socket() as opened, pytest.raises(AzureForbidden):
            context.wrap_socket(opened, server_hostname=HOST)


def test_an_emulator_and_other_servers_are_reached() -> None:
    with forbid_azure(), Server(answer_with(b"yes")) as server:
        assert httpx.get(server.url, trust_env=False).text == "yes"
        with EmulatorServer() as emulator:
            emulator.control.reset()


def test_everything_is_put_back() -> None:
    def functions() -> list[object]:
        return [
            socket.getaddrinfo,
            socket.gethostbyname,
            socket.gethostbyname_ex,
            vars(socket.socket).get("connect"),
            vars(socket.socket).get("connect_ex"),
            ssl.SSLContext.wrap_socket,
            ssl.SSLContext.wrap_bio,
        ]

    before = functions()
    with forbid_azure():
        with forbid_azure(hosts=["example.test"]):
            assert functions() != before
        assert functions() != before
        with pytest.raises(AzureForbidden):
            socket.getaddrinfo(HOST, 443)
    assert functions() == before


def test_further_hosts_are_refused_only_within() -> None:
    with forbid_azure():
        with forbid_azure(hosts=["Example.test"]), pytest.raises(AzureForbidden):
            socket.getaddrinfo("www.example.test", 443)
        with pytest.raises(socket.gaierror):
            socket.getaddrinfo("www.example.test", 443)


def test_one_guard_may_be_entered_twice() -> None:
    guard = forbid_azure()
    with guard, guard:
        pass
    with guard, pytest.raises(AzureForbidden):
        socket.getaddrinfo(HOST, 443)


def test_functions_are_decorated() -> None:
    @forbid_azure()
    def called(host: str) -> None:
        socket.getaddrinfo(host, 443)

    @forbid_azure
    def without_parentheses() -> None:
        called(HOST)

    @forbid_azure()
    async def awaited() -> None:
        await asyncio.get_running_loop().getaddrinfo(HOST, 443)

    for run in (lambda: called(HOST), without_parentheses, lambda: asyncio.run(awaited())):
        with pytest.raises(AzureForbidden):
            run()
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo(HOST, 443)


def test_connections_are_refused_until_the_last_thread_ends() -> None:
    entered, leave = threading.Event(), threading.Event()

    def guarded() -> None:
        with forbid_azure():
            entered.set()
            leave.wait(60)

    thread = threading.Thread(target=guarded)
    thread.start()
    entered.wait(60)
    with forbid_azure():
        pass
    with pytest.raises(AzureForbidden):
        socket.getaddrinfo(HOST, 443)
    leave.set()
    thread.join()
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo(HOST, 443)
