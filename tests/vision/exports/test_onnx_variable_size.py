"""ONNX exports of General (compact) detectors in programs that make the input size variable.

The program in the service's zips names the last two dimensions of the input and feeds images of about
512 x 512 pixels whose sides are multiples of 32.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy
import onnx
import onnxruntime
import pytest
from PIL import Image

from emulator.vision.boxes.geometry import resolution_of
from emulator.vision.exports.graph import export_network
from emulator.vision.exports.stored_model import read_stored_model
from emulator.vision.networks.nanodet import SCORES
from emulator.vision.networks.onnx_writer import bilinear_matrix, onnx_model, serialize_model
from emulator.vision.onnx_runtime import inference_session
from tests.vision.exports.conftest import KINDS, MakeOrder
from tests.vision.exports.parity import assert_same_boxes, decoded_grid, written

(DETECTOR,) = (kind for kind in KINDS if kind.yolo)
FLAVORS = (None, "ONNX10", "ONNX12", "OnnxFloat16", "OnnxInt8")
# Width and height.
SIZES = ((416, 416), (512, 512), (608, 448), (448, 608), (1024, 288), (32, 64))
NAME = "coffee.png"

Run = Callable[[numpy.ndarray], numpy.ndarray]


def with_variable_size(model: onnx.ModelProto) -> Run:
    """Load a model as the service's program does."""
    sides = model.graph.input[0].type.tensor_type.shape.dim
    sides[-1].dim_param, sides[-2].dim_param = "dim1", "dim2"
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])

    def run(image: numpy.ndarray) -> numpy.ndarray:
        (grid,) = session.run(None, {session.get_inputs()[0].name: image})
        return numpy.squeeze(grid).transpose((1, 2, 0))

    return run


def image_of(data: bytes, size: tuple[int, int]) -> numpy.ndarray:
    """The input: BGR, float32 (1, 3, height, width), 0 to 255."""
    with Image.open(BytesIO(data)) as opened:
        pixels = numpy.asarray(opened.convert("RGB").resize(size), numpy.float32)
    return numpy.ascontiguousarray(pixels[:, :, ::-1].transpose(2, 0, 1)[None])


@pytest.fixture(scope="module")
def own_network(make_order: MakeOrder) -> Run:
    """The network at its own resolution, without the resize of its input, which NumPy computes."""
    stored = read_stored_model(make_order(DETECTOR, "ONNX"))
    network = export_network(stored, DETECTOR.domain, "onnx")
    first, resize, second, *others = network.operations
    assert (first.kind, resize.kind) == ("normalise", "resize")
    side = resolution_of(stored.network.outputs[SCORES][0])
    alone = replace(
        network, resolution=side, operations=(first, replace(second, inputs=(first.output,)), *others)
    )
    session = inference_session(serialize_model(onnx_model(alone, {}, opset=12)), threads=1)

    def run(image: numpy.ndarray) -> numpy.ndarray:
        rows, columns = (bilinear_matrix(length, side) for length in image.shape[2:])
        (grid,) = session.run(None, {alone.input: rows @ image @ columns.T})
        return numpy.squeeze(grid).transpose((1, 2, 0))

    return run


@pytest.mark.parametrize("flavor", FLAVORS)
def test_images_of_any_size_are_resized_to_the_size_of_the_network(
    flavor: str | None,
    own_network: Run,
    make_order: MakeOrder,
    photographs: dict[str, bytes],
    tmp_path: Path,
) -> None:
    run = with_variable_size(
        onnx.load(written(make_order(DETECTOR, "ONNX", flavor), tmp_path) / "model.onnx")
    )
    for size in SIZES:
        image = image_of(photographs[NAME], size)

        grid, expected = run(image), own_network(image)

        assert grid.shape == expected.shape
        if flavor not in ("OnnxFloat16", "OnnxInt8"):  # these round the weights
            assert_same_boxes(decoded_grid(expected), decoded_grid(grid), size[0], f"{size}")


def test_it_is_the_grid_of_the_tensorflow_export(
    make_order: MakeOrder, photographs: dict[str, bytes], tmp_path: Path
) -> None:
    openvino = pytest.importorskip(
        "openvino", reason="openvino is not installed (pip install openvino; it is in the extra test)"
    )
    onnx_folder = written(make_order(DETECTOR, "ONNX"), tmp_path / "onnx")
    run = with_variable_size(onnx.load(onnx_folder / "model.onnx"))
    frozen = written(make_order(DETECTOR, "TensorFlow"), tmp_path / "tensorflow") / "model.pb"
    for size in ((608, 448), (512, 512)):
        image = image_of(photographs[NAME], size)
        model = openvino.Core().read_model(frozen)
        model.reshape([1, size[1], size[0], 3])
        compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

        (grid,) = compiled({0: image.transpose(0, 2, 3, 1)}).values()

        assert_same_boxes(decoded_grid(grid[0]), decoded_grid(run(image)), size[0], f"{size}")
