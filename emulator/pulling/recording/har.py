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


class UnusableEntry(NamedTuple):
    """An entry that was left out. number: its place in the file, from 1. reason: one line."""

    number: int
    reason: str


class Imported(NamedTuple):
    """entries: number in the file. exchanges: number of successful calls of the service among them."""

    entries: int
    exchanges: int
    unusable: list[UnusableEntry]


class _Entry(NamedTuple):
    number: int
    method: str
    url: str
    status: int
    request: bytes
    content_type: str
    response: bytes


def import_har(file: Path, folder: Path) -> tuple[Recorder, Imported]:
    """Record the calls of a HAR file in a folder of archives, which are open and to be closed.

    Entries that cannot be read are left out. Raises HarUnusable, ArchiveUnusable.
    """
    listed = _read(file)
    unusable: list[UnusableEntry] = []
    entries = list(_entries(listed, unusable))
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
        for exchange in _exchanges(entries, unusable):
            recorder.note(exchange)
            count += 1
        recorder.wait()
    except BaseException:
        recorder.close()
        raise
    return recorder, Imported(len(listed), count, sorted(unusable))


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


def _entries(entries: list[Any], unusable: list[UnusableEntry]) -> Iterator[_Entry]:
    for number, entry in enumerate(entries, 1):
        try:
            request, response = entry["request"], entry["response"]
            posted = request.get("postData") or {}
            headers = {one["name"].lower(): one["value"] for one in request.get("headers") or ()}
            yield _Entry(
                number,
                method=str(request["method"]).upper(),
                url=str(request["url"]),
                status=int(response["status"]),
                request=_body(posted),
                content_type=str(headers.get("content-type") or posted.get("mimeType") or ""),
                response=_body(response.get("content") or {}),
            )
        except KeyError as error:
            unusable.append(UnusableEntry(number, f"it has no {error}"))
        except (TypeError, ValueError, AttributeError, binascii.Error) as error:
            unusable.append(UnusableEntry(number, str(error)))


def _body(content: dict[str, Any]) -> bytes:
    text = content.get("text") or ""
    if content.get("encoding") == "base64":
        return b64decode(text)
    # Bytes of an image that a browser has written as text are Latin-1, if anything.
    return str(text).encode("utf-8", "surrogatepass")


def _exchanges(entries: list[_Entry], unusable: list[UnusableEntry]) -> Iterator[Exchange]:
    for entry in entries:
        call = entry._asdict()
        number = call.pop("number")
        found = exchange_of_url(**call)
        if found is None:
            continue
        if entry.method == "GET" and found.response is None and found.operation != "GetArtifact":
            # Browsers leave out contents that they no longer have.
            reason = "is no JSON" if entry.response else "has no content"
            unusable.append(UnusableEntry(number, f"its response {reason}"))
            continue
        yield found


def _place(uri: str) -> str:
    """A URI without its query, in which the signature is."""
    return uri.partition("?")[0]
