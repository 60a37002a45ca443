"""The database of an archive of a pulled project: single values, whole responses, transactions.

A commit survives the end of the process without waiting for the disk. A power cut may undo the last ones,
whose files are then found by their names.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

FORMAT = "custom-vision-emulator-pull"
VERSION = "1"
FILE_NAME = "journal.sqlite"
_LOCK_NAME = ".lock"
_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
-- Responses that are kept whole, by a name such as "project" or "performance/<iteration>/0.5/".
CREATE TABLE document (name TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
-- Images as a view describes them. Most views describe an image alike.
CREATE TABLE description (number INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, body TEXT NOT NULL);
CREATE TABLE listed (
    view TEXT NOT NULL, image TEXT NOT NULL, place INTEGER NOT NULL, description INTEGER NOT NULL,
    PRIMARY KEY (view, image)
) WITHOUT ROWID;
CREATE INDEX listed_image ON listed (image);
-- Pages of lists that are complete.
CREATE TABLE page (list TEXT NOT NULL, skip INTEGER NOT NULL, PRIMARY KEY (list, skip)) WITHOUT ROWID;
-- Predictions of an iteration for the images of its evaluation set.
CREATE TABLE evaluated (
    iteration TEXT NOT NULL, image TEXT NOT NULL, place INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (iteration, image)
) WITHOUT ROWID;
CREATE TABLE prediction (id TEXT PRIMARY KEY, place INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
-- Files. reason: why there is none.
CREATE TABLE file (
    kind TEXT NOT NULL, id TEXT NOT NULL, sha256 TEXT, size INTEGER, width INTEGER, height INTEGER,
    reason TEXT,
    PRIMARY KEY (kind, id)
) WITHOUT ROWID;
"""


class ArchiveUnusable(Exception):
    """The folder is no archive of a pull, is in use, or cannot be written. str() is one line."""


class Journal:
    """An open archive. Its methods may be called from several threads.

    Args:
        folder: created when it is missing.
        read_only: for inserting: a folder without an archive is refused, and nothing is changed.

    Raises:
        ArchiveUnusable
    """

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        self.folder = folder
        self._lock = threading.RLock()
        self._depth = 0  # of `transaction`
        path = folder / FILE_NAME
        if read_only and not path.is_file():
            raise ArchiveUnusable(f"{str(folder)!r} has no {FILE_NAME}: it is no archive of a pull")
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file_lock = _locked(folder)
        except OSError as error:
            raise ArchiveUnusable(f"cannot use {str(folder)!r}: {error.strerror or error}") from None
        try:
            self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._open()
        except BaseException:
            self._file_lock.release()
            raise

    def _open(self) -> None:
        try:
            self._prepare()
        except sqlite3.Error as error:
            raise ArchiveUnusable(f"{str(self.folder / FILE_NAME)!r} cannot be used: {error}") from None

    def _prepare(self) -> None:
        execute = self._connection.execute
        execute("PRAGMA trusted_schema=OFF")
        names = {name for (name,) in execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        execute("PRAGMA journal_mode=WAL")
        execute("PRAGMA synchronous=NORMAL")
        execute("PRAGMA cache_size=-8000")
        if not names:
            with self.transaction():
                for statement in _SCHEMA.split(";"):
                    if statement.strip():
                        execute(statement)
                self.put_meta("format", FORMAT)
                self.put_meta("version", VERSION)
        elif "meta" not in names or self.meta("format") != FORMAT:
            raise ArchiveUnusable(f"{str(self.folder)!r} is no archive of a pull")
        elif self.meta("version") != VERSION:
            raise ArchiveUnusable(
                f"{str(self.folder)!r} has version {self.meta('version')}; this program knows {VERSION}"
            )

    def close(self) -> None:
        self._connection.close()
        self._file_lock.release()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What is put within is stored together, or not at all."""
        with self._lock:
            if self._depth:
                yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            self._depth = 1
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            finally:
                self._depth = 0

    # Single values and whole responses

    def meta(self, name: str) -> str | None:
        row = self.one("SELECT value FROM meta WHERE name = ?", name)
        return None if row is None else str(row[0])

    def put_meta(self, name: str, value: str) -> None:
        self.run("INSERT OR REPLACE INTO meta VALUES (?, ?)", name, value)

    def document(self, name: str) -> Any:
        """A response that was put under this name; None when there is none."""
        row = self.one("SELECT body FROM document WHERE name = ?", name)
        return None if row is None else orjson.loads(row[0])

    def has_document(self, name: str) -> bool:
        return self.one("SELECT 1 FROM document WHERE name = ?", name) is not None

    def put_document(self, name: str, value: Any) -> None:
        self.run("INSERT OR REPLACE INTO document VALUES (?, ?)", name, text_of(value))

    def documents(self, prefix: str) -> Iterator[tuple[str, Any]]:
        """Names, without the prefix, and values of the responses whose names begin with `prefix`."""
        rows = self.all(
            "SELECT name, body FROM document WHERE name >= ? AND name < ? ORDER BY name",
            prefix,
            f"{prefix}\U0010ffff",
        )
        for name, body in rows:
            yield name.removeprefix(prefix), orjson.loads(body)

    def run(self, statement: str, *values: Any) -> None:
        try:
            with self._lock:
                self._connection.execute(statement, values)
        except sqlite3.OperationalError as error:
            raise ArchiveUnusable(
                f"cannot write to {str(self.folder)!r}: {error}; what was pulled is kept, repeat the command"
            ) from None

    def one(self, statement: str, *values: Any) -> Any:
        with self._lock:
            return self._connection.execute(statement, values).fetchone()

    def all(self, statement: str, *values: Any) -> list[Any]:
        with self._lock:
            return self._connection.execute(statement, values).fetchall()

    def count(self, statement: str, *values: Any) -> int:
        (count,) = self.one(statement, *values)
        return int(count)


def _locked(folder: Path) -> Any:
    """The lock of the folder, taken. Raises ArchiveUnusable while another process pulls into it."""
    from filelock import FileLock, Timeout

    # Not of a thread: an archive is opened in the thread of a request, and closed in another one.
    lock = FileLock(folder / _LOCK_NAME, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ArchiveUnusable(f"another process uses {str(folder)!r}") from None
    return lock


def text_of(value: Any) -> str:
    return orjson.dumps(value).decode()
