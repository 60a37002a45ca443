"""Fetching from test servers on the loopback address."""

import gzip
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpcore
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.core.fetching import client as fetching
from emulator.core.fetching.client import FetchRejected, connect_with_socket, fetch
from tests.support.web_servers import (
    LIMIT,
    PATIENCE,
    Answer,
    Server,
    Visit,
    answer_with,
    answer_with_head,
    policy,
    redirect_to,
    resolve_nothing,
    resolve_to,
)

Serve = Callable[[Answer], Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[Server] = []

    def start(answer: Answer) -> Server:
        servers.append(Server(answer))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


# Successful fetches


def test_fetches_bytes(serve: Serve) -> None:
    body = bytes(range(256)) * 30
    server = serve(answer_with(body))
    assert fetch(f"{server.url}/a/b.jpg?sig=x%3D&y=1#fragment", policy(server.allow)) == body
    request = server.requests[0]
    assert request.path == "/a/b.jpg?sig=x%3D&y=1"
    assert request.header("host") == f"127.0.0.1:{server.port}"
    assert request.header("accept-encoding") == "identity"


def test_fetches_chunks(serve: Serve) -> None:
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (b"one", b"two" * 100, b"three"))
    server = serve(answer_with_head("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", chunks + b"0\r\n\r\n"))
    assert fetch(server.url, policy(server.allow)) == b"one" + b"two" * 100 + b"three"


def test_fetches_up_to_the_end_of_the_connection(serve: Serve) -> None:
    server = serve(answer_with_head("HTTP/1.0 200 OK", b"bytes"))
    assert fetch(server.url, policy(server.allow)) == b"bytes"


def test_fetches_exactly_the_limit(serve: Serve) -> None:
    server = serve(answer_with(bytes(LIMIT)))
    assert len(fetch(server.url, policy(server.allow))) == LIMIT


def test_quotes_special_characters_of_urls(serve: Serve) -> None:
    server = serve(answer_with(b""))
    fetch(f" {server.url}/my image ü.jpg?q=ä b ", policy(server.allow))
    assert server.requests[0].path == "/my%20image%20%C3%BC.jpg?q=%C3%A4%20b"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_follows_redirects(serve: Serve, status: int) -> None:
    target = serve(answer_with(b"here"))

    def answer(visit: Visit) -> None:
        location = "../there" if visit.path == "/a/b/c" else f"{target.url}/final"
        redirect_to(location, status)(visit)

    server = serve(answer)
    assert fetch(f"{server.url}/a/b/c", policy(server.allow, target.allow)) == b"here"
    assert [visit.path for visit in server.requests] == ["/a/b/c", "/a/there"]
    assert target.requests[0].path == "/final"


@pytest.mark.parametrize(
    "entry", ["photos.example", "PHOTOS.example:{port}", "127.0.0.1", "127.0.0.1:{port}", "127.0.0.0/8"]
)
def test_allow_opens_what_it_names(serve: Serve, entry: str) -> None:
    server = serve(answer_with(b"here"))
    url = f"http://Photos.Example.:{server.port}/"
    allowed = policy(entry.format(port=server.port))
    assert fetch(url, allowed, resolve=resolve_to("127.0.0.1")) == b"here"
    assert server.requests[0].header("host") == f"photos.example:{server.port}"


@pytest.mark.parametrize(
    "entry", ["photos.example:1", "127.0.0.1:1", "127.0.0.2", "10.0.0.0/8", "example", "other.example", "::1"]
)
def test_allow_opens_nothing_else(serve: Serve, entry: str) -> None:
    server = serve(answer_with(b"here"))
    url = f"http://photos.example:{server.port}/"
    with pytest.raises(FetchRejected, match="private or local"):
        fetch(url, policy(entry), resolve=resolve_to("127.0.0.1"))
    assert server.connections == 0


def test_mode_any_fetches_from_everywhere(serve: Serve) -> None:
    server = serve(answer_with(b"here"))
    assert fetch(server.url, policy(mode="any")) == b"here"


def test_mode_off_fetches_from_nowhere(serve: Serve) -> None:
    server = serve(answer_with(b"here"))
    with pytest.raises(FetchRejected, match="--url-fetch off"):
        fetch(server.url, policy(server.allow, mode="off"), resolve=resolve_nothing)
    assert server.connections == 0


