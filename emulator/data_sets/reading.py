"""What the readers share: finding images, numbers, and the place of what they read."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from emulator.data_sets.files import Files, ImageMissing, ImageNames
from emulator.data_sets.record import DataSetUnreadable, Place, Problems

# Names of the parts of divided data sets, as folders and in names of files; `valid` is that of some tools.
SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}
_MOST_TAG_CHARACTERS = 256


@dataclass
class Reading:
    """The files that a reader reads, and the problems that it notes.

    missing_allowed: whether labels of images that are not there are left out, rather than an error.
    """

    files: Files
    problems: Problems = field(default_factory=Problems)
    missing_allowed: bool = False
    images: ImageNames = field(init=False)

    def __post_init__(self) -> None:
        self.images = ImageNames(self.files)

    def image(self, named: object, place: Place, *folders: str) -> str | None:
        """The file of the image with a name; None, with a problem, when it is not clear."""
        if not isinstance(named, str) or not named.strip():
            self.problems.error("The name of an image is missing.", place)
            return None
        try:
            return self.images.find(named, *folders)
        except DataSetUnreadable as unreadable:
            if self.missing_allowed and isinstance(unreadable, ImageMissing):
                self.problems.note("Labels of images that are not there are left out.", place)
            else:
                self.problems.error(str(unreadable), place)
            return None

    def tag(self, name: object, place: Place) -> str | None:
        """The name of a tag; None, with a problem, when it cannot be one."""
        text = str(name).strip() if isinstance(name, str | int | float) and not isinstance(name, bool) else ""
        if not text or len(text) > _MOST_TAG_CHARACTERS:
            self.problems.error(
                "A name of a tag is missing." if not text else "A name of a tag is too long.", place
            )
            return None
        return text


def numbers(values: object, count: int) -> tuple[float, ...] | None:
    """A list of `count` finite numbers, or of their texts; None for something else."""
    if not isinstance(values, Sequence) or isinstance(values, str) or len(values) != count:
        return None
    found = tuple(one for value in values if (one := number(value)) is not None)
    return found if len(found) == count else None


def number(value: Any) -> float | None:
    """A finite number, or the text of one; None for something else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def size_of(width: object, height: object) -> tuple[int, int] | None:
    """Width and height of an image in pixels; None unless both are positive integers."""
    sides = numbers((width, height), 2)
    if sides is None or not all(0 < side < 2**31 and side.is_integer() for side in sides):
        return None
    return int(sides[0]), int(sides[1])


def hull(points: Iterable[Sequence[float]]) -> tuple[float, float, float, float] | None:
    """Left, top, width, height of the smallest box around points (x, y); None when there are none."""
    found = list(points)
    if not found:
        return None
    left, top = min(x for x, _ in found), min(y for _, y in found)
    return left, top, max(x for x, _ in found) - left, max(y for _, y in found) - top


def split_of(name: str) -> str | None:
    """The part of a divided data set that the folders of a file name; None when they name none."""
    return next((SPLITS[part.lower()] for part in name.split("/")[:-1] if part.lower() in SPLITS), None)


def split_in(stem: str) -> str | None:
    """The part of a divided data set that the name of a file of labels has, as ``instances_train2017``."""
    lowered = stem.lower()
    return next((split for word, split in SPLITS.items() if word in lowered), None)
