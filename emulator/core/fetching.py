"""Fetches image URLs that strangers name, without being led where the strangers cannot go themselves.

By default only public addresses are fetched. A name is resolved once, all its addresses are judged, and the
connection goes to one of them, while TLS and the Host header keep the name: what the name service answers
afterwards has no effect. Redirects start from the beginning. The whole fetch has one deadline and one limit on
its size. Proxies named in the environment are not used, because a proxy resolves names on its own and would
defeat all this; a machine without a way out can map URLs to folders instead.
"""

import contextlib
import functools
import ipaddress
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, unquote, urljoin, urlsplit

if TYPE_CHECKING:
    import httpcore
    from httpcore import NetworkBackend, NetworkStream
else:  # the HTTP library asks for no common base class, and is not imported before the first URL is fetched
    NetworkBackend = NetworkStream = object

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve = Callable[[str, int], Sequence[str]]
Connect = Callable[[str, int, float], NetworkStream]

_DEFAULT_PORTS = {"http": 80, "https": 443}
_LONGEST_URL = 8192
_MOST_ADDRESSES = 8
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\\]")
_FORBIDDEN_IN_FILE_NAMES = re.compile(r"[\x00-\x1f\x7f\\/:]")
_HOST_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")
_IPV6_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# Public by its number, but answered by the host of Azure's virtual machines.
_PLATFORM_ADDRESSES = frozenset({ipaddress.IPv4Address("168.63.129.16")})


class FetchRejected(Exception):
    """A URL was not fetched. The message says why, to whoever sent the URL."""


@dataclass(frozen=True)
class FetchPolicy:
    """What may be fetched. Raises ValueError for an entry of `allow` or `mapping` that makes no sense.

    `mode`: "public" fetches from public addresses and from what `allow` names, "any" from everywhere, "off"
    from nowhere. `allow`: names or addresses, with or without a port (`host`, `host:port`, `[::1]:8080`), and
    networks (`10.0.0.0/8`); an address or network allows every name that resolves to it. `mapping`: pairs of a
    URL prefix and the folder that holds the files below it; in every mode, the longest prefix wins, a query is
    ignored, and what the folder lacks is not fetched. `timeout_seconds` is for all of a fetch, with redirects.
    """

    max_bytes: int
    mode: Literal["public", "any", "off"] = "public"
    allow: tuple[str, ...] = ()
    mapping: tuple[tuple[str, Path], ...] = ()
    timeout_seconds: float = 10
    max_redirects: int = 5

    def __post_init__(self) -> None:
        _allowances(self.allow)
        _mappings(self.mapping)


@dataclass(frozen=True)
class Url:
    """A URL taken apart: `host` in lower case ASCII, bare; `path` and `target` (with the query) quoted."""

    scheme: str
    host: str
    port: int
    path: str
    target: str

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def resolve_with_system(host: str, port: int) -> list[str]:
    """The addresses of a host name, as the operating system knows them. Raises OSError where it knows none."""
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
    """The bytes behind a URL, at most `policy.max_bytes` of them.

    Blocks; to be called in a thread. Raises FetchRejected and, whatever the URL and its host, nothing else.
    """
    deadline = _Deadline(policy.timeout_seconds)
    current = parse_url(url)
    for _ in range(policy.max_redirects + 1):
        file = _mapped_file(current, policy)
        if file is not None:
            return _read_file(file, policy.max_bytes)
        if policy.mode == "off":
            raise FetchRejected("Fetching URLs is switched off (--url-fetch off).")
        body, location = _get(current, policy, deadline, resolve, connect)
        if location is None:
            return body
        current = parse_url(_join(current, location))
    raise FetchRejected(f"The URL leads through more than {policy.max_redirects} redirects.")


