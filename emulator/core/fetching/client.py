"""HTTP client for URLs in requests of clients: fetches images, and sends to Azure storage.

Protects against server-side request forgery: by default only public addresses are fetched. A host name is
resolved once, all its addresses are checked, and the connection goes to one of them, while TLS and the Host
header keep the name, so later changes of the DNS entry have no effect. The target of a redirect is checked
like a new URL. The whole fetch has one deadline and one size limit. Proxy settings of the environment are
ignored, since a proxy resolves names itself, after the checks; without access to the network, URLs can be
mapped to folders instead.
"""

import contextlib
import functools
import ipaddress
import math
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.core.fetching.policy import (
    FetchPolicy,
    FetchRejected,
    Url,
    check_addresses,
    mapped_file,
    parse_url,
    redirected,
)

__all__ = ["FetchPolicy", "FetchRejected", "fetch", "fetch_pieces", "send"]

if TYPE_CHECKING:
    import httpcore
    from httpcore import NetworkBackend, NetworkStream
else:  # httpcore needs no common base class, and is only imported when the first URL is fetched
    NetworkBackend = NetworkStream = object

Resolve = Callable[[str, int], Sequence[str]]
Connect = Callable[[str, int, float], NetworkStream]

_MAX_ADDRESSES = 8
_MAX_REPLY_BYTES = 65536
_CHUNK_BYTES = 1 << 20
_IMAGE_HEADERS = {"Accept": "image/*, */*;q=0.5"}
_CONNECTION_LOST = "The URL's host broke off, or its answer was not HTTP."
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


def resolve_with_system(host: str, port: int) -> list[str]:
    """The addresses of a host name, from the operating system. Raises OSError when there are none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def connect_with_socket(address: str, port: int, timeout: float) -> NetworkStream:
    """A TCP connection to an address, within `timeout` seconds. Raises httpcore's exceptions."""
    import httpcore

    return httpcore.SyncBackend().connect_tcp(address, port, timeout)


def fetch(
    url: str,
    policy: FetchPolicy,
    *,
    resolve: Resolve = resolve_with_system,
    connect: Connect = connect_with_socket,
) -> bytes:
    """The bytes behind a URL, at most `policy.max_bytes`.

    Blocks, so it is called in a thread. Raises FetchRejected, and no other exception.
    """
    deadline = _Deadline(policy.timeout_seconds)
    current = parse_url(url)
    for _ in range(policy.max_redirects + 1):
        file = mapped_file(current, policy)
        if file is not None:
            return _read_file(file, policy.max_bytes)
        if policy.mode == "off":
            raise FetchRejected("Fetching URLs is switched off (--url-fetch off).")
        body, location = _get(current, policy, deadline, resolve, connect)
        if location is None:
            return body
        current = redirected(current, location)
    raise FetchRejected(f"The URL leads through more than {policy.max_redirects} redirects.")


def fetch_pieces(
    url: str,
    policy: FetchPolicy,
    consume: Callable[[Iterator[bytes]], None],
    *,
    longest_silence: float,
) -> None:
    """Pass the bytes behind a URL to `consume` as they arrive, for content that does not fit into memory.

    Redirects are not followed. longest_silence: seconds for which the host may send nothing. Raises
    FetchRejected, and the exceptions of `consume`.
    """
    deadline = _Deadline(policy.timeout_seconds, longest_silence)
    parsed = parse_url(url)
    file = mapped_file(parsed, policy)
    if file is not None:
        consume(iter((_read_file(file, policy.max_bytes),)))
        return
    if policy.mode == "off":
        raise FetchRejected("Fetching URLs is switched off (--url-fetch off).")
    with _request(parsed, policy, deadline, resolve_with_system, connect_with_socket) as response:
        _check_response(response, policy.max_bytes)
        consume(_bounded(response, policy.max_bytes))


