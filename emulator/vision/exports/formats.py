"""Exports of trained models as files for users: the table of formats, and the function that writes them.

Runs in the worker process; importing this module is cheap. All formats use `stored_model` (from the model
file to its network), `graph` (the network with the input, outputs and boxes of a domain's exports),
`detection_outputs` (operations that compute boxes) and `bundle` (the files that every zip has). Each format
has a module that writes its bytes.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from emulator.durable_files import write_atomically
from emulator.vision.recipes.domains import Domain

Progress = Callable[[float, str], None]


class ExportFailed(Exception):
    """The export cannot be made; the message tells the user what to do."""


@dataclass(frozen=True)
class ExportOrder:
    """What to export. The same order for the same model gives the same file, byte for byte.

    Attributes:
        model: path of the model file of a training.
        platform, flavor: as in the REST contract ("ONNX", "ONNX12"); None is the default flavor.
        domain: name of the domain of the model, such as "General (compact) [S1]".
        domain_type: "Classification" or "ObjectDetection".
        classification_type: "Multiclass" or "Multilabel"; None for detectors.
        labels: names of the tags, in the order of the model's outputs.
        project_id, iteration_id: of the model.
        created: the time of the request, with its zone; the only date in the file.
    """

    model: str
    platform: str
    flavor: str | None
    domain: str
    domain_type: str
    classification_type: str | None
    labels: tuple[str, ...]
    project_id: str
    iteration_id: str
    created: datetime


@dataclass(frozen=True)
class Format:
    """One kind of export file.

    Attributes:
        writer: "module:function"; the function takes an `ExportOrder` and a `Progress` and returns the file's
            bytes. Modules are of this package, or named in full.
        suffix: of the file's name.
        extra: the extra of this project that has to be installed for it; "export" for most, which "train"
            includes.
        packages: the imported packages that it needs.
        addition: the service has no such format; it is requested through the emulator's own API.
    """

    writer: str
    suffix: str = ".zip"
    extra: str = "export"
    packages: tuple[str, ...] = ("onnx",)
    addition: bool = False


_ONNX = Format("onnx:onnx_zip")
_GRAPH = Format("tensorflow.zip_files:frozen_graph_zip")
_TFLITE = Format("tflite.zip_file:tflite_zip", packages=("onnx", "flatbuffers", "tflite"))
_COREML = Format("coreml.zip_file:coreml_zip", extra="coreml", packages=("onnx", "coremltools"))
_OPENVINO = Format("openvino:openvino_zip", extra="openvino", packages=("onnx", "openvino"))

Formats = Mapping[tuple[str, str | None], Format]
FORMATS: Formats = {
    ("ONNX", None): _ONNX,
    ("ONNX", "ONNX10"): _ONNX,
    ("ONNX", "ONNX12"): _ONNX,
    ("ONNX", "OnnxFloat16"): _ONNX,
    ("ONNX", "OnnxInt8"): Format("additions:int8_zip", addition=True),
    ("TensorFlow", None): _GRAPH,
    ("TensorFlow", "TensorFlowNormal"): _GRAPH,
    ("TensorFlow", "TensorFlowJs"): Format("tensorflow.zip_files:tensorflow_js_zip"),
    ("TensorFlow", "TensorFlowSavedModel"): Format("tensorflow.zip_files:saved_model_zip"),
    ("TensorFlow", "TensorFlowLite"): _TFLITE,
    ("TensorFlow", "TensorFlowLiteFloat16"): _TFLITE,
    ("CoreML", None): _COREML,
    ("CoreML", "CoreMLFloat16"): _COREML,
    ("OpenVino", None): _OPENVINO,
    ("OpenVino", "NoPostProcess"): _OPENVINO,
    ("VAIDK", None): Format("vaidk:vaidk_zip"),
    ("Torch", "TorchStateDict"): Format(
        "additions:state_dict_zip", extra="train", packages=("onnx", "torch"), addition=True
    ),
}


def refusal(domain: Domain, platform: str, flavor: str | None, formats: Formats = FORMATS) -> str | None:
    """Why models of a domain cannot be exported to a platform and flavor here; None if they can."""
    if not domain.exportable:
        return f"Models of the domain {domain.name} are not exported; those of compact domains are."
    chosen = formats.get((platform, flavor))
    if chosen is None:
        flavors = [name for of, name in formats if of == platform]
        if not flavors:
            return f"There is no export to '{platform[:100]}'."
        if flavor is None:
            return f"An export to {platform} needs a flavor: {_listed(flavors)}."
        return f"'{flavor[:100]}' is no flavor of {platform}, which has {_listed(flavors) or 'none'}."
    if not chosen.addition and platform not in domain.platforms:
        return f"Iterations of the domain {domain.name} cannot be exported to {platform}."
    return missing_packages(platform, chosen)


def missing_packages(platform: str, chosen: Format) -> str | None:
    """Why a format cannot be written here, with what to install; None if its packages are installed."""
    missing = [package for package in chosen.packages if _is_missing(package)]
    return _needs_packages(platform, chosen, ", ".join(missing)) if missing else None


def write_export(order: ExportOrder, output: Path, progress: Progress, formats: Formats = FORMATS) -> Path:
    """Write an export to the file `output`, completely or not at all.

    Args:
        output: the file; its folder is created if missing.
        progress: called with the completed share, 0..1, never falling, and the name of the step.
        formats: by platform and flavor: `FORMATS`, or these and others of a program above this library.

    Returns:
        `output`.

    Raises:
        ExportFailed: the format is unknown, a package that it needs is not installed, the model cannot be
            exported, or the disk is full.
    """
    chosen = formats.get((order.platform, order.flavor))
    if chosen is None:
        raise ExportFailed(f"There is no export to {order.platform} {order.flavor or ''}".rstrip() + ".")
    module_name, _, function_name = chosen.writer.partition(":")
    progress(0.0, "Reading the model")
    try:
        module = importlib.import_module(
            module_name if module_name.startswith("emulator.") else f"{__package__}.{module_name}"
        )
        content: bytes = getattr(module, function_name)(order, progress)
    except ModuleNotFoundError as error:
        if not _is_missing(error.name):
            raise
        raise ExportFailed(_needs_packages(order.platform, chosen, str(error))) from error
    progress(0.95, "Writing the file")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(output, content)
    except OSError as error:
        raise ExportFailed(f"The export cannot be stored: {error}.") from error
    progress(1.0, "Done")
    return output


def _needs_packages(platform: str, chosen: Format, missing: str) -> str:
    return (
        f"Exporting to {platform} needs packages that are not installed; install "
        f"custom-vision-emulator[{chosen.extra}] ({missing})."
    )


def _is_missing(module: str | None) -> bool:
    """Whether the package of a module is not installed. An error inside of an installed one is a defect."""
    package = (module or "").partition(".")[0]
    return bool(package) and importlib.util.find_spec(package) is None


def _listed(flavors: list[str | None]) -> str:
    return ", ".join(flavor for flavor in flavors if flavor is not None)
