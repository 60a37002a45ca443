"""Any network of PyTorch as a list of operations: nodes of ONNX, as PyTorch's own exporter writes them.

PyTorch and onnxscript; for the command line alone. What comes out needs neither.
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
# Names of weights and of what is computed begin so, and none can be that of an operation of ours.
_WEIGHTS, _TENSORS = "backbone.", "backbone:"
# Of the largest feature: so much may ONNX Runtime and PyTorch differ. Both compute in single precision, in
# another order; a hundred layers make that 1e-6.
_MAX_DIFFERENCE = 1e-3
# A first axis that is traced with one image is taken to be always one.
_TRACED_IMAGES = 2
_VERBOSE_LOGGERS = ("torch.onnx", "onnxscript", "onnx_ir", "torch.export")


def convert(brought: LoadedNetwork) -> Network:
    """From an image, RGB as it lies in memory, to the features of the network.

    Raises:
        WeightsRejected: PyTorch cannot express it in ONNX, it does not work with images of its size, or
            what comes out differs from what PyTorch computes.
        ImportError: onnx or onnxscript is not installed.
    """
    scale = tuple(1 / (255 * deviation) for deviation in brought.deviation)
    mean = tuple(255 * part for part in brought.mean)
    first = Operation("normalise", (INPUT,), _NORMALISED, mean=mean, scale=scale)
    operations, weights, width = _nodes(_export_onnx(brought).graph)
    network = Network(brought.resolution, (first, *operations), weights, {FEATURES: (width,)})
    _compare(network, brought)
    return network


def _export_onnx(brought: LoadedNetwork) -> ModelProto:
    import onnxscript  # noqa: F401 - the exporter needs it, and says so at length
    import torch

    side = brought.resolution
    images = torch.zeros((_TRACED_IMAGES, 3, side, side))
    try:
        with _silence(), _plain_attention(), torch.no_grad():
            if brought.module(images).ndim != 2:
                raise WeightsRejected(f"{brought.architecture} gives no vector of features an image")
            program = torch.onnx.export(
                brought.module,
                (images,),
                dynamo=True,
                opset_version=NODE_OPSET,
                input_names=[_NORMALISED],
                output_names=[FEATURES],
                dynamic_shapes=({0: torch.export.Dim("pictures")},),
                verbose=False,
            )
    except (WeightsRejected, ImportError, MemoryError):
        raise
    except Exception as error:
        # What goes wrong in tracing is of many kinds, and its explanation pages long.
        raise WeightsRejected(
            f"{brought.architecture} cannot be converted for images of {side} pixels: {short_reason(error)}"
        ) from error
    assert program is not None
    model: ModelProto = program.model_proto
    return model


@contextmanager
def _silence() -> Iterator[None]:
    """Without what the exporter tells its developers."""
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
    """Attention as operations: there is one of PyTorch's own that ONNX does not have."""
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
    # Short names, always the same ones: a network has up to a thousand tensors, and each is named several
    # times.
    names = {"": "", _NORMALISED: _NORMALISED, FEATURES: FEATURES}
    names |= {tensor.name: f"{_WEIGHTS}{tensor.name}" for tensor in graph.initializer}
    operations = []
    for node in graph.node:
        if node.domain not in ("", "ai.onnx"):
            raise WeightsRejected(f"the operator {node.domain}.{node.op_type} is none of ONNX")
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
    raise WeightsRejected(f"the operator {node.op_type} has a {part.name} that is no plain value")


def _compare(network: Network, brought: LoadedNetwork) -> None:
    """Run the network once with ONNX Runtime and once with PyTorch."""
    import numpy
    import torch

    side = brought.resolution
    pixels = numpy.random.default_rng(0).integers(0, 256, (_TRACED_IMAGES, side, side, 3), numpy.uint8)
    mean, deviation = (numpy.array(each, numpy.float32) for each in (brought.mean, brought.deviation))
    normalised = (pixels.astype(numpy.float32) / 255 - mean) / deviation
    with torch.no_grad():
        expected = brought.module(torch.from_numpy(normalised).permute(0, 3, 1, 2)).numpy()
    try:
        session = inference_session(onnx_bytes(network, {}), threads=0)
        single = [session.run(None, {INPUT: pixels[number : number + 1]})[0] for number in range(len(pixels))]
    except Exception as error:
        # ONNX Runtime has a dozen exception types without a common one of its own.
        raise WeightsRejected(
            f"{brought.architecture} does not run after conversion: {short_reason(error)}"
        ) from error
    features: NDArray[numpy.float32] = numpy.concatenate(single)
    if not numpy.isfinite(features).all():
        raise WeightsRejected("what the network computes are no finite numbers: are these its weights?")
    largest = float(abs(expected).max())
    if largest == 0 or numpy.ptp(features, axis=1).max() == 0:
        raise WeightsRejected("the network computes the same for everything: are these its weights?")
    difference = float(abs(features - expected).max()) / largest
    if not difference < _MAX_DIFFERENCE:
        raise WeightsRejected(
            f"{brought.architecture} computes something else after conversion: {difference:.2g} of the"
            " largest feature"
        )
