"""The neutral record of a labeled data set, which all readers make and all writers take."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

# Problems with the same text are one entry with a count. Entries beyond this number are only counted.
MOST_PROBLEMS = 100
REGULAR, NEGATIVE = "Regular", "Negative"


class DataSetUnreadable(Exception):
    """The files are no data set of the format, or exceed a limit. str() is one sentence, for a person.

    file, line: where, as far as known; line counts from 1.
    """

    def __init__(self, message: str, file: str | None = None, line: int | None = None) -> None:
        super().__init__(message)
        self.file = file
        self.line = line


class Place(NamedTuple):
    """Where the labels of an image are. line: counts from 1; None where it is not known."""

    file: str
    line: int | None = None


def place_text(file: str | None, line: int | None) -> str:
    """A place for people, such as "labels.json, line 3"; empty without a file."""
    if file is None:
        return ""
    return file if line is None else f"{file}, line {line}"


@dataclass
class Problem:
    """What is wrong (an error), or read in another way than it is written (a note).

    An error refuses the whole data set. file, line: of the first occurrence. count: of all occurrences.
    """

    is_error: bool
    message: str
    file: str | None = None
    line: int | None = None
    count: int = 1


class Problems:
    """Problems in the order in which they were found, equal messages as one."""

    def __init__(self) -> None:
        self._by_message: dict[tuple[bool, str], Problem] = {}
        self.error_count = 0
        self.left_out = 0

    def error(self, message: str, place: Place | None = None) -> None:
        """Note a reason to refuse the data set."""
        self.error_count += 1
        self._add(True, message, place)

    def note(self, message: str, place: Place | None = None, count: int = 1) -> None:
        """Note what is read in another way than it is written, or left out."""
        if count:
            self._add(False, message, place, count)

    def _add(self, is_error: bool, message: str, place: Place | None, count: int = 1) -> None:
        known = self._by_message.get((is_error, message))
        if known is not None:
            known.count += count
        elif len(self._by_message) >= MOST_PROBLEMS and not (is_error and self.error_count == 1):
            self.left_out += 1
        else:
            file, line = place or (None, None)
            self._by_message[is_error, message] = Problem(is_error, message, file, line, count)

    def __iter__(self) -> Iterator[Problem]:
        """The errors, then the notes."""
        return iter(sorted(self._by_message.values(), key=lambda problem: not problem.is_error))


@dataclass(frozen=True, slots=True)
class LabeledBox:
    """An object. left, top, width, height: fractions of the image's sides, or pixels; see `ImageLabels`."""

    tag: str
    left: float
    top: float
    width: float
    height: float
    id: str | None = None


def box_of(tag: str, sides: Sequence[float], id: str | None = None) -> LabeledBox:
    """A box of its left, top, width and height."""
    left, top, width, height = sides
    return LabeledBox(tag, left, top, width, height, id)


@dataclass(slots=True)
class ImageLabels:
    """An image and its labels.

    Attributes:
        file: its name among the files of the data set.
        tags: names, of the whole image; those of its boxes need not be among them.
        size: width and height in pixels that the labels state, of the image as it is shown or as it is
            stored; None when they state none.
        in_pixels: whether the boxes are in pixels; otherwise in fractions.
        split: the part of a data set that is divided, such as "train".
        id, metadata: of an image of an emulator.
    """

    file: str
    place: Place
    tags: tuple[str, ...] = ()
    boxes: tuple[LabeledBox, ...] = ()
    size: tuple[int, int] | None = None
    in_pixels: bool = False
    split: str | None = None
    id: str | None = None
    metadata: dict[str, str] | None = None

    @property
    def boxed_tags(self) -> tuple[str, ...]:
        """The tags of its boxes, each once."""
        return tuple(dict.fromkeys(box.tag for box in self.boxes))

    @property
    def unboxed_tags(self) -> tuple[str, ...]:
        """The tags of the whole image that none of its boxes has."""
        boxed = self.boxed_tags
        return tuple(tag for tag in self.tags if tag not in boxed)


@dataclass(slots=True)
class TagInfo:
    """A tag. type: Regular, Negative or GeneralProduct."""

    name: str
    type: str = REGULAR
    description: str | None = None
    id: str | None = None


@dataclass(slots=True)
class ProjectInfo:
    """The settings of the project of which a data set was made."""

    name: str
    domain_id: str
    classification_type: str
    description: str = ""
    id: str | None = None


@dataclass
class DataSet:
    """A labeled data set.

    Attributes:
        format: its name in `formats.FORMATS`.
        detection: whether its labels are boxes.
        tags: by name, in the order of the files; also those of no image.
        project: None unless an emulator wrote the data set.
        is_empty: whether it is known to be of a project without images.
    """

    format: str
    detection: bool
    tags: dict[str, TagInfo] = field(default_factory=dict)
    images: list[ImageLabels] = field(default_factory=list)
    project: ProjectInfo | None = None
    is_empty: bool = False

    def add_tag(self, name: str, type: str = REGULAR) -> str:
        """The name of a tag, which is added if it is new."""
        known = self.tags.get(name)
        if known is None:
            self.tags[name] = known = TagInfo(name, type)
        return known.name

    def rename_tags(self, names: Mapping[str, str]) -> None:
        """Give tags other names; tags with the same new name become one, the first of them.

        names: the new name of each tag, by the old one.
        """
        renamed: dict[str, TagInfo] = {}
        for name, tag in self.tags.items():
            renamed.setdefault(names[name], replace(tag, name=names[name]))
        self.tags = renamed
        for image in self.images:
            image.tags = tuple(dict.fromkeys(names[tag] for tag in image.tags))
            image.boxes = tuple(replace(box, tag=names[box.tag]) for box in image.boxes)