def parse_url(text: str) -> Url:
    """Take a URL apart, once, for everything that follows. Raises FetchRejected where it is not to be fetched."""
    if len(text) > _LONGEST_URL:
        raise FetchRejected(f"The URL is longer than {_LONGEST_URL} characters.")
    if _FORBIDDEN.search(text):
        raise FetchRejected("The URL holds control characters or backslashes.")
    try:
        parts = urlsplit(text.strip(" "))
        port = parts.port
        path = quote(parts.path, safe="%/:;=@!$&'()*+,~") or "/"
        query = quote(parts.query, safe="%/:;=@!$&'()*+,~?")
    except ValueError:  # brackets, ports, surrogates
        raise FetchRejected("The URL is malformed.") from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise FetchRejected("Only http and https URLs are fetched.")
    if "@" in parts.netloc:
        raise FetchRejected("URLs with a user name or a password are not fetched.")
    if port == 0 or not path.startswith("/"):
        raise FetchRejected("The URL is malformed.")
    target = f"{path}?{query}" if query else path
    return Url(
        parts.scheme, _parse_host(parts.hostname or ""), port or _DEFAULT_PORTS[parts.scheme], path, target
    )


def _parse_host(text: str) -> str:
    """A host name as the name service wants it, or an address in its canonical spelling."""
    malformed = FetchRejected("The host of the URL is malformed.")
    host = text.lower()
    if not host.isascii():
        import idna

        try:
            host = idna.encode(host, uts46=True).decode("ascii")
        except UnicodeError:
            raise malformed from None
    if ":" in host:
        try:
            address = ipaddress.IPv6Address(host)
        except ValueError:
            raise malformed from None
        if address.scope_id is not None:
            raise malformed
        return str(address)
    host = host.removesuffix(".")
    labels = host.split(".")
    if len(host) > 253 or not all(_HOST_LABEL.fullmatch(label) for label in labels):
        raise malformed
    if _NUMBER_LABEL.fullmatch(labels[-1]):
        # Resolvers take 127.1, 0177.0.0.1, 0x7f000001 and 2130706433 for addresses, each in its own way.
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            raise FetchRejected("The host of the URL is an address in an unusual spelling.") from None
    return host


def _join(base: Url, location: bytes) -> str:
    try:
        return urljoin(f"{base.scheme}://{base.authority}{base.target}", location.decode("utf-8"))
    except ValueError:
        raise FetchRejected("The URL redirects to a malformed URL.") from None


# Which addresses


@dataclass(frozen=True)
class _Allowance:
    """One entry of `FetchPolicy.allow`: a name or a network, on one port or on all."""

    name: str | None
    network: Network | None
    port: int | None

    def covers(self, host: str, address: Address, port: int) -> bool:
        if self.port is not None and self.port != port:
            return False
        return self.name == host if self.network is None else address in self.network


@functools.lru_cache(maxsize=8)
def _allowances(entries: tuple[str, ...]) -> tuple[_Allowance, ...]:
    return tuple(_parse_allowance(entry) for entry in entries)


def _parse_allowance(entry: str) -> _Allowance:
    try:
        return _Allowance(None, ipaddress.ip_network(entry), None)
    except ValueError:
        pass
    try:
        parts = urlsplit(f"//{entry}")
        if parts.netloc != entry or "@" in entry or entry.endswith(":") or parts.port == 0:
            raise ValueError
        host, port = _parse_host(parts.hostname or ""), parts.port
    except (ValueError, FetchRejected):
        raise ValueError(f"{entry!r} is not a host, host:port or network such as 10.0.0.0/8") from None
    try:
        return _Allowance(None, ipaddress.ip_network(host), port)
    except ValueError:
        return _Allowance(host, None, port)


