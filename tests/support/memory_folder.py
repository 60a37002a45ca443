"""Temporary files of the tests in memory, where the system has room for them.

The tests create and delete some hundred thousand small files, and the store asks the disk to write each
change: on a disk a run waits for that about as long as it computes.
"""

import os
import shutil
import tempfile
from pathlib import Path

_MEMORY_FILES = Path("/dev/shm")  # Linux: a file system in memory
_PROCESSES = Path("/proc")
_PREFIX = "tests-"  # followed by the number of the process
_ROOM = 6 * 1024**3
"""Bytes that must be free: a run with two workers has up to 2 GB in files, beside its processes."""


def use_memory_folder() -> Path | None:
    """Let temporary files of this process and those that it starts be made in a new folder in memory.

    Folders of processes that have ended, which are those of failed tests, are deleted.

    Returns the folder, or None where nothing was changed: TMPDIR is set, there is no such file system, or too
    little memory is free.
    """
    if "TMPDIR" in os.environ:
        return None
    for old in _MEMORY_FILES.glob(f"{_PREFIX}*"):
        if not (_PROCESSES / old.name.removeprefix(_PREFIX)).exists():
            shutil.rmtree(old, ignore_errors=True)
    if _free_bytes() < _ROOM:
        return None
    # A short name: paths of Unix sockets have at most 107 characters.
    folder = _MEMORY_FILES / f"{_PREFIX}{os.getpid()}"
    try:
        folder.mkdir(mode=0o700)
    except OSError:
        return None
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    return folder


def _free_bytes() -> int:
    """The bytes that can be written to files in memory; 0 where there are no such files."""
    try:
        meminfo = Path("/proc/meminfo").read_text()
        available = next(line for line in meminfo.splitlines() if line.startswith("MemAvailable:"))
        return min(shutil.disk_usage(_MEMORY_FILES).free, int(available.split()[1]) * 1024)
    except (OSError, StopIteration):
        return 0
