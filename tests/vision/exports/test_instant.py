"""Exports of instant models: every format, with nearly the predictions of the Prediction API."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy
import pytest

from emulator.core.exports.formats import FORMATS
from emulator.vision.exported.load import load_any
from emulator.vision.exported.model import ExportedClassifier, ExportedDetector, load_export
from emulator.vision.exports.formats import ExportFailed, ExportOrder, write_export
from emulator.vision.instant import network as instant_network
from emulator.vision.instant.feature_memory import FeatureMemory
from emulator.vision.instant.features import RESOLUTION, image_features
from emulator.vision.instant.model import InstantModel
from emulator.vision.instant.session import InstantClassifier, InstantDetector
from emulator.vision.instant.train import train_instant
from emulator.vision.networks.graph import Network
from emulator.vision.networks.onnx_writer import onnx_bytes
from emulator.vision.onnx_runtime import inference_session
from tests.support.vision.shapes import SHAPES, boxed_shapes, classified_shapes, shape_image
from tests.vision.exports.conftest import CREATED, KINDS, Kind

# Formats that `load_export` runs with ONNX Runtime alone, and one whose weights are rounded.
LOADED = [
    ("ONNX", None),
    ("ONNX", "ONNX10"),
    ("ONNX", "OnnxFloat16"),
    ("ONNX", "OnnxInt8"),
    ("DockerFile", None),
]
SEEN = [shape_image(shape, number)[0] for shape in SHAPES for number in range(3)]
UNSEEN = [shape_image(shape, 1000 + number)[0] for shape in SHAPES for number in range(3)]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model for each kind of project, by the kind's name."""
    folder = tmp_path_factory.mktemp("instant")
    made = {}
    for kind in KINDS:
        dataset = (
            boxed_shapes(folder, 8)
            if kind.detection
            else classified_shapes(folder, 8, multilabel=kind.multilabel)
        )
        made[kind.name] = train_instant(
            dataset,
            seed=0,
            output=folder / kind.name,
            memory=FeatureMemory(),
            progress=lambda fraction, step: None,
        ).model_path
    return made


def order_of(kind: Kind, model: Path, platform: str, flavor: str | None = None) -> ExportOrder:
    return ExportOrder(
        model=str(model),
        platform=platform,
        flavor=flavor,
        domain=kind.domain,
        domain_type="ObjectDetection" if kind.detection else "Classification",
        classification_type=None if kind.detection else "Multilabel" if kind.multilabel else "Multiclass",
        labels=SHAPES,
        project_id="5aea1d4b-5c24-4b4b-a3a4-4f1d5b5a0c4e",
        iteration_id="c7f0e2ad-6a3c-4a3f-9c5f-0c8f0b1f5f2d",
        created=CREATED,
    )


def written(order: ExportOrder, folder: Path) -> Path:
    return write_export(order, folder / "export.zip", lambda share, step: None, FORMATS)


@pytest.mark.parametrize(("platform", "flavor"), LOADED)
def test_exports_predict_nearly_what_the_prediction_api_does(
    kind: Kind, models: dict[str, Path], tmp_path: Path, platform: str, flavor: str | None
) -> None:
    exported = load_export(written(order_of(kind, models[kind.name], platform, flavor), tmp_path))
    own = load_any(models[kind.name])
    tolerance = 0.03 if flavor == "OnnxInt8" else 0.01
    if isinstance(exported, ExportedClassifier):
        assert isinstance(own, InstantClassifier)
        for data in SEEN + UNSEEN:
            assert exported.score(data) == pytest.approx(own.score(data), abs=tolerance)
        return
    assert isinstance(exported, ExportedDetector)
    assert isinstance(own, InstantDetector)
    for data in SEEN:
        (found, *_), (expected, *_) = exported.score(data), own.score(data)
        assert found.tag_index == expected.tag_index
        # The export does not know the very files of the training.
        assert expected.probability + tolerance > found.probability > 0.5
        numpy.testing.assert_allclose(found.xyxy, expected.xyxy, atol=0.01)