def _is_public(address: Address) -> bool:
    """Whether an address belongs to the public network, also where it wraps another one."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:  # how networks of IPv6 alone reach the others (RFC 6052)
            return _is_public(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
        if address not in _IPV6_UNICAST or address.sixtofour is not None or address.teredo is not None:
            return False
    elif address in _PLATFORM_ADDRESSES:
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


def _checked_addresses(url: Url, policy: FetchPolicy, resolve: Resolve, deadline: "_Deadline") -> list[str]:
    """The addresses of the URL's host, each of which may be connected to."""
    try:
        found = [str(ipaddress.ip_address(url.host))]
    except ValueError:
        found = _resolve_in_time(url, resolve, deadline)
    for text in found:
        address: Address = ipaddress.ip_address(text.partition("%")[0])
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        allowed = policy.mode == "any" or any(
            allowance.covers(url.host, address, url.port) for allowance in _allowances(policy.allow)
        )
        # One private address among public ones is refused too: who mixes them has something in mind.
        if not allowed and not _is_public(address):
            raise FetchRejected(
                "The URL points to a private or local address, which is fetched from only if --url-allow names it."
            )
    return found[:_MOST_ADDRESSES]


def _resolve_in_time(url: Url, resolve: Resolve, deadline: "_Deadline") -> list[str]:
    """Resolve in a thread, for the system's resolver knows no deadline. The thread ends when the resolver does."""
    answers: list[list[str]] = []

    def run() -> None:
        try:
            answers.append(list(resolve(url.host, url.port)))
        except (OSError, UnicodeError):  # unknown; or a name that the resolver cannot encode
            answers.append([])

    thread = threading.Thread(target=run, name="resolve", daemon=True)
    thread.start()
    thread.join(deadline.remaining())
    if not answers:
        raise deadline.rejection()
    if not answers[0]:
        raise FetchRejected("The host of the URL is unknown.")
    return answers[0]


# The network


class _Deadline:
    """The moment at which a fetch has taken too long."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds left, more than 0. Raises FetchRejected when there are none."""
        seconds = self._end - time.monotonic()
        if seconds <= 0:
            raise self.rejection()
        return seconds

    def rejection(self) -> FetchRejected:
        return FetchRejected(f"The URL could not be fetched within {self._seconds:g} seconds.")


class _DeadlineStream(NetworkStream):
    """A connection each step of which has what is left of the fetch's time: bytes that drip do not prolong it."""

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
    """Connects to the addresses that were judged, whatever the host's name means by now."""

    def __init__(self, addresses: Sequence[str], connect: Connect, deadline: _Deadline) -> None:
        self._addresses = addresses
        self._connect = connect
        self._deadline = deadline

    def connect_tcp(self, host: str, port: int, *unused: Any, **unused_too: Any) -> NetworkStream:
        import httpcore

        *others, last = self._addresses
        for index, address in enumerate(others):
            # A fair share of the time for each, so that an address that is silent does not take it all.
            share = self._deadline.remaining() / (len(self._addresses) - index)
            with contextlib.suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return _DeadlineStream(self._connect(address, port, share), self._deadline)
        return _DeadlineStream(self._connect(last, port, self._deadline.remaining()), self._deadline)


@functools.lru_cache(maxsize=1)
def _ssl_context() -> ssl.SSLContext:
    """Trusts what the system trusts (or SSL_CERT_FILE says) and, as some systems have no list, certifi's."""
    import certifi

    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def _get(
    url: Url, policy: FetchPolicy, deadline: _Deadline, resolve: Resolve, connect: Connect
) -> tuple[bytes, bytes | None]:
    """One request: the body and None, or nothing and where it redirects to."""
    import httpcore

    backend = _PinnedBackend(_checked_addresses(url, policy, resolve, deadline), connect, deadline)
    origin = httpcore.Origin(url.scheme.encode(), url.host.encode(), url.port)
    request = httpcore.Request(
        "GET",
        httpcore.URL(scheme=origin.scheme, host=origin.host, port=url.port, target=url.target.encode()),
        headers={
            "Host": url.authority,
            "Accept": "image/*, */*;q=0.5",
            "Accept-Encoding": "identity",  # a small compressed body can be a large one; refused if it comes anyway
            "User-Agent": "custom-vision-emulator",
            "Connection": "close",
        },
    )
    context = _ssl_context() if url.scheme == "https" else None
    connection = httpcore.HTTPConnection(origin, ssl_context=context, network_backend=backend)
    try:
        with (
            contextlib.closing(connection),
            contextlib.closing(connection.handle_request(request)) as response,
        ):
            return _read_response(response, policy.max_bytes)
    except httpcore.TimeoutException:
        raise deadline.rejection() from None
    except httpcore.ConnectError as error:
        kind = "secure connection" if isinstance(error.__cause__, ssl.SSLError) else "connection"
        raise FetchRejected(f"No {kind} to the URL's host could be made.") from None
    except (httpcore.NetworkError, httpcore.ProtocolError, OSError):
        raise FetchRejected("The URL's host broke off, or its answer was not HTTP.") from None


