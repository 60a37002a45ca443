"""Compare exported models with the Prediction API, which uses the same sessions as these tests."""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy

from emulator.core.exports.formats import FORMATS
from emulator.vision.classification.session import ClassifierSession
from emulator.vision.detection.session import DetectorSession
from emulator.vision.exports.formats import ExportOrder, write_export
from emulator.vision.exports.samples.image import resized
from emulator.vision.imaging.decode import open_rgb, resize_to_square
from tests.vision.exports.conftest import Kind

PROBABILITY = 0.005
PIXELS = 1.0
# Tag, probability, left, top, right, bottom.
Found = tuple[int, float, float, float, float, float]
Run = Callable[[numpy.ndarray], Mapping[str, Any]]
_SLOTS_OF_CELL = 5


def written(order: ExportOrder, folder: Path) -> Path:
    """The export, unpacked into a folder."""
    file = write_export(order, folder / "export.zip", lambda share, step: None, FORMATS)
    with zipfile.ZipFile(BytesIO(file.read_bytes())) as archive:
        assert archive.testzip() is None
        archive.extractall(folder)
    return folder


def fed(data: bytes, folder: Path) -> numpy.ndarray:
    """The input of the model by the export's metadata: float32 (1, side, side, 3)."""
    properties = json.loads((folder / "metadata_properties.json").read_text(encoding="utf-8"))
    steps = {
        name: properties[f"CustomVision.Preprocess.{name}"]
        for name in ("CropMethod", "ResizeMethod", "CropHeight", "CropWidth", "TargetHeight", "TargetWidth")
    }
    assert steps["TargetHeight"] == steps["TargetWidth"]
    target = int(steps["TargetWidth"])
    if steps["CropMethod"] == "OneCropCenter":
        assert steps["ResizeMethod"] == "ByShorterSide"
        assert (steps["CropWidth"], steps["CropHeight"], target) == ("224", "224", 256)
        # The crop is that of the sample program in the zip. Images are decoded as in the Prediction API,
        # which decodes large JPEG files at a fraction of their size.
        pixels = numpy.asarray(resized(open_rgb(data, target=target), properties), numpy.float32)
    else:
        assert (steps["CropMethod"], steps["ResizeMethod"]) == ("NoCrop", "Stretch")
        pixels = resize_to_square(data, target).astype(numpy.float32)
    if properties["Image.BitmapPixelFormat"] == "Bgr8":
        pixels = pixels[:, :, ::-1]
    if properties["Image.NominalPixelRange"] == "Normalized_0_1":
        pixels = pixels / 255
    return numpy.ascontiguousarray(pixels[None])


@dataclass(frozen=True)
class Answers:
    """The results of the Prediction API for each image: probabilities, or boxes."""

    side: int
    by_name: Mapping[str, Sequence[Any]]


def answers(kind: Kind, model: Path, photographs: Mapping[str, bytes]) -> Answers:
    if not kind.detection:
        classifier = ClassifierSession(model)
        return Answers(0, {name: classifier.score(data) for name, data in photographs.items()})
    detector = DetectorSession(model)

    def found(data: bytes) -> list[Found]:
        return [
            (box.tag_index, box.probability, box.left, box.top, box.left + box.width, box.top + box.height)
            for box in detector.score(data)
        ]

    return Answers(detector.resolution, {name: found(data) for name, data in photographs.items()})


def assert_same_answers(
    kind: Kind, expected: Answers, folder: Path, photographs: Mapping[str, bytes], run: Run
) -> None:
    """Score all images with the export.

    Args:
        folder: where the export was unpacked.
        run: gives the model's outputs by name, for an input with channels last; grids with channels last too.
    """
    for name, data in photographs.items():
        assert_same_answer(kind, expected, name, run(fed(data, folder)))


def assert_same_answer(kind: Kind, expected: Answers, name: str, outputs: Mapping[str, Any]) -> None:
    """Compare the outputs of an export for one image with the expected ones."""
    if kind.yolo:
        (grid,) = outputs.values()
        fitting = fitting_a_grid(expected.by_name[name], 13)
        assert_same_boxes(fitting, decoded_grid(numpy.asarray(grid)[0]), expected.side, name)
    elif kind.detection:
        assert_same_boxes(expected.by_name[name], postprocessed_boxes(outputs), expected.side, name)
    else:
        (probabilities,) = outputs.values()
        assert numpy.abs(numpy.ravel(probabilities) - expected.by_name[name]).max() <= PROBABILITY, name


def assert_same_boxes(expected: Sequence[Found], found: Sequence[Found], side: int, name: str) -> None:
    """Every box has a counterpart in the other list: tag, probability and place."""
    assert expected, f"{name}: a picture without any box proves nothing"
    left = list(found)
    for box in expected:
        near = [
            other
            for other in left
            if other[0] == box[0]
            and abs(other[1] - box[1]) <= PROBABILITY
            and max(abs(a - b) for a, b in zip(other[2:], box[2:], strict=True)) * side <= PIXELS
        ]
        assert near, f"{name}: {box} is not among {found}"
        left.remove(min(near, key=lambda other: abs(other[1] - box[1])))
    assert not left, f"{name}: {left} is not among {expected}"


def postprocessed_boxes(outputs: Mapping[str, Any]) -> list[Found]:
    boxes = numpy.asarray(outputs["detected_boxes"]).reshape(-1, 4).tolist()
    scores = numpy.ravel(outputs["detected_scores"]).tolist()
    classes = numpy.ravel(outputs["detected_classes"]).tolist()
    return [
        (int(tag), score, *box) for tag, score, box in zip(classes, scores, boxes, strict=True) if score > 0
    ]


def decoded_grid(grid: numpy.ndarray, floor: float = 0.005) -> list[Found]:
    """The boxes of a YOLOv2 grid (height, width, channels), slot by slot, as its inventors define it
    (Redmon and Farhadi, YOLO9000, 2017, section 2)."""
    anchors = [(0.573, 0.677), (1.87, 2.06), (3.34, 5.47), (7.88, 3.53), (9.77, 9.17)]
    height, width, channels = grid.shape
    size = channels // len(anchors)
    found: list[Found] = []
    for row, column in numpy.ndindex(height, width):
        for number, anchor in enumerate(anchors):
            slot = grid[row, column, number * size : (number + 1) * size].astype(float)
            tags = numpy.exp(slot[5:] - slot[5:].max())
            probability = float(tags.max() / tags.sum() / (1 + math.exp(-slot[4])))
            if probability < floor:
                continue
            x = (column + 1 / (1 + math.exp(-slot[0]))) / width
            y = (row + 1 / (1 + math.exp(-slot[1]))) / height
            w = anchor[0] * math.exp(slot[2]) / width / 2
            h = anchor[1] * math.exp(slot[3]) / height / 2
            found.append((int(tags.argmax()), probability, x - w, y - h, x + w, y + h))
    return found


def fitting_a_grid(boxes: Sequence[Found], cells: int) -> list[Found]:
    """The boxes that fit into the slots of a grid."""
    taken: dict[tuple[int, int], int] = {}
    fitting = []
    for box in boxes:
        _, _, left, top, right, bottom = box
        cell = (
            min(cells - 1, int((left + right) / 2 * cells)),
            min(cells - 1, int((top + bottom) / 2 * cells)),
        )
        taken[cell] = taken.get(cell, 0) + 1
        if taken[cell] <= _SLOTS_OF_CELL:
            fitting.append(box)
    return fitting
