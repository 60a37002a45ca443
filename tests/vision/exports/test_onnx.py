"""ONNX exports: loaded by ONNX Runtime, they answer what the Prediction API answers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy
import onnx
import onnxruntime
import pytest

from emulator.vision.exports.formats import ExportFailed, write_export
from tests.vision.exports.conftest import KINDS, LABELS, Expected, Kind, MakeOrder
from tests.vision.exports.parity import Run, assert_same_answers, written

FLAVORS = {None: 12, "ONNX10": 10, "OnnxFloat16": 12}
FLOAT16_LIMITS = {False: 10_000_000, True: 8_000_000}


def loaded(folder: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])


def runner(session: onnxruntime.InferenceSession) -> Run:
    """Runs the model on an image with channels last. Probabilities are a row, grids have channels last."""

    def run(pixels: numpy.ndarray) -> Mapping[str, Any]:
        (source,) = session.get_inputs()
        names = [output.name for output in session.get_outputs()]
        values = session.run(names, {source.name: pixels.transpose(0, 3, 1, 2)})
        outputs = dict(zip(names, values, strict=True))
        if "loss" in outputs:
            ((probabilities,), (label,)) = outputs["loss"], outputs["classLabel"]
            assert tuple(probabilities) == tuple(sorted(LABELS)) or tuple(probabilities) == LABELS
            assert label == max(probabilities, key=probabilities.__getitem__)
            return {"loss": [probabilities[name] for name in LABELS]}
        if "model_outputs0" in outputs:
            return {"model_outputs0": outputs["model_outputs0"].transpose(0, 2, 3, 1)}
        return outputs

    return run


@pytest.mark.parametrize("flavor", FLAVORS)
def test_it_answers_what_the_prediction_api_answers(
    kind: Kind,
    flavor: str | None,
    make_order: MakeOrder,
    expected: Expected,
    photographs: dict[str, bytes],
    tmp_path: Path,
) -> None:
    folder = written(make_order(kind, "ONNX", flavor), tmp_path)
    some = dict(list(photographs.items())[: None if flavor is None else 4])

    assert_same_answers(kind, expected(kind), folder, some, runner(loaded(folder)))


def test_without_a_flavor_it_is_the_newer_one(kind: Kind, make_order: MakeOrder, tmp_path: Path) -> None:
    models = [
        (written(make_order(kind, "ONNX", flavor), tmp_path / str(flavor)) / "model.onnx").read_bytes()
        for flavor in (None, "ONNX12")
    ]
    assert models[0] == models[1]


@pytest.mark.parametrize("flavor", FLAVORS)
def test_the_file_is_valid_and_of_its_opset(
    kind: Kind, flavor: str | None, make_order: MakeOrder, tmp_path: Path
) -> None:
    folder = written(make_order(kind, "ONNX", flavor), tmp_path)

    model = onnx.load(folder / "model.onnx")

    onnx.checker.check_model(model, full_check=True)
    assert {entry.domain: entry.version for entry in model.opset_import}[""] == FLAVORS[flavor]
    if flavor == "OnnxFloat16":
        assert (folder / "model.onnx").stat().st_size < FLOAT16_LIMITS[kind.detection]


EXPECTED = {
    "classifier": (("data", [1, 3, 224, 224]), {"classLabel": [1], "loss": []}),
    "multilabel-classifier": (("data", [1, 3, 224, 224]), {"classLabel": [1], "loss": []}),
    "classifier-s1": (("data", [1, 3, 300, 300]), {"model_output": [1, 5]}),
    "detector": (("data", [1, 3, 416, 416]), {"model_outputs0": [1, 50, 13, 13]}),
    "detector-s1": (
        ("image_tensor", [1, 3, 320, 320]),
        {"detected_boxes": [1, 200, 4], "detected_scores": [1, 200], "detected_classes": [1, 200]},
    ),
}


def test_tensors_have_the_names_and_shapes_of_the_service(
    kind: Kind, make_order: MakeOrder, tmp_path: Path
) -> None:
    session = loaded(written(make_order(kind, "ONNX"), tmp_path))
    (source,) = session.get_inputs()
    source_expected, outputs_expected = EXPECTED[kind.name]

    assert (source.name, source.shape) == source_expected
    assert source.type == "tensor(float)"
    assert {output.name: output.shape for output in session.get_outputs()} == outputs_expected
    types = {output.name: output.type for output in session.get_outputs()}
    assert types.get("loss", "seq(map(string,tensor(float)))") == "seq(map(string,tensor(float)))"
    assert types.get("detected_classes", "tensor(int64)") == "tensor(int64)"


def test_the_metadata_in_the_model_determine_the_preprocessing(
    kind: Kind, make_order: MakeOrder, tmp_path: Path
) -> None:
    session = loaded(written(make_order(kind, "ONNX"), tmp_path))
    metadata = session.get_modelmeta().custom_metadata_map

    first = kind.domain == "General (compact)"
    assert metadata["Image.BitmapPixelFormat"] == ("Bgr8" if first else "Rgb8")
    unit = kind.name == "classifier-s1"
    assert metadata["Image.NominalPixelRange"] == ("Normalized_0_1" if unit else "NominalRange_0_255")


def test_an_unknown_flavor_is_reported(make_order: MakeOrder, tmp_path: Path) -> None:
    with pytest.raises(ExportFailed, match=r"There is no export to ONNX ONNX99\."):
        write_export(make_order(KINDS[0], "ONNX", "ONNX99"), tmp_path / "x.zip", lambda share, step: None)
    assert list(tmp_path.iterdir()) == []
