"""COCO: one JSON file with `images`, `categories` and `annotations`.

Boxes are left, top, width, height in pixels from 0. The service's successor and others write fractions
instead. Annotations without a box are tags of the image.
"""

from collections.abc import Iterator
from contextlib import closing
from typing import Any, NamedTuple

from emulator.data_sets.files import SIDE_FILE, folder_of, stem, suffix
from emulator.data_sets.json_stream import JsonReader, json_head
from emulator.data_sets.reading import Reading, hull, numbers, size_of, split_in
from emulator.data_sets.record import (
    DataSet,
    DataSetUnreadable,
    ImageLabels,
    LabeledBox,
    Place,
    Problems,
    box_of,
)
from emulator.data_sets.writing import IMAGE_FOLDER, Output, image_tags, images_of, json_text

FILE_NAME = "annotations.json"
_LISTS = ("images", "categories", "annotations")
# Files of other tasks on the same images, which come with the data sets of COCO.
_OTHER_TASKS = ("captions", "person_keypoints", "panoptic", "stuff", "image_info")


def is_coco(reading: Reading, name: str) -> bool:
    """Whether a file looks like one of this format."""
    if suffix(name) != ".json" or name == SIDE_FILE:
        return False
    text = json_head(reading.files, name)
    return text.startswith("{") and any(f'"{key}"' in text for key in _LISTS)


def read(reading: Reading) -> DataSet:
    """Read all files of the format. Raises DataSetUnreadable."""
    found = [name for name in reading.files.names if is_coco(reading, name)]
    of_objects = [name for name in found if not stem(name).startswith(_OTHER_TASKS)]
    if not found:
        raise DataSetUnreadable("There is no JSON file with images, categories and annotations.")
    data = DataSet("coco", detection=False)
    for name in of_objects or found:
        _File(reading, name).add_to(data)
    data.detection = any(image.boxes for image in data.images)
    return data


class _Label(NamedTuple):
    category: Any
    box: tuple[float, ...] | None
    line: int | None


