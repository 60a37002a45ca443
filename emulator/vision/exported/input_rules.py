"""The preprocessing of an exported model, derived from its manifest, its metadata and its graph.

Every choice has a reason, which is logged and shown by ``GET /health`` of the server. Sources of the rules:
the programs that come with the exports, and `docs/serve-model.md`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from emulator.vision.exported.files import ExportedFiles, ExportUnusable
from emulator.vision.exported.input_choices import Fit
from emulator.vision.exported.preprocess import Preprocessing, announced_size, input_size, number

if TYPE_CHECKING:
    from emulator.vision.exported.runtimes import Runtime

Task = Literal["classification", "detection"]

_DEFAULT_SIDES = {"classification": 224, "detection": 416}
_PREPROCESS = "CustomVision.Preprocess."
# Red, green and blue. Microsoft's Android sample subtracts it when the graph has no node `data_bn`.
_MEAN_RGB = (124.0, 117.0, 105.0)
# The reason of choices of the user.
_CHOSEN = "chosen"
_LONGEST_SHOWN = 60
_RANGES = ("Normalized_0_1", "NominalRange_0_255")
_ORDER, _RANGE = "Image.BitmapPixelFormat", "Image.NominalPixelRange"
_TENSORFLOW = ("frozen graph", "saved model", "tflite")
_log = logging.getLogger(__name__)


def wants_variable_size(files: ExportedFiles) -> bool:
    """Whether a fixed input size is to be made variable, if the model can be run with other sizes.

    Detectors whose metadata scale images to a number of pixels need it, and some choices of the user.
    """
    if files.choices.size is not None:
        return True
    if files.choices.crop is not None:
        return files.choices.crop == "keep aspect"
    return files.metadata.get(f"{_PREPROCESS}ResizeMethod") == "ByPixelCountAlign32"


def derived(runtime: Runtime, files: ExportedFiles, task: Task, s1: bool) -> Preprocessing:
    """The preprocessing of a loaded model. Choices of the user (`files.choices`) precede the rules.

    Args:
        s1: the domain is General (compact) [S1].

    Raises:
        ExportUnusable: the input is not an image, or the choices do not fit the model.
    """
    _log_unusable_sizes(files.metadata)
    rule, reasons = _geometry(runtime, files, task, s1)
    bgr, reasons["channels"] = _blue_first(runtime, files, s1)
    divisor, reasons["range"] = _divisor(runtime, files, s1)
    antialias, reasons["antialias"] = _antialias(files, task)
    mean, mean_reason = _mean(files, task, s1)
    if mean_reason:
        reasons["mean"] = mean_reason
    rule = replace(
        rule,
        bgr=bgr,
        divisor=divisor,
        half=runtime.half,
        antialias=antialias,
        mean=mean,
        reasons=reasons,
    )
    _log.info("Preprocessing: %s", "; ".join(f"{name}: {text}" for name, text in rule.described().items()))
    return rule


def _log_unusable_sizes(metadata: Mapping[str, str]) -> None:
    for part in ("TargetWidth", "TargetHeight", "CropWidth", "CropHeight"):
        text = metadata.get(f"{_PREPROCESS}{part}", "")
        if text.strip("0. ") and not number(metadata, f"{_PREPROCESS}{part}"):
            _log.warning("%s of the metadata is not used: it is %s.", part, _shown(text))


def _geometry(
    runtime: Runtime, files: ExportedFiles, task: Task, s1: bool
) -> tuple[Preprocessing, dict[str, str]]:
    """Crop and size, and the reason for the crop; the other fields are not those of the model."""
    choices = files.choices
    planes, width, height = input_size(runtime.input_shape, runtime.input_name)
    announced = choices.size or announced_size(files.metadata)
    fit, reason = _fit(files, detects=task == "detection" and not s1, open_size=width is None)
    if width is not None and height is not None:
        if fit == "keep aspect":
            raise ExportUnusable(
                f"crop=keep-aspect needs an input of variable size; this one is {width} x {height} pixels."
            )
        if choices.size is not None and choices.size != (width, height):
            raise ExportUnusable(
                f"size={choices.size[0]}x{choices.size[1]} does not fit the model, whose input is "
                f"{width} x {height} pixels."
            )
    if choices.resize is not None and fit != "centre of resized":
        raise ExportUnusable("resize needs crop=center-of-resized.")
    if fit == "centre of resized":
        resize, crop = _resize_and_crop(files.metadata)
        resize = choices.resize or resize
        crop = crop if width is None else width
    else:
        resize, crop = Preprocessing.resize, 0
    if width is None or height is None:
        side = crop or _DEFAULT_SIDES[task]
        if choices.size is not None:
            width, height = choices.size
        else:
            width, height = (side, side) if crop else announced or (side, side)
    rule = Preprocessing(
        fit=fit,
        width=width,
        height=height,
        bgr=False,
        divisor=1,
        planes=planes,
        pixels=announced[0] * announced[1] if announced else Preprocessing.pixels,
        resize=max(resize, width, height),
    )
    return rule, {"crop": reason} | ({"size": _CHOSEN} if choices.size else {})


def _antialias(files: ExportedFiles, task: Task) -> tuple[bool, str]:
    if files.choices.antialias is not None:
        return files.choices.antialias, f"{'yes' if files.choices.antialias else 'no'}: {_CHOSEN}"
    # The programs of 2018 to 2020 scale with OpenCV's linear filter, which does not average.
    if task == "classification" and files.kind in _TENSORFLOW and not files.metadata:
        year = files.exported[:4]
        dated = year.isascii() and year.isdigit()
        old = not dated or int(year) <= 2020
        said = f"manifest of {year}" if dated else "no date"
        return not old, f"{'no' if old else 'yes'}: TensorFlow without metadata, {said}"
    return True, "yes: as the programs since the end of 2020"


def _mean(files: ExportedFiles, task: Task, s1: bool) -> tuple[tuple[float, float, float] | None, str]:
    """The mean to subtract, if there is one, and the reason; empty if nothing speaks for one."""
    chosen = files.choices.mean
    if chosen is not None:
        text = ", ".join(f"{value:g}" for value in chosen)
        return (chosen, f"{text} subtracted: {_CHOSEN}") if any(chosen) else (None, f"none: {_CHOSEN}")
    if (
        task == "classification"
        and not s1
        and files.kind == "frozen graph"
        and not files.metadata
        and b"data_bn" not in files.model["model.pb"]
    ):
        return _MEAN_RGB, "124, 117, 105 subtracted: the graph has no node data_bn"
    return None, ""


def _resize_and_crop(metadata: Mapping[str, str]) -> tuple[int, int]:
    """The sides of "centre of resized": the shorter side of the scaled image, and the crop."""
    target = announced_size(metadata)
    crop = number(metadata, f"{_PREPROCESS}CropWidth")
    return (min(target) if target and crop else Preprocessing.resize), crop or _DEFAULT_SIDES[
        "classification"
    ]


def _fit(files: ExportedFiles, *, detects: bool, open_size: bool) -> tuple[Fit, str]:
    if files.choices.crop is not None:
        return files.choices.crop, _CHOSEN
    method = files.metadata.get(f"{_PREPROCESS}CropMethod")
    resize = files.metadata.get(f"{_PREPROCESS}ResizeMethod")
    said = f"CropMethod {_shown(method)}, ResizeMethod {_shown(resize)}"
    if detects:
        if open_size:
            return "keep aspect", f"ResizeMethod {_shown(resize)}" if resize else "variable input size"
        return "stretch", "fixed input size"
    if method is None and not files.metadata:
        return "centre of resized", "no metadata"
    if method == "OneCropCenter":
        return "centre of resized", f"CropMethod {method}"
    if method == "FullImageShorterSide" or (method is None and resize == "ByShorterSideAlign32"):
        return "centre square", said
    if method not in (None, "NoCrop"):
        _log.warning("Images are stretched: the metadata have an unknown crop, %s.", said)
    return "stretch", f"CropMethod {_shown(method)}"


def _shown(text: str | None) -> str:
    """A text of the metadata in a message."""
    if text is None:
        return "None"
    return text if len(text) <= _LONGEST_SHOWN and text.isprintable() else ascii(text[:_LONGEST_SHOWN])


def _blue_first(runtime: Runtime, files: ExportedFiles, s1: bool) -> tuple[bool, str]:
    if files.choices.channels is not None:
        return files.choices.channels, _CHOSEN
    inside = runtime.metadata.get(_ORDER)
    if inside is not None:  # ONNX files have it in their own metadata
        return _is_bgr(inside), f"{_ORDER} in the model"
    if files.kind == "onnx":
        return runtime.input_name == "data" and not s1, f"ONNX input '{runtime.input_name}'"
    if _ORDER in files.metadata and files.metadata.get(_RANGE) == "NominalRange_0_255":
        return _is_bgr(files.metadata[_ORDER]), f"{_ORDER} in the metadata"
    if files.kind == "openvino":
        return False, "OpenVINO"
    return not s1, "[S1]" if s1 else "General (compact)"


def _is_bgr(order: str) -> bool:
    if not order.lower().startswith(("bgr", "rgb")):
        _log.warning("Red is taken as the first channel: %s is %s.", _ORDER, _shown(order))
    return order.lower().startswith("bgr")


def _divisor(runtime: Runtime, files: ExportedFiles, s1: bool) -> tuple[int, str]:
    """1 for values 0 to 255, which applies unless `Normalized_0_1` is said for the input; else 255."""
    if files.choices.range is not None:
        return files.choices.range, _CHOSEN
    inside = runtime.metadata.get(_RANGE)
    if inside is not None:
        if inside not in _RANGES:
            _log.warning("Values are 0 to 255: %s is %s.", _RANGE, _shown(inside))
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
