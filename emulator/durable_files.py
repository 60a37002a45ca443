"""Atomic and durable writing of files, for all parts of the program."""

import errno
import os
import tempfile
from pathlib import Path

# Beginning of the names of files that are being written.
UNFINISHED_PREFIX = ".new-"
_NO_ROOM = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG)


def write_atomically(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write a file so that, even after a power cut, it exists completely or not at all.

    It is written under a temporary name, synchronized, and renamed. Only its owner can read it. Raises
    OSError.

    Args:
        durable: False leaves out the synchronization, for folders that nobody reads after a power cut.
    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=UNFINISHED_PREFIX)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    if durable:
        synchronize_folder(path.parent)


def rename_durably(source: Path, target: Path) -> None:
    """Synchronize a file and rename it within its folder. Raises OSError."""
    with source.open("rb+") as file:
        os.fsync(file.fileno())
    source.replace(target)
    synchronize_folder(target.parent)


def is_disk_full(error: BaseException) -> bool:
    """Whether the cause of an error is a full disk or an exhausted disk quota."""
    return isinstance(error, OSError) and error.errno in _NO_ROOM


def synchronize_folder(folder: Path) -> None:
    """Wait until new and renamed files of a folder are on the disk. Raises OSError."""
    if os.name == "nt":  # not possible on Windows, whose file system journals the rename
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
