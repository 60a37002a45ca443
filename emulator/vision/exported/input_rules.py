"""The preprocessing of an exported model, derived from its manifest, its metadata and its graph.

Every choice has a reason, which is logged and shown by ``GET /health`` of the server. Sources of the rules:
the programs that come with the exports, and `docs/serve-model.md`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from emulator.vision.exported.files import ExportedFiles
from emulator.vision.exported.preprocess import Fit, Preprocessing, announced_size, input_size, number

if TYPE_CHECKING:
    from emulator.vision.exported.runtimes import Runtime

Task = Literal["classification", "detection"]

_DEFAULT_SIDES = {"classification": 224, "detection": 416}
_PREPROCESS = "CustomVision.Preprocess."
# Red, green and blue. Microsoft's Android sample subtracts it when the graph has no node `data_bn`.
_MEAN_RGB = (124.0, 117.0, 105.0)
_ORDER, _RANGE = "Image.BitmapPixelFormat", "Image.NominalPixelRange"
_TENSORFLOW = ("frozen graph", "saved model", "tflite")
_log = logging.getLogger(__name__)


def keeps_aspect(metadata: Mapping[str, str]) -> bool:
    """Whether the metadata of a detector scales images to a number of pixels, not to a size."""
    return metadata.get(f"{_PREPROCESS}ResizeMethod") == "ByPixelCountAlign32"


def derived(runtime: Runtime, files: ExportedFiles, task: Task, s1: bool) -> Preprocessing:
    """The preprocessing of a loaded model.

    Args:
        s1: the domain is General (compact) [S1].

    Raises:
        ExportUnusable: the input is not an image.
    """
    planes, width, height = input_size(runtime.input_shape, runtime.input_name)
    announced = announced_size(files.metadata)
    open_size = width is None or height is None
    fit, fit_reason = _fit(files, detects=task == "detection" and not s1, open_size=open_size)
    if fit == "centre of resized":
        resize, crop = _resize_and_crop(files.metadata)
        crop = crop if width is None else width
    else:
        resize, crop = Preprocessing.resize, 0
    if width is None or height is None:
        side = crop or _DEFAULT_SIDES[task]
        width, height = (side, side) if crop else announced or (side, side)
    bgr, order_reason = _blue_first(runtime, files, s1)
    divisor, range_reason = _divisor(runtime, files, s1)
    rule = Preprocessing(
        fit=fit,
        width=width,
        height=height,
        bgr=bgr,
        divisor=divisor,
        planes=planes,
        half=runtime.half,
        pixels=announced[0] * announced[1] if announced else Preprocessing.pixels,
        resize=max(resize, width, height),
    )
    reasons = {"crop": fit_reason, "channels": order_reason, "range": range_reason}
    # The programs of 2018 to 2020 scale with OpenCV's linear filter, which does not average.
    if task == "classification" and files.kind in _TENSORFLOW and not files.metadata:
        year = files.exported[:4]
        old = not year.isdigit() or int(year) <= 2020
        rule = replace(rule, antialias=not old)
        said = f"manifest of {year}" if year.isdigit() else "no date"
        reasons["antialias"] = f"{'no' if old else 'yes'}: TensorFlow without metadata, {said}"
    else:
        reasons["antialias"] = "yes: as the programs since the end of 2020"
    if (
        task == "classification"
        and not s1
        and files.kind == "frozen graph"
        and not files.metadata
        and b"data_bn" not in files.model["model.pb"]
    ):
        rule = replace(rule, mean=_MEAN_RGB)
        reasons["mean"] = "124, 117, 105 subtracted: the graph has no node data_bn"
    rule = replace(rule, reasons=reasons)
    _log.info("Preprocessing: %s", "; ".join(f"{name}: {text}" for name, text in rule.described().items()))
    return rule


def _resize_and_crop(metadata: Mapping[str, str]) -> tuple[int, int]:
    """The sides of "centre of resized": the shorter side of the scaled image, and the crop."""
    target = announced_size(metadata)
    crop = number(metadata, f"{_PREPROCESS}CropWidth")
    return (min(target) if target and crop else Preprocessing.resize), crop or _DEFAULT_SIDES[
        "classification"
    ]


def _fit(files: ExportedFiles, *, detects: bool, open_size: bool) -> tuple[Fit, str]:
    method = files.metadata.get(f"{_PREPROCESS}CropMethod")
    resize = files.metadata.get(f"{_PREPROCESS}ResizeMethod")
    if detects:
        if open_size:
            return "keep aspect", f"ResizeMethod {resize}" if resize else "variable input size"
        return "stretch", "fixed input size"
    if method is None and not files.metadata:
        return "centre of resized", "no metadata"
    if method == "OneCropCenter":
        return "centre of resized", f"CropMethod {method}"
    if method == "FullImageShorterSide" or (method is None and resize == "ByShorterSideAlign32"):
        return "centre square", f"CropMethod {method}, ResizeMethod {resize}"
    return "stretch", f"CropMethod {method}"


def _blue_first(runtime: Runtime, files: ExportedFiles, s1: bool) -> tuple[bool, str]:
    inside = runtime.metadata.get(_ORDER)
    if inside is not None:  # ONNX files have it in their own metadata
        return inside.startswith("Bgr"), f"{_ORDER} in the model"
    if files.kind == "onnx":
        return runtime.input_name == "data" and not s1, f"ONNX input '{runtime.input_name}'"
    if _ORDER in files.metadata and files.metadata.get(_RANGE) == "NominalRange_0_255":
        return files.metadata[_ORDER].startswith("Bgr"), f"{_ORDER} in the metadata"
    if files.kind == "openvino":
        return False, "OpenVINO"
    return not s1, "[S1]" if s1 else "General (compact)"


def _divisor(runtime: Runtime, files: ExportedFiles, s1: bool) -> tuple[int, str]:
    """1 for values 0 to 255, which applies unless `Normalized_0_1` is said for the input; else 255."""
    inside = runtime.metadata.get(_RANGE)
    if inside is not None:
        return 255 if inside == "Normalized_0_1" else 1, f"{_RANGE} in the model"
    if _ORDER in runtime.metadata:
        return 1, f"{_RANGE} not in the model"
    if files.kind == "openvino":
        return 1 if files.metadata.get(_RANGE) == "NominalRange_0_255" else 255, "OpenVINO"
    if files.kind == "onnx":
        if not s1 and runtime.input_name in ("data", "image_tensor"):
            return 1, f"ONNX input '{runtime.input_name}'"
        return 255 if files.metadata.get(_RANGE) == "Normalized_0_1" else 1, f"{_RANGE} in the metadata"
    # Graphs of TensorFlow scale the values themselves, even if the metadata says otherwise.
    return 1, "TensorFlow"