class _File:
    """One file. Its lists may come in any order."""

    def __init__(self, reading: Reading, name: str) -> None:
        self._reading, self._name = reading, name
        self._images: dict[Any, tuple[str | None, tuple[int, int] | None, Place]] = {}
        self._categories: dict[Any, str] = {}
        self._labels: dict[Any, list[_Label]] = {}
        self._largest = 0.0
        found = set()
        with closing(JsonReader(reading.files, name)) as reader:
            for key in reader.members():
                if key not in _LISTS:
                    reader.skip()
                    continue
                found.add(key)
                add = {"images": self._image, "categories": self._category, "annotations": self._label}[key]
                for entry in reader.items():
                    if not isinstance(entry, dict):
                        raise reader.wrong(f"An entry of '{key}' is no object.")
                    add(entry, reader.place)
            if reader.first():
                raise reader.wrong("Something follows the end of the JSON value.")
        if not {"images", "annotations"} <= found:
            raise DataSetUnreadable("It has no images or no annotations.", name)

    def _image(self, entry: dict[str, Any], place: Place) -> None:
        key = _key(entry.get("id"))
        if key is None or key in self._images:
            self._reading.problems.error("An image has no id of its own.", place)
            return
        named = (
            entry.get("file_name") or str(entry.get("coco_url") or "").partition("?")[0].rpartition("/")[2]
        )
        folder = folder_of(self._name)
        above = folder_of(folder)
        near = [folder, f"{folder}/images", f"{above}/images", above]
        split = split_in(stem(self._name))
        if split is not None:
            near += [f"{above}/{part}" for part in (stem(self._name).rpartition("_")[2], split)]
        file = self._reading.image(named, place, *near)
        self._images[key] = file, size_of(entry.get("width"), entry.get("height")), place

    def _category(self, entry: dict[str, Any], place: Place) -> None:
        key, name = _key(entry.get("id")), self._reading.tag(entry.get("name"), place)
        if key is None or key in self._categories:
            self._reading.problems.error("A category has no id of its own.", place)
        elif name is not None:
            self._categories[key] = name

    def _label(self, entry: dict[str, Any], place: Place) -> None:
        problems = self._reading.problems
        if entry.get("iscrowd"):
            problems.note("Boxes of crowds (iscrowd) are left out.", place)
            return
        box: tuple[float, ...] | None = None
        if entry.get("bbox"):
            box = numbers(entry["bbox"], 4)
            if box is None:
                problems.error("A 'bbox' is not four numbers.", place)
                return
        elif entry.get("segmentation"):
            box = _hull_of(entry["segmentation"])
            if box is None:
                problems.error("A 'segmentation' without a 'bbox' cannot be read.", place)
                return
            problems.note("Of polygons, the box around them is read.", place)
        if box is not None:
            self._largest = max(self._largest, *box)
        label = _Label(_key(entry.get("category_id")), box, place.line)
        self._labels.setdefault(_key(entry.get("image_id")), []).append(label)

    def add_to(self, data: DataSet) -> None:
        problems = self._reading.problems
        for name in self._categories.values():
            data.add_tag(name)
        in_fractions = 0 < self._largest <= 1
        if in_fractions:
            problems.note("All boxes are within 0 and 1: they are read as fractions.", Place(self._name))
        for key, (file, size, place) in self._images.items():
            labels = self._labels.pop(key, [])
            if file is None:
                continue
            image = ImageLabels(
                file, place, size=size, in_pixels=not in_fractions, split=split_in(stem(self._name))
            )
            image.boxes, image.tags = self._labels_of(labels)
            data.images.append(image)
        for labels in self._labels.values():
            place = Place(self._name, labels[0].line)
            problems.error("An annotation names an image that is not in 'images'.", place)

    def _labels_of(self, labels: list[_Label]) -> tuple[tuple[LabeledBox, ...], tuple[str, ...]]:
        boxes, tags = [], []
        for label in labels:
            name = self._categories.get(label.category)
            if name is None:
                place = Place(self._name, label.line)
                self._reading.problems.error(
                    "An annotation names a category that is not in 'categories'.", place
                )
            elif label.box is None:
                tags.append(name)
            else:
                boxes.append(box_of(name, label.box))
        return tuple(boxes), tuple(dict.fromkeys(tags))


def _key(value: Any) -> Any:
    """An id: a number or a text, which tools mix; None for something else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    return str(value)


def _hull_of(segmentation: Any) -> tuple[float, float, float, float] | None:
    """The box around polygons, lists of x and y in turn."""
    if not isinstance(segmentation, list):
        return None
    points: list[tuple[float, float]] = []
    for polygon in segmentation:
        flat = numbers(polygon, len(polygon)) if isinstance(polygon, list) else None
        if flat is None or len(flat) % 2:
            return None
        points += zip(flat[::2], flat[1::2], strict=True)
    return hull(points)


def write(data: DataSet, losses: Problems) -> Iterator[Output]:
    """The files of a data set in this format."""
    numbers_of = {name: number for number, name in enumerate(data.tags, start=1)}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_number, image in enumerate(data.images, start=1):
        assert image.size is not None
        width, height = image.size
        images.append({"id": image_number, "file_name": image.file, "width": width, "height": height})
        # In a data set for detection, an annotation without a box makes most tools fail.
        for tag in image_tags(data, image, losses):
            annotations.append(
                {"id": len(annotations) + 1, "image_id": image_number, "category_id": numbers_of[tag]}
            )
        for box in image.boxes:
            place = [box.left * width, box.top * height, box.width * width, box.height * height]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_number,
                    "category_id": numbers_of[box.tag],
                    "bbox": place,
                    "area": place[2] * place[3],
                    "iscrowd": 0,
                    "segmentation": [],
                }
            )
    categories = [{"id": number, "name": name, "supercategory": ""} for name, number in numbers_of.items()]
    content = {"info": {}, "licenses": [], "images": images, "annotations": annotations}
    yield Output(FILE_NAME, json_text(content | {"categories": categories}))
    yield from images_of(data, IMAGE_FOLDER)
