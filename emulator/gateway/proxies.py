"""The address that a client used when a reverse proxy, which may speak TLS, is between it and the server, and
the address of the client itself.

A proxy passes scheme and host on in ``X-Forwarded-Proto``, ``X-Forwarded-Host`` and ``X-Forwarded-Port``, or
in ``Forwarded`` (RFC 7239). They count only when a trusted proxy sent the request, since a client can send
them too. Each proxy of a chain appends its value, so that the first one is what the client used. Addresses of
clients (``X-Forwarded-For``) are read from the end, since a client can send the first of them.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from typing import NamedTuple

from starlette.types import Scope

from emulator.gateway.origins import header

_HOST = re.compile(rb"(?:[a-z0-9_.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?", re.IGNORECASE)
_FORWARDED_PAIR = re.compile(rb"""\s*([a-z]+)\s*=\s*("[^"]*"|[^\s",;]*)\s*([;,]|$)""", re.IGNORECASE)
_SCHEMES = {b"http": "http", b"https": "https"}
# A port behind the proxy, sent by mistake, is most often one of these.
_DEFAULT_PORTS = (b"80", b"443")


class _Forwarded(NamedTuple):
    """What the headers say; empty where they say nothing that is valid."""

    scheme: str
    host: bytes


class TrustedProxies:
    """The peers whose headers about forwarding count: this machine, and those of the option.

    networks: addresses and networks (``10.0.0.7``, ``172.16.0.0/12``).
    """

    def __init__(self, networks: Collection[str] = ()) -> None:
        self._networks = tuple(networks)
        self._trusted: dict[str, bool] = {}

    def base_url(self, scope: Scope) -> str:
        """Scheme and host (``https://vision.example``) as the client used them, without a path."""
        forwarded = self._forwarded(scope)
        host = forwarded.host or _valid_host(header(scope, b"host")) or _server(scope)
        return f"{forwarded.scheme or scope['scheme']}://{host.decode('latin-1')}"

    def client_address(self, scope: Scope) -> str:
        """The address of the client, or of the last proxy that is not trusted; empty if it is unknown."""
        client = scope.get("client")
        if client is None:
            return ""
        address = str(client[0])
        forwarded = ",".join(
            value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"
        )
        for text in reversed(forwarded.split(",") if forwarded else []):
            found = _valid_address(text)
            if found is None or not self._trusts_address(address):
                break
            address = found
        return address

    def is_https(self, scope: Scope) -> bool:
        """Whether a trusted proxy says that the client used https."""
        return self._forwarded(scope).scheme == "https"

    def _forwarded(self, scope: Scope) -> _Forwarded:
        scheme, host, port, standard = (
            header(scope, name)
            for name in (b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port", b"forwarded")
        )
        if (scheme or host or port or standard) is None or not self._trusts(scope):
            return _Forwarded("", b"")
        if scheme is None and host is None and standard is not None:
            scheme, host = _standard_pairs(standard)
        found = _valid_host(host)
        port = _first(port)
        if port and port.isdigit() and port not in _DEFAULT_PORTS:
            found = found or _valid_host(header(scope, b"host"))
            if found and not _port_of(found):
                found += b":" + port[:5]
        return _Forwarded(_SCHEMES.get(_first(scheme).lower(), ""), found)

    def _trusts(self, scope: Scope) -> bool:
        client = scope.get("client")
        return client is not None and self._trusts_address(str(client[0]))

    def _trusts_address(self, address: str) -> bool:
        if address not in self._trusted:
            if len(self._trusted) > 1000:
                self._trusted.clear()
            self._trusted[address] = self._is_listed(address)
        return self._trusted[address]

    def _is_listed(self, address: str) -> bool:
        try:
            peer = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        # A socket that listens on IPv6 and IPv4 has IPv4 peers in this form.
        if isinstance(peer, ipaddress.IPv6Address) and peer.ipv4_mapped is not None:
            peer = peer.ipv4_mapped
        return peer.is_loopback or any(peer in ipaddress.ip_network(one) for one in self._networks)


def _first(value: bytes | None) -> bytes:
    """The first of several values in a header."""
    return (value or b"").partition(b",")[0].strip()


def _valid_host(value: bytes | None) -> bytes:
    host = _first(value)
    return host if _HOST.fullmatch(host) else b""


def _valid_address(text: str) -> str | None:
    """An IP address of X-Forwarded-For, where some proxies add a port; None for other texts."""
    text = text.strip()
    host, colon, port = text.rpartition(":")
    if colon and port.isdigit() and (host.startswith("[") or ":" not in host):
        text = host
    try:
        return str(ipaddress.ip_address(text.strip("[]")))
    except ValueError:
        return None


def _server(scope: Scope) -> bytes:
    """The address that the client connected to, for a request without a valid Host, as in HTTP/1.0."""
    address, port = scope.get("server") or ("localhost", None)
    name = f"[{address}]" if ":" in address else address
    return (f"{name}:{port}" if port else name).encode()


def _port_of(host: bytes) -> bytes:
    match = _HOST.fullmatch(host)
    return (match and match[1]) or b""


def _standard_pairs(value: bytes) -> tuple[bytes | None, bytes | None]:
    """``proto`` and ``host`` of the first element of a ``Forwarded`` header."""
    pairs: dict[bytes, bytes] = {}
    position, end = 0, b";"
    while end == b";" and (match := _FORWARDED_PAIR.match(value, position)):
        pairs.setdefault(match[1].lower(), match[2].strip(b'"'))
        position, end = match.end(), match[3]
    return pairs.get(b"proto"), pairs.get(b"host")
