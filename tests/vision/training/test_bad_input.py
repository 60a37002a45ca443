"""Unsuitable datasets and full disks: the result is a model, or a failure that tells the user what to do.

What one kind of training alone can be given is tested beside it.
"""

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from PIL import Image

from emulator.vision.boxes.box import TaggedBox
from emulator.vision.classification import cross_validation, resized_images, search_finetune
from emulator.vision.classification.advanced import train_advanced_classifier
from emulator.vision.classification.dataset import (
    ClassificationDataset,
    LabelledImage,
    TrainedClassifier,
)
from emulator.vision.classification.fold_plan import Plan
from emulator.vision.classification.head import LinearHead
from emulator.vision.classification.session import ClassifierSession
from emulator.vision.classification.train import train_classifier
from emulator.vision.detection import advanced as advanced_detection
from emulator.vision.detection import finetune
from emulator.vision.detection.advanced import train_advanced_detector
from emulator.vision.detection.dataset import BoxedImage, DetectionDataset, Example, TrainedDetector
from emulator.vision.detection.quick import Evaluated, QuickTraining
from emulator.vision.detection.sampling import sample_batches
from emulator.vision.detection.session import DetectorSession
from emulator.vision.detection.train import train_detector
from emulator.vision.evaluation.classification import Evaluation
from emulator.vision.evaluation.detection import DetectionEvaluation
from emulator.vision.imaging.image_array_file import ImageArrayFile
from emulator.vision.imaging.image_file import ImageFileDamaged
from emulator.vision.recipes.recipes import QUICK_DETECTOR
from emulator.vision.training.errors import TrainingFailed
from emulator.vision.training.trainer import WholeNetwork
from tests.support.vision.advanced_training import BETTER, SMALL_COMPACT, SMALL_QUICK, Ticks
from tests.support.vision.detection_images import SHAPES, TINY, scene, scenes
from tests.support.vision.detection_images import kept as kept_boxed
from tests.support.vision.images import PATTERNS, drawn, encoded, kept
from tests.vision.detection.test_advanced import SMALL as SMALL_DETECTOR

Classify = Callable[..., TrainedClassifier]
Detect = Callable[..., TrainedDetector]
BOTH = pytest.mark.parametrize("advanced", [False, True], ids=["quick", "advanced"])


