"""Exporting the state to a folder when the process ends."""

import logging
import os
import sqlite3
import tempfile
import threading
from pathlib import Path

from emulator.core.context import Context
from emulator.core.snapshots import files
from emulator.core.snapshots.folder_lock import locked
from emulator.core.snapshots.manifest import FILE_NAME
from emulator.core.snapshots.saving import current_state
from emulator.store.blobs import BlobDamaged
from emulator.store.damage import describe
from emulator.store.database import StorageFull
from emulator.store.tables import microseconds

# In the root of a file system of its own, such as a volume.
_PASSED_OVER = frozenset({"lost+found"})
_log = logging.getLogger(__name__)


class ExportRefused(Exception):
    """The folder cannot be exported to. str() is one line."""


class ExitExport:
    """Writes the state of a process that ends into a folder, once, whichever thread calls it first.

    The folder itself stays: it may be where a volume is mounted. What it has from an earlier export stays
    until the new one is complete.

    Raises:
        ExportRefused: the folder has other files, cannot be written, or is in the data folder.
    """

    def __init__(self, context: Context, folder: Path) -> None:
        self._context = context
        self._folder = folder
        self._lock = threading.Lock()
        self._is_done: bool | None = None
        _check(folder, context.folder)

    def run(self) -> bool:
        """Export, or wait for the thread that does; False when that failed, with the reason in the log."""
        with self._lock:
            if self._is_done is None:
                self._is_done = self._export()
            return self._is_done

    def _export(self) -> bool:
        context = self._context
        state = current_state(
            context.database,
            context.blobs,
            created=microseconds(context.clock.now()),
            may_wait=False,
        )
        try:
            with locked(self._folder):
                files.write(self._folder, state)
        except (OSError, StorageFull, BlobDamaged, sqlite3.Error) as error:
            if isinstance(error, BlobDamaged):
                reason = describe(context.database, error).message
            else:
                reason = str(error) or type(error).__name__
            _log.error("The state was not exported to %s (--export-on-exit): %s", self._folder, reason)
            return False
        return True


def _check(folder: Path, data: Path) -> None:
    # Not Path.resolve, which raises RuntimeError for symbolic links in a circle.
    if Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(data)):
        raise ExportRefused(f"{str(folder)!r} is in the data folder; give another one")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        has_state = (folder / FILE_NAME).exists()
        others = [path.name for path in folder.iterdir() if path.name not in _PASSED_OVER]
        if not has_state and any(not name.startswith(".") for name in others):
            raise ExportRefused(f"{str(folder)!r} has other files; give an empty folder or a new one")
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ExportRefused(f"cannot write to {str(folder)!r}: {error.strerror or error}") from None
