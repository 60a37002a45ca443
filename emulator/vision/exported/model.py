"""Models exported by this program or by the service, loaded to score images.

They have the interface of the sessions of trained models, `ClassifierSession` and `DetectorSession`.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

from emulator.vision.boxes.box import DetectedBox
from emulator.vision.exported import boxes
from emulator.vision.exported.files import (
    MAX_LABELS,
    ExportedFiles,
    ExportUnusable,
    is_label,
    read_export,
)
from emulator.vision.exported.input_choices import NO_CHOICES, InputChoices
from emulator.vision.exported.input_rules import derived, wants_variable_size
from emulator.vision.exported.preprocess import announced_size
from emulator.vision.exported.runtimes import Runtime, load
from emulator.vision.onnx_runtime import processors

_BOXES, _CLASSES, _SCORES = "detected_boxes", "detected_classes", "detected_scores"
_CLASS_LABEL = "classLabel"
_S1_SIDE = 300
_MULTILABEL = {"ClassificationMultiLabel": True, "ClassificationMultiClass": False}
_log = logging.getLogger(__name__)


class _Session:
    """The common part of classifiers and detectors.

    Attributes:
        labels: the tags, in the order of the scores, or by the index in boxes.
        compact_s1: the domain is General (compact) [S1]; else it is another compact one.
        iteration_id: of the exported iteration, if the export has one.
        digest: SHA-256 of the model's files, in hexadecimal.
        preprocessing: the steps from image to tensor in words, with the reason for each.
    """

    def __init__(self, files: ExportedFiles, runtime: Runtime) -> None:
        self.labels = files.labels
        self.iteration_id = files.iteration_id
        self.digest = files.digest
        self.compact_s1 = False
        self._runtime = runtime

    def _outputs(self, data: bytes) -> dict[str, Any]:
        return self._runtime.run(self._rule.tensor(data))

    def _prepare(self, files: ExportedFiles, task: Literal["classification", "detection"]) -> None:
        self._rule = derived(self._runtime, files, task, self.compact_s1)
        self.preprocessing = self._rule.described()


class ExportedClassifier(_Session):
    """An exported classifier.

    Attributes:
        multilabel: whether the probabilities are independent of each other; None for old exports without
            metadata.
    """

    def __init__(self, files: ExportedFiles, runtime: Runtime, output: str) -> None:
        super().__init__(files, runtime)
        method = files.metadata.get("CustomVision.Postprocess.Method")
        self.multilabel = _MULTILABEL.get(method or "")
        self.compact_s1 = output != "loss" and (
            output == "model_output" or announced_size(files.metadata) == (_S1_SIDE, _S1_SIDE)
        )
        self._output = output
        self._prepare(files, "classification")
        if not self.labels:
            self.labels = self._labels_inside()
        self.score(_grey_image())

    def score(self, data: bytes) -> list[float]:
        """The probabilities of the labels, in their order: 0 to 1.

        Raises:
            ImageRejected: the bytes are not an acceptable image.
        """
        import numpy

        value = self._outputs(data)[self._output]
        if isinstance(value, list):
            return self._of_mapping(value)
        scores = numpy.asarray(value, numpy.float32).reshape(-1)
        if len(scores) != len(self.labels):
            raise self._other_labels(len(scores))
        result: list[float] = numpy.nan_to_num(scores).clip(0, 1).tolist()
        return result

    def _labels_inside(self) -> tuple[str, ...]:
        """The labels in the ZipMap of an ONNX model, for exports without labels.txt."""
        value = self._outputs(_grey_image()).get(self._output)
        found = value[0] if isinstance(value, list) and len(value) == 1 else None
        if not isinstance(found, dict) or not found or not all(isinstance(key, str) for key in found):
            raise ExportUnusable(
                "labels.txt is missing, and the model does not contain the names of the tags."
            )
        if len(found) > MAX_LABELS or not all(is_label(label) for label in found):
            raise ExportUnusable(f"The model's own labels are not the names of 1 to {MAX_LABELS} tags.")
        return tuple(found)

    def _of_mapping(self, value: list[Any]) -> list[float]:
        """From a sequence with one map of labels, or indices, to probabilities."""
        found = value[0] if len(value) == 1 and isinstance(value[0], dict) else {}
        if len(found) != len(self.labels):
            raise self._other_labels(len(found))
        named = all(isinstance(key, str) for key in found)
        keys: list[Any] = list(self.labels) if named else list(range(len(self.labels)))
        try:
            scores = [float(found[key]) for key in keys]
        except KeyError as missing:
            raise ExportUnusable(
                f"labels.txt does not fit the model, which does not know '{missing.args[0]}'."
            ) from None
        return [min(max(score, 0.0), 1.0) if score == score else 0.0 for score in scores]

    def _other_labels(self, number: int) -> ExportUnusable:
        return ExportUnusable(
            f"labels.txt does not fit the model: it names {len(self.labels)} tags, the model knows {number}."
        )


class ExportedDetector(_Session):
    """An exported detector, with a YOLO grid or postprocessed boxes as output."""

    def __init__(self, files: ExportedFiles, runtime: Runtime, grid: str | None) -> None:
        super().__init__(files, runtime)
        if not files.labels:
            raise ExportUnusable("labels.txt is missing, which names the tags.")
        self.compact_s1 = grid is None
        self._grid = grid
        self._anchors = boxes.anchors_from(files.metadata)
        self._overlap = boxes.nms_threshold(files.metadata)
        self._prepare(files, "detection")
        self.score(_grey_image())

    def score(self, data: bytes) -> list[DetectedBox]:
        """The objects in an image, by falling probability; all boxes lie inside of the image.

        Raises:
            ImageRejected: the bytes are not an acceptable image.
        """
        import numpy

        with processors:
            outputs = self._outputs(data)
        if self._grid is None:
            found, tags, scores = (numpy.asarray(outputs[name]) for name in (_BOXES, _CLASSES, _SCORES))
            return boxes.postprocessed_boxes(found, tags, scores, len(self.labels))
        grid = numpy.asarray(outputs[self._grid])
        if grid.ndim != 4 or grid.shape[0] != 1:
            raise ExportUnusable(f"The model's output '{self._grid}' is no grid of boxes.")
        grid = grid[0]
        if self._rule.planes:
            grid = grid.transpose(1, 2, 0)
        boxes.check_grid(grid.shape, self._anchors, len(self.labels))
        return boxes.yolo_boxes(grid, self._anchors, self._overlap)


def load_export(
    source: Path | bytes, threads: int = 1, *, choices: InputChoices = NO_CHOICES
) -> ExportedClassifier | ExportedDetector:
    """Load an exported model from its zip (path or content) or a folder, and run it once.

    Args:
        source: is read once and may be deleted afterwards.
        threads: the number of processors that one run uses.
        choices: of the preprocessing; they precede those in the export.

    Raises:
        OSError: it cannot be read.
        ExportUnusable: see `read_export`; or the model does not load, or is not an export of Custom Vision.
    """
    files = read_export(source)
    files = replace(files, choices=choices.over(files.choices))
    runtime = load(files, threads, open_size=wants_variable_size(files))
    outputs = set(runtime.output_names)
    try:
        if {_BOXES, _CLASSES, _SCORES} <= outputs:
            return ExportedDetector(files, runtime, None)
        grids = sorted(name for name in outputs if name.startswith("model_outputs"))
        if grids and _detects(runtime, files, grids[0]):
            return ExportedDetector(files, runtime, grids[0])
        output = _classifier_output(runtime)
        return ExportedClassifier(files, runtime, output)
    except ExportUnusable:
        raise
    except Exception as error:  # noqa: BLE001 - runtimes raise errors of many types for inconsistent graphs
        _log.info("An exported model cannot be run", exc_info=error)
        reason = str(error).strip().splitlines()[:1] or [type(error).__name__]
        raise ExportUnusable(f"The model cannot be run: {reason[0][:300]}") from None


def _detects(runtime: Runtime, files: ExportedFiles, output: str) -> bool:
    """Whether an output `model_outputs` is a grid of boxes: classifiers have one of the same name."""
    method = files.metadata.get("CustomVision.Postprocess.Method")
    if method:
        return not method.startswith("Classification")
    rank = runtime.output_ranks[output]
    if rank is not None:
        return rank == 4
    if files.domain_type:
        return files.domain_type == "ObjectDetection"
    return 224 not in runtime.input_shape and 227 not in runtime.input_shape


def _classifier_output(runtime: Runtime) -> str:
    for name in ("loss", "model_output", "model_outputs", "model_outputs0"):
        if name in runtime.output_names:
            return name
    others = [name for name in runtime.output_names if name != _CLASS_LABEL]
    if len(others) != 1:
        raise ExportUnusable(
            "The model is not an export of Custom Vision: its outputs are "
            f"{', '.join(runtime.output_names)[:200]}."
        )
    return others[0]


def _grey_image() -> bytes:
    """The image for the trial run of a model."""
    from PIL import Image

    encoded = BytesIO()
    Image.new("RGB", (64, 64), "grey").save(encoded, "BMP")
    return encoded.getvalue()
