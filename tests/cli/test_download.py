"""Downloading large files over bad connections: servers on the loopback address that break, stall and lie."""

from __future__ import annotations

import errno
import hashlib
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import pytest

from emulator.cli import download as module
from emulator.cli.download import UNFINISHED_SUFFIX, DownloadFailed, Unreachable, download
from tests.support.web_servers import Server, Visit

CONTENT = bytes(range(256)) * 400
DIGEST = hashlib.sha256(CONTENT).hexdigest()[:8]
MOST = 10**6


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


class Pauses(list[float]):
    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def fetched(server: Server | str, folder: Path, **more: object) -> bytes:
    url = server if isinstance(server, str) else f"http://127.0.0.1:{server.port}/models/net-{DIGEST}.pth"
    options = {"sha256": DIGEST, "most_bytes": MOST, "pause": Pauses(), **more}
    path = folder / "net.pth"
    download(url, path, **options)  # type: ignore[arg-type]
    assert [each.name for each in folder.iterdir()] == ["net.pth"]
    return path.read_bytes()


def in_ranges(visit: Visit, most: int = 10**9) -> None:
    """Respond with the requested range, of which the connection carries only `most` bytes."""
    wanted = visit.header("range")
    first = 0 if wanted is None else int(wanted.removeprefix("bytes=").rstrip("-"))
    body = CONTENT[first:]
    head = f"HTTP/1.1 {'200 OK' if wanted is None else '206 Partial Content'}\nContent-Length: {len(body)}"
    if wanted is not None:
        head += f"\nContent-Range: bytes {first}-{len(CONTENT) - 1}/{len(CONTENT)}"
    visit.send(head, body[:most])


def test_a_whole_file_with_its_progress(tmp_path: Path) -> None:
    shown: list[tuple[int, int]] = []
    with Server(in_ranges) as server:
        assert fetched(server, tmp_path, show=lambda *each: shown.append(each)) == CONTENT
        assert server.requests[0].header("accept-encoding") == "identity"
        assert fetched(server, tmp_path) == CONTENT  # it is there
        assert len(server.requests) == 1
    assert shown[0] == (0, len(CONTENT))
    assert shown[-1] == (len(CONTENT), len(CONTENT))
    assert shown == sorted(shown)


def test_a_connection_that_breaks_again_and_again(tmp_path: Path) -> None:
    pauses = Pauses()
    with Server(lambda visit: in_ranges(visit, 20_000)) as server:
        assert fetched(server, tmp_path, pause=pauses) == CONTENT
        ranges = [visit.header("range") for visit in server.requests]
    assert ranges[0] is None
    firsts = [int((each or "").removeprefix("bytes=").rstrip("-")) for each in ranges[1:]]
    assert firsts == sorted(set(firsts))
    assert 0 < firsts[0] <= 20_000
    assert pauses == [1] * len(firsts)


def test_a_server_without_ranges(tmp_path: Path) -> None:
    def answer(visit: Visit) -> None:
        head = f"HTTP/1.1 200 OK\nContent-Length: {len(CONTENT)}"
        visit.send(head, CONTENT if visit.header("range") else CONTENT[:30_000])

    with Server(answer) as server:
        assert fetched(server, tmp_path) == CONTENT


def test_a_later_call_continues(tmp_path: Path) -> None:
    def broken(visit: Visit) -> None:
        if visit.header("range") is None:
            in_ranges(visit, 50_000)

    pauses = Pauses()
    with (
        Server(broken) as server,
        pytest.raises(DownloadFailed, match="the same command continues") as caught,
    ):
        fetched(server, tmp_path, pause=pauses)
    assert str(len((tmp_path / f"net.pth{UNFINISHED_SUFFIX}").read_bytes())) in str(caught.value)
    assert pauses == [1, 1, 2, 4, 8]
    with Server(in_ranges) as server:
        assert fetched(server, tmp_path) == CONTENT
        assert (server.requests[0].header("range") or "").startswith("bytes=")


