"""The library: training, predicting, evaluating and exporting without a server."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy
import pytest

from emulator import vision
from emulator.vision import domain_training
from emulator.vision.boxes.box import BoxArrays
from emulator.vision.evaluation.classification import Evaluation
from emulator.vision.evaluation.curves import calibration_curve
from emulator.vision.evaluation.detection import DetectionEvaluation
from emulator.vision.library import train_export
from emulator.vision.library.reports import classifier_report, detector_report
from emulator.vision.recipes import recipes
from tests.support.vision.detection_images import SHAPES, TINY, scene
from tests.support.vision.images import PATTERNS, drawn, encoded

CREATED = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each pattern with eight images."""
    root = tmp_path_factory.mktemp("photographs")
    for pattern in PATTERNS:
        (root / pattern).mkdir()
        for number in range(8):
            (root / pattern / f"{number}.png").write_bytes(encoded(drawn(pattern, number)))
    return root


@pytest.fixture(scope="module")
def unseen() -> vision.Dataset:
    """Images in memory that were not used for training."""
    return vision.Dataset.of_arrays(
        [numpy.asarray(drawn(pattern, number)) for pattern in PATTERNS for number in range(20, 23)],
        [pattern for pattern in PATTERNS for _ in range(3)],
    )


@pytest.fixture(scope="module")
def trained(folder: Path, feature_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> vision.Trained:
    return vision.train(
        folder, tmp_path_factory.mktemp("model"), domain="general (compact)", feature_cache=feature_cache
    )


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> tuple[vision.Trained, vision.Dataset]:
    """A barely trained detector on images in memory, and its dataset."""
    scenes = [scene(number) for number in range(10)]
    dataset = vision.Dataset.of_arrays(
        [numpy.asarray(image) for image, _ in scenes],
        regions=[
            [vision.Region(SHAPES[box.tag_index], box.left, box.top, box.width, box.height) for box in boxes]
            for _, boxes in scenes
        ],
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(domain_training, "recipe_for_domain", lambda kind, domain_id: TINY)
        made = vision.train(dataset, tmp_path_factory.mktemp("detector"), domain="General (compact) [S1]")
    return made, dataset


# --- training ---------------------------------------------------------------------------------------------


def test_a_training_reports_its_result(trained: vision.Trained, folder: Path) -> None:
    assert trained.path.name == "model.onnx"
    assert trained.tags == tuple(sorted(PATTERNS))
    assert (trained.images, trained.skipped) == (24, ())
    assert trained.domain == "0732100f-1a38-4e49-a514-c9b44c697ab5"
    assert trained.seconds > 0
    assert trained.report.images == 24
    assert trained.report.accuracy is not None
    assert trained.report.accuracy > 0.9
    assert [(each.tag, each.images) for each in trained.report.tags] == [(tag, 8) for tag in trained.tags]
    described = json.loads((trained.path.parent / "training.json").read_text())
    assert described["domain"] == trained.domain
    assert described["report"]["accuracy"] == trained.report.accuracy


def test_the_same_set_gives_the_same_file_from_folders_and_from_memory(
    trained: vision.Trained, folder: Path, feature_cache: Path, tmp_path: Path
) -> None:
    backwards = [
        (path.read_bytes(), path.parent.name) for path in sorted(folder.glob("*/*.png"), reverse=True)
    ]
    images, labels = zip(*backwards, strict=True)

    again = vision.train(
        vision.Dataset.of_arrays(images, labels),
        tmp_path,
        domain=trained.domain.upper(),
        feature_cache=feature_cache,
    )

    assert again.path.read_bytes() == trained.path.read_bytes()
    assert again.report == trained.report


def test_progress_rises_and_unreadable_images_are_named(
    folder: Path, feature_cache: Path, tmp_path: Path
) -> None:
    known = vision.read_folders(folder)
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(b"\x89PNG\r\n\x1a\n")
    shares: list[float] = []

    made = vision.train(
        replace(known, samples=(*known.samples, vision.Sample(damaged, tags=("dots",)))),
        tmp_path / "model",
        feature_cache=feature_cache,
        progress=lambda share, step: shares.append(share),
    )

    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    assert made.skipped == made.report.skipped == (str(damaged),)
    assert made.images == 24


def test_without_time_advanced_training_gives_the_quick_model(
    folder: Path, feature_cache: Path, tmp_path: Path
) -> None:
    quick = vision.train(folder, tmp_path / "quick", feature_cache=feature_cache)
    advanced = vision.train(folder, tmp_path / "advanced", feature_cache=feature_cache, budget=0.0)
    assert advanced.path.read_bytes() == quick.path.read_bytes()


def test_a_base_model_makes_a_training_advanced(
    trained: vision.Trained,
    folder: Path,
    feature_cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = {}

    def train(dataset: object, recipe: object, advanced: object, **given: object) -> None:
        seen.update(given)
        raise vision.TrainingFailed("enough")

    monkeypatch.setattr(domain_training, "train_advanced_classifier", train)
    with pytest.raises(vision.TrainingFailed, match="enough"):
        vision.train(folder, tmp_path, base_model=trained.path, feature_cache=feature_cache, seed=5)
    assert (seen["base_model"], seen["budget_seconds"], seen["seed"]) == (trained.path, 0.0, 5)


@pytest.mark.parametrize("when", [0, 2])
def test_cancelling_ends_a_training(folder: Path, tmp_path: Path, when: int) -> None:
    cancel = threading.Event()
    reported: list[float] = []

    def progress(share: float, step: str) -> None:
        reported.append(share)
        if len(reported) == when:
            cancel.set()

    if when == 0:
        cancel.set()
    with pytest.raises(vision.TrainingCancelled):
        vision.train(folder, tmp_path / "model", progress=progress, cancel=cancel)
    assert len(reported) == when
    assert not (tmp_path / "model" / "model.onnx").exists()


def test_unusable_training_data_raise_an_error(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no classification domain 'Logo'; there are General"):
        vision.train(folder, tmp_path, domain="Logo")
    one_tag = vision.Dataset.of_arrays([encoded(drawn("dots", 1))], ["dots"])
    with pytest.raises(vision.TrainingFailed, match="Too few tags"):
        vision.train(one_tag, tmp_path)


# --- predicting -------------------------------------------------------------------------------------------


def test_files_bytes_and_pixels_are_predicted_alike(trained: vision.Trained, tmp_path: Path) -> None:
    image = drawn("stripes", 30)
    file = tmp_path / "picture.png"
    file.write_bytes(encoded(image))
    model = vision.load_model(trained)

    answers = [
        vision.predict(trained, file),
        vision.predict(str(trained.path), str(file)),
        vision.predict(trained.path, file.read_bytes()),
        vision.predict(model, numpy.asarray(image)),
    ]

    assert answers[0][0].tag == "stripes"
    assert all(answer == answers[0] for answer in answers)
    assert [each.probability for each in answers[0]] == sorted(
        (each.probability for each in answers[0]), reverse=True
    )
    assert sum(each.probability for each in answers[0]) == pytest.approx(1)
    assert (model.tags, model.detects) == (trained.tags, False)
    assert [each.tag for each in vision.predict(model, file, threshold=0.5)] == ["stripes"]


def test_detectors_predict_boxes(detector: tuple[vision.Trained, vision.Dataset]) -> None:
    made, dataset = detector
    found = vision.predict(made, dataset.samples[0].image)
    assert found
    assert vision.load_model(made).detects
    for each in found:
        assert each.tag in SHAPES
        assert each.bounding_box is not None
        assert 0 <= each.bounding_box.left < each.bounding_box.left + each.bounding_box.width <= 1 + 1e-6
    assert vision.predict(made, dataset.samples[0].image, threshold=1.1) == []


def test_unusable_images_and_models_raise_an_error(trained: vision.Trained, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no model")
    for model, image, error, message in (
        (trained, tmp_path / "missing", ValueError, "cannot read .*missing"),
        (trained, b"no picture", vision.ImageRejected, "not a JPEG"),
        (trained, numpy.zeros((4, 4), numpy.uint8), ValueError, "shape"),
        (tmp_path / "missing.onnx", b"", ValueError, "cannot read .*missing.onnx"),
        (tmp_path / "text", b"", vision.ModelUnusable, "text is not a model"),
    ):
        with pytest.raises(error, match=message):
            vision.predict(model, image)


# --- evaluating -------------------------------------------------------------------------------------------


def test_models_are_evaluated_on_held_out_images(trained: vision.Trained, unseen: vision.Dataset) -> None:
    shares: list[float] = []
    report = vision.evaluate(trained, unseen, progress=lambda share, step: shares.append(share))
    assert report.accuracy == 1
    assert report.images == 9
    assert [each.recall for each in report.tags] == [1, 1, 1]
    assert report.confusion == ((3, 0, 0, 0), (0, 3, 0, 0), (0, 0, 3, 0), (0, 0, 0, 0))
    assert shares == [pytest.approx((number + 1) / 9) for number in range(9)]


def test_an_export_is_as_good_as_its_model(
    trained: vision.Trained, unseen: vision.Dataset, tmp_path: Path
) -> None:
    exported = vision.export(trained, "ONNX", tmp_path, created=CREATED)
    report, original = vision.evaluate(exported, unseen), vision.evaluate(trained, unseen)
    assert report.confusion == original.confusion
    assert report.calibration_error == pytest.approx(original.calibration_error, abs=1e-3)


def test_some_of_the_tags_and_damaged_images_may_be_missing(trained: vision.Trained) -> None:
    some = vision.Dataset.of_arrays([encoded(drawn("dots", 40)), b"damaged"], ["dots", "dots"])
    report = vision.evaluate(trained, some)
    assert (report.images, len(report.skipped)) == (1, 1)
    assert {each.tag: each.images for each in report.tags} == {"dots": 1, "noise": 0, "stripes": 0}


def test_detectors_are_evaluated_by_boxes(detector: tuple[vision.Trained, vision.Dataset]) -> None:
    made, dataset = detector
    report = vision.evaluate(made, dataset, threshold=0.1, overlap_threshold=0.4)
    objects = {tag: sum(each.tag == tag for one in dataset.samples for each in one.regions) for tag in SHAPES}
    assert {each.tag: each.objects for each in report.tags} == objects
    assert report.accuracy is None
    assert (report.threshold, report.overlap_threshold) == (0.1, 0.4)
    assert report.confusion is not None
    assert [sum(row) for row in report.confusion[:2]] == [objects[tag] for tag in made.tags]


def test_unusable_evaluation_data_raise_an_error(
    trained: vision.Trained, detector: tuple[vision.Trained, vision.Dataset], unseen: vision.Dataset
) -> None:
    image = encoded(drawn("dots", 1))
    with pytest.raises(ValueError, match="take `by_presence"):
        vision.evaluate(trained, detector[1])
    with pytest.raises(ValueError, match="have no boxes"):
        vision.evaluate(detector[0], unseen)
    with pytest.raises(ValueError, match="does not know the tag 'x'; it knows dots, noise, stripes"):
        vision.evaluate(trained, vision.Dataset.of_arrays([image], ["x"]))
    with pytest.raises(ValueError, match="several tags or none"):
        vision.evaluate(trained, vision.Dataset.of_arrays([image], [["dots", "noise"]]))
    with pytest.raises(ValueError, match="none of the images can be decoded"):
        vision.evaluate(trained, vision.Dataset.of_arrays([b"damaged"], ["dots"]))


# --- exporting --------------------------------------------------------------------------------------------


def test_the_same_export_is_the_same_file(trained: vision.Trained, tmp_path: Path) -> None:
    first = vision.export(trained, "TensorFlow", tmp_path, flavor="TensorFlowLite", created=CREATED)
    second = vision.export(
        str(trained.path),
        "TensorFlow",
        tmp_path / "again",
        flavor="TensorFlowLite",
        domain="General (compact)",
        created=CREATED,
    )
    assert first.name == "TensorFlow.TensorFlowLite.zip"
    assert first.read_bytes() == second.read_bytes()


def test_impossible_exports_raise_an_error(
    trained: vision.Trained, detector: tuple[vision.Trained, vision.Dataset], tmp_path: Path
) -> None:
    alone = tmp_path / "model.onnx"
    alone.write_bytes(trained.path.read_bytes())
    with pytest.raises(ValueError, match=r"no training\.json to say what domain"):
        vision.export(alone, "ONNX", tmp_path)
    with pytest.raises(ValueError, match="General are not exported"):
        vision.export(alone, "ONNX", tmp_path, domain="General")
    with pytest.raises(ValueError, match="no export to 'Paper'"):
        vision.export(trained, "Paper", tmp_path)
    with pytest.raises(ValueError, match="only the server writes it: train and export an iteration"):
        vision.export(trained, "DockerFile", tmp_path, flavor="Linux")
    with pytest.raises(ValueError, match="needs a flavor: TorchStateDict"):
        vision.export(trained, "Torch", tmp_path)
    with pytest.raises(ValueError, match="'X' is no flavor of ONNX, which has ONNX10"):
        vision.export(trained, "ONNX", tmp_path, flavor="X")
    with pytest.raises(ValueError, match="cannot be exported to VAIDK"):
        vision.export(detector[0], "VAIDK", tmp_path, domain="General (compact)")
    written = vision.export(trained, "ONNX", tmp_path)
    with pytest.raises(ValueError, match=r"ONNX\.zip is an export already"):
        vision.export(written, "ONNX", tmp_path)


def test_detectors_are_exported_as_what_they_were_trained_as(
    detector: tuple[vision.Trained, vision.Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = []
    monkeypatch.setattr(train_export.formats, "write_export", lambda order, *rest: orders.append(order))
    vision.export(detector[0].path, "ONNX", tmp_path)
    (order,) = orders
    assert (order.domain, order.domain_type) == ("General (compact) [S1]", "ObjectDetection")
    assert (order.classification_type, order.labels) == (None, detector[0].tags)


# --- figures ----------------------------------------------------------------------------------------------


def test_calibration_error_is_the_distance_to_the_truth() -> None:
    probabilities = numpy.array([0.95] * 10 + [0.65] * 10)
    hits = numpy.array([True] * 9 + [False] + [True] * 5 + [False] * 5)
    assert calibration_curve(probabilities, hits).expected_error == pytest.approx((0.05 + 0.15) / 2)
    assert calibration_curve(numpy.array([]), numpy.array([], bool)).expected_error == 0
    assert calibration_curve(numpy.array([1.0]), numpy.array([True])).expected_error == 0


def test_images_that_no_tag_fits_have_a_column_of_their_own() -> None:
    evaluation = Evaluation(
        ("a", "b", "c"),
        numpy.zeros(3, numpy.int8),
        numpy.array([[0.9, 0.1], [0.8, 0.2], [0.45, 0.55]], numpy.float32),
        numpy.array([[True, False], [False, True], [False, True]]),
    )
    report = classifier_report(evaluation, ("x", "y"), multilabel=False, threshold=0.6)
    assert report.confusion == ((1, 0, 0), (1, 0, 1), (0, 0, 0))
    assert report.accuracy == pytest.approx(2 / 3)
    assert classifier_report(evaluation, ("x", "y"), multilabel=True, threshold=0.6).confusion is None


def test_boxes_on_the_wrong_tag_missed_objects_and_false_boxes_are_distinguished() -> None:
    evaluation = DetectionEvaluation(
        ("a", "b"),
        numpy.zeros(2, numpy.int8),
        2,
        BoxArrays.of([(0, 0, 0.0, 0.0, 0.5, 0.5), (0, 1, 0.5, 0.5, 0.5, 0.5), (1, 1, 0.0, 0.0, 0.2, 0.2)]),
        BoxArrays.of(
            [
                (0, 0, 0.0, 0.0, 0.5, 0.5),  # right
                (0, 0, 0.01, 0.0, 0.5, 0.5),  # a second one on the same object
                (0, 0, 0.5, 0.5, 0.5, 0.5),  # on the other tag's object
                (1, 1, 0.6, 0.6, 0.2, 0.2),  # on nothing
                (1, 1, 0.0, 0.0, 0.2, 0.2),  # right, but not probable enough
            ]
        ),
        numpy.array([0.9, 0.8, 0.7, 0.6, 0.3], numpy.float32),
    )
    report = detector_report(evaluation, ("x", "y"), threshold=0.5, overlap_threshold=0.5)
    assert report.confusion == ((1, 0, 0), (1, 0, 1), (1, 1, 0))


# --- the package ------------------------------------------------------------------------------------------


def test_every_name_that_is_offered_is_there() -> None:
    assert set(vision.__all__) <= set(dir(vision))
    for name in vision.__all__:
        assert getattr(vision, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'fly'"):
        vision.fly  # noqa: B018


def test_naming_the_functions_imports_nothing_heavy() -> None:
    code = (
        "import json, sys; from emulator import vision; [getattr(vision, name) for name in vision.__all__];"
        "print(json.dumps(sorted(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"numpy", "PIL", "onnx", "onnxruntime", "torch", "tomllib", "yaml"}.isdisjoint(
        json.loads(ran.stdout)
    )


def test_recipes_are_those_of_the_domain(
    monkeypatch: pytest.MonkeyPatch, folder: Path, tmp_path: Path
) -> None:
    seen = []

    def train(dataset: object, recipe: object, **given: object) -> None:
        seen.append(recipe)
        raise vision.TrainingFailed("enough")

    monkeypatch.setattr(domain_training, "train_classifier", train)
    for domain in ("General", "General (compact) [S1]"):
        with pytest.raises(vision.TrainingFailed):
            vision.train(folder, tmp_path, domain=domain)
    assert seen[0] == recipes.QUICK
    assert seen[1].resolution == 300
