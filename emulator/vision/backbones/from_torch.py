"""Convert a PyTorch network to a list of operations: ONNX nodes, as PyTorch's exporter writes them.

Uses PyTorch and onnxscript; for the command line only. The result needs neither.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from emulator.vision.backbones.weights_files import WeightsRejected, short_reason
from emulator.vision.networks.graph import INPUT, NODE_OPSET, Attribute, Network, Operation
from emulator.vision.networks.onnx_writer import onnx_bytes
from emulator.vision.onnx_runtime import inference_session

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray
    from onnx import GraphProto, ModelProto, NodeProto

    from emulator.vision.backbones.torchvision_networks import LoadedNetwork

FEATURES = "features"
_NORMALISED = "normalised"
# Prefixes of the names of weights and tensors, which our own operations do not use.
_WEIGHTS, _TENSORS = "backbone.", "backbone:"
# The largest difference between ONNX Runtime and PyTorch, relative to the largest feature. Both compute in
# single precision but in different orders, which gives about 1e-6 after a hundred layers.
_MAX_DIFFERENCE = 1e-3
# With one image the exporter would make the batch axis a constant.
_TRACED_IMAGES = 2
_VERBOSE_LOGGERS = ("torch.onnx", "onnxscript", "onnx_ir", "torch.export")


def convert(loaded: LoadedNetwork) -> Network:
    """Convert a network that maps RGB images, uint8 (N, side, side, 3), to features.

    Raises:
        WeightsRejected: PyTorch cannot express it in ONNX, it does not work with images of its size, or the
            converted network computes other features than PyTorch.
        ImportError: onnx or onnxscript is not installed.
    """
    scale = tuple(1 / (255 * deviation) for deviation in loaded.deviation)
    mean = tuple(255 * part for part in loaded.mean)
    first = Operation("normalise", (INPUT,), _NORMALISED, mean=mean, scale=scale)
    operations, weights, width = _nodes(_export_onnx(loaded).graph)
    network = Network(loaded.resolution, (first, *operations), weights, {FEATURES: (width,)})
    _compare(network, loaded)
    return network


def _export_onnx(loaded: LoadedNetwork) -> ModelProto:
    import onnxscript  # noqa: F401 - without it the exporter fails with a long message
    import torch

    side = loaded.resolution
    images = torch.zeros((_TRACED_IMAGES, 3, side, side))
    try:
        with _silence(), _plain_attention(), torch.no_grad():
            if loaded.module(images).ndim != 2:
                raise WeightsRejected(f"{loaded.architecture} returns no vector of features for an image")
            program = torch.onnx.export(
                loaded.module,
                (images,),
                dynamo=True,
                opset_version=NODE_OPSET,
                input_names=[_NORMALISED],
                output_names=[FEATURES],
                dynamic_shapes=({0: torch.export.Dim("images")},),
                verbose=False,
            )
    except (WeightsRejected, ImportError, MemoryError):
        raise
    except Exception as error:
        # Tracing raises errors of many types, with messages of several pages.
        raise WeightsRejected(
            f"{loaded.architecture} cannot be converted for images of {side} pixels: {short_reason(error)}"
        ) from error
    assert program is not None
    model: ModelProto = program.model_proto
    return model


@contextmanager
def _silence() -> Iterator[None]:
    """Suppress warnings and log messages of the exporter, which are for its developers."""
    loggers = [logging.getLogger(name) for name in _VERBOSE_LOGGERS]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def _plain_attention() -> Iterator[None]:
    """Export attention as separate operations: ONNX has no operator for PyTorch's fused one."""
    import torch

    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def _nodes(graph: GraphProto) -> tuple[list[Operation], dict[str, NDArray[Any]], int]:
    """The graph's operations, their constants by name, and the width of its output."""
    from onnx import numpy_helper

    weights = {f"{_WEIGHTS}{tensor.name}": numpy_helper.to_array(tensor) for tensor in graph.initializer}
    # Short names: a network has up to a thousand tensors, and each name occurs several times.
    names = {"": "", _NORMALISED: _NORMALISED, FEATURES: FEATURES}
    names |= {tensor.name: f"{_WEIGHTS}{tensor.name}" for tensor in graph.initializer}
    operations = []
    for node in graph.node:
        if node.domain not in ("", "ai.onnx"):
            raise WeightsRejected(f"the operator {node.domain}.{node.op_type} is not an ONNX operator")
        for output in node.output:
            names.setdefault(output, f"{_TENSORS}{len(names)}")
        if node.op_type == "Constant":
            weights[f"{_WEIGHTS}{node.output[0]}"] = _constant(node)
            names[node.output[0]] = f"{_WEIGHTS}{node.output[0]}"
            continue
        first, *further = (names[name] for name in node.output)
        operations.append(
            Operation(
                "node",
                tuple(names[name] for name in node.input),
                first,
                operator=node.op_type,
                attributes=tuple((part.name, _attribute(node, part)) for part in node.attribute),
                further_outputs=tuple(further),
            )
        )
    (output,) = graph.output
    return operations, weights, output.type.tensor_type.shape.dim[1].dim_value


def _constant(node: NodeProto) -> NDArray[Any]:
    import numpy
    from onnx import helper, numpy_helper

    (part,) = node.attribute
    value = helper.get_attribute_value(part)
    if part.name == "value":
        return numpy_helper.to_array(value)
    return numpy.array(value, numpy.float32 if "float" in part.name else numpy.int64)


def _attribute(node: NodeProto, part: Any) -> Attribute:
    from onnx import helper

    value = helper.get_attribute_value(part)
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, int | float):
        return value
    if isinstance(value, list) and all(isinstance(each, int | float) for each in value):
        return tuple(value)
    raise WeightsRejected(f"the operator {node.op_type} has an attribute {part.name} of an unsupported type")


def _compare(network: Network, loaded: LoadedNetwork) -> None:
    """Compare the features of ONNX Runtime and PyTorch on random images."""
    import numpy
    import torch

    side = loaded.resolution
    pixels = numpy.random.default_rng(0).integers(0, 256, (_TRACED_IMAGES, side, side, 3), numpy.uint8)
    mean, deviation = (numpy.array(each, numpy.float32) for each in (loaded.mean, loaded.deviation))
    normalised = (pixels.astype(numpy.float32) / 255 - mean) / deviation
    with torch.no_grad():
        expected = loaded.module(torch.from_numpy(normalised).permute(0, 3, 1, 2)).numpy()
    try:
        session = inference_session(onnx_bytes(network, {}), threads=0)
        single = [session.run(None, {INPUT: pixels[number : number + 1]})[0] for number in range(len(pixels))]
    except Exception as error:
        # ONNX Runtime has a dozen exception types without a common base class.
        raise WeightsRejected(
            f"{loaded.architecture} does not run after conversion: {short_reason(error)}"
        ) from error
    features: NDArray[numpy.float32] = numpy.concatenate(single)
    if not numpy.isfinite(features).all():
        raise WeightsRejected("the features of the network are no finite numbers: are these its weights?")
    largest = float(abs(expected).max())
    if largest == 0 or numpy.ptp(features, axis=1).max() == 0:
        raise WeightsRejected("the network computes the same for everything: are these its weights?")
    difference = float(abs(features - expected).max()) / largest
    if not difference < _MAX_DIFFERENCE:
        raise WeightsRejected(
            f"{loaded.architecture} computes something else after conversion: {difference:.2g} of the"
            " largest feature"
        )
