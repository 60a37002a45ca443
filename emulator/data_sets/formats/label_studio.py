"""Label Studio: a JSON list of tasks. Boxes are in percent of the sides of the image."""

import math
import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import quoteattr

from emulator.data_sets.files import SIDE_FILE, folder_of, suffix
from emulator.data_sets.json_stream import JsonReader, json_head
from emulator.data_sets.reading import Reading, hull, number, numbers, size_of
from emulator.data_sets.record import (
    DataSet,
    DataSetUnreadable,
    ImageLabels,
    LabeledBox,
    Place,
    Problems,
    box_of,
)
from emulator.data_sets.writing import IMAGE_FOLDER, Output, images_of, json_text
from emulator.data_sets.xml_files import cleaned

FILE_NAME, CONFIG_NAME = "tasks.json", "label_config.xml"
# Label Studio puts a random prefix before the names of uploaded files.
_UPLOADED = re.compile(r"[0-9a-f]{8}-")


def is_label_studio(reading: Reading, name: str) -> bool:
    """Whether a file looks like one of this format."""
    if suffix(name) != ".json" or name == SIDE_FILE:
        return False
    text = json_head(reading.files, name)
    return text.startswith("[") and '"data"' in text


def read(reading: Reading) -> DataSet:
    """Read all files of the format. Raises DataSetUnreadable."""
    data = DataSet("label-studio", detection=False)
    found = [name for name in reading.files.names if is_label_studio(reading, name)]
    if not found:
        raise DataSetUnreadable("There is no JSON file with a list of tasks.")
    for name in found:
        with closing(JsonReader(reading.files, name)) as reader:
            for task in reader.items():
                if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
                    raise reader.wrong("A task has no 'data'.")
                _Task(reading, data, reader.place).add(task)
    data.detection = any(image.boxes for image in data.images)
    return data


class _Task:
    def __init__(self, reading: Reading, data: DataSet, place: Place) -> None:
        self._reading, self._data, self._place = reading, data, place
        self._tags: list[str] = []
        self._boxes: list[LabeledBox] = []
        self._size: tuple[int, int] | None = None

    def add(self, task: dict[str, Any]) -> None:
        problems, place = self._reading.problems, self._place
        file = self._file(task["data"])
        given = task.get("annotations", task.get("completions")) or []
        if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
            problems.error("The annotations of a task are no list.", place)
            return
        annotations = [one for one in given if not (one.get("was_cancelled") or one.get("skipped"))]
        if task.get("predictions"):
            problems.note("Predictions are no labels, and are left out.", place)
        if len(annotations) > 1:
            problems.note("Of several annotations of an image, the last one is read.", place)
        for result in (annotations[-1].get("result") or []) if annotations else []:
            if isinstance(result, dict) and isinstance(result.get("value"), dict):
                self._result(result, result["value"])
            else:
                problems.error("A result has no value.", place)
        if file is not None:
            image = ImageLabels(file, place, tags=tuple(dict.fromkeys(self._tags)), size=self._size)
            image.boxes = tuple(self._boxes)
            self._data.images.append(image)

    def _file(self, data: dict[str, Any]) -> str | None:
        named = data.get("image") or next(
            (value for value in data.values() if isinstance(value, str) and suffix(value.partition("?")[0])),
            None,
        )
        if isinstance(named, str):
            named = _path_in(named)
            try:
                return self._reading.images.find(named, folder_of(self._place.file))
            except DataSetUnreadable:
                named = _UPLOADED.sub("", named.rpartition("/")[2], count=1)
        return self._reading.image(named, self._place)

    def _result(self, result: dict[str, Any], value: dict[str, Any]) -> None:
        problems, place = self._reading.problems, self._place
        kind = str(result.get("type", "")).lower()
        if kind == "choices":
            for choice in _names(value.get("choices")):
                tag = self._reading.tag(choice, place)
                if tag is not None:
                    self._tags.append(self._data.add_tag(tag))
            return
        labels = _names(value.get(kind))
        if kind not in ("rectanglelabels", "polygonlabels"):
            problems.note(f"Results of the type '{kind[:40]}' are left out.", place)
            return
        if not labels:
            problems.note("Boxes without a label are left out.", place)
            return
        self._size = size_of(result.get("original_width"), result.get("original_height")) or self._size
        if result.get("image_rotation"):
            problems.error("The image was turned in Label Studio, which cannot be read.", place)
            return
        sides = self._polygon(value) if kind == "polygonlabels" else self._rectangle(value)
        for label in labels:
            tag = self._reading.tag(label, place)
            if tag is not None and sides is not None:
                self._boxes.append(box_of(self._data.add_tag(tag), [side / 100 for side in sides]))

    def _rectangle(self, value: dict[str, Any]) -> tuple[float, ...] | None:
        """Sides in percent; of a turned rectangle, those of the box around it."""
        sides = numbers([value.get(name) for name in ("x", "y", "width", "height")], 4)
        if sides is None:
            self._reading.problems.error("A side of a rectangle is no number.", self._place)
            return None
        left, top, width, height = sides
        angle = number(value.get("rotation", 0)) or 0.0
        if not angle:
            return left, top, width, height
        problems = self._reading.problems
        problems.note("Of rectangles that are turned, the box around them is read.", self._place)
        # Around the left upper corner, in pixels; percents of both sides are not the same length.
        across, down = self._size or (1, 1)
        cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        points = []
        for along, below in ((0.0, 0.0), (width, 0.0), (0.0, height), (width, height)):
            x, y = along * across, below * down
            points.append((left + (x * cos - y * sin) / across, top + (x * sin + y * cos) / down))
        return hull(points)

    def _polygon(self, value: dict[str, Any]) -> tuple[float, ...] | None:
        points = value.get("points")
        if not isinstance(points, list):
            points = []
        self._reading.problems.note("Of polygons, the box around them is read.", self._place)
        return hull(pair for point in points if (pair := numbers(point, 2)) is not None)


