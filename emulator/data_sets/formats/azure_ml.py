"""JSON Lines and MLTable of AutoML for images in Azure Machine Learning: corners in fractions.

A label is a text (one tag), a list of texts (several), or a list of objects with corners.
"""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from emulator.data_sets.files import folder_of, lines, suffix
from emulator.data_sets.json_stream import json_head
from emulator.data_sets.reading import Reading, numbers, split_in
from emulator.data_sets.record import (
    DataSet,
    DataSetUnreadable,
    ImageLabels,
    LabeledBox,
    Place,
    Problems,
    box_of,
)
from emulator.data_sets.writing import IMAGE_FOLDER, Output, image_tags, images_of

FILE_NAME, TABLE_NAME = "train_annotations.jsonl", "MLTable"
# To be replaced by the place to which the folder `images` is uploaded.
PREFIX = (
    "azureml://subscriptions/<subscription>/resourcegroups/<resource group>/workspaces/<workspace>/"
    "datastores/workspaceblobstore/paths/data-set/"
)
# By hand: the package mltable is proprietary and has 273 MB.
TABLE = f"""$schema: https://azuremlschemas.azureedge.net/latest/MLTable.schema.json
type: mltable
paths:
  - file: ./{FILE_NAME}
transformations:
  - read_json_lines:
      encoding: utf8
      invalid_lines: error
      include_path_column: false
  - convert_column_types:
      - columns: image_url
        column_type: stream_info
"""
_CORNERS = ("topX", "topY", "bottomX", "bottomY")


def is_azure_ml(reading: Reading, name: str) -> bool:
    """Whether a file looks like one of this format."""
    if suffix(name) not in (".jsonl", ".ndjson", ".json"):
        return False
    first = json_head(reading.files, name).partition("\n")[0]
    return first.startswith("{") and '"image_url"' in first


def read(reading: Reading) -> DataSet:
    """Read all files of the format. Raises DataSetUnreadable."""
    data = DataSet("azure-ml", detection=False)
    found = [name for name in reading.files.names if is_azure_ml(reading, name)]
    if not found:
        raise DataSetUnreadable("There is no file of JSON Lines with image_url and label.")
    for name in found:
        for line, text in lines(reading.files, name):
            _add(reading, data, text, Place(name, line))
    data.detection = any(image.boxes for image in data.images)
    return data


def _add(reading: Reading, data: DataSet, text: str, place: Place) -> None:
    problems = reading.problems
    try:
        entry = json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = getattr(error, "msg", "its values are nested too deeply")
        problems.error(f"It is not JSON: {reason}.", place)
        return
    if not isinstance(entry, dict):
        problems.error("It is no JSON object.", place)
        return
    url = entry.get("image_url")
    path = unquote(url.partition("?")[0].partition("://")[2] or url) if isinstance(url, str) else url
    file = reading.image(path, place, folder_of(place.file), f"{folder_of(place.file)}/{IMAGE_FOLDER}")
    label = entry.get("label")
    if label is None or isinstance(label, str | int | float):
        label = [] if label in (None, "") else [label]
    elif isinstance(label, dict):  # as in the sample of the documentation
        label = [label]
    if not isinstance(label, list):
        problems.error("A label is neither a text nor a list.", place)
        return
    boxes: list[LabeledBox] = []
    tags: list[str] = []
    for one in label:
        if isinstance(one, dict):
            boxes += _boxes(reading, data, one, place)
        else:
            tag = reading.tag(one, place)
            tags += [] if tag is None else [data.add_tag(tag)]
    if file is not None:
        split = split_in(place.file.rpartition("/")[2])
        image = ImageLabels(file, place, tags=tuple(dict.fromkeys(tags)), boxes=tuple(boxes), split=split)
        data.images.append(image)


def _boxes(reading: Reading, data: DataSet, entry: dict[str, Any], place: Place) -> list[LabeledBox]:
    tag = reading.tag(entry.get("label"), place)
    corners = numbers([entry.get(name) for name in _CORNERS], 4)
    if tag is None:
        return []
    if corners is None:
        reading.problems.error("A corner of a box is no number.", place)
        return []
    if str(entry.get("isCrowd", "")).lower() in ("1", "true"):
        reading.problems.note("Boxes of crowds (isCrowd) are left out.", place)
        return []
    left, top, right, bottom = corners
    if max(right, bottom) > 1.5:
        reading.problems.error("Its corners are not fractions of the sides of the image.", place)
        return []
    return [box_of(data.add_tag(tag), (left, top, right - left, bottom - top))]


def write(data: DataSet, losses: Problems) -> Iterator[Output]:
    """The lines, the table of them, and the images, to be uploaded to the datastore."""
    is_multilabel = any(len(image.tags) > 1 for image in data.images)
    written, left_out = [], 0
    for image in data.images:
        assert image.size is not None
        tags = image_tags(data, image, losses)
        if not (data.detection or is_multilabel) and not tags:
            left_out += 1
            continue
        label: Any = [_label(box) for box in image.boxes] if data.detection else list(tags)
        details = {"format": suffix(image.file).lstrip("."), "width": image.size[0], "height": image.size[1]}
        entry = {
            "image_url": f"{PREFIX}{IMAGE_FOLDER}/{image.file}",
            "image_details": details,
            "label": label if data.detection or is_multilabel else tags[0],
        }
        written.append(json.dumps(entry, ensure_ascii=False))
    if left_out and not written:
        raise DataSetUnreadable(
            f"None of the {left_out:,} images has a tag, and Azure Machine Learning has no lines for images "
            "without one; use the format folders or csv."
        )
    losses.note("Images without a tag are left out of the lines.", count=left_out)
    losses.note("Replace the beginning of each image_url by the place of the uploaded images.")
    yield Output(FILE_NAME, "".join(f"{line}\n" for line in written).encode())
    yield Output(TABLE_NAME, TABLE.encode())
    yield from images_of(data, IMAGE_FOLDER)


def _label(box: LabeledBox) -> dict[str, Any]:
    corners = (box.left, box.top, box.left + box.width, box.top + box.height)
    return {"label": box.tag, **dict(zip(_CORNERS, corners, strict=True)), "isCrowd": 0}
