"""CVAT for images 1.1: one XML file with an element for each image; corners in pixels from 0.

Tags of images are elements `tag`. Tracks are of videos, and are not read.
"""

from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element

from emulator.data_sets.files import folder_of, head, suffix
from emulator.data_sets.reading import SPLITS, Reading, hull, number, numbers, size_of
from emulator.data_sets.record import (
    DataSet,
    DataSetUnreadable,
    ImageLabels,
    LabeledBox,
    Place,
    Problems,
    box_of,
)
from emulator.data_sets.writing import IMAGE_FOLDER, Output, images_of
from emulator.data_sets.xml_files import attribute, elements, place_of, text_of

FILE_NAME = "annotations.xml"
_OTHER_SHAPES = ("polygon", "polyline", "points", "ellipse", "cuboid", "skeleton", "mask")
_WITH_POINTS = ("polygon", "polyline", "points", "cuboid")


def is_cvat(reading: Reading, name: str) -> bool:
    """Whether a file looks like one of this format."""
    return suffix(name) == ".xml" and b"<annotations" in head(reading.files, name)


def read(reading: Reading) -> DataSet:
    """Read all files of the format. Raises DataSetUnreadable."""
    data = DataSet("cvat", detection=False)
    found = [name for name in reading.files.names if is_cvat(reading, name)]
    if not found:
        raise DataSetUnreadable("There is no XML file with annotations.")
    for name in found:
        tracks = 0
        for element, place in elements(reading.files, name, "label", "image", "track"):
            if element.tag == "image":
                _add(reading, data, element, place)
            elif element.tag == "track":
                tracks += 1
            else:
                tag = reading.tag(text_of(element, "name"), place)
                if tag is not None:
                    data.add_tag(tag)
        reading.problems.note("Tracks of videos are left out.", Place(name), tracks)
    data.detection = any(image.boxes for image in data.images)
    return data


def _add(reading: Reading, data: DataSet, element: Element, place: Place) -> None:
    folder = folder_of(place.file)
    subset = element.get("subset")
    named = element.get("name")
    folders = [f"{folder}/{IMAGE_FOLDER}/{subset}"] if subset else []
    file = reading.image(named, place, *folders, f"{folder}/{IMAGE_FOLDER}", folder)
    tags: list[str] = []
    boxes: list[LabeledBox] = []
    for part in element:
        where = place_of(part, place.file)
        if part.tag not in ("box", "tag", *_OTHER_SHAPES):
            continue
        tag = reading.tag(part.get("label"), where)
        if tag is None:
            continue
        if part.find("attribute") is not None:
            reading.problems.note("Attributes of labels are left out.", where)
        if part.tag == "tag":
            tags.append(data.add_tag(tag))
            continue
        sides = _sides(reading, part, where)
        if sides is not None:
            boxes.append(box_of(data.add_tag(tag), sides))
    if file is not None:
        data.images.append(
            ImageLabels(
                file,
                place,
                tags=tuple(dict.fromkeys(tags)),
                boxes=tuple(boxes),
                size=size_of(element.get("width"), element.get("height")),
                in_pixels=True,
                split=SPLITS.get((subset or "").lower()),
            )
        )


def _sides(reading: Reading, part: Element, place: Place) -> tuple[float, ...] | None:
    """The sides of a box, or of the box around another shape; None, with a problem, when there is none."""
    if part.tag == "box":
        corners = numbers([part.get(name) for name in ("xtl", "ytl", "xbr", "ybr")], 4)
        if corners is None:
            reading.problems.error("A corner of a box is no number.", place)
            return None
        left, top, right, bottom = corners
        if number(part.get("rotation", "0")):
            reading.problems.note("Boxes that are turned are read as they are before the turn.", place)
        return left, top, right - left, bottom - top
    if part.tag not in _WITH_POINTS:
        reading.problems.note(f"Shapes of the kind '{part.tag}' are left out.", place)
        return None
    reading.problems.note("Of polygons, the box around them is read.", place)
    texts = part.get("points", "").split(";")
    points = [pair for text in texts if (pair := numbers(text.split(","), 2)) is not None]
    if len(points) < len(texts):
        reading.problems.error("A point of a polygon is no pair of numbers.", place)
        return None
    return hull(points)


def write(data: DataSet, losses: Problems) -> Iterator[Output]:
    """The files of a data set in this format."""
    yield Output(FILE_NAME, "".join(_text(data)).encode())
    yield from images_of(data, IMAGE_FOLDER)


def _text(data: DataSet) -> Iterator[str]:
    from xml.sax.saxutils import escape

    yield '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n'
    yield "  <meta><task><labels>\n"
    for name in data.tags:
        yield f"    <label><name>{escape(name)}</name><attributes></attributes></label>\n"
    yield "  </labels></task></meta>\n"
    for index, image in enumerate(data.images):
        assert image.size is not None
        width, height = image.size
        yield f'  <image id="{index}" name={attribute(image.file)} width="{width}" height="{height}">\n'
        for tag in image.unboxed_tags:
            yield f'    <tag label={attribute(tag)} source="manual"></tag>\n'
        for box in image.boxes:
            corners: dict[str, Any] = {
                "xtl": box.left * width,
                "ytl": box.top * height,
                "xbr": (box.left + box.width) * width,
                "ybr": (box.top + box.height) * height,
            }
            places = " ".join(f'{name}="{corner:.6f}"' for name, corner in corners.items())
            yield f'    <box label={attribute(box.tag)} source="manual" occluded="0" {places} z_order="0">'
            yield "</box>\n"
        yield "  </image>\n"
    yield "</annotations>\n"
