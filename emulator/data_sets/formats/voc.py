"""Pascal VOC: an XML file for each image, with corners of boxes in pixels.

The devkit counts pixels from 1, and its right and bottom edges are within the box; most tools count from 0
and write edges. A data set is of the latter kind if one of its corners is 0, or has decimals.
"""

from collections.abc import Iterator
from dataclasses import replace
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from emulator.data_sets.files import folder_of, head, lines, stem, suffix
from emulator.data_sets.reading import Reading, numbers, size_of, split_in
from emulator.data_sets.record import (
    DataSet,
    DataSetUnreadable,
    ImageLabels,
    LabeledBox,
    Place,
    Problems,
    box_of,
)
from emulator.data_sets.writing import Output, image_tags
from emulator.data_sets.xml_files import cleaned, elements, place_of, text_of

IMAGES, LABELS = "JPEGImages", "Annotations"
_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def is_voc(reading: Reading, name: str) -> bool:
    """Whether a file looks like one of this format."""
    if suffix(name) != ".xml":
        return False
    return b"<annotation" in head(reading.files, name).replace(b"<annotations", b"")


def read(reading: Reading) -> DataSet:
    """Read all files of the format, and images without one. Raises DataSetUnreadable."""
    data = DataSet("voc", detection=True)
    found = [name for name in reading.files.names if is_voc(reading, name)]
    if not found:
        raise DataSetUnreadable("There is no XML file with an annotation.")
    splits = _splits(reading)
    is_from_0 = False
    for name in found:
        for element, place in elements(reading.files, name, "annotation"):
            is_from_0 |= _add(reading, data, element, place, splits)
    labeled = {image.file for image in data.images}
    for image in reading.images:
        if image not in labeled:
            data.images.append(ImageLabels(image, Place(image), split=splits.get(stem(image))))
    if not is_from_0 and any(image.boxes for image in data.images):
        reading.problems.note("No corner is 0 or has decimals: pixels are counted from 1, as by the devkit.")
        for labels in data.images:
            labels.boxes = tuple(_from_1(box) for box in labels.boxes)
    return data


def _from_1(box: LabeledBox) -> LabeledBox:
    """A box of pixels that are counted from 1, the last one included."""
    return replace(box, left=box.left - 1, top=box.top - 1, width=box.width + 1, height=box.height + 1)


def _add(reading: Reading, data: DataSet, element: Element, place: Place, splits: dict[str, str]) -> bool:
    """Add an image; whether one of its corners shows that pixels are counted from 0."""
    name = place.file
    above = folder_of(folder_of(name))
    folders = [folder_of(name), f"{above}/{IMAGES}", f"{above}/images"]
    named = text_of(element, "filename")
    file = reading.images.of_stem(stem(name), *folders) if named is None else None
    file = file or reading.image(named or f"{stem(name)}.jpg", place, *folders)
    boxes, is_from_0 = [], False
    for part in element.findall("object"):
        where = place_of(part, name)
        tag = reading.tag(text_of(part, "name"), where)
        if tag is None:
            continue
        texts = [text_of(part, f"bndbox/{corner}") or "" for corner in _CORNERS]
        corners = numbers(texts, 4)
        if corners is None:
            reading.problems.error("A corner of a 'bndbox' is no number.", where)
            continue
        left, top, right, bottom = corners
        is_from_0 |= left == 0 or top == 0 or any("." in text for text in texts)
        if text_of(part, "difficult") == "1":
            reading.problems.note("Objects that are marked as difficult are objects like all others.", where)
        boxes.append(box_of(data.add_tag(tag), (left, top, right - left, bottom - top)))
    if file is not None:
        size = size_of(text_of(element, "size/width"), text_of(element, "size/height"))
        data.images.append(
            ImageLabels(
                file, place, boxes=tuple(boxes), size=size, in_pixels=True, split=splits.get(stem(file))
            )
        )
    return is_from_0


def _splits(reading: Reading) -> dict[str, str]:
    """The part of each image, by its stem, that is in one of the lists of `ImageSets/Main`."""
    found: dict[str, str] = {}
    for name in reading.files.names:
        split = split_in(stem(name)) if "ImageSets/Main" in folder_of(name) else None
        # trainval has all, and lists of single classes have names such as cat_train.
        if (
            suffix(name) == ".txt"
            and split is not None
            and "_" not in stem(name)
            and stem(name) != "trainval"
        ):
            for _, line in lines(reading.files, name):
                found[line.split()[0]] = split
    return found


def write(data: DataSet, losses: Problems) -> Iterator[Output]:
    """The files of a data set in this format: corners with decimals, edges from 0."""
    names = [stem(image.file) for image in data.images]
    # For CVAT and datumaro, which refuse classes that are not those of the devkit.
    colors = "".join(f"{name.replace(':', '_')}:::\n" for name in data.tags)
    yield Output("labelmap.txt", f"# label:color_rgb:parts:actions\n{colors}".encode())
    yield Output("ImageSets/Main/trainval.txt", "".join(f"{name}\n" for name in names).encode())
    for image in data.images:
        image_tags(data, image, losses)
        yield Output(f"{LABELS}/{stem(image.file)}.xml", _text(image))
        yield Output(f"{IMAGES}/{image.file}", image)


def _text(image: ImageLabels) -> bytes:
    assert image.size is not None
    width, height = image.size
    parts = [
        "<annotation>",
        f"  <folder>{IMAGES}</folder>",
        f"  <filename>{escape(cleaned(image.file))}</filename>",
        f"  <size><width>{width}</width><height>{height}</height><depth>3</depth></size>",
        "  <segmented>0</segmented>",
    ]
    for box in image.boxes:
        right, bottom = box.left + box.width, box.top + box.height
        corners = (box.left * width, box.top * height, right * width, bottom * height)
        places = "".join(
            f"<{name}>{corner:.6f}</{name}>" for name, corner in zip(_CORNERS, corners, strict=True)
        )
        parts.append(
            f"  <object><name>{escape(cleaned(box.tag))}</name><pose>Unspecified</pose>"
            f"<truncated>0</truncated><difficult>0</difficult><bndbox>{places}</bndbox></object>"
        )
    return "\n".join([*parts, "</annotation>", ""]).encode()
