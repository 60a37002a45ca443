"""Features of images on disk, so that a training computes only those of new images.

One SQLite file in the folder given: a row for each (network and view, image), by the SHA-256 of the
image's bytes. Features are stored as float16, 2.5 KB a row for 1280 of them. The file is a cache: it may be
deleted at any time while no training runs, and a damaged one is replaced.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

_FILE = "features.sqlite"
_KEYS_PER_QUERY = 500
_SCHEMA = """
CREATE TABLE IF NOT EXISTS features (
    view TEXT NOT NULL, key TEXT NOT NULL, vector BLOB NOT NULL, PRIMARY KEY (key, view)
) WITHOUT ROWID
"""


class FeatureCache:
    """Vectors by view and key. A view is a network and plain or mirrored images. For one thread.

    Args:
        folder: of the file; created if missing. Several processes may use it at once.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / _FILE
        try:
            self._connection = self._open()
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            self._connection = self._open_anew()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def get(self, view: str, keys: Sequence[str], width: int) -> dict[str, NDArray[numpy.float16]]:
        """The cached vectors; those that are not `width` finite numbers are ignored."""
        try:
            return self._select(view, keys, width)
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            self._connection.close()
            self._connection = self._open_anew()
            return {}

    def put(self, rows: Iterable[tuple[str, str, NDArray[numpy.float16]]]) -> None:
        """Store (view, key, vector) rows in one transaction."""
        with self._connection:
            self._connection.executemany(
                "INSERT OR REPLACE INTO features (view, key, vector) VALUES (?, ?, ?)",
                [(view, key, vector.astype("<f2").tobytes()) for view, key, vector in rows],
            )

    def _select(self, view: str, keys: Sequence[str], width: int) -> dict[str, NDArray[numpy.float16]]:
        import numpy

        found: dict[str, NDArray[numpy.float16]] = {}
        for start in range(0, len(keys), _KEYS_PER_QUERY):
            some = keys[start : start + _KEYS_PER_QUERY]
            marks = ",".join("?" * len(some))
            query = f"SELECT key, vector FROM features WHERE view = ? AND key IN ({marks})"  # noqa: S608 - "?" only
            for key, vector in self._connection.execute(query, (view, *some)):
                features = numpy.frombuffer(vector, "<f2") if len(vector) == 2 * width else None
                if features is not None and numpy.isfinite(features).all():
                    found[key] = features
        return found

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=30)
        try:
            # A crash loses the last rows at most, and never damages the file: no need to wait for the disk.
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(_SCHEMA)
            connection.commit()
        except BaseException:
            connection.close()
            raise
        return connection

    def _open_anew(self) -> sqlite3.Connection:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self._path}{suffix}").unlink(missing_ok=True)
        return self._open()


def forget(folder: Path, keys: Sequence[str]) -> None:
    """Delete the vectors of these images in all views; a missing or unreadable cache is not an error."""
    path = folder / _FILE
    if not path.exists():
        return
    with suppress(sqlite3.Error), closing(sqlite3.connect(path, timeout=1)) as connection, connection:
        connection.executemany("DELETE FROM features WHERE key = ?", [(key,) for key in keys])


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether the file is damaged, and not merely locked or on a full disk."""
    return not isinstance(error, sqlite3.OperationalError)
