"""A count of commits beside the database, which shows at the start whether the database lost any."""

import os
from pathlib import Path

FILE_NAME = "emulator.commits"
# The database has the number in its header, as a signed integer of 32 bits. After the largest follows 0.
_MODULUS = 2**31
_DIGITS = 10


class CommitCounter:
    """The number of the newest commit, in a file of its own.

    The database has the same number in its header (``PRAGMA user_version``), written in each transaction. The
    file is written after the commit, which SQLite has synchronised by then, so that the file never has the
    higher number, even after a power failure. If it does, the database is an older one, or it was shortened,
    or its write-ahead log is gone. The file itself need not be synchronised.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME

    def read(self) -> int | None:
        """The number; None when the file is missing or has other content, as in folders of older versions."""
        try:
            content = self._path.read_bytes()
        except OSError:
            return None
        digits = content.removesuffix(b"\n")
        return int(digits) if digits.isdigit() and len(content) == _DIGITS + 1 else None

    def write(self, number: int) -> None:
        """Store the number. Errors of the system are ignored."""
        # In place, which needs no room on a full disk.
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
            try:
                os.write(descriptor, b"%0*d\n" % (_DIGITS, number))
            finally:
                os.close(descriptor)
        except OSError:
            pass  # with an older number, the check at the start is only less exact


def following(number: int) -> int:
    """The number of the next commit."""
    return (number + 1) % _MODULUS


def missing_commits(found: int, expected: int) -> int:
    """How many commits a database with the number `found` lacks; 0 when it is not behind `expected`."""
    difference = (expected - found) % _MODULUS
    return difference if difference < _MODULUS // 2 else 0
