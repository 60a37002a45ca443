"""The data folder of a server process: its lock, or a temporary folder in its place."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from emulator.settings import Settings, StartRefused


@contextlib.contextmanager
def exclusive_data_folder(settings: Settings) -> Iterator[Settings]:
    """The settings with a data folder that exists and that no other process uses.

    Raises:
        StartRefused: the folder is in use by another emulator, or cannot be used.
    """
    if settings.ephemeral:
        folder = Path(tempfile.mkdtemp(prefix="custom-vision-emulator-"))
        try:
            yield replace(settings, data=folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return
    from filelock import FileLock, Timeout  # here, for a fast start: a temporary folder needs no lock

    try:
        settings.data.mkdir(parents=True, exist_ok=True)
        # The operating system releases this lock however the process ends. The process id is in a second file
        # because a locked file cannot be read on Windows.
        lock = FileLock(settings.data / "emulator.lock")
        lock.acquire(timeout=0)
        owner = settings.data / "emulator.pid"
        owner.write_text(f"{os.getpid()}\n", encoding="ascii")
    except Timeout:
        raise StartRefused(_in_use(settings.data)) from None
    except OSError as error:
        reason = error.strerror or error
        raise StartRefused(f"--data: cannot use the folder {str(settings.data)!r}: {reason}") from None
    try:
        yield settings
    finally:
        with contextlib.suppress(OSError):
            owner.unlink()
        lock.release()


def _in_use(folder: Path) -> str:
    try:
        owner = f"process {int((folder / 'emulator.pid').read_text(encoding='ascii'))}"
    except (OSError, ValueError):
        owner = "another process"
    return f"--data: the folder {str(folder)!r} is in use by {owner}; stop it or give another folder"
