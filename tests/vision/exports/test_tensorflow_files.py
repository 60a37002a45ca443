"""TensorFlow exports, read by OpenVINO, which has its own reader of TensorFlow's files: they answer what the
Prediction API answers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy
import pytest

from emulator.vision.exported.model import ExportedClassifier, load_export
from emulator.vision.exports.tensorflow.messages import messages
from tests.vision.exports.conftest import KINDS, Expected, Kind, MakeOrder
from tests.vision.exports.parity import Run, assert_same_answers, written

openvino = pytest.importorskip(
    "openvino", reason="openvino is not installed (pip install openvino; it is in the extra test)"
)

NORMAL, SAVED_MODEL = "TensorFlowNormal", "TensorFlowSavedModel"
INPUTS = {
    "classifier": ("Placeholder", 224),
    "multilabel-classifier": ("Placeholder", 224),
    "classifier-s1": ("data", 300),
    "detector": ("Placeholder", 416),
    "detector-s1": ("image_tensor", 320),
}
OUTPUTS: dict[str, dict[str, tuple[int, ...]]] = {
    "classifier": {"loss": (1, 5)},
    "multilabel-classifier": {"loss": (1, 5)},
    "classifier-s1": {"model_output": (1, 5)},
    "detector": {"model_outputs": (1, 13, 13, 50)},
    "detector-s1": {"detected_boxes": (200, 4), "detected_scores": (200,), "detected_classes": (200,)},
}


def names(port: Any) -> set[str]:
    return {name.split(":")[0] for name in port.get_names()}


def runner(source: Path, outputs: Mapping[str, tuple[int, ...]]) -> Run:
    # Without the hint, OpenVINO computes in bfloat16 where the processor can.
    model = openvino.Core().compile_model(source, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(pixels: numpy.ndarray) -> Mapping[str, Any]:
        found = model({model.inputs[0]: pixels})
        values = {name: value for port, value in found.items() for name in names(port) if name in outputs}
        assert {name: value.shape for name, value in values.items()} == outputs
        return values

    return run


def test_it_answers_what_the_prediction_api_answers(
    kind: Kind, make_order: MakeOrder, expected: Expected, photographs: dict[str, bytes], tmp_path: Path
) -> None:
    folder = written(make_order(kind, "TensorFlow", NORMAL), tmp_path)
    run = runner(folder / "model.pb", OUTPUTS[kind.name])

    assert_same_answers(kind, expected(kind), folder, photographs, run)


def test_a_saved_model_is_the_same_graph_and_can_be_loaded(
    kind: Kind, make_order: MakeOrder, expected: Expected, photographs: dict[str, bytes], tmp_path: Path
) -> None:
    frozen = written(make_order(kind, "TensorFlow", NORMAL), tmp_path / "frozen")
    saved = written(make_order(kind, "TensorFlow", SAVED_MODEL), tmp_path / "saved")
    name = "chelsea.png"

    (graph,) = messages()["SavedModel"].FromString((saved / "saved_model.pb").read_bytes()).meta_graphs
    assert graph.graph_def.SerializeToString(deterministic=True) == (frozen / "model.pb").read_bytes()
    run = runner(saved, OUTPUTS[kind.name])
    assert_same_answers(kind, expected(kind), saved, {name: photographs[name]}, run)


def test_sample_programs_of_the_service_find_inputs_and_outputs(
    kind: Kind, make_order: MakeOrder, tmp_path: Path
) -> None:
    """The input is the only placeholder; the outputs are the nodes that no other node reads."""
    graph = _definition((written(make_order(kind, "TensorFlow"), tmp_path) / "model.pb").read_bytes())
    name, side = INPUTS[kind.name]

    (placeholder,) = (node for node in graph.node if node.op == "Placeholder")
    read = {source.split(":")[0] for node in graph.node for source in node.input}

    assert placeholder.name == name
    images = 1 if kind.detection else -1
    assert [size.size for size in placeholder.attr["shape"].shape.dim] == [images, side, side, 3]
    assert {node.name for node in graph.node} - read == set(OUTPUTS[kind.name])


def test_programs_that_look_for_a_normalization_in_the_graph_find_it(
    kind: Kind, make_order: MakeOrder, tmp_path: Path
) -> None:
    """Microsoft's Android sample subtracts a mean unless the name of an operation contains `data_bn`."""
    graph = _definition((written(make_order(kind, "TensorFlow"), tmp_path) / "model.pb").read_bytes())

    named = [node for node in graph.node if "data_bn" in node.name]
    read = {source.split(":")[0] for node in graph.node for source in node.input}
    assert {"Sub", "Mul"} <= {node.op for node in named}
    assert {node.name for node in named} <= read


