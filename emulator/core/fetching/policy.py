"""Rules for fetching URLs: parsing, allowed addresses, and folders that URLs are mapped to.

Makes no connections; `client` applies these rules.
"""

import functools
import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import quote, unquote, urljoin, urlsplit

from emulator.core.fetching.special_addresses import Address, Network, is_public

_DEFAULT_PORTS = {"http": 80, "https": 443}
LONGEST_URL = 8192
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\\]")
_FORBIDDEN_IN_FILE_NAMES = re.compile(r"[\x00-\x1f\x7f\\/:]")
_HOST_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")


class FetchRejected(Exception):
    """A URL was not fetched. str() is the reason, for the client.

    status: of the response, if its status was the reason. detail: more about the reason, for the log.
    """

    def __init__(self, message: str, status: int | None = None, detail: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.detail = detail


@dataclass(frozen=True)
class FetchPolicy:
    """The rules for fetching.

    Attributes:
        max_bytes: the size above which content is not fetched to its end.
        mode: "public" fetches from public addresses and those in `allow`, "any" from all addresses, "off"
            from none.
        allow: names or addresses, with or without a port (`host`, `host:port`, `[::1]:8080`), and networks
            (`10.0.0.0/8`); an address or network allows every name that resolves to it.
        mapping: pairs of a URL prefix and the folder with the files below it, in every mode. The longest
            prefix wins, queries are ignored, and URLs of missing files are not fetched.
        timeout_seconds: for a fetch with all its redirects.
        max_redirects: the number of redirects that are followed.

    Raises:
        ValueError: an entry of `allow` or `mapping` is invalid.
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


class Url(NamedTuple):
    """The parts of a URL.

    host: in lower-case ASCII, without brackets. path: quoted. target: the path with the query, quoted.
    """

    scheme: str
    host: str
    port: int
    path: str
    target: str

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def parse_url(text: str) -> Url:
    """Parse a URL. Raises FetchRejected when it is malformed or not of a form that is fetched."""
    if len(text) > LONGEST_URL:
        raise FetchRejected(f"The URL is longer than {LONGEST_URL} characters.")
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
    if port == 0:
        raise FetchRejected("The URL is malformed.")
    host = _parse_host(parts.hostname or "")
    target = f"{path}?{query}" if query else path
    return Url(parts.scheme, host, port or _DEFAULT_PORTS[parts.scheme], path, target)


def _parse_host(text: str) -> str:
    """A host name in the form that DNS expects, or an address in canonical form."""
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
        # Resolvers differ in how they interpret 127.1, 0177.0.0.1, 0x7f000001 and 2130706433.
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            raise FetchRejected("The host of the URL is an address in an unusual spelling.") from None
    return host


def redirected(base: Url, location: bytes) -> Url:
    """The URL of a Location header in a response from `base`. Raises FetchRejected."""
    try:
        text = urljoin(f"{base.scheme}://{base.authority}{base.target}", location.decode("utf-8"))
    except ValueError:
        raise FetchRejected("The URL redirects to a malformed URL.") from None
    return parse_url(text)


# Allowed addresses


class _Allowance(NamedTuple):
    """One entry of `FetchPolicy.allow`: a name or a network. port: None for all."""

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


def check_addresses(url: Url, addresses: list[str], policy: FetchPolicy) -> None:
    """Raises FetchRejected when the policy forbids any of the addresses of the URL's host.

    A private address among public ones is refused too, since such a mixture suggests an attack.
    """
    if policy.mode == "any":
        return
    for text in addresses:
        address: Address = ipaddress.ip_address(text.partition("%")[0])
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if not is_public(address) and not any(
            allowance.covers(url.host, address, url.port) for allowance in _allowances(policy.allow)
        ):
            named = "" if url.host == str(address) else f"{url.host} is "
            raise FetchRejected(
                "The URL points to a private or local address (see --url-allow).",
                detail=f"{named}{address} is private or local; --url-allow {url.host} would allow it.",
            )


# Folders that URLs are mapped to


@functools.lru_cache(maxsize=8)
def _mappings(entries: tuple[tuple[str, Path], ...]) -> tuple[tuple[Url, tuple[str, ...], Path], ...]:
    """For each mapped prefix, the longest first: its URL, the segments of its path, the folder."""
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


def mapped_file(url: Url, policy: FetchPolicy) -> Path | None:
    """The file that a URL is mapped to; None when it is not mapped. Raises FetchRejected if it is missing."""
    for prefix, prefix_segments, folder in _mappings(policy.mapping):
        if (prefix.scheme, prefix.authority) == (url.scheme, url.authority):
            segments = _segments(url.path)
            if segments[: len(prefix_segments)] == prefix_segments:
                return _file_within(folder, segments[len(prefix_segments) :])
    return None


def _file_within(folder: Path, segments: tuple[str, ...]) -> Path:
    """The regular file at a path below the folder. Raises FetchRejected when there is none."""
    missing = FetchRejected("The URL is mapped to a local folder (--url-map), which has no such file.")
    for segment in segments:
        if segment in ("", ".", "..") or _FORBIDDEN_IN_FILE_NAMES.search(segment):
            raise missing
    try:
        root = folder.resolve(strict=True)
        path = root.joinpath(*segments).resolve(strict=True)
        # A symbolic link to a file outside of the folder is refused.
        found = path.is_relative_to(root) and path.is_file()
    except (OSError, RuntimeError, ValueError):  # missing, name too long, loop of links, ...
        found = False
    if not found:
        raise missing
    return path
