"""The files of a data set, in a zip archive that is not trusted.

Names of the archive are keys and are never used as paths. Its sizes are checked before anything is unpacked,
and enforced while it is.
"""

import io
import stat
import unicodedata
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import IO

from emulator.data_sets.record import DataSetUnreadable
from emulator.zip_archives import DAMAGED, ZipRejected, opened

MEGABYTE = 2**20
# See `side_file`.
SIDE_FILE = "customvision.json"
# More than any format needs: an image may be in several folders, or have a file of labels of its own.
MOST_FILES = 2_000_000
# Files of labels are compressed well; images are not.
_EXPANDED_BYTES = 256 * MEGABYTE
_EXPANSION = 200
# A format is recognized by the beginning of a file.
_HEAD_BYTES = 2**16
# Of files that are read at once: labels of one image, names of classes.
TEXT_BYTES = 16 * MEGABYTE
IMAGE_SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png"})
# Readable by other tools, not by the service.
_OTHER_IMAGE_SUFFIXES = frozenset({".tif", ".tiff", ".webp", ".heic", ".avif", ".jp2"})


class Files:
    """The files of a zip archive by name: relative, with slashes, in the normal form C of Unicode.

    Raises DataSetUnreadable. A folder around everything is no part of the names.

    Args:
        file: stays open as long as the object is used.
        size: of the archive, in bytes.

    Attributes:
        names: all, sorted.
    """

    def __init__(self, file: IO[bytes], size: int) -> None:
        try:
            self._archive = opened(
                file, size, allowance=_EXPANDED_BYTES, expansion=_EXPANSION, what="data set"
            )
        except ZipRejected as rejected:
            raise DataSetUnreadable(str(rejected)) from None
        entries = self._archive.infolist()
        if len(entries) > MOST_FILES:
            raise DataSetUnreadable(f"It has {len(entries):,} files; at most {MOST_FILES:,} are read.")
        self._entries: dict[str, zipfile.ZipInfo] = {}
        for entry in entries:
            if entry.is_dir():
                continue
            name = _checked_name(entry)
            if name in self._entries:
                raise DataSetUnreadable("It has two files with this name.", name)
            if not _is_of_a_system(name):
                self._entries[name] = entry
        self._strip_common_folder()
        self.names = sorted(self._entries)

    def _strip_common_folder(self) -> None:
        """Drop a folder that contains everything: archives of a folder have its name before all others."""
        first = {name.partition("/")[0] for name in self._entries}
        if len(first) == 1 and all("/" in name for name in self._entries):
            (folder,) = first
            is_of_a_tag = all(is_image(name) and name.count("/") == 1 for name in self._entries)
            if folder.lower() in _FOLDERS_WITH_A_MEANING or is_of_a_tag:
                return
            self._entries = {name.partition("/")[2]: entry for name, entry in self._entries.items()}

    def size(self, name: str) -> int:
        """Size in bytes."""
        return self._entries[name].file_size

    def open(self, name: str) -> IO[bytes]:
        """The content of a file. Raises DataSetUnreadable."""
        try:
            return self._archive.open(self._entries[name])
        except DAMAGED as error:
            raise unreadable(name, error) from None

    def read(self, name: str) -> bytes:
        """The content of a file. Raises DataSetUnreadable."""
        try:
            return self._archive.read(self._entries[name])
        except DAMAGED as error:
            raise unreadable(name, error) from None


# Folders that formats and users give a meaning, which they keep when nothing else is beside them.
_FOLDERS_WITH_A_MEANING = frozenset({"train", "val", "valid", "test", "images", "_untagged", "_negative"})


def _checked_name(entry: zipfile.ZipInfo) -> str:
    """The name of a file. Raises DataSetUnreadable for one that leads elsewhere, or cannot be read."""
    name = entry.filename.replace("\\", "/")
    kind = entry.external_attr >> 16
    if stat.S_IFMT(kind) not in (0, stat.S_IFREG):
        raise DataSetUnreadable("It is a link or a device, not a file.", name)
    if entry.flag_bits & 0x1:
        raise DataSetUnreadable("It is encrypted.", name)
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or ":" in parts[0] or "\0" in name:
        raise DataSetUnreadable("Its name leads out of the archive.", name)
    return unicodedata.normalize("NFC", "/".join(part for part in parts if part not in ("", ".")))


def _is_of_a_system(name: str) -> bool:
    """Whether a file is one of those that operating systems leave behind, or hidden."""
    parts = name.split("/")
    return (
        parts[0] == "__MACOSX"
        or any(part.startswith(".") for part in parts)
        or parts[-1].lower() in ("thumbs.db", "desktop.ini")
    )