def send(
    method: str,
    url: str,
    policy: FetchPolicy,
    headers: dict[str, str],
    content: bytes | Path = b"",
    *,
    longest_silence: float = math.inf,
) -> tuple[int, dict[str, str]]:
    """Send `content` (bytes, or a file) to a URL. Returns the status and headers of the response.

    Names of headers are in lower case. Redirects are not followed, and `policy.mapping` is not used. Raises
    FetchRejected, and OSError when the file cannot be read.
    """
    if policy.mode == "off":
        raise FetchRejected("Using URLs is switched off (--url-fetch off).")
    deadline = _Deadline(policy.timeout_seconds, longest_silence)
    parsed = parse_url(url)
    length = len(content) if isinstance(content, bytes) else content.stat().st_size
    with contextlib.ExitStack() as stack:
        pieces: bytes | Iterator[bytes] = b""
        if isinstance(content, bytes):
            pieces = content
        else:
            file = stack.enter_context(content.open("rb"))
            pieces = iter(lambda: file.read(_CHUNK_BYTES), b"")
        response = stack.enter_context(
            _request(
                parsed,
                policy,
                deadline,
                resolve_with_system,
                connect_with_socket,
                method=method,
                headers={**headers, "Content-Length": str(length)},
                content=pieces,
            )
        )
        size = 0
        for piece in response.iter_stream():  # to the end: some servers wait for that
            size += len(piece)
            if size > _MAX_REPLY_BYTES:
                break
        response_headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers
        }
        return response.status, response_headers


def _addresses(url: Url, policy: FetchPolicy, resolve: Resolve, deadline: "_Deadline") -> list[str]:
    """The addresses of the URL's host. Raises FetchRejected when the policy forbids one of them."""
    try:
        found = [str(ipaddress.ip_address(url.host))]
    except ValueError:
        found = _resolve_in_time(url, resolve, deadline)
    check_addresses(url, found, policy)
    return found[:_MAX_ADDRESSES]


def _resolve_in_time(url: Url, resolve: Resolve, deadline: "_Deadline") -> list[str]:
    """Resolve in a thread, since the system's resolver has no timeout; the thread ends with the resolver."""
    answers: list[list[str]] = []

    def run() -> None:
        try:
            answers.append(list(resolve(url.host, url.port)))
        except (OSError, UnicodeError):  # unknown, or not encodable
            answers.append([])

    thread = threading.Thread(target=run, name="resolve", daemon=True)
    thread.start()
    thread.join(deadline.remaining())
    if not answers:
        raise deadline.rejection()
    if not answers[0]:
        raise FetchRejected("The host of the URL is unknown.", detail=f"{url.host} has no address.")
    return answers[0]


