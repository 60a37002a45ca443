"""Export to TensorFlow and TensorFlow.js, written without TensorFlow."""

from __future__ import annotations

import json
from typing import Any

from emulator.vision.exports.bundle import bundle, metadata_properties, zipped
from emulator.vision.exports.formats import ExportOrder, Progress
from emulator.vision.exports.graph import export_network, pixel_format
from emulator.vision.exports.samples import sample_files
from emulator.vision.exports.stored_model import StoredModel, read_stored_model
from emulator.vision.exports.tensorflow.messages import messages
from emulator.vision.exports.tensorflow.writer import TensorFlowGraph, data_type

FROZEN_GRAPH_FILE = "model.pb"
SAVED_MODEL_FILE = "saved_model.pb"
TENSORFLOW_JS_FILE, WEIGHTS_FILE = "model.json", "weights.bin"


def frozen_graph_zip(order: ExportOrder, progress: Progress) -> bytes:
    """`model.pb`: a graph with its weights as constants."""
    stored, graph = _read(order, progress)
    content: bytes = graph.definition.SerializeToString(deterministic=True)
    return _zip(order, stored, {FROZEN_GRAPH_FILE: content}, "tensorflow")


def saved_model_zip(order: ExportOrder, progress: Progress) -> bytes:
    """`saved_model.pb`, whose graph has its weights as constants; there are no variables."""
    stored, graph = _read(order, progress)
    model = messages()["SavedModel"](saved_model_schema_version=1)
    meta_graph = model.meta_graphs.add()
    meta_graph.meta_info_def.tags.append("serve")
    meta_graph.graph_def.CopyFrom(graph.definition)
    signature = meta_graph.signature_def["serving_default"]
    signature.method_name = "tensorflow/serving/predict"
    for tensors, declared in ((signature.inputs, [graph.input]), (signature.outputs, graph.outputs)):
        for name, shape, kind in declared:
            tensors[name].name = f"{name}:0"
            tensors[name].dtype = data_type(kind)
            for size in shape:
                tensors[name].tensor_shape.dim.add(size=size)
    content: bytes = model.SerializeToString(deterministic=True)
    return _zip(order, stored, {SAVED_MODEL_FILE: content}, "tensorflow_saved_model")


def tensorflow_js_zip(order: ExportOrder, progress: Progress) -> bytes:
    """`model.json`, the graph, and `weights.bin`, its constants."""
    from google.protobuf.json_format import MessageToDict

    # JavaScript has no 64-bit integers.
    stored, graph = _read(order, progress, widest_integer="int32")
    for node in graph.definition.node:
        if node.op == "Const":
            node.attr["value"].tensor.tensor_content = b""
    # Sorted, because the order of a node's attributes is not defined.
    topology = json.loads(json.dumps(MessageToDict(graph.definition), sort_keys=True))
    topology["library"] = {}
    weights = [
        {"name": name, "shape": list(value.shape), "dtype": value.dtype.name}
        for name, value in graph.constants.items()
    ]
    model = {
        "format": "graph-model",
        "generatedBy": "custom-vision-emulator",
        "convertedBy": None,
        "signature": {
            "inputs": _signature([graph.input]),
            "outputs": _signature(graph.outputs),
        },
        # @microsoft/customvision-tfjs reads the order of the channels from it.
        "userDefinedMetadata": _metadata(order, stored),
        "modelTopology": topology,
        "weightsManifest": [{"paths": [WEIGHTS_FILE], "weights": weights}],
    }
    content = b"".join(
        value.astype(value.dtype.newbyteorder("<")).tobytes() for value in graph.constants.values()
    )
    files = {TENSORFLOW_JS_FILE: json.dumps(model).encode(), WEIGHTS_FILE: content}
    # The manifest of the service's exports names a zip of these files, which is not in the export.
    archive = ("model.zip", zipped(files, order.created))
    return _zip(order, stored, files, "tensorflow_js", archive)


def _read(order: ExportOrder, progress: Progress, **options: str) -> tuple[StoredModel, TensorFlowGraph]:
    stored = read_stored_model(order)
    progress(0.3, "Writing the model")
    return stored, TensorFlowGraph(export_network(stored, order.domain, "tensorflow"), **options)


def _zip(
    order: ExportOrder,
    stored: StoredModel,
    files: dict[str, bytes],
    samples: str,
    manifest_file: tuple[str, bytes] | None = None,
) -> bytes:
    return bundle(
        order,
        files,
        _metadata(order, stored),
        sample_files(samples, detection=stored.detection),
        manifest_file=manifest_file,
    )


def _metadata(order: ExportOrder, stored: StoredModel) -> dict[str, str]:
    return metadata_properties(
        order,
        resolution=stored.network.resolution,
        multilabel=stored.multilabel,
        fit=stored.fit,
        pixels=pixel_format(order.domain, detection=stored.detection, family="tensorflow"),
    )


def _signature(tensors: list[tuple[str, tuple[int, ...], str]]) -> dict[str, Any]:
    return {
        name: {
            "name": f"{name}:0",
            "dtype": {"float32": "DT_FLOAT", "int32": "DT_INT32"}[kind],
            "tensorShape": {"dim": [{"size": str(size)} for size in shape]},
        }
        for name, shape, kind in tensors
    }