def _read_response(response: "httpcore.Response", max_bytes: int) -> tuple[bytes, bytes | None]:
    headers = {name.lower(): value for name, value in response.headers}
    if response.status in _REDIRECTS and b"location" in headers:
        return b"", headers[b"location"]
    if response.status != 200:
        raise FetchRejected(f"The URL answered with status {response.status}.")
    if headers.get(b"content-encoding", b"identity").strip().lower() != b"identity":
        raise FetchRejected("The URL answered with a compressed body, which was not asked for.")
    if (
        int(headers.get(b"content-length", b"0")) > max_bytes
    ):  # the HTTP library lets nothing but numbers through
        raise _too_large(max_bytes)
    body = bytearray()
    for chunk in response.iter_stream():
        body += chunk
        if len(body) > max_bytes:
            raise _too_large(max_bytes)
    return bytes(body), None


def _too_large(max_bytes: int) -> FetchRejected:
    return FetchRejected(f"The URL leads to more than {max_bytes} bytes.")


# Folders in place of the network


@functools.lru_cache(maxsize=8)
def _mappings(entries: tuple[tuple[str, Path], ...]) -> tuple[tuple[Url, tuple[str, ...], Path], ...]:
    """The mapped prefixes, the longest first: its URL, the segments of its path, the folder."""
    mappings = []
    for prefix, folder in entries:
        try:
            url = parse_url(prefix)
            segments = _segments(url.path.rstrip("/"))
        except FetchRejected as problem:
            raise ValueError(f"{prefix!r} cannot be the beginning of a URL: {problem}") from None
        if url.target != url.path:
            raise ValueError(f"{prefix!r} cannot be the beginning of a URL: it has a query")
        mappings.append((url, segments, folder))
    return tuple(sorted(mappings, key=lambda mapping: -len(mapping[1])))


def _segments(path: str) -> tuple[str, ...]:
    """The decoded segments of a URL's path."""
    try:
        return tuple(unquote(segment, errors="strict") for segment in path.split("/")[1:])
    except UnicodeDecodeError:
        raise FetchRejected("The path of the URL is not UTF-8.") from None


def _mapped_file(url: Url, policy: FetchPolicy) -> Path | None:
    """The file that stands for a URL; None for a URL that is not mapped."""
    for prefix, prefix_segments, folder in _mappings(policy.mapping):
        if (prefix.scheme, prefix.authority) == (url.scheme, url.authority):
            segments = _segments(url.path)
            if segments[: len(prefix_segments)] == prefix_segments:
                return _file_within(folder, segments[len(prefix_segments) :])
    return None


def _file_within(folder: Path, segments: tuple[str, ...]) -> Path:
    """A regular file of the folder, by the names on the way to it."""
    missing = FetchRejected("The URL is mapped to a local folder (--url-map), which has no such file.")
    for segment in segments:
        if segment in ("", ".", "..") or _FORBIDDEN_IN_FILE_NAMES.search(segment):
            raise missing
    try:
        root = folder.resolve(strict=True)
        path = root.joinpath(*segments).resolve(strict=True)
        if (
            path.is_relative_to(root) and path.is_file()
        ):  # a link that leads out of the folder is no file of it
            return path
    except (OSError, RuntimeError, ValueError):  # a name too long, a loop of links, a surrogate, ...
        pass
    raise missing


def _read_file(path: Path, max_bytes: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError:
        raise FetchRejected("The file that the URL is mapped to cannot be read.") from None
    if len(data) > max_bytes:
        raise _too_large(max_bytes)
    return data
