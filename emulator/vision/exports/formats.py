"""Trained models as the files that the service's users take away: one function, one table of formats.

`write_export` writes any format of `FORMATS`, in the worker process; importing this package is cheap. Below
it lie, for every format: `stored_models` (from the stored model to its network), `graphs` (the network as
a domain's exports have it: input, outputs, boxes), `detection_outputs` (the operations that make boxes) and
`bundles` (what all zip files carry); and for each format a module that knows its bytes.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from emulator.files import write_atomically
from emulator.vision.recipes.domains import Domain

Progress = Callable[[float, str], None]


class ExportFailed(Exception):
    """The export cannot be made. The message tells the person who asked for it what to do."""


@dataclass(frozen=True)
class ExportOrder:
    """What to export. The same order for the same model gives the same file, byte by byte.

    Attributes:
        model: path of the model as a training wrote it.
        platform, flavor: as in the REST contract ("ONNX", "ONNX12"); no flavor means the usual one.
        domain: name of the domain that the model was trained in, such as "General (compact) [S1]".
        domain_type: "Classification" or "ObjectDetection".
        classification_type: "Multiclass" or "Multilabel"; none for detectors.
        labels: names of the tags, in the order of the model's outputs.
        project_id, iteration_id: where the model comes from.
        created: when the export was asked for, with its zone; every date in the file is this one.
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
        extra: the extra of this project that has to be installed for it; "train" for most.
        addition: the service has no such format; it is asked for through the emulator's own API.
    """

    writer: str
    suffix: str = ".zip"
    extra: str = "train"
    addition: bool = False


_ONNX = Format("onnx:onnx_zip")
_GRAPH = Format("tensorflow.export:frozen_graph_zip")
_TFLITE = Format("tflite.export:tflite_zip")
_COREML = Format("coreml.export:coreml_zip", extra="coreml")
_OPENVINO = Format("openvino:openvino_zip", extra="openvino")

Formats = Mapping[tuple[str, str | None], Format]
FORMATS: Formats = {
    ("ONNX", None): _ONNX,
    ("ONNX", "ONNX10"): _ONNX,
    ("ONNX", "ONNX12"): _ONNX,
    ("ONNX", "OnnxFloat16"): _ONNX,
    ("ONNX", "OnnxInt8"): Format("additions:int8_zip", addition=True),
    ("TensorFlow", None): _GRAPH,
    ("TensorFlow", "TensorFlowNormal"): _GRAPH,
    ("TensorFlow", "TensorFlowJs"): Format("tensorflow.export:tensorflow_js_zip"),
    ("TensorFlow", "TensorFlowSavedModel"): Format("tensorflow.export:saved_model_zip"),
    ("TensorFlow", "TensorFlowLite"): _TFLITE,
    ("TensorFlow", "TensorFlowLiteFloat16"): _TFLITE,
    ("CoreML", None): _COREML,
    ("CoreML", "CoreMLFloat16"): _COREML,
    ("OpenVino", None): _OPENVINO,
    ("OpenVino", "NoPostProcess"): _OPENVINO,
    ("VAIDK", None): Format("vaidk:vaidk_zip"),
    ("Torch", "TorchStateDict"): Format("additions:state_dict_zip", addition=True),
}


def refusal(domain: Domain, platform: str, flavor: str | None, formats: Formats = FORMATS) -> str | None:
    """Why models of a domain are not exported to a platform and flavor; None if they are."""
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
    return None


def write_export(order: ExportOrder, output: Path, progress: Progress, formats: Formats = FORMATS) -> Path:
    """Write an export into the file `output`, whole or not at all.

    Args:
        output: the file; its folder is made when missing.
        progress: called with the share that is done, 0..1 and never falling, and what is being done.
        formats: by platform and flavor; more than FORMATS where a program above this library adds some.

    Returns:
        `output`.

    Raises:
        ExportFailed: the format is unknown, something that it needs is not installed, the model cannot be
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
        raise ExportFailed(
            f"Exporting to {order.platform} needs packages that are not installed; install "
            f"custom-vision-emulator[{chosen.extra}] ({error})."
        ) from error
    progress(0.95, "Writing the file")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(output, content)
    except OSError as error:
        raise ExportFailed(f"The export cannot be stored: {error}.") from error
    progress(1.0, "Done")
    return output


def _is_missing(module: str | None) -> bool:
    """Whether the package of a module is not installed. One that is there and broken, or this program's own,
    is an error to look into."""
    package = (module or "").partition(".")[0]
    return bool(package) and importlib.util.find_spec(package) is None


def _listed(flavors: list[str | None]) -> str:
    return ", ".join(flavor for flavor in flavors if flavor is not None)
