"""Core ML exports: the content of the files, and their outputs by an interpreter of the format's definition.

Core ML itself runs on Apple's systems alone, so that whether it agrees with that reading is not tested here.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest

from emulator.vision.boxes.geometry import NMS_IOU_THRESHOLD, SCORE_FLOOR
from emulator.vision.exports.formats import ExportFailed, write_export
from tests.vision.exports import coreml_reader, lite_networks
from tests.vision.exports.conftest import KINDS, LABELS, Expected, Kind, MakeOrder
from tests.vision.exports.parity import (
    Found,
    assert_same_answers,
    assert_same_boxes,
    decoded_grid,
    fed,
    fitting_a_grid,
    written,
)
from tests.vision.exports.raw_outputs import suppressed

pytest.importorskip("coremltools", reason="coremltools are missing: pip install coremltools")

HALF = "CoreMLFloat16"
# Conversion takes seconds, so each kind of file is tested with one flavor. Other classifiers
# differ in one operation, which has a test of its own.
FLAVORS = {"classifier": HALF, "detector": None, "detector-s1": HALF}
KINDS_CONVERTED = [kind for kind in KINDS if kind.name in FLAVORS]


def parsed(content: bytes) -> Any:
    from coremltools.proto import Model_pb2

    return Model_pb2.Model.FromString(content)


@pytest.fixture(scope="module")
def folders(make_order: MakeOrder, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Kind], Path]:
    """Unpacked exports, each converted once."""
    known: dict[str, Path] = {}

    def folder(kind: Kind) -> Path:
        if kind.name not in known:
            order = make_order(kind, "CoreML", FLAVORS[kind.name])
            known[kind.name] = written(order, tmp_path_factory.mktemp(kind.name))
        return known[kind.name]

    return folder


def model_of(folder: Path) -> Any:
    return parsed((folder / "model.mlmodel").read_bytes())


def network_of(model: Any) -> Any:
    """The neural network: the first model of a pipeline."""
    return model.pipeline.models[0] if model.WhichOneof("Type") == "pipeline" else model


@pytest.mark.parametrize("kind", KINDS_CONVERTED, ids=lambda kind: kind.name)
def test_it_computes_what_the_prediction_api_answers(
    kind: Kind, folders: Callable[[Kind], Path], photographs: dict[str, bytes], expected: Expected
) -> None:
    folder = folders(kind)
    model = network_of(model_of(folder))
    some = {name: photographs[name] for name in ("astronaut.png", "coffee.png", "motorcycle_left.png")}

    if not kind.detection:
        assert_same_answers(
            kind, expected(kind), folder, some, lambda pixels: coreml_reader.run(model, pixels)
        )
        return
    side = expected(kind).side
    for name, data in some.items():
        outputs = coreml_reader.run(model, fed(data, folder))
        wanted = expected(kind).by_name[name]
        if kind.yolo:
            # Programs expect these axes of a Core ML grid.
            assert outputs["model_outputs0"].shape == (1, 1, 5 * (5 + len(LABELS)), 13, 13)
            grid = outputs["model_outputs0"][0, 0].transpose(1, 2, 0)
            assert_same_boxes(fitting_a_grid(wanted, 13), probable(grid), side, name)
        else:
            # Apply non-maximum suppression per tag, as Core ML defines it.
            found = suppressed(corners(outputs["raw_coordinates"]), outputs["raw_confidence"])
            assert_same_boxes(wanted, found, side, name)


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS_CONVERTED if kind.detection], ids=lambda kind: kind.name
)
def test_detectors_bear_half_precision(
    kind: Kind, folders: Callable[[Kind], Path], photographs: dict[str, bytes], expected: Expected
) -> None:
    """In half precision, which Core ML uses where it can, boxes may move by a pixel or two."""
    folder = folders(kind)

    outputs = coreml_reader.run(
        network_of(model_of(folder)), fed(photographs["astronaut.png"], folder), half=True
    )

    if kind.yolo:
        found = probable(outputs["model_outputs0"][0, 0].transpose(1, 2, 0))
    else:
        found = suppressed(corners(outputs["raw_coordinates"]), outputs["raw_confidence"])
    for tag, probability, *edges in expected(kind).by_name["astronaut.png"][:5]:
        assert any(
            other[0] == tag
            and abs(other[1] - probability) < 0.02
            and numpy.allclose(other[2:], edges, atol=2 / expected(kind).side)
            for other in found
        )


def probable(grid: numpy.ndarray) -> list[Found]:
    # Keeping logarithms finite changes probabilities by up to 1e-4, also very small ones.
    return [box for box in decoded_grid(grid) if box[1] >= 0.01]


def corners(boxes: numpy.ndarray) -> numpy.ndarray:
    centres, sizes = boxes[:, :2], boxes[:, 2:]
    return numpy.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1)


@pytest.mark.parametrize("case", [case for case in lite_networks.CASES if "classif" not in case])
def test_each_operation_equals_onnx_runtime(case: str) -> None:
    from emulator.vision.exports.coreml.writer import coreml_network

    network = lite_networks.network(case)
    image = lite_networks.image()

    outputs = coreml_reader.run(coreml_network(network), image)

    for name, value in lite_networks.run_in_onnx_runtime(network, image).items():
        found = outputs[name]
        if value.ndim == 4:
            found = found[0].transpose(0, 2, 3, 1)
        assert found.shape == value.shape
        # Logarithms have an error of 1e-4.
        numpy.testing.assert_allclose(found, value, rtol=1e-4, atol=1e-2 if case == "log" else 1e-5)


def test_a_classifier_is_described_as_one(folders: Callable[[Kind], Path]) -> None:
    model = model_of(folders(KINDS[0]))

    (source,) = model.description.input
    assert (source.name, source.type.imageType.width, source.type.imageType.height) == ("data", 224, 224)
    types = {output.name: output.type.WhichOneof("Type") for output in model.description.output}
    assert types == {"loss": "dictionaryType", "classLabel": "stringType"}
    assert model.description.predictedFeatureName == "classLabel"
    assert model.description.predictedProbabilitiesName == "loss"
    classifier = model.neuralNetworkClassifier
    assert list(classifier.stringClassLabels.vector) == list(LABELS)
    assert classifier.labelProbabilityLayerName in {"", "loss"}


def test_a_detector_of_s1_is_one_that_apples_vision_knows(folders: Callable[[Kind], Path]) -> None:
    (kind,) = (kind for kind in KINDS if kind.name == "detector-s1")
    model = model_of(folders(kind))

    detector, suppression = model.pipeline.models
    assert [feature.name for feature in model.description.input] == [
        "data",
        "iouThreshold",
        "confidenceThreshold",
    ]
    assert [feature.type.isOptional for feature in model.description.input] == [False, True, True]
    assert [feature.name for feature in model.description.output] == ["confidence", "coordinates"]
    given = {
        feature.name: tuple(feature.type.multiArrayType.shape) for feature in suppression.description.input
    }
    assert given["raw_confidence"] == (2100, len(LABELS))
    assert given["raw_coordinates"] == (2100, 4)
    assert {output.name for output in detector.description.output} == {"raw_confidence", "raw_coordinates"}
    parts = suppression.nonMaximumSuppression
    assert (parts.iouThreshold, parts.confidenceThreshold) == (NMS_IOU_THRESHOLD, SCORE_FLOOR)
    assert parts.pickTop.perClass
    assert list(parts.stringClassLabels.vector) == list(LABELS)


def test_half_precision_halves_the_weights(folders: Callable[[Kind], Path]) -> None:
    sizes = {kind.name: (folders(kind) / "model.mlmodel").stat().st_size for kind in KINDS_CONVERTED}

    assert sizes["classifier"] <= 10_000_000
    assert sizes["detector"] <= 16_000_000
    assert sizes["detector-s1"] <= 8_000_000


def test_the_description_has_no_traces_of_when_and_where(folders: Callable[[Kind], Path]) -> None:
    folder = folders(KINDS[0])

    notes = dict(model_of(folder).description.metadata.userDefined)

    assert notes == json.loads((folder / "metadata_properties.json").read_bytes())


def test_the_same_order_gives_the_same_bytes(
    folders: Callable[[Kind], Path], make_order: MakeOrder, tmp_path: Path
) -> None:
    """Of a detector: coremltools merges equal tensors and keeps a random one of their names."""
    (kind,) = (kind for kind in KINDS if kind.name == "detector")
    again = written(make_order(kind, "CoreML", FLAVORS[kind.name]), tmp_path)

    assert (again / "model.mlmodel").read_bytes() == (folders(kind) / "model.mlmodel").read_bytes()


def test_without_coremltools_the_message_says_what_to_install(
    make_order: MakeOrder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "coremltools", None)

    with pytest.raises(ExportFailed, match=r"custom-vision-emulator\[coreml\]"):
        write_export(make_order(KINDS[0], "CoreML"), tmp_path / "export", lambda share, step: None)
    assert not (tmp_path / "export").exists()


def test_nothing_is_printed_while_converting(
    capfd: pytest.CaptureFixture[str],
) -> None:
    from emulator.vision.exports.coreml.writer import coreml_network

    coreml_network(lite_networks.network("sigmoid"))

    assert capfd.readouterr() == ("", "")
