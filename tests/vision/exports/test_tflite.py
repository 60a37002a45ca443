"""TensorFlow Lite exports: in Google's own interpreter they answer what the Prediction API answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy
import pytest

from emulator.vision.exports.formats import write_export
from emulator.vision.exports.tflite.writer import tflite_bytes
from tests.vision.exports import lite_networks
from tests.vision.exports.conftest import KINDS, LABELS, S1, Expected, Kind, MakeOrder
from tests.vision.exports.parity import assert_same_answers, written

interpreters = pytest.importorskip(
    "ai_edge_litert.interpreter",
    reason="the interpreter of TensorFlow Lite is missing: pip install ai-edge-litert",
)

FLAVORS = ("TensorFlowLite", "TensorFlowLiteFloat16")
# Maximum sizes in bytes in single precision, for classifiers and for detectors.
LIMITS = {False: 20_000_000, True: 16_000_000}


class Interpreted:
    """A model loaded into the interpreter."""

    def __init__(self, model: bytes) -> None:
        self.interpreter = interpreters.Interpreter(
            model_content=model,
            # The reference kernels, which every device has.
            experimental_op_resolver_type=interpreters.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        self.interpreter.allocate_tensors()
        (self.input,) = self.interpreter.get_input_details()
        self.outputs = {detail["name"]: detail for detail in self.interpreter.get_output_details()}

    def run(self, value: numpy.ndarray) -> Mapping[str, numpy.ndarray]:
        self.interpreter.set_tensor(self.input["index"], value.astype(self.input["dtype"]))
        self.interpreter.invoke()
        return {name: self.interpreter.get_tensor(detail["index"]) for name, detail in self.outputs.items()}


def interpreted(folder: Path) -> Interpreted:
    return Interpreted((folder / "model.tflite").read_bytes())


def kind_named(name: str) -> Kind:
    return next(kind for kind in KINDS if kind.name == name)


@pytest.mark.parametrize("flavor", FLAVORS)
def test_it_answers_what_the_prediction_api_answers(
    kind: Kind,
    flavor: str,
    make_order: MakeOrder,
    photographs: dict[str, bytes],
    expected: Expected,
    tmp_path: Path,
) -> None:
    folder = written(make_order(kind, "TensorFlow", flavor), tmp_path)
    some = dict(list(photographs.items())[: None if flavor == FLAVORS[0] else 4])

    assert_same_answers(kind, expected(kind), folder, some, interpreted(folder).run)


def test_input_and_outputs_are_those_that_programs_ask_for(
    kind: Kind, make_order: MakeOrder, tmp_path: Path
) -> None:
    model = interpreted(written(make_order(kind, "TensorFlow", "TensorFlowLite"), tmp_path))

    side = {(False, False): 224, (False, True): 300, (True, False): 416, (True, True): 320}[
        kind.detection, kind.domain == S1
    ]
    names = {"detector-s1": "image_tensor", "classifier-s1": "data"}
    assert model.input["name"] == names.get(kind.name, "Placeholder")
    assert model.input["shape"].tolist() == [1, side, side, 3]
    assert model.input["dtype"] == numpy.float32
    outputs = {name: (detail["shape"].tolist(), detail["dtype"]) for name, detail in model.outputs.items()}
    if kind.yolo:
        assert outputs == {"model_outputs": ([1, 13, 13, 5 * (5 + len(LABELS))], numpy.float32)}
    elif kind.detection:
        count = outputs["detected_scores"][0][0]
        assert outputs == {
            "detected_boxes": ([count, 4], numpy.float32),
            "detected_scores": ([count], numpy.float32),
            "detected_classes": ([count], numpy.int64),
        }
    else:
        name = "model_output" if kind.domain == S1 else "loss"
        assert outputs == {name: ([1, len(LABELS)], numpy.float32)}


@pytest.mark.parametrize("case", [*lite_networks.CASES])
def test_each_operation_equals_onnx_runtime(case: str) -> None:
    network = lite_networks.network(case)
    image = lite_networks.image()

    outputs = Interpreted(tflite_bytes(network)).run(image)

    expected = lite_networks.run_in_onnx_runtime(network, image)
    assert outputs.keys() == expected.keys()
    for name, value in expected.items():
        assert (outputs[name].shape, outputs[name].dtype) == (value.shape, value.dtype)
        numpy.testing.assert_allclose(outputs[name], value, rtol=1e-5, atol=1e-5, err_msg=name)


def test_equal_numbers_keep_their_order_among_the_greatest() -> None:
    black = numpy.zeros_like(lite_networks.image())

    outputs = Interpreted(tflite_bytes(lite_networks.network("top_k"))).run(black)

    # The red ones: of them the least is subtracted.
    assert outputs["places"].tolist() == [0, 3, 6, 9, 12]


def test_the_signature_names_input_and_outputs(make_order: MakeOrder, tmp_path: Path) -> None:
    order = make_order(kind_named("detector-s1"), "TensorFlow", "TensorFlowLite")
    model = interpreted(written(order, tmp_path))
    (name, (tensors)) = next(iter(model.interpreter.get_signature_list().items()))

    assert name == "serving_default"
    assert tensors["inputs"] == ["image_tensor"]
    assert set(tensors["outputs"]) == {"detected_boxes", "detected_scores", "detected_classes"}


def test_images_may_come_as_bytes() -> None:
    network = lite_networks.network("convolution")
    image = lite_networks.image()

    model = Interpreted(tflite_bytes(network, bytes_in=True))

    assert model.input["dtype"] == numpy.uint8
    expected = Interpreted(tflite_bytes(network)).run(image)
    numpy.testing.assert_array_equal(model.run(image)["result"], expected["result"])


def test_weights_beyond_half_precision_become_the_largest_there_is() -> None:
    network = lite_networks.network("dense")
    huge = {name: weight * 1e6 for name, weight in network.weights.items()}

    model = Interpreted(tflite_bytes(replace(network, weights=huge), half=True))

    assert numpy.isfinite(model.run(lite_networks.image())["result"]).all()


def test_files_are_no_larger_than_promised(kind: Kind, make_order: MakeOrder, tmp_path: Path) -> None:
    for flavor, share in zip(FLAVORS, (1, 2), strict=True):
        file = write_export(
            make_order(kind, "TensorFlow", flavor), tmp_path / flavor, lambda share, step: None
        )
        assert file.stat().st_size <= LIMITS[kind.detection] / share


def test_the_zip_describes_the_model(make_order: MakeOrder, tmp_path: Path) -> None:
    folder = written(make_order(kind_named("detector"), "TensorFlow", FLAVORS[1]), tmp_path)

    manifest = json.loads((folder / "cvexport.manifest").read_bytes())
    assert (manifest["Platform"], manifest["Flavor"]) == ("TensorFlow", "TensorFlowLiteFloat16")
    assert manifest["ModelFileName"] == "model.tflite"
    model = (folder / "model.tflite").read_bytes()
    assert manifest["ModelFileSHA1"] == hashlib.sha1(model).hexdigest()
    assert (folder / "labels.txt").read_text(encoding="utf-8").split("\n") == list(LABELS)


@pytest.mark.parametrize("flavor", FLAVORS)
def test_the_same_order_gives_the_same_bytes(flavor: str, make_order: MakeOrder, tmp_path: Path) -> None:
    order = make_order(kind_named("detector"), "TensorFlow", flavor)

    first, second = (
        write_export(order, tmp_path / name, lambda share, step: None).read_bytes() for name in "ab"
    )

    assert first == second
