"""Whether a request was sent by a page of this server, or by the user of a browser.

``Sec-Fetch-Site`` says so in every request to a secure or local origin. Another port of this machine is
``same-site``, so that its requests carry cookies with SameSite=Strict too. Over http to other machines
browsers leave the header out; then the origin in ``Origin`` or ``Referer`` has to be the server's own. Pages
can set none of the three headers to the value of another page.
"""

from urllib.parse import urlsplit

from starlette.types import Scope

from emulator.gateway.origins import header

_SAFE_METHODS = ("GET", "HEAD")
_LONGEST_SHOWN = 100


def foreign_reason(scope: Scope, own_origin: str) -> str | None:
    """Why a request is not from a page of this server; None if it is.

    A request of the user, such as an address that was typed in or a download, is accepted if its method is
    safe.

    Args:
        own_origin: scheme and host (``http://127.0.0.1:10010``) as the client used them.
    """
    site = header(scope, b"sec-fetch-site")
    if site is not None:
        if site == b"same-origin" or (site == b"none" and scope["method"] in _SAFE_METHODS):
            return None
        return f"Sec-Fetch-Site is {_shown(site)}"
    for name in (b"origin", b"referer"):
        value = header(scope, name)
        if value is not None:
            if origin_of(value.decode("latin-1")) == own_origin.lower():
                return None
            return f"{name.decode().capitalize()} is not {own_origin}"
    return "none of the headers Sec-Fetch-Site, Origin and Referer was sent"


def origin_of(url: str) -> str:
    """Scheme and host of a URL, in lower case; empty if it has none."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}".lower() if parts.netloc else ""


def _shown(value: bytes) -> str:
    return ascii(value[:_LONGEST_SHOWN].decode("latin-1"))[1:-1]