def test_ipv6_url_and_host_header() -> None:
    streams: list[httpcore.NetworkStream] = []

    class Stream(httpcore.MockStream):
        written = b""

        def write(self, buffer: bytes, timeout: float | None = None) -> None:
            Stream.written += buffer

    def connect(address: str, port: int, timeout: float) -> httpcore.NetworkStream:
        assert (address, port) == ("::1", 8080)
        streams.append(Stream([b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhere"]))
        return streams[-1]

    assert fetch("http://[0:0::1]:8080/x", policy("[::1]:8080"), connect=connect) == b"here"
    assert b"Host: [::1]:8080\r\n" in Stream.written


# Redirects, proxies and private addresses


def test_next_address_is_tried_when_one_fails(serve: Serve) -> None:
    server = serve(answer_with(b"here"))
    tried: list[str] = []

    def connect(address: str, port: int, timeout: float) -> httpcore.NetworkStream:
        tried.append(address)
        if address == "8.8.4.4":
            raise httpcore.ConnectTimeout("silent")
        if address == "8.8.8.8":
            raise httpcore.ConnectError("refused")
        return connect_with_socket(address, port, timeout)

    resolve = resolve_to("8.8.4.4", "8.8.8.8", "127.0.0.1")
    url = f"http://photos.example:{server.port}"
    assert fetch(url, policy(server.allow), resolve=resolve, connect=connect) == b"here"
    assert tried == ["8.8.4.4", "8.8.8.8", "127.0.0.1"]


@pytest.mark.parametrize(
    "location", ["http://10.0.0.1/", "//169.254.169.254/latest", "http://[::1]/", "http://0/"]
)
def test_redirect_to_a_private_address_is_refused(serve: Serve, location: str) -> None:
    server = serve(redirect_to(location))
    with pytest.raises(FetchRejected, match=r"private or local|unusual spelling"):
        fetch(server.url, policy(server.allow))


def test_redirect_to_another_port_of_an_allowed_host_is_refused(serve: Serve) -> None:
    secret = serve(answer_with(b"secret"))
    server = serve(redirect_to(f"{secret.url}/"))
    with pytest.raises(FetchRejected, match="private or local"):
        fetch(server.url, policy(server.allow))
    assert secret.connections == 0


@pytest.mark.parametrize(
    "location",
    ["file:///etc/passwd", "ftp://127.0.0.1/", "http://user:pw@127.0.0.1/", "http://[", "\xff"],
)
def test_redirect_to_an_invalid_url_is_refused(serve: Serve, location: str) -> None:
    head = f"HTTP/1.1 302 Go\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode("latin-1")
    server = serve(lambda visit: visit.connection.sendall(head))
    with pytest.raises(FetchRejected, match=r"Only http|user name|malformed"):
        fetch(server.url, policy(server.allow))


def test_redirects_end(serve: Serve) -> None:
    server = serve(redirect_to("/again"))
    with pytest.raises(FetchRejected, match="more than 5 redirects"):
        fetch(server.url, policy(server.allow))
    assert server.connections == 6


def test_refused_connection_is_reported(serve: Serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(FetchRejected, match="No connection"):
        fetch(f"http://127.0.0.1:{port}/", policy("127.0.0.1"))


def test_proxies_of_the_environment_are_not_used(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy, server = serve(answer_with(b"proxy")), serve(answer_with(b"here"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    assert fetch(server.url, policy(server.allow)) == b"here"
    assert proxy.connections == 0


# Limits of size and time


def test_announced_size_over_the_limit_is_refused_unread(serve: Serve) -> None:
    def announce(visit: Visit) -> None:
        visit.send(f"HTTP/1.1 200 OK\nContent-Length: {LIMIT + 1}")
        visit.over.wait(PATIENCE)  # a client that waited for the body would wait as long

    server = serve(announce)
    with pytest.raises(FetchRejected, match=f"more than {LIMIT} bytes"):
        fetch(server.url, policy(server.allow))


@pytest.mark.parametrize("head", ["HTTP/1.0 200 OK", "HTTP/1.1 200 OK\nTransfer-Encoding: chunked"])
def test_endless_body_is_refused(serve: Serve, head: str) -> None:
    def pour(visit: Visit) -> None:
        visit.send(head)
        while not visit.over.is_set():
            visit.connection.sendall(b"3e8\r\n" + bytes(1000) + b"\r\n")

    server = serve(pour)
    with pytest.raises(FetchRejected, match=f"more than {LIMIT} bytes"):
        fetch(server.url, policy(server.allow))


def test_endless_headers_are_refused(serve: Serve) -> None:
    def pour(visit: Visit) -> None:
        visit.connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while not visit.over.is_set():
            visit.connection.sendall(b"X-Filler: " + b"x" * 1000 + b"\r\n")

    server = serve(pour)
    with pytest.raises(FetchRejected, match="not HTTP"):
        fetch(server.url, policy(server.allow))


def drip(before: bytes, drop: bytes) -> Answer:
    """Send bytes one by one without end, each within the timeout of a single read."""

    def answer(visit: Visit) -> None:
        visit.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        visit.connection.sendall(before)
        while not visit.over.wait(0.01):
            visit.connection.sendall(drop)

    return answer


@pytest.mark.parametrize(
    ("before", "drop"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"HTTP/1.1 200 OK\r\nX-Header: ", b"x"),
        (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    ],
)
def test_dripping_server_meets_the_deadline(serve: Serve, before: bytes, drop: bytes) -> None:
    server = serve(drip(before, drop))
    with pytest.raises(FetchRejected, match=r"within 0\.3 seconds"):
        fetch(server.url, policy(server.allow, timeout_seconds=0.3))


def test_silent_server_meets_the_deadline(serve: Serve) -> None:
    server = serve(lambda visit: visit.over.wait(PATIENCE))
    with pytest.raises(FetchRejected, match=r"within 0\.2 seconds"):
        fetch(server.url, policy(server.allow, timeout_seconds=0.2))


def test_server_silent_in_the_handshake_meets_the_deadline() -> None:
    with socket.create_server(
        ("127.0.0.1", 0)
    ) as listener:  # the system accepts the connection, and nothing responds
        port = listener.getsockname()[1]
        with pytest.raises(FetchRejected, match=r"within 0\.2 seconds"):
            fetch(f"https://127.0.0.1:{port}/", policy("127.0.0.1", timeout_seconds=0.2))


def test_redirects_share_one_deadline(serve: Serve) -> None:
    def redirect_slowly(visit: Visit) -> None:
        visit.over.wait(0.1)
        redirect_to("/again")(visit)

    server = serve(redirect_slowly)
    with pytest.raises(FetchRejected, match=r"within 0\.3 seconds"):
        fetch(server.url, policy(server.allow, timeout_seconds=0.3, max_redirects=1000))


def test_silent_resolver_meets_the_deadline() -> None:
    over = threading.Event()

    def resolve(host: str, port: int) -> list[str]:
        over.wait(PATIENCE)
        return []

    with pytest.raises(FetchRejected, match=r"within 0\.2 seconds"):
        fetch("http://photos.example/", policy(timeout_seconds=0.2), resolve=resolve)
    over.set()


# Responses that are refused


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "deflate", "br", "gzip, gzip", ""])
def test_compressed_body_is_refused(serve: Serve, encoding: str) -> None:
    body = gzip.compress(bytes(100_000))
    head = f"HTTP/1.1 200 OK\nContent-Encoding: {encoding}\nContent-Length: {len(body)}"
    server = serve(answer_with_head(head, body))
    with pytest.raises(FetchRejected, match="compressed"):
        fetch(server.url, policy(server.allow))


@pytest.mark.parametrize("status", [201, 204, 206, 300, 304, 400, 401, 403, 404, 500, 503])
def test_other_statuses_are_refused(serve: Serve, status: int) -> None:
    server = serve(answer_with_head(f"HTTP/1.1 {status} What\nContent-Length: 0"))
    with pytest.raises(FetchRejected, match=f"answered with status {status}"):
        fetch(server.url, policy(server.allow))


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nsho",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 5000 + b"\r\n",
        b"HTTP/1.1 999999 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    ],
)
def test_broken_answers_are_refused(serve: Serve, answer: bytes) -> None:
    server = serve(lambda visit: visit.connection.sendall(answer))
    with pytest.raises(FetchRejected):
        fetch(server.url, policy(server.allow))


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=50),
            st.sampled_from(
                [
                    b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 302 Go\r\n", b"HTTP/1.1 100 Continue\r\n\r\n",
                    b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n",
                    b"Content-Encoding: gzip\r\n", b"Location: /next\r\n", b"Location: ",
                    b"\r\n", b"0\r\n\r\n", b"5\r\nhello\r\n", b"hello",
                ]
            ),
        ),
        max_size=10,
    )
)  # fmt: skip
@settings(max_examples=500)
def test_any_response_is_accepted_or_rejected(parts: list[bytes]) -> None:
    def connect(address: str, port: int, timeout: float) -> httpcore.NetworkStream:
        return httpcore.MockStream(list(parts))

    try:
        body = fetch("http://8.8.8.8/", policy(max_redirects=2), resolve=resolve_nothing, connect=connect)
    except FetchRejected:
        return
    assert isinstance(body, bytes)


def test_importing_it_does_not_import_the_http_library() -> None:
    program = "import sys, emulator.core.fetching.client; print(*sys.modules)"
    root = str(Path(fetching.__file__).parents[2])
    answer = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=root
    )
    assert {"httpcore", "h11", "idna", "certifi", "anyio"}.isdisjoint(answer.stdout.split())
