"""Damage to the data folder or the object store of a service, and its report in the log."""

from collections.abc import Callable
from pathlib import Path

import pytest

from emulator.store.blobs import blob_path
from tests.support import chosen_store
from tests.support.harness import Service


def last_blob(service: Service, table: str, column: str = "blob") -> tuple[str, str]:
    """The id of the last row of a table that refers to a blob, and the name of the blob."""
    order = "rowid" if service.settings.database is None else "ctid"
    rows = service.rows(f"SELECT id, {column} FROM {table} WHERE {column} IS NOT NULL ORDER BY {order}")
    row_id, blob = rows[-1]
    return str(row_id), str(blob)


def change_blob(folder: Path, name: str, change: Callable[[Path], object]) -> None:
    """Change or delete the file of a blob; in an object store, the object like its copy in the folder."""
    path = blob_path(folder, name)
    change(path)
    objects = chosen_store.objects_of(folder)
    if objects is None:
        return
    key = f"blobs/{name[:2]}/{name}"
    if path.exists():
        objects.put(key, path.read_bytes())
    else:
        objects.delete(key)


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def assert_error_logged(caplog: pytest.LogCaptureFixture, text: str) -> None:
    """The log has one error, which contains the text, in one line."""
    (entry,) = [entry for entry in caplog.records if entry.levelname == "ERROR"]
    assert text in entry.getMessage()
    assert entry.exc_info is None
