"""The space that stays free on the disk: for copies of projects and snapshots, and for uploads."""

import shutil
from pathlib import Path

from emulator.core.rules.limits import MEGABYTE
from emulator.store.database import StorageFull

# For requests that store something meanwhile.
KEPT_BYTES = 64 * MEGABYTE


class UploadRefused(StorageFull):
    """Less of the disk is free than the option says. str() is a sentence for a client; nothing is stored."""


class DiskGuard:
    """Keeps a part of the disk free: always `KEPT_BYTES`, so that requests go on while copies are written.

    With `least_bytes`, uploads are refused while less is free, so that predictions, labels and jobs go on.

    folder: on the disk. least_bytes: 0 for no check of uploads.
    """

    def __init__(self, folder: Path, least_bytes: int = 0) -> None:
        self._folder = folder
        self._least_bytes = least_bytes

    def is_low(self) -> bool:
        """Whether less than `least_bytes` is free. A disk that is out of reach is not low: what fails then
        says why.
        """
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
        """The reason why `size` bytes must not be written; None if the part stays free. Raises OSError."""
        needed = size + max(KEPT_BYTES, self._least_bytes)
        free = shutil.disk_usage(self._folder).free
        if needed <= free:
            return None
        return f"The disk has {free // MEGABYTE} MB left, and {needed // MEGABYTE} MB are needed."

    def check_room(self, size: int) -> None:
        """Raises StorageFull unless `size` bytes can be written, and the part stays free. Raises OSError."""
        reason = self.shortage(size)
        if reason is not None:
            raise StorageFull(reason)