def test_the_rest_of_another_file(tmp_path: Path) -> None:
    """The unfinished file has bytes that do not belong to it."""
    (tmp_path / f"net.pth{UNFINISHED_SUFFIX}").write_bytes(b"another file")
    with Server(in_ranges) as server:
        assert fetched(server, tmp_path) == CONTENT
        assert [visit.header("range") for visit in server.requests] == ["bytes=12-", None]


@pytest.mark.parametrize("there", [CONTENT, CONTENT + b"more", b"x" * len(CONTENT)])
def test_an_unfinished_file_that_has_all_bytes(tmp_path: Path, there: bytes) -> None:
    def answer(visit: Visit) -> None:
        if visit.header("range"):
            visit.send("HTTP/1.1 416 Range Not Satisfiable\nContent-Length: 0")
        else:
            in_ranges(visit)

    (tmp_path / f"net.pth{UNFINISHED_SUFFIX}").write_bytes(there)
    with Server(answer) as server:
        assert fetched(server, tmp_path) == CONTENT


def test_a_wrong_file_is_not_stored(tmp_path: Path) -> None:
    page = b"<html>Sign in to the hotel's network</html>"
    with Server(lambda visit: visit.send_body(page)) as server, pytest.raises(DownloadFailed) as caught:
        fetched(server, tmp_path)
    assert f"not with {DIGEST}" in str(caught.value)
    assert hashlib.sha256(page).hexdigest()[:8] in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_range_of_another_place(tmp_path: Path) -> None:
    def answer(visit: Visit) -> None:
        visit.send("HTTP/1.1 206 Partial Content\nContent-Length: 3\nContent-Range: bytes 5-7/9", b"abc")

    (tmp_path / f"net.pth{UNFINISHED_SUFFIX}").write_bytes(CONTENT[:10])
    with Server(answer) as server, pytest.raises(DownloadFailed, match="another part of the file"):
        fetched(server, tmp_path)


@pytest.mark.parametrize(
    ("status", "attempts"), [("404 Not Found", 1), ("403 Forbidden", 1), ("503 Busy", 5)]
)
def test_statuses_of_errors(tmp_path: Path, status: str, attempts: int) -> None:
    with Server(lambda visit: visit.send(f"HTTP/1.1 {status}\nContent-Length: 0")) as server:
        with pytest.raises(DownloadFailed, match=f"responded with status {status[:3]}"):
            fetched(server, tmp_path)
        assert len(server.requests) == attempts
    assert not list(tmp_path.iterdir())


def test_redirects_are_followed_without_the_password(tmp_path: Path) -> None:
    with Server(in_ranges) as storage:

        def answer(visit: Visit) -> None:
            place = f"http://127.0.0.1:{storage.port}/real?signature=a%20b"
            visit.send(f"HTTP/1.1 302 Found\nLocation: {place}\nContent-Length: 0")

        with Server(answer) as server:
            assert fetched(f"http://me:pass%3Aword@127.0.0.1:{server.port}/net.pth", tmp_path) == CONTENT
            given = server.requests[0].header("authorization")
        assert given == "Basic " + b64encode(b"me:pass:word").decode()
        assert storage.requests[0].header("authorization") is None
        assert storage.requests[0].path == "/real?signature=a%20b"


def test_endless_redirects(tmp_path: Path) -> None:
    with Server(
        lambda visit: visit.send("HTTP/1.1 302 Found\nLocation: /again\nContent-Length: 0")
    ) as server:
        with pytest.raises(DownloadFailed, match="more than 5 redirects"):
            fetched(server, tmp_path)
        assert len(server.requests) == 6


