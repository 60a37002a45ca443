"""CSV with a header: a row for each label, with path and tag, and for boxes the corners or sides.

The unit of boxes is that of a column `unit` (pixel or fraction). Without it, they are fractions if all are at
most 1.
"""

import csv
import io
from collections.abc import Iterator
from typing import NamedTuple

from emulator.data_sets.files import SIDE_FILE, Files, decoded, head, lines, suffix
from emulator.data_sets.reading import SPLITS, Reading, numbers, size_of
from emulator.data_sets.record import DataSet, DataSetUnreadable, ImageLabels, Place, Problems, box_of
from emulator.data_sets.writing import IMAGE_FOLDER, Output, images_of

FILE_NAME = "labels.csv"
# Names of columns of other tools, in lower case.
_NAMES = {
    "path": ("path", "file", "filename", "file_name", "image", "image_path", "image_name", "img"),
    "tag": ("tag", "class", "label", "tags", "labels", "category", "class_name", "label_name"),
    "left": ("left", "xmin", "x_min", "x1"),
    "top": ("top", "ymin", "y_min", "y1"),
    "right": ("right", "xmax", "x_max", "x2"),
    "bottom": ("bottom", "ymax", "y_max", "y2"),
    "box_width": ("box_width", "w", "bbox_width"),
    "box_height": ("box_height", "h", "bbox_height"),
    "width": ("width", "image_width", "img_width"),
    "height": ("height", "image_height", "img_height"),
    "unit": ("unit",),
    "split": ("split", "subset", "set", "part"),
}
_SEPARATORS = ",;\t|"
_FIELD_CHARACTERS = 100_000


class _Header(NamedTuple):
    separator: str
    columns: dict[str, int]


def header_of(files: Files, name: str) -> _Header | None:
    """The header of a file with columns for path and tag; None when it has none."""
    if suffix(name) not in (".csv", ".tsv") or name == SIDE_FILE:
        return None
    first = decoded(head(files, name).split(b"\n")[0], name)
    for separator in _SEPARATORS:
        words = [word.strip().lower() for word in next(csv.reader([first], delimiter=separator), [])]
        columns = {
            meaning: words.index(word)
            for meaning, names in _NAMES.items()
            for word in names[::-1]
            if word in words
        }
        if "path" in columns and "tag" in columns:
            return _Header(separator, columns)
    return None


def read(reading: Reading) -> DataSet:
    """Read all files with a header. Raises DataSetUnreadable."""
    data = DataSet("csv", detection=False)
    found = False
    by_file: dict[str, ImageLabels] = {}
    for name in reading.files.names:
        header = header_of(reading.files, name)
        if header is not None:
            found = True
            _Table(reading, data, name, header).add_to(by_file)
    if not found:
        raise DataSetUnreadable("There is no CSV file whose header has columns for path and tag.")
    data.images = list(by_file.values())
    data.detection = any(image.boxes for image in data.images)
    return data


