"""What clients see of faults on connections to a server, over plain HTTP and over TLS."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import httpx
import pytest

from emulator.server.background import BackgroundServer
from emulator.settings import Settings
from tests.support.certificates import self_signed
from tests.support.faults import FAULTS
from tests.support.harness import PATIENCE_SECONDS, TRAINING_KEY, training_path, wait_until
from tests.support.live_server import LiveServer

KEY = f"Training-Key: {TRAINING_KEY}\r\n"


class SecureConnection:
    """TLS on a socket. Unlike `ssl.SSLSocket`, it distinguishes a reset from the end of the connection."""

    def __init__(self, plain: socket.socket, context: ssl.SSLContext) -> None:
        self._plain = plain
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")
        self._run(self._tls.do_handshake)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._plain.close()

    def sendall(self, data: bytes) -> None:
        self._run(lambda: self._tls.write(data))

    def recv(self, size: int) -> bytes:
        try:
            return bytes(self._run(lambda: self._tls.read(size)))
        except ssl.SSLZeroReturnError:
            return b""

    def _run(self, step: Callable[[], Any]) -> Any:
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                self._flush()
                self._incoming.write(self._plain.recv(65536))
            else:
                self._flush()
                return result

    def _flush(self) -> None:
        if data := self._outgoing.read():  # sending nothing after a reset would fail before what came is read
            self._plain.sendall(data)


class Server:
    """A server in this process, and raw connections to it."""

    def __init__(self, background: BackgroundServer, certificate: Path | None) -> None:
        self.background = background
        self._context = None if certificate is None else ssl.create_default_context(cafile=certificate)
        self.client = httpx.Client(
            base_url=background.endpoint,
            headers={"Training-Key": TRAINING_KEY},
            verify=self._context or True,
            timeout=PATIENCE_SECONDS,
            trust_env=False,
        )

    def set(self, *steps: dict[str, Any], operation: str = "*", **more: Any) -> None:
        body = {"operation": operation, "steps": steps, **more}
        assert self.client.post(FAULTS, json=body).status_code == 201

    def left(self) -> bool:
        return not self.client.get(FAULTS).json()["allUsed"]

    def projects(self) -> list[str]:
        return [one["name"] for one in self.client.get(training_path("/projects")).json()]

    def connect(self) -> socket.socket | SecureConnection:
        address = ("127.0.0.1", self.background.port)
        connection = socket.create_connection(address, timeout=PATIENCE_SECONDS)
        return connection if self._context is None else SecureConnection(connection, self._context)

    def log(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.client.get("/_emulator/requests").json()["requests"]
        return found


@pytest.fixture(scope="module", params=["http", "https"])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    certificate, key = self_signed(folder) if request.param == "https" else (None, None)
    settings = Settings(
        port=0, data=folder / "data", quiet=True, certificate=certificate, certificate_key=key
    )
    background = BackgroundServer(settings)
    background.start()
    server = Server(background, certificate)
    yield server
    server.client.close()
    background.stop()


@pytest.fixture
def server(running: Server) -> Server:
    running.client.post("/_emulator/reset")
    return running


def request(method: str, path: str, body: bytes = b"", headers: str = KEY) -> bytes:
    head = f"{method} {training_path(path)} HTTP/1.1\r\nHost: localhost\r\n{headers}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def read_to_end(connection: socket.socket | SecureConnection) -> tuple[bytes, str]:
    """What arrives, and how the connection ends: "end" or "reset"."""
    received = b""
    try:
        while piece := connection.recv(65536):
            received += piece
    except ConnectionResetError:
        return received, "reset"
    return received, "end"


def exchange(server: Server, *requests: bytes) -> tuple[bytes, str]:
    """What arrives after the requests, and how the connection ends."""
    with server.connect() as connection:
        for each in requests:
            connection.sendall(each)
        return read_to_end(connection)


CREATE = request("POST", "/projects?name=new")


@pytest.mark.parametrize("after_done", [False, True])
@pytest.mark.parametrize(("kind", "end"), [("reset", "reset"), ("close", "end")])
def test_a_connection_ends_without_a_response(server: Server, kind: str, end: str, after_done: bool) -> None:
    server.set({"kind": kind, "afterDone": after_done})
    assert exchange(server, CREATE) == (b"", end)
    assert not server.left()
    assert server.projects() == (["new"] if after_done else [])


def test_a_large_body_is_received_before_a_connection_is_closed(server: Server) -> None:
    server.set({"kind": "close"})
    body = request("POST", "/projects/import", b"x" * 3_000_000)
    assert exchange(server, body) == (b"", "end")


@pytest.mark.parametrize("count", [0, 1, 40])
def test_a_connection_is_reset_within_the_body(server: Server, count: int) -> None:
    whole = server.client.get(training_path("/domains")).content
    server.set({"kind": "reset", "bytes": count})
    received, end = exchange(server, request("GET", "/domains"))
    head, _, body = received.partition(b"\r\n\r\n")
    assert end == "reset"
    assert body == whole[:count]
    assert f"content-length: {len(whole)}".encode() in head.lower()


@pytest.mark.parametrize("count", [None, 0, 10, 10**6])
def test_a_truncated_body_has_the_length_of_the_whole(server: Server, count: int | None) -> None:
    whole = server.client.get(training_path("/domains")).content
    server.set({"kind": "truncate"} | ({} if count is None else {"bytes": count}))
    received, end = exchange(server, request("GET", "/domains"))
    head, _, body = received.partition(b"\r\n\r\n")
    expected = len(whole) // 2 if count is None else min(count, len(whole) - 1)
    assert (head.partition(b"\r\n")[0], end) == (b"HTTP/1.1 200 OK", "end")
    assert body == whole[:expected]
    assert f"content-length: {len(whole)}".encode() in head.lower()


def test_a_truncated_response_to_head_is_not_sent(server: Server) -> None:
    server.set({"kind": "truncate"})
    assert exchange(server, request("HEAD", "/domains")) == (b"", "end")


def test_a_truncated_response_without_a_body_is_not_sent(server: Server) -> None:
    project = server.client.post(training_path("/projects"), params={"name": "new"}).json()["id"]
    server.set({"kind": "truncate"}, operation="DeleteProject")
    assert exchange(server, request("DELETE", f"/projects/{project}")) == (b"", "end")
    assert server.projects() == []


@pytest.mark.parametrize("step", [{"kind": "status", "status": 503}, {"kind": "throttle"}, {"kind": "pass"}])
def test_other_faults_keep_the_connection(server: Server, step: dict[str, Any]) -> None:
    server.set(step)
    with server.connect() as connection:
        connection.sendall(request("GET", "/domains") + request("GET", "/projects"))
        received = b""
        while received.count(b"HTTP/1.1 ") < 2 or not received.endswith(b"[]"):
            received += connection.recv(65536)
    assert received.count(b"HTTP/1.1 200 OK") == (2 if step["kind"] == "pass" else 1)


@pytest.mark.parametrize("kind", ["close", "reset"])
def test_pipelined_requests_end_with_the_connection(
    server: Server, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.set({"kind": "pass"}, {"kind": kind}, operation="CreateProject")
    second, third = (request("POST", f"/projects?name={name}") for name in ("second", "third"))
    received, _ = exchange(server, CREATE + second + third)
    assert received.count(b"HTTP/1.1 ") <= 1  # a reset may discard what was not read
    assert "new" in server.projects()
    assert "second" not in server.projects()
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


def test_a_request_that_waits_for_its_body_is_reset(server: Server) -> None:
    server.set({"kind": "reset"})
    head = request("POST", "/projects?name=new", headers=f"{KEY}Expect: 100-continue\r\n", body=b"{}")
    with server.connect() as connection:
        connection.sendall(head[:-2])
        assert connection.recv(100).startswith(b"HTTP/1.1 100 Continue")
        connection.sendall(b"{}")
        assert read_to_end(connection) == (b"", "reset")


def test_a_slow_body_arrives_in_pieces(server: Server) -> None:
    size = len(server.client.get(training_path("/domains")).content)
    server.set({"kind": "slow", "bytesPerSecond": size * 4})
    times: list[float] = []
    with server.client.stream("GET", training_path("/domains")) as response:
        received = b""
        for piece in response.iter_raw():
            received += piece
            times.append(time.monotonic())
    assert len(received) == size
    assert len(times) > 3
    assert times[-1] - times[0] > 0.1


@pytest.mark.parametrize("after_done", [False, True])
def test_a_client_that_gives_up_leaves_nothing_behind(server: Server, after_done: bool) -> None:
    step = {"kind": "delay", "milliseconds": 300_000, "afterDone": after_done}
    server.set(step, operation="CreateProject")
    with server.connect() as connection:
        connection.sendall(request("POST", "/projects?name=new"))
        wait_until(lambda: not server.left(), "the delay")
        wait_until(lambda: not after_done or server.projects(), "the project")
    # The request is logged when it has ended.
    wait_until(server.log, "the end of the request")
    assert server.log()[0]["fault"].startswith("delayed by 300000 ms")
    assert server.projects() == (["new"] if after_done else [])


@pytest.mark.parametrize(
    "step", [{"kind": "delay", "milliseconds": 300_000}, {"kind": "slow", "bytesPerSecond": 1}]
)
def test_removing_a_scenario_closes_connections_that_wait(server: Server, step: dict[str, Any]) -> None:
    server.set(step)
    with server.connect() as connection:
        connection.sendall(request("GET", "/domains"))
        wait_until(lambda: not server.left(), "the use of the step")
        server.client.delete(FAULTS)
        received, end = read_to_end(connection)
    assert end == "end"
    assert not received.endswith(b"]")


def test_logs_show_that_nothing_was_sent(server: Server) -> None:
    server.set({"kind": "reset"})
    exchange(server, CREATE)
    (entry,) = server.log()
    assert entry["operation"] == "CreateProject"
    assert (entry["status"], entry["fault"]) == (None, "reset before the response")


def test_calls_of_eight_clients_are_counted_exactly(server: Server) -> None:
    server.set({"kind": "status", "status": 503, "times": 100}, {"kind": "reset", "times": 20})

    def calls(_client: int) -> list[object]:
        found: list[object] = []
        with httpx.Client(
            base_url=server.background.endpoint,
            headers={"Training-Key": TRAINING_KEY},
            verify=server._context or True,
            timeout=PATIENCE_SECONDS,
            trust_env=False,
        ) as client:
            for _ in range(25):
                try:
                    found.append(client.get(training_path("/projects")).status_code)
                except httpx.TransportError:
                    found.append("reset")
        return found

    with ThreadPoolExecutor(8) as threads:
        found = [each for one in threads.map(calls, range(8)) for each in one]
    assert sorted(map(str, found)) == ["200"] * 80 + ["503"] * 100 + ["reset"] * 20
    assert not server.left()


def test_a_server_ends_while_calls_wait(live: LiveServer) -> None:
    steps = [{"kind": "delay", "milliseconds": 300_000, "times": 3}, {"kind": "slow", "bytesPerSecond": 1}]
    url = f"{live.endpoint}{FAULTS}"
    assert live.client.post(url, json={"operation": "*", "steps": steps}).status_code == 201
    connections = [socket.create_connection(("127.0.0.1", live.port), PATIENCE_SECONDS) for _ in range(4)]
    for connection in connections:
        connection.sendall(request("GET", "/domains"))
    wait_until(lambda: live.client.get(url).json()["allUsed"], "the use of all steps")
    assert live.terminate() == 0
    for connection in connections:
        connection.close()
    assert "Traceback" not in live.log()