def unreadable(name: str, error: Exception) -> DataSetUnreadable:
    """The error for a file that the archive or the system cannot read."""
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return DataSetUnreadable(f"It cannot be read: {reason}.", name)


def suffix(name: str) -> str:
    """The suffix of a file's name in lower case, with its dot."""
    return PurePosixPath(name).suffix.lower()


def stem(name: str) -> str:
    """The name of a file without its folder and suffix."""
    return PurePosixPath(name).stem


def folder_of(name: str) -> str:
    """The folder of a file; empty for the top."""
    return name.rpartition("/")[0]


def is_image(name: str) -> bool:
    """Whether the suffix is one of an image, also of a format that the service does not take."""
    return suffix(name) in IMAGE_SUFFIXES or suffix(name) in _OTHER_IMAGE_SUFFIXES


def head(files: Files, name: str) -> bytes:
    """The first 64 KB of a file. Raises DataSetUnreadable."""
    with files.open(name) as file:
        try:
            return file.read(_HEAD_BYTES)
        except DAMAGED as error:
            raise unreadable(name, error) from None


def text(files: Files, name: str) -> str:
    """A text in UTF-8, also with a byte order mark, or in UTF-16 with one. Raises DataSetUnreadable."""
    if files.size(name) > TEXT_BYTES:
        raise DataSetUnreadable(f"It is larger than {TEXT_BYTES // MEGABYTE} MB.", name)
    return decoded(files.read(name), name)


def decoded(data: bytes, name: str) -> str:
    """The text of a file; see `text`."""
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataSetUnreadable("It is not a text in UTF-8.", name, line) from None


def lines(files: Files, name: str) -> Iterator[tuple[int, str]]:
    """The lines of a text in UTF-8 that are not empty, with their numbers, one after the other."""
    reader = io.TextIOWrapper(files.open(name), encoding="utf-8-sig")
    number = 0
    with reader:
        try:
            for number, line in enumerate(iter(lambda: reader.readline(TEXT_BYTES), ""), start=1):
                if len(line) >= TEXT_BYTES:
                    raise DataSetUnreadable("A line is too long.", name, number)
                if line.strip():
                    yield number, line.rstrip("\r\n")
        except UnicodeDecodeError:
            raise DataSetUnreadable("It is not a text in UTF-8.", name, _not_utf_8(files, name)) from None
        except DAMAGED as error:
            raise unreadable(name, error) from None


def _not_utf_8(files: Files, name: str) -> int:
    """The number of the first line that is not UTF-8. A text reader decodes far ahead of its lines."""
    with files.open(name) as reader:
        for number, line in enumerate(iter(lambda: reader.readline(TEXT_BYTES), b""), start=1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return number


class ImageMissing(DataSetUnreadable):
    """No image has the name that a label states."""


class ImageNames:
    """Finds the image file that a label names, although tools write paths in many ways."""

    def __init__(self, files: Files) -> None:
        self._exact = {name for name in files.names if is_image(name)}
        self._by_end: dict[str, list[str]] = defaultdict(list)
        for name in self._exact:
            self._by_end[name.rpartition("/")[2].lower()].append(name)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._exact))

    def find(self, named: str, *folders: str) -> str:
        """The file with this name, in one of the folders, or at the end of only one path, in any case.

        Raises ImageMissing when there is none, DataSetUnreadable when there are several.
        """
        cleaned = unicodedata.normalize("NFC", named.strip().replace("\\", "/"))
        parts = [part for part in cleaned.split("/") if part not in ("", ".", "..")]
        for folder in folders:
            candidate = "/".join([*(part for part in folder.split("/") if part), *parts])
            if candidate in self._exact:
                return candidate
        found = self._by_end.get(parts[-1].lower(), []) if parts else []
        while len(found) > 1 and len(parts) > 1:
            ending = "/" + "/".join(parts).lower()
            longer = [name for name in found if f"/{name.lower()}".endswith(ending)]
            if longer:
                found = longer
                break
            parts = parts[1:]
        if not found:
            raise ImageMissing(f"There is no image '{named[:200]}'.")
        if len(found) > 1:
            shown = ", ".join(sorted(found)[:3])
            raise DataSetUnreadable(f"Several images could be '{named[:200]}': {shown}.")
        return found[0]

    def of_stem(self, stem_name: str, *folders: str) -> str | None:
        """The image with this name without its suffix in one of the folders, in their order."""
        for folder in folders:
            for ending in sorted(IMAGE_SUFFIXES | _OTHER_IMAGE_SUFFIXES):
                for written in (ending, ending.upper()):
                    name = f"{folder}/{stem_name}{written}" if folder else f"{stem_name}{written}"
                    if name in self._exact:
                        return name
        return None
