"""Downloading of a large file whose checksum is known: resumed after breaks, through a proxy, with progress.

The URL comes from the user or from the program, not from clients of the server, so addresses are not
restricted as in `core.fetching`.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import re
import shutil
import ssl
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

from emulator.durable_files import is_disk_full

if TYPE_CHECKING:
    import httpcore

UNFINISHED_SUFFIX = ".part"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 5
# Servers that are overloaded or restarted: worth another attempt.
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
# Attempts in a row that bring no byte, and the pause in seconds before each of them.
_PAUSES = (1, 2, 4, 8)
_SILENCE_SECONDS = 60
_RANGE = re.compile(rb"bytes (\d+)-\d+/(\d+|\*)")
# Left free on the disk for everything else.
_SPARE_BYTES = 50 * 2**20


class DownloadFailed(Exception):
    """The file was not downloaded. The message says why, and what to do."""


class Unreachable(DownloadFailed):
    """There is no connection to the host."""


def download(
    url: str,
    path: Path,
    *,
    sha256: str,
    most_bytes: int,
    show: Callable[[int, int], None] = lambda there, total: None,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Download a file; one that is there already, or in part, is not downloaded again.

    The unfinished file has the suffix `UNFINISHED_SUFFIX`. It stays when the connection breaks, so that a
    later call goes on from there, and is removed when its content is wrong or the disk is full. Proxies are
    those of the system (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY).

    Args:
        path: of the file; its folder exists.
        sha256: the first hexadecimal digits of the file's SHA-256, at least eight.
        most_bytes: larger files are refused.
        show: called with the bytes that are there and the size of the file, 0 if the server does not tell.
        pause: waits for a number of seconds.

    Raises:
        DownloadFailed: see its message.
        OSError: the file cannot be written.
    """
    if path.exists() and _digest(path).startswith(sha256):
        return
    unfinished = path.with_name(path.name + UNFINISHED_SUFFIX)
    source = _Source(url)
    for is_last in (False, True):
        resumed = unfinished.exists() and unfinished.stat().st_size > 0
        try:
            _receive(source, unfinished, most_bytes, show, pause)
        except OSError as error:
            if is_disk_full(error):
                unfinished.unlink(missing_ok=True)
            raise
        found = _digest(unfinished)
        if found.startswith(sha256):
            unfinished.replace(path)
            return
        unfinished.unlink()
        # The first part may have come from another file, so a resumed one is tried from its beginning.
        if is_last or not resumed:
            raise DownloadFailed(
                f"{source.shown} is another file than expected: its SHA-256 begins with {found[:8]}, not "
                f"with {sha256}; nothing was stored. Try again, or name another place with --from URL"
            )


def _receive(
    source: _Source,
    unfinished: Path,
    most_bytes: int,
    show: Callable[[int, int], None],
    pause: Callable[[float], None],
) -> None:
    """Receive the whole file; after a break, the rest of it."""
    fruitless = 0
    while True:
        before = unfinished.stat().st_size if unfinished.exists() else 0
        try:
            _receive_once(source, unfinished, before, most_bytes, show)
            return
        except _Broken as broken:
            there = unfinished.stat().st_size if unfinished.exists() else 0
            fruitless = 0 if there > before else fruitless + 1
            if fruitless > len(_PAUSES) or broken.is_final:
                kept = f" {there} bytes are kept: the same command continues." if there else ""
                kind = Unreachable if broken.is_unreachable else DownloadFailed
                raise kind(f"{broken}.{kept}") from None
            pause(_PAUSES[max(0, fruitless - 1)])


class _Broken(Exception):
    """An attempt ended early."""

    def __init__(self, message: str, *, is_final: bool = False, is_unreachable: bool = False) -> None:
        super().__init__(message)
        self.is_final, self.is_unreachable = is_final, is_unreachable


def _receive_once(
    source: _Source, unfinished: Path, there: int, most_bytes: int, show: Callable[[int, int], None]
) -> None:
    with source.opened(there) as response:
        headers = {name.lower(): value for name, value in response.headers}
        if response.status == 416 and there:
            # Either the file is complete, which its checksum tells, or it is shorter than what is there.
            return
        if response.status not in (200, 206):
            raise _Broken(
                f"{source.shown} responded with status {response.status}",
                is_final=response.status not in _PASSING,
            )
        first, total = _extent(response.status, headers, there)
        if total > most_bytes:
            raise DownloadFailed(f"{source.shown} has {total / 2**30:.1f} GB, more than is allowed")
        free = shutil.disk_usage(unfinished.parent).free
        if total and total - first > free - _SPARE_BYTES:
            raise OSError(errno.ENOSPC, f"{total / 1e6:.0f} MB are needed, {free / 1e6:.0f} MB are free")
        with unfinished.open("r+b" if first else "wb") as file:
            file.truncate(first)
            file.seek(first)
            received = first
            show(received, total)
            for piece in source.pieces(response):
                received += len(piece)
                if received > most_bytes:
                    raise DownloadFailed(f"{source.shown} is larger than is allowed")
                file.write(piece)
                show(received, total)
    if total and received < total:
        raise _Broken(f"{source.shown} ended after {received} of {total} bytes")


