"""`customvision.json`: what a format cannot say, beside the files of any format.

It has the ids, types, descriptions and metadata of a project, and all its labels. When the labels of an image
in the format are those that its writer would have made, those of this file replace them; where they were
changed since, they count, and the file adds ids alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from emulator.datasets.files import SIDE_FILE, TEXT_BYTES, Files
from emulator.datasets.json_stream import JsonReader
from emulator.datasets.reading import numbers
from emulator.datasets.record import (
    NEGATIVE,
    REGULAR,
    DataSet,
    DataSetUnreadable,
    ImageLabels,
    LabeledBox,
    Place,
    Problems,
    ProjectInfo,
    TagInfo,
    box_of,
)
from emulator.datasets.writing import json_text

VERSION = 1
_TYPES = (REGULAR, NEGATIVE, "GeneralProduct")
# How far a format may round a side of a box: to whole pixels, or to four decimals of a fraction.
_PIXELS, _FRACTION = 1.01, 1e-4


@dataclass
class SideFile:
    """The content of the file. images: by name, without folders."""

    project: ProjectInfo
    tags: dict[str, TagInfo]
    images: dict[str, ImageLabels]


def content(data: DataSet) -> bytes:
    """The file of a data set with a project."""
    assert data.project is not None
    project = data.project
    return json_text(
        {
            "format": "custom-vision-emulator-data-set",
            "version": VERSION,
            "project": {
                "id": project.id,
                "name": project.name,
                "description": project.description,
                "domainId": project.domain_id,
                "classificationType": project.classification_type,
            },
            "tags": [
                {"id": tag.id, "name": tag.name, "type": tag.type, "description": tag.description}
                for tag in data.tags.values()
            ],
            "images": [
                {
                    "file": image.file,
                    "id": image.id,
                    "size": image.size,
                    "tags": image.tags,
                    "regions": [
                        {"id": box.id, "tag": box.tag, "box": [box.left, box.top, box.width, box.height]}
                        for box in image.boxes
                    ],
                    "metadata": image.metadata,
                }
                for image in data.images
            ],
        }
    )


def read(files: Files) -> SideFile | None:
    """The file of a data set; None when there is none. Raises DataSetUnreadable."""
    if SIDE_FILE not in files.names:
        return None
    reader = JsonReader(files, SIDE_FILE)
    project: ProjectInfo | None = None
    tags: dict[str, TagInfo] = {}
    images: dict[str, ImageLabels] = {}
    try:
        for key in reader.members():
            if key == "version":
                version = reader.value()
                if version != VERSION:
                    raise reader.wrong(f"It is of version {str(version)[:20]}; version {VERSION} is known.")
            elif key == "project":
                project = _project(reader.value(), reader.place)
            elif key == "tags":
                for entry in reader.items():
                    tag = _tag(entry, reader.place)
                    tags[tag.name] = tag
            elif key == "images":
                for entry in reader.items():
                    image = _image(entry, reader.place)
                    images[image.file] = image
            else:
                reader.skip()
    finally:
        reader.close()
    if project is None:
        raise DataSetUnreadable("It has no project.", SIDE_FILE)
    return SideFile(project, tags, images)


def apply(side: SideFile, data: DataSet, problems: Problems) -> None:
    """Add to a data set what its format could not say."""
    data.project = side.project
    known = {name.casefold(): tag for name, tag in side.tags.items()}
    # The order and the tags of no image are those of the project; tags that were added since follow.
    data.tags = side.tags | {
        name: tag for name, tag in data.tags.items() if name.casefold() not in known and tag.type == REGULAR
    }
    if any(image.boxes for image in side.images.values()):
        data.detection = True
    changed = 0
    for image in data.images:
        kept = side.images.get(image.file.rpartition("/")[2])
        if kept is None:
            continue
        image.id, image.metadata = kept.id, kept.metadata
        if not _is_unchanged(image, kept, data.format):
            changed += 1
            image.boxes = tuple(_with_ids(image, kept))
            continue
        image.tags, image.boxes, image.in_pixels = kept.tags, kept.boxes, False
        image.size = None
    problems.note(
        f"Labels that were changed since the export are read instead of those of {SIDE_FILE}.", count=changed
    )


def _is_unchanged(image: ImageLabels, kept: ImageLabels, format: str) -> bool:
    """Whether the labels of an image are those that were exported, as far as the format has them."""
    pairs = list(_pairs(image, kept))
    if len(image.boxes) != len(pairs):
        return False
    boxed = {box.tag for box in kept.boxes}
    if format in ("folders", "yolo-classification", "csv") and not image.boxes:
        return {tag.casefold() for tag in image.tags} == _names({*kept.tags, *boxed})
    if len(kept.boxes) != len(pairs):
        return False
    return not image.tags or _names(image.tags) <= _names({*kept.tags, *boxed})


def _names(tags: Iterable[str]) -> set[str]:
    return {tag.casefold() for tag in tags}


def _pairs(image: ImageLabels, kept: ImageLabels) -> list[tuple[LabeledBox, LabeledBox]]:
    """Boxes of an image with those of the file that they were, each once."""
    left = list(kept.boxes)
    found = []
    width, height = image.size or kept.size or (1, 1)
    for box in image.boxes:
        across, down = (width, height) if image.in_pixels else (1, 1)
        sides = (box.left / across, box.top / down, box.width / across, box.height / down)
        limits = [max(_FRACTION, _PIXELS / length) for length in (width, height, width, height)]
        for candidate in left:
            other = (candidate.left, candidate.top, candidate.width, candidate.height)
            if candidate.tag.casefold() == box.tag.casefold() and all(
                abs(one - two) <= limit for one, two, limit in zip(sides, other, limits, strict=True)
            ):
                left.remove(candidate)
                found.append((box, candidate))
                break
    return found


def _with_ids(image: ImageLabels, kept: ImageLabels) -> list[LabeledBox]:
    ids = {id(box): candidate.id for box, candidate in _pairs(image, kept)}
    return [
        LabeledBox(box.tag, box.left, box.top, box.width, box.height, id=ids.get(id(box)))
        for box in image.boxes
    ]


def _project(value: Any, place: Place) -> ProjectInfo:
    entry = _object(value, place)
    return ProjectInfo(
        name=_text(entry, "name", place),
        domain_id=_text(entry, "domainId", place),
        classification_type=_text(entry, "classificationType", place),
        description=_text(entry, "description", place, optional=True) or "",
        id=_id(entry, place),
    )


def _tag(value: Any, place: Place) -> TagInfo:
    entry = _object(value, place)
    kind = _text(entry, "type", place)
    if kind not in _TYPES:
        raise DataSetUnreadable(f"There is no type of tags '{kind[:50]}'.", *place)
    description = _text(entry, "description", place, optional=True)
    return TagInfo(_text(entry, "name", place), kind, description or None, _id(entry, place))


def _image(value: Any, place: Place) -> ImageLabels:
    entry = _object(value, place)
    metadata = entry.get("metadata")
    if metadata is not None and not (
        isinstance(metadata, dict) and all(isinstance(item, str) for item in metadata.values())
    ):
        raise DataSetUnreadable("The metadata of an image are no texts.", *place)
    tags, regions = entry.get("tags"), entry.get("regions")
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise DataSetUnreadable("The tags of an image are no list of names.", *place)
    if not isinstance(regions, list):
        raise DataSetUnreadable("The regions of an image are no list.", *place)
    size = numbers(entry.get("size"), 2)
    image = ImageLabels(_text(entry, "file", place), place, tags=tuple(tags), metadata=metadata)
    image.id = _id(entry, place)
    image.boxes = tuple(_region(region, place) for region in regions)
    image.size = None if size is None or min(size) < 1 else (int(size[0]), int(size[1]))
    return image


def _region(value: Any, place: Place) -> LabeledBox:
    entry = _object(value, place)
    box = numbers(entry.get("box"), 4)
    if box is None:
        raise DataSetUnreadable("The box of a region is not four numbers.", *place)
    return box_of(_text(entry, "tag", place), box, _id(entry, place))


def _object(value: Any, place: Place) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataSetUnreadable("An entry is no object.", *place)
    return value


def _text(entry: dict[str, Any], name: str, place: Place, *, optional: bool = False) -> str:
    value = entry.get(name)
    if optional and value is None:
        return ""
    if not isinstance(value, str) or len(value) > TEXT_BYTES:
        raise DataSetUnreadable(f"'{name}' is no text.", *place)
    return value


def _id(entry: dict[str, Any], place: Place) -> str | None:
    value = entry.get("id")
    if value is None:
        return None
    try:
        return str(UUID(value))
    except (ValueError, TypeError, AttributeError):
        raise DataSetUnreadable("An id is no GUID.", *place) from None