@pytest.mark.parametrize("place", ["file:///etc/passwd", "ftp://host/a", "http:///a", "http://host:99999/"])
def test_urls_that_cannot_be_used(tmp_path: Path, place: str) -> None:
    with pytest.raises(DownloadFailed, match="is no http or https URL"):
        fetched(place, tmp_path)
    if place == "http:///a":  # as a redirect, it is relative
        return
    redirect = f"HTTP/1.1 302 Found\nLocation: {place}\nContent-Length: 0"
    with (
        Server(lambda visit: visit.send(redirect)) as server,
        pytest.raises(DownloadFailed, match="is no http"),
    ):
        fetched(server, tmp_path)


def test_a_host_that_cannot_be_reached(tmp_path: Path, refused_port: int) -> None:
    pauses = Pauses()
    with pytest.raises(Unreachable, match=r"no connection to 127\.0\.0\.1"):
        fetched(f"http://127.0.0.1:{refused_port}/net.pth", tmp_path, pause=pauses)
    assert pauses == [1, 2, 4, 8]
    assert not list(tmp_path.iterdir())


@pytest.fixture
def refused_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def test_a_silent_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SILENCE_SECONDS", 0.05)

    def answer(visit: Visit) -> None:
        if visit.header("range") is None:
            in_ranges(visit, 10_000)
            visit.over.wait(10)
        else:
            in_ranges(visit)

    with Server(answer) as server:
        assert fetched(server, tmp_path) == CONTENT


@pytest.mark.parametrize("stated", [True, False])
def test_a_file_that_is_too_large(tmp_path: Path, stated: bool) -> None:
    def answer(visit: Visit) -> None:
        if stated:
            visit.send(f"HTTP/1.1 200 OK\nContent-Length: {2 * MOST}")
        else:
            visit.send("HTTP/1.1 200 OK\nConnection: close", CONTENT)

    with Server(answer) as server, pytest.raises(DownloadFailed, match="allowed"):
        fetched(server, tmp_path, most_bytes=MOST if stated else len(CONTENT) - 1)


def test_a_disk_that_is_nearly_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 51 * 2**20})
    monkeypatch.setattr(module.shutil, "disk_usage", lambda folder: usage)
    with (
        Server(lambda visit: visit.send("HTTP/1.1 200 OK\nContent-Length: 9000000")) as server,
        pytest.raises(OSError, match="9 MB are needed, 53 MB are free") as caught,
    ):
        fetched(server, tmp_path, most_bytes=10**7)
    assert caught.value.errno == errno.ENOSPC
    assert not list(tmp_path.iterdir())


def test_a_disk_that_becomes_full(tmp_path: Path) -> None:
    def full(there: int, total: int) -> None:
        if there:
            raise OSError(errno.ENOSPC, "No space left on device")

    with Server(in_ranges) as server, pytest.raises(OSError, match="No space left"):
        fetched(server, tmp_path, show=full)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> Callable[[Server], None]:
    def use(server: Server) -> None:
        monkeypatch.setenv("http_proxy", f"http://me:secret@127.0.0.1:{server.port}")

    return use


def test_a_proxy_of_the_environment(
    tmp_path: Path, proxied: Callable[[Server], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server(in_ranges) as proxy:
        proxied(proxy)
        assert fetched("http://models.example/net.pth", tmp_path) == CONTENT
        (request,) = proxy.requests
        assert request.path == "http://models.example/net.pth"
        assert request.header("host") == "models.example"
        assert request.header("proxy-authorization") == "Basic " + b64encode(b"me:secret").decode()
        (tmp_path / "net.pth").unlink()
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        with Server(in_ranges) as server:
            assert fetched(server, tmp_path) == CONTENT
        assert len(proxy.requests) == 1


def test_a_proxy_that_refuses_a_secure_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(lambda visit: visit.send("HTTP/1.1 403 Forbidden\nContent-Length: 0")) as proxy:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
        with pytest.raises(DownloadFailed, match="the proxy refuses the connection to models"):
            fetched("https://models.example/net.pth", tmp_path)


def test_a_proxy_of_an_unsupported_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:1")
    with pytest.raises(DownloadFailed, match=r"socks5://127\.0\.0\.1 is no HTTP proxy"):
        fetched("http://models.example/net.pth", tmp_path)