def test_exports_of_earlier_versions_have_other_names_and_are_still_read_the_same(
    make_order: MakeOrder, photographs: dict[str, bytes], tmp_path: Path
) -> None:
    """Until this name followed the service's files, the input of [S1] classifiers was `Placeholder`."""
    (kind,) = (each for each in KINDS if each.name == "classifier-s1")
    folder = written(make_order(kind, "TensorFlow"), tmp_path)
    session = load_export(folder)
    graph = _definition((folder / "model.pb").read_bytes())
    for node in graph.node:
        node.name = _earlier_name(node.name)
        node.input[:] = [_earlier_name(name) for name in node.input]
    (folder / "model.pb").write_bytes(graph.SerializeToString())

    earlier = load_export(folder)

    assert isinstance(earlier, ExportedClassifier)
    assert isinstance(session, ExportedClassifier)
    assert earlier.compact_s1
    assert earlier.preprocessing == session.preprocessing
    data = photographs["coffee.png"]
    assert earlier.score(data) == pytest.approx(session.score(data), abs=1e-6)


def _earlier_name(name: str) -> str:
    return "Placeholder" if name == "data" else name.replace("data_bn", "normalised")


def test_every_node_is_known_to_tensorflow_and_comes_after_what_it_reads(
    kind: Kind, make_order: MakeOrder, tmp_path: Path
) -> None:
    graph = _definition((written(make_order(kind, "TensorFlow"), tmp_path) / "model.pb").read_bytes())
    before: set[str] = set()
    for node in graph.node:
        assert {source.split(":")[0] for source in node.input} <= before
        assert node.name not in before
        # TensorFlow reserves names with a leading underscore.
        assert not node.name.startswith("_")
        before.add(node.name)


def test_saved_models_have_the_signature_that_programs_ask_for(
    kind: Kind, make_order: MakeOrder, tmp_path: Path
) -> None:
    folder = written(make_order(kind, "TensorFlow", SAVED_MODEL), tmp_path)
    model = messages()["SavedModel"].FromString((folder / "saved_model.pb").read_bytes())

    (graph,) = model.meta_graphs
    signature = graph.signature_def["serving_default"]
    name, side = INPUTS[kind.name]
    assert list(graph.meta_info_def.tags) == ["serve"]
    assert {key: value.name for key, value in signature.inputs.items()} == {name: f"{name}:0"}
    assert [size.size for size in signature.inputs[name].tensor_shape.dim][1:] == [side, side, 3]
    assert {key: value.name for key, value in signature.outputs.items()} == {
        name: f"{name}:0" for name in OUTPUTS[kind.name]
    }


def test_the_messages_are_those_of_tensorflow() -> None:
    """Bytes that TensorFlow wrote, for a placeholder of the shape (-1, 3)."""
    content = bytes.fromhex(
        "0a3b0a0178120b506c616365686f6c6465722a0b0a056474797065120230012a1c0a0573686170651213"
        "3a11120b08ffffffffffffffffff0112020803220308aa13"
    )
    graph = _definition(content)
    (node,) = graph.node

    assert (node.name, node.op, node.attr["dtype"].type) == ("x", "Placeholder", 1)
    assert [size.size for size in node.attr["shape"].shape.dim] == [-1, 3]
    assert graph.versions.producer == 2474
    assert graph.SerializeToString(deterministic=True) == content


def _definition(content: bytes) -> Any:
    return messages()["GraphDef"].FromString(content)
