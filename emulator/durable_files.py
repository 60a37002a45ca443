"""Atomic and durable writing of files, for all parts of the program."""

import errno
import itertools
import os
from pathlib import Path

# Beginning of the names of files that are being written.
UNFINISHED_PREFIX = ".new-"
# With the process id and a number, they make names that no other process has used.
_PROCESS = os.urandom(8).hex()
_NUMBERS = itertools.count()
_NO_ROOM = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG)


def write_atomically(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write a file so that, even after a power cut, it exists completely or not at all.

    It is written under a temporary name, synchronized, and renamed. Only its owner can read it. Raises
    OSError.

    Args:
        durable: False leaves out the synchronization, for folders that nobody reads after a power cut.
    """
    # Not by `tempfile` and a file object: the global interpreter lock would be released more often, which
    # costs more than the calls themselves when many threads store something.
    temporary = path.with_name(f"{UNFINISHED_PREFIX}{os.getpid()}-{_PROCESS}-{next(_NUMBERS)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    try:
        try:
            left = memoryview(content)
            while left:
                left = left[os.write(descriptor, left) :]
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
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