@pytest.fixture
def classify(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Classify:
    """Train a classifier: quick training, or advanced training with one epoch of fine-tuning."""
    monkeypatch.setattr(search_finetune, "planned", lambda *_, **__: Plan(epochs=1, folds=1))

    def run(dataset: ClassificationDataset, *, advanced: bool, cache: str = "features") -> TrainedClassifier:
        common: dict[str, Any] = {
            "seed": 0,
            "output": tmp_path / "model",
            "feature_cache": tmp_path / cache,
            "progress": lambda share, step: None,
        }
        if not advanced:
            return train_classifier(dataset, SMALL_QUICK, **common)
        more = {"budget_seconds": 1.0, "clock": Ticks(0.0)}
        return train_advanced_classifier(dataset, SMALL_QUICK, SMALL_COMPACT, **common, **more)

    return run


@pytest.fixture
def detect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Detect:
    """Train a detector: quick training, or all layers in three steps, whose result is always chosen."""
    monkeypatch.setattr(advanced_detection, "plan_steps", lambda *_: 3)
    monkeypatch.setattr(advanced_detection, "compare_detectors", lambda *_: BETTER)

    def run(dataset: DetectionDataset, *, advanced: bool) -> TrainedDetector:
        common: dict[str, Any] = {
            "seed": 0,
            "output": tmp_path / "model",
            "feature_cache": tmp_path / "features",
            "progress": lambda share, step: None,
        }
        if not advanced:
            return train_detector(dataset, TINY, **common)
        more = {"budget_seconds": 1.0, "clock": Ticks(0.0)}
        return train_advanced_detector(dataset, TINY, SMALL_DETECTOR, **common, **more)

    return run


def only_on_all_layers(monkeypatch: pytest.MonkeyPatch, place: object, name: str, changed: object) -> None:
    """Change something after the quick training that advanced training of detectors begins with."""
    real = advanced_detection._Attempt.run

    def run(self: Any, start: Any) -> Any:
        with monkeypatch.context() as patch:
            patch.setattr(place, name, changed)
            return real(self, start)

    monkeypatch.setattr(advanced_detection._Attempt, "run", run)


def works(trained: TrainedClassifier | TrainedDetector, data: bytes) -> None:
    """The model scores, and its evaluation has figures."""
    if isinstance(trained, TrainedClassifier):
        scores = ClassifierSession(trained.model_path).score(data)
        assert numpy.isfinite(scores).all()
        assert 0 <= Evaluation.load(trained.evaluation_path).performance(threshold=0.5).precision <= 1
        return
    found = DetectorSession(trained.model_path).score(data)
    assert all(0 <= box.probability <= 1 for box in found)
    figures = DetectionEvaluation.load(trained.evaluation_path).performance()
    assert 0 <= figures.average_precision <= 1


def truncated(image: LabelledImage | BoxedImage) -> None:
    """Keep the first half of the file only."""
    path = Path(image.path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


# --- images -------------------------------------------------------------------------------------------------


@BOTH
def test_all_images_are_deleted_or_damaged_after_their_upload(
    tmp_path: Path, classify: Classify, detect: Detect, advanced: bool
) -> None:
    images = tuple(kept(tmp_path, encoded(drawn("dots", n), "JPEG"), (n % 2,)) for n in range(10))
    objects = scenes(tmp_path, range(4))
    trainings = (
        lambda: classify(ClassificationDataset(images, ("a", "b"), multilabel=False), advanced=advanced),
        lambda: classify(ClassificationDataset(images, ("a", "b"), multilabel=True), advanced=advanced),
        lambda: detect(objects, advanced=advanced),
    )
    for image in (*images, *objects.images):
        truncated(image)
    for train in trainings:
        with pytest.raises(ImageFileDamaged, match="has changed"):
            train()
    for image in (*images, *objects.images):
        Path(image.path).unlink()
    for train in trainings:
        with pytest.raises(TrainingFailed, match=r"None of the images could be read: .* upload them again"):
            train()
    assert not list((tmp_path / "model").glob("*.onnx"))


@BOTH
def test_photographs_of_objects_that_are_all_alike(tmp_path: Path, detect: Detect, advanced: bool) -> None:
    """Grey images in different files, with boxes in different places: nothing can be learned."""
    picture = Image.new("RGB", (120, 90), "grey")
    images = tuple(
        kept_boxed(
            tmp_path,
            encoded(picture, "JPEG", comment=str(number)),
            [TaggedBox(number % 2, 0.1 * (number % 5), 0.2, 0.3, 0.3)],
        )
        for number in range(10)
    )
    works(detect(DetectionDataset(images, SHAPES), advanced=advanced), encoded(picture))


@BOTH
def test_the_same_picture_under_several_tags(tmp_path: Path, classify: Classify, advanced: bool) -> None:
    picture = drawn("dots", 1)
    images = tuple(
        kept(tmp_path, encoded(picture, "JPEG", comment=str(number)), (number % 3,)) for number in range(9)
    )
    trained = classify(ClassificationDataset(images, PATTERNS, multilabel=False), advanced=advanced)
    works(trained, encoded(picture))
    scores = ClassifierSession(trained.model_path).score(encoded(picture))
    assert scores == pytest.approx([1 / 3] * 3, abs=0.1)


# --- tags and boxes -----------------------------------------------------------------------------------------


@BOTH
def test_boxes_of_one_pixel_and_of_none(tmp_path: Path, detect: Detect, advanced: bool) -> None:
    """The last boxes have no area in single precision, or lie on the edge of the image."""
    width, height = 160, 120
    boxes = [
        TaggedBox(0, 0.5, 0.5, 1 / width, 1 / height),
        TaggedBox(1, 0.25, 0.25, 0.0, 0.3),
        TaggedBox(0, 1 - 2**-30, 1 - 2**-30, 2**-30, 2**-30),
        TaggedBox(1, 0.7, 0.1, 2**-40, 2**-40),
    ]
    images = tuple(kept_boxed(tmp_path, encoded(scene(number)[0]), boxes) for number in range(8))
    trained = detect(DetectionDataset(images, SHAPES), advanced=advanced)
    assert trained.image_count == 8
    works(trained, encoded(scene(0)[0]))


@BOTH
def test_a_tag_of_which_there_is_nothing(
    tmp_path: Path,
    pattern_images: tuple[LabelledImage, ...],
    classify: Classify,
    detect: Detect,
    advanced: bool,
) -> None:
    classes = ClassificationDataset(pattern_images, (*PATTERNS, "ghost"), multilabel=False)
    with pytest.raises(
        TrainingFailed, match="of the tag ghost could be read; add images to the tag or leave"
    ):
        classify(classes, advanced=advanced)
    objects = scenes(tmp_path, range(4))
    with pytest.raises(TrainingFailed, match="of the tag ghost could be read; add images with regions"):
        detect(replace(objects, tags=(*SHAPES, "ghost")), advanced=advanced)


@BOTH
def test_one_image_a_tag(
    tmp_path: Path,
    pattern_images: tuple[LabelledImage, ...],
    classify: Classify,
    detect: Detect,
    advanced: bool,
) -> None:
    images = tuple(next(i for i in pattern_images if i.labels == (label,)) for label in range(3))
    trained = classify(ClassificationDataset(images, PATTERNS, multilabel=False), advanced=advanced)
    works(trained, Path(images[0].path).read_bytes())
    objects = scenes(tmp_path, range(2), objects=1)
    works(detect(objects, advanced=advanced), Path(objects.images[0].path).read_bytes())


@pytest.mark.parametrize("multilabel", [False, True])
def test_a_tag_with_three_images_beside_one_with_a_thousand(tmp_path: Path, multilabel: bool) -> None:
    """The large tag does not make the model ignore the small one."""
    many = tuple(
        kept(tmp_path, encoded(drawn("stripes", number, (40, 32)), "BMP"), (0,)) for number in range(1000)
    )
    few = tuple(kept(tmp_path, encoded(drawn("dots", number, (40, 32)), "BMP"), (1,)) for number in range(3))
    trained = train_classifier(
        ClassificationDataset(many + few, ("stripes", "dots"), multilabel=multilabel),
        replace(SMALL_QUICK, resolution=32),
        seed=0,
        output=tmp_path / "model",
        feature_cache=tmp_path / "features",
        progress=lambda share, step: None,
    )
    session = ClassifierSession(trained.model_path)
    unseen = [session.score(encoded(drawn("dots", number, (40, 32)))) for number in range(100, 110)]
    assert sum(dots > stripes for stripes, dots in unseen) >= 8
    others = [session.score(encoded(drawn("stripes", number, (40, 32)))) for number in range(5000, 5010)]
    assert sum(stripes > dots for stripes, dots in others) >= 9


def test_objects_on_three_images_beside_those_on_three_thousand() -> None:
    """Its images are sampled twenty times as often as their share of the dataset."""
    place = numpy.array([[0.1, 0.1, 0.4, 0.4]])
    examples = [
        Example(str(number), "", place, numpy.array([1 if number < 3 else 0])) for number in range(3003)
    ]
    steps = QUICK_DETECTOR.steps(len(examples))
    batches = sample_batches(examples, 2, QUICK_DETECTOR.batch, steps, seed=[0])
    looks = sum(number < 3 for batch in batches for number in batch)
    assert looks >= 20 * 3 * steps * QUICK_DETECTOR.batch / len(examples)


# --- numbers that are none ----------------------------------------------------------------------------------


@BOTH
def test_features_that_are_no_numbers_fail_a_classifier_with_what_to_check(
    pattern_images: tuple[LabelledImage, ...],
    classify: Classify,
    monkeypatch: pytest.MonkeyPatch,
    advanced: bool,
) -> None:
    def poisoned(self: cross_validation.TrainingSet, used_N: object) -> LinearHead:
        width, tags = self.features_RD.shape[1], self.targets_NT.shape[1]
        return LinearHead(numpy.full((width, tags), numpy.nan), numpy.zeros(tags))

    monkeypatch.setattr(cross_validation.TrainingSet, "fit", poisoned)
    with pytest.raises(TrainingFailed, match=r"not a number any more. Check that the images .*train again"):
        classify(ClassificationDataset(pattern_images, PATTERNS, multilabel=False), advanced=advanced)


def test_weights_that_are_no_numbers_after_the_last_step_leave_the_quick_detector(
    tmp_path: Path, detect: Detect, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = scenes(tmp_path, range(6))
    quick = detect(objects, advanced=False).model_path.read_bytes()
    real = WholeNetwork._step

    def last_one_explodes(self: WholeNetwork, gradients: list[torch.Tensor], share: float) -> None:
        real(self, gradients, share)
        with torch.no_grad():
            next(iter(self._weights.values())).fill_(numpy.inf)

    only_on_all_layers(monkeypatch, WholeNetwork, "_step", last_one_explodes)
    monkeypatch.setattr(advanced_detection, "plan_steps", lambda *_: 1)
    assert detect(objects, advanced=True).model_path.read_bytes() == quick


# --- a disk that is full, files that go ---------------------------------------------------------------------


@BOTH
def test_a_full_disk_is_reported(
    tmp_path: Path,
    pattern_images: tuple[LabelledImage, ...],
    classify: Classify,
    detect: Detect,
    monkeypatch: pytest.MonkeyPatch,
    advanced: bool,
) -> None:
    def no_room(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", no_room)
    with pytest.raises(TrainingFailed, match=r"^The disk is full: free some space and train again.$"):
        classify(ClassificationDataset(pattern_images, PATTERNS, multilabel=False), advanced=advanced)
    with pytest.raises(TrainingFailed, match=r"^The disk is full: free some space and train again.$"):
        detect(scenes(tmp_path, range(4)), advanced=advanced)
    assert not [path for path in (tmp_path / "model").rglob("*") if path.is_file()]


def test_a_disk_full_of_images_leaves_the_quick_model(
    pattern_images: tuple[LabelledImage, ...], classify: Classify, monkeypatch: pytest.MonkeyPatch
) -> None:
    hard = ClassificationDataset(
        tuple(replace(image, labels=(number % 3,)) for number, image in enumerate(pattern_images)),
        PATTERNS,
        multilabel=False,
    )
    quick = classify(hard, advanced=False).model_path.read_bytes()
    written = []

    def no_room(self: ImageArrayFile, number: int, pixels: object) -> None:
        written.append(number)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(resized_images, "_MOST_IN_MEMORY", 0)
    monkeypatch.setattr(ImageArrayFile, "__setitem__", no_room)
    trained = classify(hard, advanced=True)
    assert written == [0]
    assert trained.model_path.read_bytes() == quick
    assert sorted(path.name for path in trained.model_path.parent.iterdir()) == [
        "evaluation.npz",
        "model.onnx",
    ]


def test_images_deleted_after_quick_training_leave_its_model(
    tmp_path: Path, detect: Detect, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = scenes(tmp_path, range(4))
    quick = detect(objects, advanced=False).model_path.read_bytes()
    real = QuickTraining.evaluate

    def then_they_go(*arguments: Any) -> Evaluated:
        evaluated = real(*arguments)
        for image in objects.images:
            Path(image.path).unlink()
        return evaluated

    monkeypatch.setattr(QuickTraining, "evaluate", then_they_go)
    assert detect(objects, advanced=True).model_path.read_bytes() == quick


def test_pictures_in_a_file(tmp_path: Path) -> None:
    random = numpy.random.default_rng(0)
    pictures = random.integers(0, 256, (5, 7, 7, 3), numpy.uint8)
    stored = ImageArrayFile(tmp_path / "pictures", 7)
    for number in (3, 0, 4, 1):
        stored[number] = pictures[number, :, ::-1]
    for number in (0, 1, 3, 4):
        numpy.testing.assert_array_equal(stored[numpy.int64(number)], pictures[number, :, ::-1])
    with pytest.raises(OSError, match="image 5"):
        stored[5]
    stored.remove()
    assert not (tmp_path / "pictures").exists()


def test_a_detector_that_does_not_fit_into_memory_leaves_the_quick_one(
    tmp_path: Path, detect: Detect, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = scenes(tmp_path, range(4))
    quick = detect(objects, advanced=False).model_path.read_bytes()

    def too_large(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    only_on_all_layers(monkeypatch, finetune, "run_operations", too_large)
    assert detect(objects, advanced=True).model_path.read_bytes() == quick
