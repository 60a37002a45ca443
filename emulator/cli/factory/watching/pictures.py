"""The pictures in a watched folder: which are complete, and where they are moved."""

from __future__ import annotations

import filecmp
import os
import re
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

from emulator.cli.factory.watching.results import Picture
from emulator.durable_files import UNFINISHED_PREFIX, synchronize_folder

_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif"})
_NOT_IN_NAMES = re.compile(r'[<>:"/\\|?*\x00-\x1f]')


class PictureFolder:
    """A folder into which other programs write pictures.

    Args:
        left_out: folders that may be in it and have no pictures to score.
        settle_seconds: for which a file must not change before it counts as complete.
    """

    def __init__(self, folder: Path, left_out: Collection[Path], settle_seconds: float) -> None:
        self._folder = folder
        self._left_out = {os.path.realpath(path) for path in left_out}
        self._settle_seconds = settle_seconds
        # When each picture was first seen in its present state.
        self._seen: dict[Picture, float] = {}

    def path(self, picture: Picture) -> Path:
        return self._folder / picture.path

    def scan(self, now: float) -> dict[Picture, bool]:
        """Pictures, oldest first, and whether they are complete. now: monotonic seconds. Raises OSError."""
        found = sorted(self._files(self._folder), key=lambda picture: (picture.modified, picture.path))
        self._seen = {picture: self._seen.get(picture, now) for picture in found}
        return {
            picture: picture.size > 0 and now - first >= self._settle_seconds
            for picture, first in self._seen.items()
        }

    def is_unchanged(self, picture: Picture) -> bool:
        """Whether the file is still as it was seen."""
        try:
            status = self.path(picture).stat()
        except OSError:
            return False
        return (status.st_size, status.st_mtime_ns) == (picture.size, picture.modified)

    def _files(self, folder: Path) -> Iterator[Picture]:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        if os.path.realpath(entry.path) not in self._left_out:
                            yield from self._files(Path(entry.path))
                    elif Path(entry.name).suffix.lower() in _SUFFIXES and entry.is_file():
                        status = entry.stat()
                        path = Path(entry.path).relative_to(self._folder).as_posix()
                        yield Picture(path, status.st_size, status.st_mtime_ns)
                except FileNotFoundError:  # deleted or renamed meanwhile
                    continue


def move(source: Path, relative: str, destination: Path, tag: str) -> None:
    """Move a picture to the folder of a tag. A stop leaves it here, there, or at both places. Raises OSError.

    relative: its path in the watched folder, which it keeps. A name that is taken gets a number.
    """
    target = destination / _folder_name(tag) / relative
    target.parent.mkdir(parents=True, exist_ok=True)
    number = 1
    free = target
    while free.exists():
        if filecmp.cmp(source, free, shallow=False):  # copied before a stop
            source.unlink()
            return
        number += 1
        free = target.with_stem(f"{target.stem}-{number}")
    try:
        source.rename(free)
    except OSError:  # another file system
        copy = free.with_name(f"{UNFINISHED_PREFIX}{free.name}")
        shutil.copy2(source, copy)
        with copy.open("rb") as file:
            os.fsync(file.fileno())
        copy.replace(free)
        synchronize_folder(free.parent)  # before the only other copy is deleted
        source.unlink()


def _folder_name(tag: str) -> str:
    """The tag as the name of a folder on every system."""
    name = _NOT_IN_NAMES.sub("_", tag).strip(" .")[:100]
    return name or "_"
