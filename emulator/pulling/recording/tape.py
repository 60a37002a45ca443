"""The responses to recorded calls in their order, to be given again to the same calls: for reports of errors.

A call is known by method, version, path, query and body, whatever the order of parameters and of members of
JSON objects is, and whatever the boundary of a form. Requests are kept as a SHA-256 alone. Of responses,
signatures of URIs are removed.
"""

import hashlib
import re
import sqlite3
import threading
from collections import Counter
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl

import orjson

from emulator.contract.form_data import FormDataUnreadable, parts

FILE_NAME = "calls.sqlite"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS call (
    number INTEGER PRIMARY KEY, key BLOB NOT NULL, status INTEGER NOT NULL, content_type TEXT NOT NULL,
    retry_after TEXT NOT NULL, body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS call_key ON call (key, number);
"""
# Also where JSON has the ampersand as an escape.
_SIGNATURE = re.compile(rb"(?:(?<=[?&;])|(?<=\\u0026))sig=[^&\"'\\\s<>]+")
_REMOVED = b"signature-removed"


class TapeUnusable(Exception):
    """The file cannot be read or written. str() is one line."""


class Kept(NamedTuple):
    """A response. content_type, retry_after: headers; empty where it has none."""

    status: int
    content_type: str
    retry_after: str
    body: bytes


class Tape:
    """The recorded calls in a folder. Methods may be called from several threads. They raise TapeUnusable."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._lock = threading.Lock()
        self._given: Counter[bytes] = Counter()
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._path.touch(mode=0o600)
            self._connection = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from None

    def close(self) -> None:
        self._connection.close()

    def count(self) -> int:
        """The number of recorded calls."""
        return self._all("SELECT count(*) FROM call")[0][0]

    def add(self, key: bytes, response: Kept) -> None:
        """Record the response to a call with a key of `key_of`."""
        kept = response._replace(body=_SIGNATURE.sub(_REMOVED, response.body))
        self._all(
            "INSERT INTO call (key, status, content_type, retry_after, body) VALUES (?, ?, ?, ?, ?)",
            key,
            *kept,
        )

    def next(self, key: bytes) -> Kept | None:
        """The next response to a call; after the last one, that again. None when there is none."""
        with self._lock:
            place = self._given[key]
        rows = self._all(
            "SELECT status, content_type, retry_after, body FROM call WHERE key = ? ORDER BY number "
            "LIMIT 1 OFFSET ?",
            key,
            place,
        )
        if not rows:
            rows = self._all(
                "SELECT status, content_type, retry_after, body FROM call WHERE key = ? "
                "ORDER BY number DESC LIMIT 1",
                key,
            )
            return Kept(*rows[0]) if rows else None
        with self._lock:
            self._given[key] += 1
        return Kept(*rows[0])

    def rewind(self) -> None:
        """Begin with the first response to each call again."""
        with self._lock:
            self._given.clear()

    def _all(self, statement: str, *values: object) -> list[tuple[int, str, str, bytes]]:
        try:
            with self._lock:
                return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise self._unusable(error) from None

    def _unusable(self, error: Exception) -> TapeUnusable:
        return TapeUnusable(f"{str(self._path)!r} cannot be used: {error}")


def key_of(*, method: str, version: str, path: str, query: str, content_type: str, body: bytes) -> bytes:
    """What two requests of the same call have in common, 32 bytes.

    path: below version and API. content_type: of the request.
    """
    found = hashlib.sha256()
    parameters = sorted((name.lower(), value) for name, value in parse_qsl(query, keep_blank_values=True))
    for part in (method, version, path, repr(parameters)):
        found.update(f"{part}\0".encode("utf-8", "surrogatepass"))
    for piece in _pieces(content_type.lower(), content_type, body):
        found.update(hashlib.sha256(piece).digest())
    return found.digest()


def _pieces(kind: str, content_type: str, body: bytes) -> list[bytes]:
    """The content of a body without its form."""
    try:
        if kind.startswith("multipart/form-data"):
            return [part.data for part in parts(content_type, body)]
        if "json" in kind:
            return [orjson.dumps(orjson.loads(body), option=orjson.OPT_SORT_KEYS)]
    except (FormDataUnreadable, orjson.JSONDecodeError):
        pass
    return [body] if body else []
