"""Models exported by this program or by the service, loaded to score images.

They have the interface of the sessions of trained models, `ClassifierSession` and `DetectorSession`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

from emulator.vision.boxes.box import DetectedBox
from emulator.vision.exported import boxes
from emulator.vision.exported.files import ExportedFiles, ExportUnusable, read_export
from emulator.vision.exported.preprocess import Preprocessing, announced_size, fit_from, input_size
from emulator.vision.exported.runtimes import Runtime, load
from emulator.vision.onnx_runtime import processors

_BOXES, _CLASSES, _SCORES = "detected_boxes", "detected_classes", "detected_scores"
_CLASS_LABEL = "classLabel"
_DEFAULT_SIDES = {"classification": 224, "detection": 416}
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
        self._rule = _preprocessing(self._runtime, files, task, self.compact_s1)


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
            output.startswith("model_output") or announced_size(files.metadata) == (_S1_SIDE, _S1_SIDE)
        )
        self._output = output
        self._prepare(files, "classification")
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


def load_export(source: Path | bytes, threads: int = 1) -> ExportedClassifier | ExportedDetector:
    """Load an exported model from its zip (path or content) or a folder, and run it once.

    Args:
        source: is read once and may be deleted afterwards.
        threads: the number of processors that one run uses.

    Raises:
        OSError: it cannot be read.
        ExportUnusable: see `read_export`; or the model does not load, or is not an export of Custom Vision.
    """
    files = read_export(source)
    runtime = load(files, threads)
    outputs = set(runtime.output_names)
    try:
        if {_BOXES, _CLASSES, _SCORES} <= outputs:
            return ExportedDetector(files, runtime, None)
        grids = sorted(name for name in outputs if name.startswith("model_outputs"))
        if grids and _detects(runtime, files.metadata):
            return ExportedDetector(files, runtime, grids[0])
        output = _classifier_output(runtime)
        return ExportedClassifier(files, runtime, output)
    except ExportUnusable:
        raise
    except Exception as error:  # noqa: BLE001 - runtimes raise errors of many types for inconsistent graphs
        _log.info("An exported model cannot be run", exc_info=error)
        reason = str(error).strip().splitlines()[:1] or [type(error).__name__]
        raise ExportUnusable(f"The model cannot be run: {reason[0][:300]}") from None


def _detects(runtime: Runtime, metadata: Mapping[str, str]) -> bool:
    method = metadata.get("CustomVision.Postprocess.Method", "Yolo")
    return not method.startswith("Classification")


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


def _preprocessing(
    runtime: Runtime, files: ExportedFiles, task: Literal["classification", "detection"], s1: bool
) -> Preprocessing:
    metadata = files.metadata
    planes, width, height = input_size(runtime.input_shape, runtime.input_name)
    announced = announced_size(metadata)
    open_size = width is None or height is None
    fit = fit_from(metadata, detects=task == "detection" and not s1, open_size=open_size)
    if width is None or height is None:
        side = _DEFAULT_SIDES[task]
        width, height = announced or (side, side)
    bgr, divisor = _channel_order(runtime, files, s1)
    pixels = announced[0] * announced[1] if announced else Preprocessing.pixels
    return Preprocessing(
        fit=fit,
        width=width,
        height=height,
        bgr=bgr,
        divisor=divisor,
        planes=planes,
        half=runtime.half,
        pixels=pixels,
    )


def _channel_order(runtime: Runtime, files: ExportedFiles, s1: bool) -> tuple[bool, int]:
    """Whether blue comes first, and the divisor of the values."""
    order, values = "Image.BitmapPixelFormat", "Image.NominalPixelRange"
    whole, blue_first = "NominalRange_0_255", "Bgr8"
    inside = runtime.metadata
    if order in inside or values in inside:  # ONNX files have it in their own metadata
        return inside.get(order) == blue_first, 1 if inside.get(values) == whole else 255
    if files.kind == "onnx":
        # Older files are recognised by the names of their inputs, which depend on the domain.
        return runtime.input_name == "data", 1 if runtime.input_name in ("data", "image_tensor") else 255
    if order in files.metadata and files.metadata.get(values) == whole:
        return files.metadata[order] == blue_first, 1
    if files.kind == "openvino":
        return False, 255
    # Graphs of TensorFlow scale the values themselves, even if the metadata says otherwise.
    return not s1, 1


def _grey_image() -> bytes:
    """The image for the trial run of a model."""
    from PIL import Image

    encoded = BytesIO()
    Image.new("RGB", (64, 64), "grey").save(encoded, "BMP")
    return encoded.getvalue()