@pytest.mark.parametrize(
    ("platform", "flavor"), [each for each in FORMATS if each not in LOADED], ids=lambda part: str(part)
)
def test_every_other_format_is_written(
    models: dict[str, Path], tmp_path: Path, platform: str, flavor: str | None
) -> None:
    if platform == "OpenVino":
        pytest.importorskip("openvino", reason="openvino is missing: pip install openvino")
    if platform == "CoreML":
        pytest.importorskip("coremltools", reason="coremltools is missing: pip install coremltools")
    for kind in KINDS[2:4]:
        file = written(order_of(kind, models[kind.name], platform, flavor), tmp_path)
        with zipfile.ZipFile(file) as archive:
            assert archive.testzip() is None
            names = {Path(name).name for name in archive.namelist()}
            assert {"labels.txt", "LICENSE"} <= names


def test_the_licence_names_no_pretrained_weights(models: dict[str, Path], tmp_path: Path) -> None:
    with zipfile.ZipFile(written(order_of(KINDS[0], models[KINDS[0].name], "ONNX"), tmp_path)) as archive:
        assert b"instant trainer" in archive.read("LICENSE")
        assert b"EfficientNet" not in archive.read("LICENSE")
        properties = json.loads(archive.read("metadata_properties.json"))
        assert properties["CustomVision.Preprocess.CropMethod"] == "NoCrop"


def test_the_same_model_is_exported_to_the_same_bytes(models: dict[str, Path], tmp_path: Path) -> None:
    order = order_of(KINDS[3], models[KINDS[3].name], "ONNX")
    assert written(order, tmp_path / "a").read_bytes() == written(order, tmp_path / "b").read_bytes()


def test_the_features_of_the_network_are_those_of_the_model_before_rounding() -> None:
    operations, weights = instant_network._features()
    network = Network(
        RESOLUTION,
        tuple(operations),
        {name: numpy.asarray(value, numpy.float32) for name, value in weights.items()},
        {"features": (1,)},
    )
    session = inference_session(onnx_bytes(network, {}), 1)
    from emulator.vision.imaging.decode import resize_to_square

    for data in SEEN:
        (found,) = session.run(None, {"image": resize_to_square(data, RESOLUTION)[None]})
        numpy.testing.assert_allclose(found[0], image_features(data), atol=0.55)


def test_detectors_of_many_images_have_fewer_points(
    models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = order_of(KINDS[4], models[KINDS[4].name], "ONNX")
    size = written(order, tmp_path / "few").stat().st_size
    monkeypatch.setattr(instant_network, "_MANY", 5)
    file = written(order, tmp_path / "many")
    assert file.stat().st_size < size / 2
    found = load_export(file).score(SEEN[0])
    expected = load_any(models[KINDS[4].name]).score(SEEN[0])
    numpy.testing.assert_allclose(found[0].xyxy, expected[0].xyxy, atol=0.02)  # type: ignore[union-attr]


def test_several_objects_of_one_image_have_points_of_their_own(
    models: dict[str, Path], tmp_path: Path
) -> None:
    model = InstantModel.read(models["detector-s1"])
    count = 40
    rows = numpy.zeros(count, numpy.int32)
    boxes = numpy.tile([0.4, 0.4, 0.6, 0.6], (count, 1)) + numpy.arange(count)[:, None] / 1000
    crowded = replace(model, box_images=rows, box_tags=rows, boxes=boxes)
    (tmp_path / "model").write_bytes(crowded.content())
    order = order_of(KINDS[4], tmp_path / "model", "ONNX")
    session = load_export(written(order, tmp_path))
    assert isinstance(session, ExportedDetector)  # it was run once


def test_a_damaged_model_and_one_of_another_kind_are_refused(models: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(models["classifier"].read_bytes()[:-1])
    with pytest.raises(ExportFailed, match="train again"):
        written(order_of(KINDS[0], tmp_path / "model", "ONNX"), tmp_path)
    with pytest.raises(ExportFailed, match="not one for Classification"):
        written(order_of(KINDS[0], models["detector"], "ONNX"), tmp_path)
    order = replace(order_of(KINDS[0], models["classifier"], "ONNX"), labels=SHAPES[:2])
    with pytest.raises(ExportFailed, match="3 outputs for 2 tags"):
        written(order, tmp_path)
