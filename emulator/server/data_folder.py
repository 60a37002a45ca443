"""The data folder of a server process: its locks and permissions, or a temporary folder in its place."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from emulator.settings import Settings, StartRefused
from emulator.settings.https import AUTHORITY_FOLDER
from emulator.settings.settings import LOG_FOLDER

# Has the id of the process that uses the folder.
_OWNER = "emulator.pid"
_PRIVATE_FOLDER, _PRIVATE_UMASK = 0o700, 0o077


class _InUse(Exception):
    """Another process has locked the folder."""


class DataFolderInUse(StartRefused):
    """Another process uses the data folder."""


@contextlib.contextmanager
def exclusive_data_folder(settings: Settings) -> Iterator[Settings]:
    """The settings with a data folder that exists and that no other process uses.

    The folder and the files that are created in it are accessible to their owner alone, except in a folder
    with the set-group-ID bit, which a group shares: its permissions stay as they are.

    Raises:
        DataFolderInUse: another emulator uses the folder.
        StartRefused: the folder cannot be used.
    """
    if settings.ephemeral:
        folder = Path(tempfile.mkdtemp(prefix="custom-vision-emulator-"))
        try:
            yield replace(settings, data=folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return
    with contextlib.ExitStack() as stack:
        try:
            settings.data.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(_private(settings.data))
            stack.enter_context(_locked(settings.data))
            # The process id is not in the locked file, which cannot be read on Windows.
            owner = settings.data / _OWNER
            owner.write_text(f"{os.getpid()}\n", encoding="ascii")
        except _InUse:
            raise DataFolderInUse(_in_use(settings.data)) from None
        except OSError as error:
            reason = error.strerror or error
            raise StartRefused(f"--data: cannot use the folder {str(settings.data)!r}: {reason}") from None
        try:
            yield settings
        finally:
            forget_owner(settings.data)


def forget_owner(folder: Path) -> None:
    """Remove the process id from a data folder, whose process ends."""
    with contextlib.suppress(OSError):
        (folder / _OWNER).unlink()


@contextlib.contextmanager
def _private(folder: Path) -> Iterator[None]:
    """Create the folder, or correct its permissions, and set the umask of this process and its workers."""
    try:
        folder.mkdir(mode=_PRIVATE_FOLDER)
        is_shared = False  # it may have inherited the set-group-ID bit
    except FileExistsError:
        is_shared = bool(folder.stat().st_mode & stat.S_ISGID)
    if os.name == "nt" or is_shared:
        yield
        return
    status = folder.stat()
    is_private = not status.st_mode & _PRIVATE_UMASK
    if not is_private and status.st_uid == os.geteuid() and _is_only_for_data(folder):
        with contextlib.suppress(OSError):  # a file system without permissions
            folder.chmod(status.st_mode & _PRIVATE_FOLDER)
    previous = os.umask(_PRIVATE_UMASK)
    try:
        yield
    finally:
        os.umask(previous)


def _is_only_for_data(folder: Path) -> bool:
    """Whether it is a data folder, and not, for example, the home directory."""
    from emulator.store.database import FILE_NAME  # here, for a fast start: most data folders are private
    from emulator.vision.backbones.registry import FOLDER_NAME

    names = {each.name for each in folder.iterdir()}
    return FILE_NAME in names or names <= {FOLDER_NAME, AUTHORITY_FOLDER, LOG_FOLDER}


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock a file of the folder and, where that is possible, the folder itself: the file may be deleted.

    The operating system releases the locks however the process ends. Raises _InUse.
    """
    from filelock import FileLock, Timeout  # here, for a fast start: a temporary folder needs no lock

    lock = FileLock(folder / "emulator.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise _InUse from None
    try:
        with _locked_directory(folder):
            yield
    finally:
        lock.release()


@contextlib.contextmanager
def _locked_directory(folder: Path) -> Iterator[None]:
    """Lock the directory itself, where that is possible: not on Windows and some network file systems."""
    if os.name == "nt":
        yield
        return
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _InUse from None
        except OSError:
            pass
        yield
    finally:
        os.close(descriptor)


def _in_use(folder: Path) -> str:
    try:
        owner = f"process {int((folder / _OWNER).read_text(encoding='ascii'))}"
    except (OSError, ValueError):
        owner = "another process"
    return f"--data: the folder {str(folder)!r} is in use by {owner}; stop it or give another folder"