def _names(value: Any) -> list[Any]:
    if isinstance(value, str):
        return [value]
    return value if isinstance(value, list) else []


def _path_in(named: str) -> str:
    """The path of a file in a URL, or in the address of local storage (``/data/local-files/?d=...``)."""
    parts = urlsplit(named) if "://" in named or named.startswith("/data/") else None
    if parts is None:
        return named
    local = parse_qs(parts.query).get("d")
    return local[0] if local else unquote(parts.path)


def write(data: DataSet, losses: Problems) -> Iterator[Output]:
    """The tasks, whose images are files of local storage, and the configuration of the project."""
    tasks = []
    for index, image in enumerate(data.images, start=1):
        results = [_box_result(image, box, number) for number, box in enumerate(image.boxes)]
        if image.unboxed_tags:
            value = {"choices": image.unboxed_tags}
            results.append(
                {"id": "tags", "from_name": "tags", "to_name": "image", "type": "choices", "value": value}
            )
        assert image.size is not None
        task: dict[str, Any] = {
            "id": index,
            "data": {
                "image": f"/data/local-files/?d={IMAGE_FOLDER}/{image.file}",
                # For other readers: results without boxes have no size.
                "width": image.size[0],
                "height": image.size[1],
            },
            "annotations": [{"result": results}] if results else [],
        }
        tasks.append(task)
    yield Output(FILE_NAME, json_text(tasks))
    yield Output(CONFIG_NAME, _config(data).encode())
    yield from images_of(data, IMAGE_FOLDER)


def _box_result(image: ImageLabels, box: LabeledBox, number: int) -> dict[str, Any]:
    assert image.size is not None
    return {
        "id": f"box{number}",
        "from_name": "boxes",
        "to_name": "image",
        "type": "rectanglelabels",
        "original_width": image.size[0],
        "original_height": image.size[1],
        "image_rotation": 0,
        "value": {
            "x": box.left * 100,
            "y": box.top * 100,
            "width": box.width * 100,
            "height": box.height * 100,
            "rotation": 0,
            "rectanglelabels": [box.tag],
        },
    }


def _config(data: DataSet) -> str:
    def values(kind: str) -> str:
        return "".join(f"    <{kind} value={quoteattr(cleaned(name))}/>\n" for name in data.tags)

    several = "multiple" if any(len(image.tags) > 1 for image in data.images) else "single"
    boxes = (
        f'  <RectangleLabels name="boxes" toName="image">\n{values("Label")}  </RectangleLabels>\n'
        if data.detection
        else ""
    )
    choices = f'  <Choices name="tags" toName="image" choice="{several}">\n{values("Choice")}  </Choices>\n'
    return f'<View>\n  <Image name="image" value="$image"/>\n{boxes}{choices}</View>\n'
