"""The check of the Host header, which keeps web pages from using a server of this machine by DNS rebinding.

A page of ``http://evil.example`` can let its name resolve to 127.0.0.1 after it was loaded. To the browser,
the server then has the origin of the page: CORS does not apply, and well-known keys do not protect. The name
in the Host header remains that of the page, and neither the page nor a script in it can change it.
"""

import re
from collections.abc import Collection

from starlette.types import ASGIApp, Receive, Scope, Send

from emulator.gateway.errors import gateway_response
from emulator.gateway.origins import header
from emulator.gateway.proxies import TrustedProxies

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::[0-9]*)?", re.IGNORECASE)
# Names that nobody can register: without a dot, of this machine, and of Docker and Podman for their host
# (`internal` is reserved for private use). A name whose last label is a number is an IPv4 address.
_NOT_PUBLIC = re.compile(r"\[.*|[^.]*|(?:.*\.)?(?:localhost|internal|[0-9]+)")
_LONGEST_SHOWN = 200
_MOST_REMEMBERED = 1000


class AllowedHosts:
    """Host names that a server accepts: those that cannot be a page's, and those of the option.

    names: host names, ``*.vision.example`` for all names below one, or ``*`` for all.
    """

    def __init__(self, names: Collection[str] = ()) -> None:
        self._names = frozenset(name.lower().rstrip(".") for name in names)
        self._suffixes = tuple(name[1:] for name in self._names if name.startswith("*."))
        self._all = "*" in names
        self._accepted: set[bytes] = set()

    def allows(self, host: bytes) -> bool:
        """host: the value of a Host header, with or without a port."""
        if host in self._accepted:
            return True
        is_allowed = self._allows(host.decode("latin-1"))
        if is_allowed and len(self._accepted) < _MOST_REMEMBERED:
            self._accepted.add(host)
        return is_allowed

    def _allows(self, host: str) -> bool:
        match = _HOST.fullmatch(host)
        if self._all or not host:
            return True
        if match is None:
            return False
        name = match[1].lower().removesuffix(".")
        return (
            _NOT_PUBLIC.fullmatch(name) is not None
            or name in self._names
            or (bool(self._suffixes) and name.endswith(self._suffixes))
        )


class HostCheck:
    """Refuses requests with a Host header that `hosts` does not allow, with status 421.

    Names for which a trusted proxy says that the client used https are allowed: a page that was loaded from a
    name over https cannot let it resolve to this server, which has no certificate for it.
    """

    def __init__(self, app: ASGIApp, hosts: AllowedHosts, proxies: TrustedProxies) -> None:
        self._app = app
        self._hosts = hosts
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            for name, value in scope["headers"]:
                if name == b"host" and not self._allows(scope, value):
                    scope["misdirected"] = True
                    await _misdirected(value)(scope, receive, send)
                    return
        await self._app(scope, receive, send)

    def _allows(self, scope: Scope, host: bytes) -> bool:
        return self._hosts.allows(host) or (self._proxies.is_https(scope) and not _is_http_page(scope, host))


def _is_http_page(scope: Scope, host: bytes) -> bool:
    """Whether a browser sent the request over http, so that the headers of a proxy are a page's invention.

    Browsers add Accept-Language to every request, and Sec-Fetch-Mode over https only; pages cannot add the
    latter. Requests other than GET and HEAD carry the origin of the page.
    """
    if (header(scope, b"origin") or b"").lower() == b"http://" + host.lower():
        return True
    return header(scope, b"accept-language") is not None and header(scope, b"sec-fetch-mode") is None


def _misdirected(host: bytes) -> ASGIApp:
    shown = ascii(host[:_LONGEST_SHOWN].decode("latin-1"))[1:-1]
    name = shown.rpartition(":")[0] or shown
    return gateway_response(
        421,
        f"The host name '{shown}' is not allowed, since a web page could use it to reach this server by DNS "
        f"rebinding. Start the server with --allowed-host {name}, or with keys of your own.",
    )
