"""Export to OpenVINO, converted from ONNX by the package openvino."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.vision.exports.bundle import bundle, metadata_properties
from emulator.vision.exports.detection_outputs import ANCHORS, postprocessed, yolo_grid
from emulator.vision.exports.formats import ExportOrder, Progress
from emulator.vision.exports.graph import (
    PixelFormat,
    has_postprocessed_boxes,
    with_pixel_format,
    with_tensor_names,
)
from emulator.vision.exports.raw_boxes import with_raw_boxes
from emulator.vision.exports.samples import sample_files
from emulator.vision.exports.stored_model import StoredModel, read_stored_model
from emulator.vision.networks.graph import Network
from emulator.vision.networks.onnx_writer import onnx_model, serialize_model

if TYPE_CHECKING:
    from openvino import Model

MODEL_FILE, WEIGHTS_FILE = "model.xml", "model.bin"
# RGB, 0 to 1, in every domain, as in the service's files.
PIXELS = PixelFormat("Rgb8", "Normalized_0_1")
_INPUT = "data"
_GRID = "model_outputs0"
_COORDINATES_OF_BOX = 4


def openvino_zip(order: ExportOrder, progress: Progress) -> bytes:
    """`model.xml` and `model.bin` with metadata and labels.

    The input is float32 (1, 3, side, side). Detectors return postprocessed boxes; with the flavor
    "NoPostProcess" all boxes ("General (compact) [S1]") or a YOLO grid, decoded as far as OpenVINO's
    operation for it does ("General (compact)").

    Raises:
        ImportError: openvino is not installed.
    """
    import openvino

    stored = read_stored_model(order)
    progress(0.3, "Writing the model")
    raw = order.flavor == "NoPostProcess"
    network = _export_network(stored, order.domain, raw=raw)
    model = openvino.Core().read_model(serialize_model(onnx_model(network, {}, images=1)))
    if _GRID in network.outputs:
        model = _with_decoded_grid(model, len(order.labels))
    # The default name contains a counter.
    model.set_friendly_name(order.domain)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / MODEL_FILE
        openvino.save_model(model, path, compress_to_fp16=False)
        files = {
            MODEL_FILE: _numbered_afresh(path.read_text("utf-8")).encode(),
            WEIGHTS_FILE: path.with_suffix(".bin").read_bytes(),
        }
    metadata = metadata_properties(
        order, resolution=network.resolution, multilabel=stored.multilabel, fit=stored.fit, pixels=PIXELS
    )
    if stored.detection and not raw:
        # The model postprocesses its boxes in every domain.
        metadata["CustomVision.Postprocess.Method"] = "SSD"
        metadata["CustomVision.Postprocess.Yolo.Biases"] = "[]"
        metadata["CustomVision.Postprocess.Yolo.NmsThreshold"] = "0.0"
    return bundle(order, files, metadata, sample_files("openvino", detection=stored.detection))


def _export_network(stored: StoredModel, domain: str, *, raw: bool) -> Network:
    network = with_tensor_names(with_pixel_format(stored.network, PIXELS), {stored.network.input: _INPUT})
    if not stored.detection:
        output = "model_output" if has_postprocessed_boxes(domain) else "loss"
        return with_tensor_names(network, {network.output: output})
    if not raw:
        return postprocessed(network, batch_axis=True)
    if has_postprocessed_boxes(domain):
        return with_raw_boxes(
            network, boxes="raw_boxes", scores="raw_probs", background=True, batch_axis=True
        )
    return yolo_grid(network, _GRID)


def _with_decoded_grid(model: Model, tag_count: int) -> Model:
    """The model with OpenVINO's RegionYolo at its end, from which programs read the anchors.

    It decodes offsets and probabilities, but not widths and heights.
    """
    import openvino
    from openvino import opset1

    (result,) = model.outputs
    anchors = [value for anchor in ANCHORS for value in anchor]
    decoded = opset1.region_yolo(
        result.get_node().input_value(0),
        coords=_COORDINATES_OF_BOX,
        classes=tag_count,
        num=len(ANCHORS),
        do_softmax=True,
        mask=[],
        axis=1,
        end_axis=3,
        anchors=anchors,
        name=_GRID,
    )
    decoded.output(0).set_names({_GRID})
    return openvino.Model([opset1.result(decoded)], model.get_parameters(), "grid")


def _numbered_afresh(text: str) -> str:
    """Renumber the names that OpenVINO generates.

    Its counter runs through the lifetime of the process, so the same model would give different files.
    """
    numbers: dict[str, str] = {}
    return re.sub(
        r'(?<=name=")([A-Za-z]+)_(\d+)(?=")',
        lambda match: f"{match[1]}_{numbers.setdefault(match[2], str(len(numbers)))}",
        text,
    )
