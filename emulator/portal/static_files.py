"""The built files of the portal: caching, precompressed copies, and the policy of its page.

Vite names the files in ``assets/`` after their content, so that browsers keep them without asking again. The
page itself is sent anew each time, with a nonce that its style elements carry. `tools/build_portal.py` writes
the files, each with a copy by Brotli and one by gzip where that is smaller.
"""

import mimetypes
import secrets
from pathlib import Path
from typing import NamedTuple

from starlette.responses import Response

FOLDER = Path(__file__).parent / "static"
INDEX = "index.html"
ASSETS = "assets/"
NONCE_PLACEHOLDER = "__CSP_NONCE__"
_IMMUTABLE = "public, max-age=31536000, immutable"
# With this, a copy is used again only after the server has confirmed its ETag.
_REVALIDATE = "no-cache"
_ENCODINGS = (("br", ".br"), ("gzip", ".gz"))
# The system's table of types may differ, or be missing.
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".md": "text/markdown; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
# The Referer tells the server which page sent a request, where browsers send no Sec-Fetch-Site.
_HEADERS = {
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_NOT_BUILT = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>Portal</title>"
    "<p>The portal is not built: run <code>make setup</code> or "
    "<code>python tools/build_portal.py</code> in the checkout, and load this page again.</p></html>"
)


class StaticFile(NamedTuple):
    """A file to send. encoding: of its precompressed copy, or empty."""

    path: Path
    name: str
    encoding: str
    etag: str


def policy(nonce: str) -> str:
    """The content security policy of the page: nothing from other origins, no code and no styles in the page.

    Libraries add style elements, which carry the nonce. Images are also shown before they are uploaded
    (``blob:``), and icons are in the styles (``data:``).
    """
    return (
        "default-src 'self'; "
        f"style-src 'self' 'nonce-{nonce}'; "
        "img-src 'self' data: blob:; "
        "worker-src 'self' blob:; "
        "object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
    )


def is_page(name: str) -> bool:
    """Whether a path below ``/portal/`` is one of the page's own: without a file extension."""
    return not name.startswith(ASSETS) and "." not in name.rpartition("/")[2]


def page(folder: Path, name: str) -> Response:
    """The page of the portal for a path below ``/portal/``, or a sentence that says how to build it.

    It refers to its files by addresses relative to the path, so that it works below any prefix that a proxy
    removes from requests.
    """
    try:
        text = (folder / INDEX).read_text(encoding="utf-8")
    except FileNotFoundError:
        return Response(_NOT_BUILT, 503, {**_HEADERS, "Cache-Control": "no-store"}, _TYPES[".html"])
    nonce = secrets.token_urlsafe(16)
    headers = {**_HEADERS, "Cache-Control": _REVALIDATE, "Content-Security-Policy": policy(nonce)}
    text = text.replace(NONCE_PLACEHOLDER, nonce).replace('="./', f'="{"../" * name.count("/") or "./"}')
    return Response(text, 200, headers, _TYPES[".html"])


def find(folder: Path, name: str, accepted: str) -> StaticFile | None:
    """The file of a path below ``/portal/``; None if there is none.

    Args:
        name: relative and decoded, as the client sent it.
        accepted: the header Accept-Encoding.
    """
    if "\0" in name or "\\" in name or ":" in name:
        return None
    parts = name.split("/")
    if any(part in ("", ".", "..") or part.startswith(".") for part in parts):
        return None
    path = folder.joinpath(*parts)
    for encoding, suffix in (*_accepted_encodings(accepted), ("", "")):
        copy = path.with_name(path.name + suffix)
        try:
            status = copy.stat()
        except OSError:
            continue
        if copy.is_file() and copy.resolve().is_relative_to(folder.resolve()):
            return StaticFile(copy, name, encoding, f'"{status.st_size:x}-{status.st_mtime_ns:x}"')
    return None


def response(file: StaticFile, if_none_match: str) -> Response:
    """The file, or status 304 if the client has this version of it."""
    is_immutable = file.name.startswith(ASSETS)
    headers = {
        **_HEADERS,
        "Cache-Control": _IMMUTABLE if is_immutable else _REVALIDATE,
        "ETag": file.etag,
        "Vary": "Accept-Encoding",
    }
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    if file.etag in tags or "*" in tags:
        return Response(status_code=304, headers=headers)
    if file.encoding:
        headers["Content-Encoding"] = file.encoding
    return Response(file.path.read_bytes(), 200, headers, _media_type(file.name))


def _media_type(name: str) -> str:
    suffix = Path(name).suffix.lower()
    return _TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"


def _accepted_encodings(accepted: str) -> list[tuple[str, str]]:
    """Encodings of precompressed copies that a client accepts, and the suffixes of the copies."""
    refused: set[str] = set()
    wanted: set[str] = set()
    for item in accepted.lower().split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        is_refused = any(parameter.replace(" ", "") in _ZERO_QUALITY for parameter in parameters)
        (refused if is_refused else wanted).add(name)
    return [
        (encoding, suffix)
        for encoding, suffix in _ENCODINGS
        if encoding in wanted or ("*" in wanted and encoding not in refused)
    ]


_ZERO_QUALITY = ("q=0", "q=0.0", "q=0.00", "q=0.000")
