"""HAR files (HTTP Archive 1.2), which browsers and proxies write, as recorded traffic.

Images come from the file itself, if it has their responses, since their URIs have most often expired.
"""

import binascii
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from emulator.pulling.recording.exchanges import Exchange, exchange_of_url
from emulator.pulling.recording.recorder import FileNotFetched, Recorder

MOST_BYTES = 1024 * 2**20


class HarUnusable(Exception):
    """The file is no HAR file. str() is one line."""


class Imported(NamedTuple):
    """entries: of the file. exchanges: successful calls of the service among them."""

    entries: int
    exchanges: int


class _Entry(NamedTuple):
    method: str
    url: str
    status: int
    request: bytes
    content_type: str
    response: bytes


def import_har(file: Path, folder: Path) -> tuple[Recorder, Imported]:
    """Record the calls of a HAR file in a folder of archives, which are open and to be closed.

    Raises HarUnusable, ArchiveUnusable.
    """
    entries = list(_entries(_read(file)))
    files = {
        _place(entry.url): entry.response
        for entry in entries
        if entry.method == "GET" and entry.status == 200 and entry.response
    }

    def fetch(uri: str, most: int) -> bytes:
        content = files.get(_place(uri))
        if content is None:
            raise FileNotFetched("the HAR file does not have it")
        return content

    recorder = Recorder(folder, fetch)
    try:
        count = 0
        for exchange in _exchanges(entries):
            recorder.note(exchange)
            count += 1
        recorder.wait()
    except BaseException:
        recorder.close()
        raise
    return recorder, Imported(len(entries), count)


def _read(file: Path) -> list[Any]:
    try:
        if file.stat().st_size > MOST_BYTES:
            raise HarUnusable(f"{file.name} is larger than {MOST_BYTES // 2**20} MB")
        value = orjson.loads(file.read_bytes().removeprefix(b"\xef\xbb\xbf"))
        entries = value["log"]["entries"]
    except OSError as error:
        raise HarUnusable(f"cannot read {str(file)!r}: {error.strerror or error}") from None
    except orjson.JSONDecodeError as error:
        raise HarUnusable(f"{file.name}, line {error.lineno}: it is no JSON: {error.msg}") from None
    except (KeyError, TypeError):
        raise HarUnusable(f"{file.name} is no HAR file: it has no log with entries") from None
    if not isinstance(entries, list):
        raise HarUnusable(f"{file.name} is no HAR file: its entries are no list")
    return entries


def _entries(entries: list[Any]) -> Iterator[_Entry]:
    for number, entry in enumerate(entries):
        try:
            request, response = entry["request"], entry["response"]
            posted = request.get("postData") or {}
            headers = {one["name"].lower(): one["value"] for one in request.get("headers") or ()}
            yield _Entry(
                method=str(request["method"]).upper(),
                url=str(request["url"]),
                status=int(response["status"]),
                request=_body(posted),
                content_type=str(headers.get("content-type") or posted.get("mimeType") or ""),
                response=_body(response.get("content") or {}),
            )
        except KeyError as error:
            raise HarUnusable(f"entry {number} of the HAR file cannot be read: it has no {error}") from None
        except (TypeError, ValueError, AttributeError, binascii.Error) as error:
            raise HarUnusable(f"entry {number} of the HAR file cannot be read: {error}") from None


def _body(content: dict[str, Any]) -> bytes:
    text = content.get("text") or ""
    if content.get("encoding") == "base64":
        return b64decode(text)
    # Bytes of an image that a browser has written as text are Latin-1, if anything.
    return str(text).encode("utf-8", "surrogatepass")


def _exchanges(entries: list[_Entry]) -> Iterator[Exchange]:
    for entry in entries:
        found = exchange_of_url(**entry._asdict())
        if found is not None:
            yield found


def _place(uri: str) -> str:
    """A URI without its query, in which the signature is."""
    return uri.partition("?")[0]