class _Deadline:
    """The time at which a fetch is given up, and the maximum duration of a single step, in seconds."""

    def __init__(self, seconds: float, longest_step: float = math.inf) -> None:
        self._seconds = min(seconds, longest_step)
        self._longest_step = longest_step
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds left for the next step, more than 0. Raises FetchRejected when the time is up."""
        seconds = self._end - time.monotonic()
        if seconds <= 0:
            raise self.rejection()
        return min(seconds, self._longest_step)

    def rejection(self) -> FetchRejected:
        return FetchRejected(f"The URL could not be fetched within {self._seconds:g} seconds.")


class _DeadlineStream(NetworkStream):
    """A connection on which each step has the remaining time, so slow data does not extend the deadline."""

    def __init__(self, stream: NetworkStream, deadline: _Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.remaining())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.remaining())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, self._deadline.remaining())
        return _DeadlineStream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _PinnedBackend(NetworkBackend):
    """Connects to the addresses that were checked, without resolving the host name again."""

    def __init__(self, addresses: Sequence[str], connect: Connect, deadline: _Deadline) -> None:
        self._addresses = addresses
        self._connect = connect
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> NetworkStream:
        import httpcore

        *others, last = self._addresses
        for index, address in enumerate(others):
            # An equal share of the time for each, so that an unresponsive address does not use all of it.
            share = self._deadline.remaining() / (len(self._addresses) - index)
            with contextlib.suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return _DeadlineStream(self._connect(address, port, share), self._deadline)
        return _DeadlineStream(self._connect(last, port, self._deadline.remaining()), self._deadline)


@functools.lru_cache(maxsize=1)
def ssl_context() -> ssl.SSLContext:
    """Trusts certificates of the system (or SSL_CERT_FILE) and, since some systems have none, of certifi."""
    import certifi

    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def _get(
    url: Url, policy: FetchPolicy, deadline: _Deadline, resolve: Resolve, connect: Connect
) -> tuple[bytes, bytes | None]:
    """One request. Returns the body and None, or b"" and the Location of a redirect."""
    try:
        with _request(url, policy, deadline, resolve, connect) as response:
            location = {name.lower(): value for name, value in response.headers}.get(b"location")
            if response.status in _REDIRECTS and location is not None:
                return b"", location
            _check_response(response, policy.max_bytes)
            return b"".join(_bounded(response, policy.max_bytes)), None
    except OSError:
        raise FetchRejected(_CONNECTION_LOST) from None


@contextlib.contextmanager
def _request(
    url: Url,
    policy: FetchPolicy,
    deadline: _Deadline,
    resolve: Resolve,
    connect: Connect,
    *,
    method: str = "GET",
    headers: Mapping[str, str] = _IMAGE_HEADERS,
    content: bytes | Iterator[bytes] = b"",
) -> "Iterator[httpcore.Response]":
    """One request. Yields the response with an unread body; network errors become FetchRejected."""
    import httpcore

    backend = _PinnedBackend(_addresses(url, policy, resolve, deadline), connect, deadline)
    origin = httpcore.Origin(url.scheme.encode(), url.host.encode(), url.port)
    sent = {
        **headers,
        "Host": url.authority,
        "Accept-Encoding": "identity",  # compressed bodies are refused: they may be zip bombs
        "User-Agent": "custom-vision-emulator",
        "Connection": "close",
    }
    request = httpcore.Request(
        method,
        httpcore.URL(scheme=origin.scheme, host=origin.host, port=url.port, target=url.target.encode()),
        headers=[(name.encode(), value.encode()) for name, value in sent.items()],
        content=content,
    )
    context = ssl_context() if url.scheme == "https" else None
    connection = httpcore.HTTPConnection(origin, ssl_context=context, network_backend=backend)
    try:
        with (
            contextlib.closing(connection),
            contextlib.closing(connection.handle_request(request)) as response,
        ):
            yield response
    except httpcore.TimeoutException:
        raise deadline.rejection() from None
    except httpcore.ConnectError as error:
        kind = "secure connection" if isinstance(error.__cause__, ssl.SSLError) else "connection"
        place = f"{url.authority}: {error}"
        raise FetchRejected(f"No {kind} to the URL's host could be made.", detail=place) from None
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        raise FetchRejected(_CONNECTION_LOST) from error


def _check_response(response: "httpcore.Response", max_bytes: int) -> None:
    headers = {name.lower(): value for name, value in response.headers}
    if response.status != 200:
        raise FetchRejected(f"The URL answered with status {response.status}.", response.status)
    if headers.get(b"content-encoding", b"identity").strip().lower() != b"identity":
        raise FetchRejected("The URL answered with a compressed body, which was not asked for.")
    if int(headers.get(b"content-length", b"0")) > max_bytes:  # httpcore checks that it is a number
        raise _too_large(max_bytes)


def _bounded(response: "httpcore.Response", max_bytes: int) -> Iterator[bytes]:
    """The body in chunks, `max_bytes` at most in all."""
    size = 0
    for piece in response.iter_stream():
        size += len(piece)
        if size > max_bytes:
            raise _too_large(max_bytes)
        yield piece


def _too_large(max_bytes: int) -> FetchRejected:
    return FetchRejected(f"The URL leads to more than {max_bytes} bytes.")


def _read_file(path: Path, max_bytes: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError:
        raise FetchRejected("The file that the URL is mapped to cannot be read.") from None
    if len(data) > max_bytes:
        raise _too_large(max_bytes)
    return data