class _Table:
    def __init__(self, reading: Reading, data: DataSet, name: str, header: _Header) -> None:
        self._reading, self._data, self._name = reading, data, name
        self._columns = header.columns
        self._separator = header.separator
        self._has_boxes = {"left", "top"} <= header.columns.keys()
        self._has_corners = {"right", "bottom"} <= header.columns.keys()
        if (
            self._has_boxes
            and not self._has_corners
            and not {"box_width", "box_height"} <= header.columns.keys()
        ):
            raise DataSetUnreadable(
                "Boxes have neither right and bottom nor box_width and box_height.", name, 1
            )

    def add_to(self, by_file: dict[str, ImageLabels]) -> None:
        csv.field_size_limit(_FIELD_CHARACTERS)
        largest = 0.0
        of_table: list[ImageLabels] = []
        rows = lines(self._reading.files, self._name)
        next(rows, None)
        for line, content in rows:
            try:
                row = next(csv.reader([content], delimiter=self._separator, strict=True))
            except (csv.Error, StopIteration) as error:
                self._reading.problems.error(f"It is no row of CSV: {error}.", Place(self._name, line))
                continue
            found = self._row(row, Place(self._name, line), by_file)
            if found is not None:
                largest = max(largest, found[1])
                of_table.append(found[0])
        if "unit" not in self._columns and self._has_boxes and 0 < largest <= 1:
            self._reading.problems.note(
                "All boxes are within 0 and 1: they are read as fractions.", Place(self._name)
            )
            for image in of_table:
                image.in_pixels = False

    def _row(
        self, row: list[str], place: Place, by_file: dict[str, ImageLabels]
    ) -> tuple[ImageLabels, float] | None:
        """The image of a row, and the largest number of its box."""
        problems = self._reading.problems
        if len(row) <= max(self._columns[name] for name in ("path", "tag")):
            problems.error("It has fewer columns than the header.", place)
            return None
        file = self._reading.image(self._cell(row, "path"), place, "", IMAGE_FOLDER)
        if file is None:
            return None
        image = by_file.get(file)
        if image is None:
            split = SPLITS.get(self._cell(row, "split").lower())
            image = by_file[file] = ImageLabels(file, place, in_pixels=True, split=split)
            image.size = size_of(self._cell(row, "width"), self._cell(row, "height"))
        name = self._cell(row, "tag")
        if not name:
            return image, 0.0
        tag = self._reading.tag(name, place)
        if tag is None:
            return None
        tag = self._data.add_tag(tag)
        places = [self._cell(row, column) for column in self._box_columns()]
        if not any(places):
            image.tags = tuple(dict.fromkeys((*image.tags, tag)))
            return image, 0.0
        if self._separator != ",":
            places = [text.replace(",", ".") for text in places]
        sides = numbers(places, 4)
        if sides is None:
            problems.error("A side of a box is no number.", place)
            return None
        left, top, third, fourth = sides
        if self._has_corners:
            third, fourth = third - left, fourth - top
        image.boxes = (*image.boxes, box_of(tag, (left, top, third, fourth)))
        unit = self._cell(row, "unit").lower()
        if unit in ("fraction", "fractions", "normalized", "relative"):
            image.in_pixels = False
        elif unit not in ("", "pixel", "pixels", "px"):
            problems.error(f"There is no unit '{unit[:40]}'; it is pixel or fraction.", place)
        return image, max(abs(left), abs(top), abs(left + third), abs(top + fourth))

    def _box_columns(self) -> tuple[str, ...]:
        if not self._has_boxes:
            return ()
        return ("left", "top", *(("right", "bottom") if self._has_corners else ("box_width", "box_height")))

    def _cell(self, row: list[str], column: str) -> str:
        index = self._columns.get(column, len(row))
        return row[index].strip() if index < len(row) else ""


def write(data: DataSet, losses: Problems) -> Iterator[Output]:
    """A table of all labels, and the images. An image without labels has a row without a tag."""
    made = io.StringIO()
    table = csv.writer(made, lineterminator="\n")
    box_columns = ["xmin", "ymin", "xmax", "ymax", "unit", "width", "height"] if data.detection else []
    table.writerow(["path", "tag", *box_columns])
    for image in data.images:
        path = f"{IMAGE_FOLDER}/{image.file}"
        assert image.size is not None
        width, height = image.size
        for tag in image.unboxed_tags or (() if image.boxes else ("",)):
            table.writerow([path, tag, *([""] * len(box_columns))])
        for box in image.boxes:
            right, bottom = box.left + box.width, box.top + box.height
            corners = (box.left * width, box.top * height, right * width, bottom * height)
            table.writerow([path, box.tag, *(f"{corner:.6f}" for corner in corners), "pixel", width, height])
    yield Output(FILE_NAME, made.getvalue().encode())
    yield from images_of(data, IMAGE_FOLDER)
