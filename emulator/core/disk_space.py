"""The space that must be free before a copy of a project or of a snapshot is written."""

import shutil
from pathlib import Path

from emulator.core.limits import MEGABYTE

# For requests that store something meanwhile.
_KEPT_BYTES = 64 * MEGABYTE


def shortage(folder: Path, size: int) -> str | None:
    """The reason why `size` bytes must not be written to the disk of `folder`; None if there is space."""
    needed = size + _KEPT_BYTES
    free = shutil.disk_usage(folder).free
    if needed <= free:
        return None
    return f"The disk has {free // MEGABYTE} MB left, and {needed // MEGABYTE} MB are needed."
