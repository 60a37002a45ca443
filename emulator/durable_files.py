"""Writing files durably: the one way in which every part of the program does it."""

import errno
import os
import tempfile
from pathlib import Path

# Beginning of the names of files that are being written.
UNFINISHED_PREFIX = ".new-"
_NO_ROOM = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file that is either there completely, also after a power cut, or not at all.

    It is written under another name, synchronised, and renamed. Only the user can read it. Raises OSError.
    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=UNFINISHED_PREFIX)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _synchronise_folder(path.parent)


def is_disk_full(error: BaseException) -> bool:
    """Whether an error says that the disk, or what the user may use of it, is full."""
    return isinstance(error, OSError) and error.errno in _NO_ROOM


def _synchronise_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows cannot: the file system journals the rename
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
