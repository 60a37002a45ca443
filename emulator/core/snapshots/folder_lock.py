"""The lock of a folder to which processes export their state, of which several may have the same."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

_NAME = ".lock"
_SECONDS = 30.0


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Wait until no other process exports to a folder, or imports from it, and keep others waiting.

    A folder that cannot be written, or whose file system has no locks, is used without.

    Raises TimeoutError.
    """
    lock = FileLock(folder / _NAME)
    try:
        lock.acquire(timeout=_SECONDS)
    except Timeout:
        raise TimeoutError(f"another process has used {str(folder)!r} for {_SECONDS:.0f} seconds") from None
    except (OSError, NotImplementedError):
        pass
    try:
        yield
    finally:
        lock.release()
