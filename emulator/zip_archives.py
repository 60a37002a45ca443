"""Opening zip archives that are not trusted, for all parts of the program."""

import zipfile
import zlib
from typing import IO

_MEGABYTE = 2**20
# What zipfile and the decompression raise for damaged archives.
DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    RuntimeError,
    NotImplementedError,
    ValueError,
)


class ZipRejected(Exception):
    """It is no zip archive, or expands to more than is allowed. str() is one sentence, for a person."""


def opened(file: IO[bytes], size: int, *, allowance: int, expansion: int, what: str) -> zipfile.ZipFile:
    """An archive whose files, as it announces, have at most `allowance` + `expansion` * `size` bytes.

    zipfile enforces the announced sizes while a file is read. Names are not checked.

    Args:
        size: of the archive, in bytes.
        what: kind of the archive, for the message, such as "snapshot".

    Raises:
        ZipRejected
    """
    try:
        archive = zipfile.ZipFile(file)
    except DAMAGED:
        raise ZipRejected("It is not a zip file, or it is not complete.") from None
    expanded = sum(entry.file_size for entry in archive.infolist())
    if expanded > allowance + expansion * size:
        raise ZipRejected(f"It expands to {expanded // _MEGABYTE:,} MB, which no {what} does.")
    return archive
