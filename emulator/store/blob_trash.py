"""The trash of a data folder: blobs without a row, kept for a time before they are deleted."""

import logging
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

_NAME = "trash"
BLOB_NAME = re.compile("[0-9a-f]{64}")
TIME = "%Y%m%dT%H%M%SZ"
KEPT = timedelta(days=1)
_log = logging.getLogger(__name__)


def is_blob(file: Path) -> bool:
    """Whether a file has the name of a blob. Other programs leave files, too, such as ``.DS_Store``."""
    return BLOB_NAME.fullmatch(file.name) is not None and file.is_file()


class BlobTrash:
    """Blobs below ``trash/<UTC time>/`` in the data folder, in the same folders as in the store.

    Moving a file is a rename, which needs no room on the disk.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / _NAME

    def add(self, path: Path, now: datetime) -> int:
        """Move the file of a blob here; returns its size in bytes, 0 when there is no such file."""
        target = self.batch(now) / path.parent.name / path.name
        try:
            size = path.stat().st_size
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
        except FileNotFoundError:
            return 0
        return size

    def batch(self, now: datetime) -> Path:
        """The folder for the files that are moved at this time."""
        return self.folder / now.astimezone(UTC).strftime(TIME)

    def files(self) -> Iterator[Path]:
        """All blobs here; the name of each file is that of its blob."""
        return filter(is_blob, self.folder.glob("*/*/*"))

    def names(self) -> Iterator[str]:
        """The names of all blobs here."""
        return (file.name for file in self.files())

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return str(self.folder)

    def take(self, name: str, target: Path) -> bool:
        """Move a blob back to `target`, unless it is there; returns whether it was moved."""
        is_moved = False
        for path in self.folder.glob(f"*/{name[:2]}/{name}"):
            if target.exists():
                path.unlink()
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                path.replace(target)
                is_moved = True
            with suppress(OSError):  # the first folder that is not empty
                for parent in path.parents[:3]:
                    parent.rmdir()
        return is_moved

    def delete_old(self, now: datetime) -> None:
        """Delete what has been here for more than a day, and log how much."""
        for folder in self.folder.glob("*"):
            moved = time_in(folder.name)
            if moved is None or now - moved <= KEPT:
                continue
            sizes = [path.stat().st_size for path in folder.glob("*/*")]
            shutil.rmtree(folder, ignore_errors=True)
            if sizes:
                _log.warning("%d files (%d bytes) in %s were deleted", len(sizes), sum(sizes), folder)
        with suppress(OSError):  # it does not exist, or is not empty
            self.folder.rmdir()


def time_in(name: str) -> datetime | None:
    """The time that the name of a batch has; None for other names."""
    try:
        return datetime.strptime(name, TIME).replace(tzinfo=UTC)
    except ValueError:
        return None
