"""Export to ONNX."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.vision.exports.bundle import bundle, metadata_properties
from emulator.vision.exports.formats import ExportOrder, Progress
from emulator.vision.exports.graph import export_network, pixel_format
from emulator.vision.exports.samples import sample_files
from emulator.vision.exports.stored_model import StoredModel, read_stored_model
from emulator.vision.networks.onnx_writer import onnx_model, serialize_model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onnx import ModelProto

MODEL_FILE = "model.onnx"
# Opsets by flavor.
_OPSETS = {None: 12, "ONNX10": 10, "ONNX12": 12, "OnnxFloat16": 12}
_ML_OPSET = 2


def onnx_zip(order: ExportOrder, progress: Progress) -> bytes:
    """`model.onnx` with metadata, labels and sample programs."""
    stored = read_stored_model(order)
    metadata = onnx_metadata(order, stored)
    progress(0.3, "Writing the model")
    model = exported_onnx_model(
        order,
        stored,
        metadata,
        opset=_OPSETS[order.flavor],
        half_weights=order.flavor == "OnnxFloat16",
    )
    samples = sample_files("onnx", detection=stored.detection)
    return bundle(order, {MODEL_FILE: serialize_model(model)}, metadata, samples)


def onnx_metadata(order: ExportOrder, stored: StoredModel) -> dict[str, str]:
    """The metadata properties of an ONNX export."""
    return metadata_properties(
        order,
        resolution=stored.network.resolution,
        multilabel=stored.multilabel,
        fit=stored.fit,
        pixels=pixel_format(order.domain, detection=stored.detection, family="onnx"),
    )


def exported_onnx_model(
    order: ExportOrder,
    stored: StoredModel,
    metadata: Mapping[str, str],
    *,
    opset: int,
    half_weights: bool = False,
) -> ModelProto:
    """The model as consumers of its domain expect it, for one image at a time."""
    network = export_network(stored, order.domain, "onnx")
    model = onnx_model(network, metadata, opset=opset, images=1, half_weights=half_weights)
    if "loss" in network.outputs:
        _name_outputs(model, order.labels)
    return model


def _name_outputs(model: ModelProto, labels: tuple[str, ...]) -> None:
    """Add the labels to the outputs.

    `loss`, a row of probabilities, becomes a map of labels to probabilities; the new output `classLabel` is
    the most probable label.
    """
    from onnx import TensorProto, helper

    graph = model.graph
    last = graph.node[-1]
    last.name = last.output[0] = "probabilities"
    graph.node.extend(
        [
            helper.make_node("ArgMax", ["probabilities"], ["best"], name="best", axis=1, keepdims=0),
            helper.make_node(
                "LabelEncoder",
                ["best"],
                ["classLabel"],
                name="classLabel",
                domain="ai.onnx.ml",
                keys_int64s=list(range(len(labels))),
                values_strings=list(labels),
            ),
            helper.make_node(
                "ZipMap",
                ["probabilities"],
                ["loss"],
                name="loss",
                domain="ai.onnx.ml",
                classlabels_strings=list(labels),
            ),
        ]
    )
    del graph.output[:]
    probabilities = helper.make_map_type_proto(
        TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, [])
    )
    graph.output.extend(
        [
            helper.make_tensor_value_info("classLabel", TensorProto.STRING, [1]),
            helper.make_value_info("loss", helper.make_sequence_type_proto(probabilities)),
        ]
    )
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", _ML_OPSET))
