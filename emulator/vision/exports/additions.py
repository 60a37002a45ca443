"""Formats that the service does not have: int8 weights, and a PyTorch state dict."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from emulator.vision.exports.bundle import bundle, metadata_properties
from emulator.vision.exports.detection_outputs import postprocessed
from emulator.vision.exports.formats import ExportOrder, Progress
from emulator.vision.exports.graph import PixelFormat, with_pixel_format
from emulator.vision.exports.onnx import MODEL_FILE, exported_onnx_model, onnx_metadata
from emulator.vision.exports.samples import sample_files
from emulator.vision.exports.stored_model import read_stored_model
from emulator.vision.networks.onnx_writer import serialize_model
from emulator.vision.networks.serialization import serialize

STATE_FILE = "model.pth"
NETWORK_FILE = "network.json"
_INT8_OPSET = 13  # the first with a scale per channel


def int8_zip(order: ExportOrder, progress: Progress) -> bytes:
    """`model.onnx` with int8 weights: little more than a quarter of the size.

    Symmetric quantisation with one scale per output channel. Only weights are quantised, because there are no
    images to calibrate activations with; computation is in float32. Weights of depthwise convolutions stay
    float32: they are few, and rounding them costs the most accuracy.
    """
    stored = read_stored_model(order)
    metadata = onnx_metadata(order, stored)
    progress(0.3, "Writing the model")
    model = exported_onnx_model(order, stored, metadata, opset=_INT8_OPSET)
    progress(0.6, "Quantising the weights")
    content = serialize_model(_with_int8_weights(model))
    return bundle(order, {MODEL_FILE: content}, metadata, sample_files("onnx", detection=stored.detection))


def state_dict_zip(order: ExportOrder, progress: Progress) -> bytes:
    """Write `model.pth`, the weights by name, and `network.json`, the operations.

    A sample program combines them in a PyTorch module. It takes RGB, 0 to 255, and returns probabilities or
    postprocessed boxes.
    """
    import torch

    stored = read_stored_model(order)
    pixels = PixelFormat("Rgb8")
    network = with_pixel_format(stored.network, pixels)
    if stored.detection:
        network = postprocessed(network, batch_axis=False)
    progress(0.3, "Writing the model")
    buffer = BytesIO()
    torch.save({name: torch.tensor(value) for name, value in network.weights.items()}, buffer)
    metadata = metadata_properties(
        order, resolution=network.resolution, multilabel=stored.multilabel, fit=stored.fit, pixels=pixels
    )
    files = {STATE_FILE: buffer.getvalue(), NETWORK_FILE: serialize(network).encode()}
    return bundle(order, files, metadata, sample_files("torch", detection=stored.detection))


def _with_int8_weights(model: Any) -> Any:
    import numpy
    from onnx import helper, numpy_helper

    # The axis of output channels of each weight, by the operator that reads it.
    axes = {
        node.input[1]: 0 if node.op_type == "Conv" else 1
        for node in model.graph.node
        if node.op_type in ("Conv", "Gemm")
    }
    kept, nodes = [], []
    for tensor in model.graph.initializer:
        axis = axes.get(tensor.name)
        if axis is None or (len(tensor.dims) == 4 and tensor.dims[1] == 1):
            kept.append(tensor)
            continue
        weight = numpy_helper.to_array(tensor)
        others = tuple(other for other in range(weight.ndim) if other != axis)
        scale = numpy.maximum(numpy.abs(weight).max(axis=others), 1e-12) / 127
        shape = [-1 if each == axis else 1 for each in range(weight.ndim)]
        quantised = numpy.round(weight / scale.reshape(shape)).clip(-127, 127).astype(numpy.int8)
        names = [f"{tensor.name}.int8", f"{tensor.name}.scale", f"{tensor.name}.zero"]
        values = [quantised, scale.astype(numpy.float32), numpy.zeros(len(scale), numpy.int8)]
        kept += [numpy_helper.from_array(value, name) for value, name in zip(values, names, strict=True)]
        nodes.append(helper.make_node("DequantizeLinear", names, [tensor.name], name=tensor.name, axis=axis))
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    nodes += list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model
