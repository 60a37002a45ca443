"""`customvision.json`: what a format does not represent, beside the files of any format.

It has the ids, types, descriptions and metadata of a project, and all its labels. When the labels of an image
in the format are those that its writer would have made, those of this file replace them. When they were
changed since, they count, and the file adds ids alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any
from uuid import UUID

from emulator.data_sets.files import SIDE_FILE, TEXT_BYTES, Files
from emulator.data_sets.json_stream import JsonReader
from emulator.data_sets.reading import numbers
from emulator.data_sets.record import (
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
from emulator.data_sets.writing import json_text

VERSION = 1
_TYPES = (REGULAR, NEGATIVE, "GeneralProduct")
# How far a format may round a side of a box: to whole pixels, or to four decimals of a fraction.
_PIXELS, _FRACTION = 1.01, 1e-4


class ImageTags(Enum):
    """Which tags of whole images a format has."""

    ALL = auto()  # also those of boxes, which it does not have
    UNBOXED = auto()  # those that no box of the image has
    NONE_BESIDE_BOXES = auto()  # none in data sets for detection


@dataclass
class SideFile:
    """The content of the file. detection: whether the project has boxes. images: by name, without folders."""

    project: ProjectInfo
    detection: bool
    tags: dict[str, TagInfo]
    images: dict[str, ImageLabels]

    def written_tags(self, image: ImageLabels, image_tags: ImageTags) -> set[str]:
        """The tags of a whole image of the file, in a format that has these."""
        if image_tags is ImageTags.ALL:
            return {*image.tags, *image.boxed_tags}
        if image_tags is ImageTags.NONE_BESIDE_BOXES and self.detection:
            return set()
        return set(image.unboxed_tags)


def content(data: DataSet) -> bytes:
    """The file of a data set with a project."""
    assert data.project is not None
    project = data.project
    return json_text(
        {
            "format": "custom-vision-emulator-data-set",
            "version": VERSION,
            "detection": data.detection,
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
            "images": (
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
            ),
        }
    )


def read(files: Files) -> SideFile | None:
    """The file of a data set; None when there is none. Raises DataSetUnreadable."""
    if SIDE_FILE not in files.names:
        return None
    reader = JsonReader(files, SIDE_FILE)
    project: ProjectInfo | None = None
    detection = False
    tags: dict[str, TagInfo] = {}
    images: dict[str, ImageLabels] = {}
    try:
        for key in reader.members():
            if key == "version":
                version = reader.value()
                if version != VERSION:
                    raise reader.wrong(f"It is of version {str(version)[:20]}; version {VERSION} is known.")
            elif key == "detection":
                detection = reader.value() is True
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
    return SideFile(project, detection, tags, images)


def apply(
    side: SideFile,
    data: DataSet,
    problems: Problems,
    image_tags: ImageTags,
    names_read: Mapping[str, str],
) -> None:
    """Add to a data set what its format does not represent.

    Args:
        image_tags: of the format.
        names_read: the names that the reader gives tags, by their own names, if they are others.
    """
    data.project = side.project
    data.detection |= side.detection
    own_names = {names_read.get(name, name).casefold(): name for name in side.tags}
    data.rename_tags({name: own_names.get(name.casefold(), name) for name in data.tags})
    # The order and the tags of no image are those of the project; tags that were added since follow.
    data.tags = side.tags | {name: tag for name, tag in data.tags.items() if name not in side.tags}
    # An image with several tags is in several folders.
    by_name: dict[str, list[ImageLabels]] = {}
    for image in data.images:
        by_name.setdefault(image.file.rpartition("/")[2], []).append(image)
    changed = 0
    for name, images in by_name.items():
        kept = side.images.get(name)
        if kept is None:
            continue
        matches = [_matches(image, kept) for image in images]
        tags = {tag for image in images for tag in image.unboxed_tags}
        box_count = 0 if image_tags is ImageTags.ALL else len(kept.boxes)
        is_unchanged = tags == side.written_tags(kept, image_tags) and all(
            None not in found and len(found) == box_count for found in matches
        )
        changed += not is_unchanged
        for image, found in zip(images, matches, strict=True):
            image.id, image.metadata = kept.id, kept.metadata
            if is_unchanged:
                image.tags, image.boxes, image.in_pixels, image.size = kept.tags, kept.boxes, False, None
            else:
                image.boxes = tuple(
                    box if known is None else replace(box, id=known.id)
                    for box, known in zip(image.boxes, found, strict=True)
                )
    problems.note(
        f"Labels that were changed since the export are read instead of those of {SIDE_FILE}.", count=changed
    )


def _matches(image: ImageLabels, kept: ImageLabels) -> list[LabeledBox | None]:
    """For each box of an image, that of the file which it was, each once; None for a new or changed one."""
    left = list(kept.boxes)
    found: list[LabeledBox | None] = []
    width, height = image.size or kept.size or (1, 1)
    across, down = (width, height) if image.in_pixels else (1, 1)
    limits = [max(_FRACTION, _PIXELS / length) for length in (width, height, width, height)]
    for box in image.boxes:
        sides = (box.left / across, box.top / down, box.width / across, box.height / down)
        match = next((one for one in left if one.tag == box.tag and _is_near(one, sides, limits)), None)
        found.append(match)
        if match is not None:
            left.remove(match)
    return found


def _is_near(box: LabeledBox, sides: Sequence[float], limits: Sequence[float]) -> bool:
    own = (box.left, box.top, box.width, box.height)
    return all(abs(one - two) <= limit for one, two, limit in zip(own, sides, limits, strict=True))


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
