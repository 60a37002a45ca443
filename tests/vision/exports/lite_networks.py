"""Small networks, one for each kind of operation, for comparing two writers."""

from __future__ import annotations

import numpy

from emulator.vision.networks.graph import Network, Operation
from emulator.vision.networks.onnx_writer import onnx_model, serialize_model
from emulator.vision.onnx_runtime import inference_session

SIDE = 6
# The image as a vector and as a matrix, for operations on plain tensors.
_NUMBERS = SIDE * SIDE * 3
_ROWS = 12
_VECTOR = Operation("reshape", ("points",), "vector", shape=(_NUMBERS,))
_MATRIX = Operation("reshape", ("points",), "matrix", shape=(_ROWS, _NUMBERS // _ROWS))
_POINTS = Operation("points", ("normalised",), "points")
_NORMALISED = Operation(
    "normalise", ("image",), "normalised", mean=(90.0, 120.0, 130.0), scale=(0.01, 0.02, 0.03)
)
_FIRST = Operation("slice", ("matrix",), "first", span=(0, 1))
_COLUMNS = _NUMBERS // _ROWS
_PLAIN = (_POINTS, _MATRIX)


def image(seed: int = 0) -> numpy.ndarray:
    """(1, SIDE, SIDE, 3), integers 0..255."""
    return numpy.random.default_rng(seed).integers(0, 256, (1, SIDE, SIDE, 3), numpy.uint8)


def _convolution(kernel: int, **details: object) -> tuple[Operation, ...]:
    return (
        Operation("convolution", ("normalised",), "result", weight=f"w{kernel}", bias="b4", **details),  # type: ignore[arg-type]
    )


def _two_sided(kind: str) -> tuple[Operation, ...]:
    """With a tensor of the same shape, with a column, and with a scalar constant."""
    return (
        *_PLAIN,
        _FIRST,
        Operation(kind, ("matrix", "other_matrix"), "result"),  # type: ignore[arg-type]
        Operation(kind, ("matrix", "first"), "broadcast"),  # type: ignore[arg-type]
        Operation(kind, ("half", "matrix"), "constant"),  # type: ignore[arg-type]
    )


_FOUR = (1, SIDE, SIDE, 4)
_SAME = (_ROWS, _COLUMNS)
_TWO_SIDED_OUTPUTS = {"result": _SAME, "broadcast": _SAME, "constant": _SAME}

# Operations after the first, and the outputs with their shapes.
CASES: dict[str, tuple[tuple[Operation, ...], dict[str, tuple[int, ...]]]] = {
    "convolution": (_convolution(3, relu6=True), {"result": _FOUR}),
    "convolution of one pixel": (_convolution(1), {"result": _FOUR}),
    "convolution with stride": (_convolution(3, stride=2), {"result": (1, 3, 3, 4)}),
    "large convolution with stride": (
        _convolution(5, stride=2, negative_slope=0.1),
        {"result": (1, 3, 3, 4)},
    ),
    "symmetric convolution": (_convolution(3, symmetric_padding=True, negative_slope=0.1), {"result": _FOUR}),
    "symmetric convolution with stride": (
        _convolution(3, symmetric_padding=True, stride=2),
        {"result": (1, 3, 3, 4)},
    ),
    "depthwise_convolution": (
        (Operation("depthwise_convolution", ("normalised",), "result", weight="deep", bias="b3", stride=2),),
        {"result": (1, 3, 3, 3)},
    ),
    "add": (
        (Operation("add", ("normalised", "normalised"), "result"),),
        {"result": (1, SIDE, SIDE, 3)},
    ),
    "concatenate": (
        (*_convolution(1), Operation("concatenate", ("result", "normalised"), "both")),
        {"both": (1, SIDE, SIDE, 7)},
    ),
    "max_pool": ((Operation("max_pool", ("normalised",), "result"),), {"result": (1, 3, 3, 3)}),
    "resize to more": (
        (Operation("resize", ("normalised",), "result", factor=2.0),),
        {"result": (1, 12, 12, 3)},
    ),
    "resize to half": (
        (Operation("resize", ("normalised",), "result", factor=0.5),),
        {"result": (1, 3, 3, 3)},
    ),
    "resize to less": (
        (Operation("resize", ("normalised",), "result", factor=4 / 6),),
        {"result": (1, 4, 4, 3)},
    ),
    "points": (
        (
            Operation("resize", ("normalised",), "small", factor=0.5),
            Operation("points", ("normalised", "small"), "result"),
        ),
        {"result": (1, SIDE * SIDE + 9, 3)},
    ),
    "global_average": (
        (Operation("global_average", ("normalised",), "result"),),
        {"result": (1, 3)},
    ),
    "l2_normalise": (
        (
            Operation("global_average", ("normalised",), "average"),
            Operation("l2_normalise", ("average",), "result", scale=10.0),
        ),
        {"result": (1, 3)},
    ),
    "dense": (
        (
            Operation("global_average", ("normalised",), "average"),
            Operation("dense", ("average",), "result", weight="dense", bias="b4"),
        ),
        {"result": (1, 4)},
    ),
    "softmax": (
        (
            Operation("global_average", ("normalised",), "average"),
            Operation("softmax", ("average",), "result"),
        ),
        {"result": (1, 3)},
    ),
    "softmax of a matrix": ((*_PLAIN, Operation("softmax", ("matrix",), "result")), {"result": _SAME}),
    "sigmoid": (
        (_POINTS, Operation("sigmoid", ("points",), "result")),
        {"result": (1, SIDE * SIDE, 3)},
    ),
    "scale_rows": (
        (
            _POINTS,
            Operation("global_average", ("normalised",), "average"),
            Operation("scale_rows", ("points", "average"), "result", shape=(1, 3)),
        ),
        {"result": (1, SIDE * SIDE, 3)},
    ),
    "reshape": (
        (_POINTS, Operation("reshape", ("points",), "result", shape=(2, SIDE, 9))),
        {"result": (2, SIDE, 9)},
    ),
    "reshape to the same shape": (
        (
            *_PLAIN,
            Operation("abs", ("matrix",), "sizes"),
            Operation("reshape", ("sizes",), "result", shape=_SAME),
        ),
        {"result": _SAME},
    ),
    "slice": ((*_PLAIN, Operation("slice", ("matrix",), "result", span=(2, 5))), {"result": (_ROWS, 3)}),
    "transpose": ((*_PLAIN, Operation("transpose", ("matrix",), "result")), {"result": _SAME[::-1]}),
    "join": (
        (*_PLAIN, _FIRST, Operation("join", ("first", "matrix"), "result")),
        {"result": (_ROWS, _COLUMNS + 1)},
    ),
    "matmul": (
        (
            *_PLAIN,
            Operation("transpose", ("matrix",), "turned"),
            Operation("matmul", ("matrix", "turned"), "result"),
            Operation("matmul", ("matrix", "square"), "constant"),
        ),
        {"result": (_ROWS, _ROWS), "constant": (_ROWS, _COLUMNS)},
    ),
    **{
        kind: (_two_sided(kind), _TWO_SIDED_OUTPUTS)
        for kind in ("add_each", "subtract", "multiply", "minimum", "maximum", "greater")
    },
    "divide": (
        (*_PLAIN, Operation("divide", ("matrix", "half"), "result")),
        {"result": _SAME},
    ),
    "exp": ((*_PLAIN, Operation("exp", ("matrix",), "result")), {"result": _SAME}),
    "log": (
        (*_PLAIN, Operation("exp", ("matrix",), "positive"), Operation("log", ("positive",), "result")),
        {"result": _SAME},
    ),
    "abs": ((*_PLAIN, Operation("abs", ("matrix",), "result")), {"result": _SAME}),
    "floor": ((*_PLAIN, Operation("floor", ("matrix",), "result")), {"result": _SAME}),
    "sqrt": (
        (*_PLAIN, Operation("abs", ("matrix",), "positive"), Operation("sqrt", ("positive",), "result")),
        {"result": _SAME},
    ),
    "top_k": (
        (
            _POINTS,
            _VECTOR,
            Operation("top_k", ("vector",), "result", count=5),
            Operation("top_k_places", ("vector",), "places", count=5),
        ),
        {"result": (5,), "places": (5,)},
    ),
    "gather": (
        (*_PLAIN, Operation("gather", ("matrix", "numbers"), "result")),
        {"result": (4, _COLUMNS)},
    ),
    "picture": (
        (_POINTS, Operation("picture", ("points",), "result", shape=(SIDE, SIDE))),
        {"result": (1, SIDE, SIDE, 3)},
    ),
    "integers": (
        (*_PLAIN, Operation("floor", ("matrix",), "whole"), Operation("integers", ("whole",), "result")),
        {"result": _SAME},
    ),
}


def network(kind: str) -> Network:
    operations, outputs = CASES[kind]
    random = numpy.random.default_rng(1)
    shapes = {
        "w1": (4, 3, 1, 1),
        "w3": (4, 3, 3, 3),
        "w5": (4, 3, 5, 5),
        "deep": (3, 1, 3, 3),
        "dense": (3, 4),
        "b3": (3,),
        "b4": (4,),
        "other_matrix": _SAME,
        "square": (_COLUMNS, _COLUMNS),
    }
    weights = {name: random.normal(size=shape).astype(numpy.float32) for name, shape in shapes.items()}
    weights["half"] = numpy.array([[0.5]], numpy.float32)
    weights["numbers"] = numpy.array([3, 0, 11, 3], numpy.float32)
    used = {name for step in operations for name in (*step.inputs, step.weight, step.bias)}
    return Network(
        SIDE,
        (_NORMALISED, *operations),
        {name: weight for name, weight in weights.items() if name in used},
        outputs,
        float_input=True,
        single_image=True,
    )


def run_in_onnx_runtime(network: Network, image: numpy.ndarray) -> dict[str, numpy.ndarray]:
    """The outputs of the network by our ONNX writer; images have channels last."""
    session = inference_session(serialize_model(onnx_model(network, {}, images=1)), 1)
    planes = numpy.ascontiguousarray(image.astype(numpy.float32).transpose(0, 3, 1, 2))
    results = {}
    for output in session.get_outputs():
        (value,) = session.run([output.name], {network.input: planes})
        results[output.name] = value.transpose(0, 2, 3, 1) if value.ndim == 4 else value
    return results
