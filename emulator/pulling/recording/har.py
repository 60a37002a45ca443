"""HAR files (HTTP Archive 1.2), which browsers and proxies write, as recorded traffic.

Images come from the file itself, if it has their responses, since their URIs have most often expired.
"""

import json
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import orjson

from emulator.pulling.recording.exchanges import Exchange, exchange_of_url
from emulator.pulling.recording.recorder import FileNotFetched, Recorder

T = TypeVar("T")

MOST_BYTES = 1024 * 2**20
# Python converts longer ones slowly, or not at all.
_MOST_DIGITS = 300
_KINDS: dict[type, str] = {dict: "object", list: "list", str: "string"}


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
        for number, exchange in _exchanges(entries, unusable):
            if recorder.note(exchange):
                count += 1
            else:
                reason = f"its contents are not of the form of {exchange.operation}"
                unusable.append(UnusableEntry(number, reason))
        recorder.wait()
    except BaseException:
        recorder.close()
        raise
    return recorder, Imported(len(listed), count, sorted(unusable))


def _read(file: Path) -> list[Any]:
    try:
        if file.stat().st_size > MOST_BYTES:
            raise HarUnusable(f"{file.name} is larger than {MOST_BYTES // 2**20} MB")
        entries = _json(file.read_bytes().removeprefix(b"\xef\xbb\xbf"))["log"]["entries"]
    except OSError as error:
        raise HarUnusable(f"cannot read {str(file)!r}: {error.strerror or error}") from None
    except orjson.JSONDecodeError as error:
        raise HarUnusable(f"{file.name}, line {error.lineno}: it is no JSON: {error.msg}") from None
    except (KeyError, TypeError):
        raise HarUnusable(f"{file.name} is no HAR file: it has no log with entries") from None
    if not isinstance(entries, list):
        raise HarUnusable(f"{file.name} is no HAR file: its entries are no list")
    return entries


def _json(content: bytes) -> Any:
    """A JSON text, also one with numbers that no double can have. Raises orjson.JSONDecodeError."""
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        try:
            return json.loads(content, parse_int=_whole_number, parse_constant=_refused)
        except (RecursionError, ValueError):
            raise error from None


def _whole_number(digits: str) -> int | float:
    return int(digits) if len(digits) < _MOST_DIGITS else float(digits)


def _refused(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _entries(entries: list[Any], unusable: list[UnusableEntry]) -> Iterator[_Entry]:
    for number, entry in enumerate(entries, 1):
        try:
            yield _entry(number, entry)
        except ValueError as error:
            unusable.append(UnusableEntry(number, str(error)))


def _entry(number: int, value: Any) -> _Entry:
    """An entry as far as it is used. Raises ValueError with what the HAR format demands of it."""
    if not isinstance(value, dict):
        raise ValueError("it is no object")
    request, response = _part(value, "request", dict), _part(value, "response", dict)
    posted = _part(request, "postData", dict, {})
    try:
        status = int(response["status"])
    except KeyError:
        raise ValueError("its response has no status") from None
    except (OverflowError, TypeError, ValueError):
        raise ValueError("the status of its response is no whole number") from None
    headers = {}
    for header in _part(request, "headers", list, []):
        if not isinstance(header, dict) or not isinstance(header.get("name"), str):
            raise ValueError("a header of its request has no name")
        headers[header["name"].lower()] = header.get("value")
    return _Entry(
        number,
        method=_part(request, "method", str).upper(),
        url=_part(request, "url", str),
        status=status,
        request=_body(posted, "request"),
        content_type=str(headers.get("content-type") or posted.get("mimeType") or ""),
        response=_body(_part(response, "content", dict, {}), "response"),
    )


def _part(value: dict[str, Any], name: str, kind: type[T], default: T | None = None) -> T:
    """A member of an object. default: of one that is absent or null. Raises ValueError."""
    found = value.get(name)
    if found is None and default is not None:
        return default
    if found is None:
        raise ValueError(f"it has no {name}")
    if not isinstance(found, kind):
        raise ValueError(f"its {name} is no {_KINDS[kind]}")
    return found


def _body(content: dict[str, Any], of: str) -> bytes:
    text = content.get("text") or ""
    if not isinstance(text, str):
        raise ValueError(f"the text of its {of} is no string")
    if content.get("encoding") == "base64":
        try:
            return b64decode(text)
        except ValueError as error:
            raise ValueError(f"the text of its {of} is no Base64: {error}") from None
    # Bytes of an image that a browser has written as text are Latin-1, if anything.
    return text.encode("utf-8", "surrogatepass")


def _exchanges(entries: list[_Entry], unusable: list[UnusableEntry]) -> Iterator[tuple[int, Exchange]]:
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
        yield number, found


def _place(uri: str) -> str:
    """A URI without its query, in which the signature is."""
    return uri.partition("?")[0]