def _extent(status: int, headers: Mapping[bytes, bytes], there: int) -> tuple[int, int]:
    """The place of the first byte of a response in the file, and the file's size, 0 if it is unknown."""
    length = int(headers.get(b"content-length", b"0"))
    if status == 200:
        return 0, length
    found = _RANGE.fullmatch(headers.get(b"content-range", b"").strip())
    if found is None or int(found[1]) != there:
        raise _Broken("the server sent another part of the file than was requested", is_final=True)
    return there, there + length if found[2] == b"*" else int(found[2])


class _Source:
    """A URL that is read from, through a proxy if there is one."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._check(url)

    @property
    def shown(self) -> str:
        """The URL without user name, password and query."""
        parts = urlsplit(self._url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))

    @contextlib.contextmanager
    def opened(self, there: int) -> Iterator[httpcore.Response]:
        """The response to a request for the bytes from `there` on, after redirects.

        Raises:
            _Broken: there is no connection, or it ended.
            DownloadFailed: the URL or a redirect cannot be used.
        """
        url = self._url
        for _ in range(_MAX_REDIRECTS + 1):
            with self._requested(url, there) as response:
                location = {name.lower(): value for name, value in response.headers}.get(b"location")
                if response.status not in _REDIRECTS or location is None:
                    yield response
                    return
            target = urljoin(url, location.decode("latin-1"))
            self._check(target)
            if urlsplit(url).scheme == "https" != urlsplit(target).scheme:
                raise DownloadFailed(f"{self.shown} redirects from https to http, which is not followed")
            url = target
        raise DownloadFailed(f"{self.shown} leads through more than {_MAX_REDIRECTS} redirects")

    def pieces(self, response: httpcore.Response) -> Iterator[bytes]:
        """The body. Raises _Broken when the connection ends early."""
        with self._network_errors():
            yield from response.iter_stream()

    @contextlib.contextmanager
    def _requested(self, url: str, there: int) -> Iterator[httpcore.Response]:
        parts = urlsplit(url)
        headers: dict[bytes | str, bytes | str] = {
            "Host": parts.netloc.rpartition("@")[2],
            "User-Agent": "custom-vision-emulator",
            "Accept": "*/*",
            "Accept-Encoding": "identity",
        }
        if parts.username is not None:
            credentials = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            headers["Authorization"] = f"Basic {b64encode(credentials.encode()).decode()}"
        if there:
            headers["Range"] = f"bytes={there}-"
        target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
        target += f"?{parts.query}" if parts.query else ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        host = parts.hostname or ""
        timeout = dict.fromkeys(("connect", "read", "write", "pool"), _SILENCE_SECONDS)
        import httpcore

        with (
            self._network_errors(host),
            self._pool(parts.scheme, host, port) as pool,
            pool.stream(
                "GET",
                httpcore.URL(scheme=parts.scheme, host=host, port=parts.port, target=target),
                headers=headers,
                extensions={"timeout": timeout},
            ) as response,
        ):
            yield response

    def _pool(self, scheme: str, host: str, port: int) -> httpcore.ConnectionPool:
        import urllib.request

        import httpcore

        proxies = urllib.request.getproxies()
        proxy = proxies.get(scheme) or proxies.get("all")
        if proxy is None or urllib.request.proxy_bypass(f"{host}:{port}"):
            return httpcore.ConnectionPool(ssl_context=_ssl_context())
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise DownloadFailed(f"the proxy {parts.scheme}://{parts.hostname or ''} is no HTTP proxy")
        authority = parts.netloc.rpartition("@")[2]
        given = None
        if parts.username is not None:
            given = (unquote(parts.username), unquote(parts.password or ""))
        return httpcore.HTTPProxy(
            f"{parts.scheme}://{authority}", proxy_auth=given, ssl_context=_ssl_context()
        )

    @contextlib.contextmanager
    def _network_errors(self, host: str = "") -> Iterator[None]:
        import httpcore

        try:
            yield
        except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
            if isinstance(error.__cause__, ssl.SSLError) or "CERTIFICATE" in str(error):
                raise _Broken(f"no secure connection to {host}: {error}", is_final=True) from None
            raise _Broken(f"no connection to {host}: {error}", is_unreachable=True) from None
        except httpcore.ProxyError as error:
            raise _Broken(f"the proxy refuses the connection to {host}: {error}", is_final=True) from None
        except httpcore.TimeoutException:
            raise _Broken(f"{self.shown} sent nothing for {_SILENCE_SECONDS} seconds") from None
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise _Broken(f"the connection to {self.shown} broke ({error})") from None

    @staticmethod
    def _check(url: str) -> None:
        try:
            parts = urlsplit(url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:  # a port that is not a number, brackets
            usable = False
        if not usable or any(ord(letter) <= 32 or ord(letter) > 126 for letter in url):
            raise DownloadFailed(f"{url[:200]!r} is no http or https URL")


@lru_cache(maxsize=1)
def _ssl_context() -> ssl.SSLContext:
    """Trusts certificates of the system (or SSL_CERT_FILE) and of certifi."""
    import certifi

    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def _digest(path: Path) -> str:
    if not path.exists():
        return hashlib.sha256().hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
