"""The space that stays free on the disk: for copies of projects and snapshots, and for uploads."""

import shutil
from pathlib import Path

from emulator.core.rules.limits import MEGABYTE
from emulator.store.database import StorageFull

# For requests that store something meanwhile.
_KEPT_BYTES = 64 * MEGABYTE


class UploadRefused(StorageFull):
    """Less of the disk is free than the option says. str() is a sentence for a client; nothing is stored."""


class DiskGuard:
    """Keeps a part of the disk free, so that predictions, labels and jobs go on when uploads cannot.

    folder: on the disk. least_bytes: that stay free; 0 for no check.
    """

    def __init__(self, folder: Path, least_bytes: int = 0) -> None:
        self._folder = folder
        self._least_bytes = least_bytes

    def is_low(self) -> bool:
        """Whether less is free. A disk that is out of reach is not: what fails then says why."""
        if not self._least_bytes:
            return False
        try:
            return shutil.disk_usage(self._folder).free < self._least_bytes
        except OSError:
            return False

    def check_upload(self) -> None:
        """Raises UploadRefused when less is free; called before an upload is processed."""
        if self.is_low():
            raise UploadRefused(
                f"The disk that holds the data folder of the emulator has less than "
                f"{self._least_bytes // MEGABYTE} MB left (--least-free-mb), so nothing was stored."
            )

    def shortage(self, size: int) -> str | None:
        """The reason why `size` bytes must not be written; None if the part is free after that, too."""
        return shortage(self._folder, size, self._least_bytes)


def shortage(folder: Path, size: int, least_bytes: int = 0) -> str | None:
    """The reason why `size` bytes must not be written to the disk of `folder`; None if there is space.

    least_bytes: that must stay free, if they are more than the usual part.
    """
    needed = size + max(_KEPT_BYTES, least_bytes)
    free = shutil.disk_usage(folder).free
    if needed <= free:
        return None
    return f"The disk has {free // MEGABYTE} MB left, and {needed // MEGABYTE} MB are needed."
