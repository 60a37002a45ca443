"""Instant models: what they predict, and that the same images give the same bytes."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy
import pytest
from PIL import Image

from emulator.vision.boxes.box import TaggedBox
from emulator.vision.boxes.geometry import pairwise_iou
from emulator.vision.classification.dataset import ClassificationDataset, LabelledImage, TrainedClassifier
from emulator.vision.detection.dataset import BoxedImage, DetectionDataset, TrainedDetector
from emulator.vision.evaluation.classification import Evaluation
from emulator.vision.evaluation.detection import DetectionEvaluation
from emulator.vision.exported.load import load_any, load_classifier, load_detector
from emulator.vision.imaging.image_file import ImageFileDamaged
from emulator.vision.instant import train as training
from emulator.vision.instant.feature_memory import FeatureMemory
from emulator.vision.instant.session import InstantClassifier, InstantDetector
from emulator.vision.instant.train import train_instant
from emulator.vision.training.errors import TrainingFailed
from tests.support.vision.images import encoded
from tests.support.vision.shapes import SHAPES, boxed_shapes, classified_shapes, shape_image, stored

Trained = TrainedClassifier | TrainedDetector
_NOISE = numpy.random.default_rng(3).integers(0, 255, (96, 96, 3), numpy.uint8)
FOREIGN = encoded(Image.fromarray(_NOISE))


@pytest.fixture
def train(tmp_path: Path) -> Callable[..., Trained]:
    """Trains into a new folder, with an empty memory of features unless one is given."""
    count = iter(range(100))

    def make(dataset: ClassificationDataset | DetectionDataset, **more: object) -> Trained:
        arguments = {"seed": 0, "memory": FeatureMemory(), "progress": lambda fraction, step: None} | more
        return train_instant(dataset, output=tmp_path / f"out{next(count)}", **arguments)  # type: ignore[arg-type]

    return make


@pytest.mark.parametrize("multilabel", [False, True])
def test_an_image_of_the_training_gets_its_tag_and_a_similar_one_probably_too(
    train: Callable[..., Trained], tmp_path: Path, multilabel: bool
) -> None:
    dataset = classified_shapes(tmp_path, 15, multilabel=multilabel)
    session = InstantClassifier(train(dataset).model_path)
    assert session.labels == SHAPES
    assert session.multilabel == multilabel
    right = 0
    for tag, shape in enumerate(SHAPES):
        for number in range(15):
            scores = session.score(shape_image(shape, number)[0])
            assert scores[tag] > 0.95
            assert sum(scores) - scores[tag] < 0.05
            unseen = session.score(shape_image(shape, 1000 + number)[0])
            right += unseen[tag] > 0.5
    assert right >= 36  # of 45
    for data in (FOREIGN, shape_image("circle", 1000)[0]):
        scores = session.score(data)
        assert all(0 < score < 1 for score in scores)
        if not multilabel:
            assert sum(scores) == pytest.approx(1, abs=1e-6)


def test_a_foreign_image_gets_no_tag_of_a_multilabel_model(
    train: Callable[..., Trained], tmp_path: Path
) -> None:
    session = InstantClassifier(train(classified_shapes(tmp_path, 6, multilabel=True)).model_path)
    assert max(session.score(FOREIGN)) < 0.05


def test_a_foreign_image_gets_the_negative_tag(train: Callable[..., Trained], tmp_path: Path) -> None:
    dataset = replace(classified_shapes(tmp_path, 6), negative=1)
    scores = InstantClassifier(train(dataset).model_path).score(FOREIGN)
    assert scores[1] > 0.9


def test_a_foreign_image_gets_tags_by_their_frequency_without_a_negative_tag(
    train: Callable[..., Trained], tmp_path: Path
) -> None:
    dataset = classified_shapes(tmp_path, 6)
    scores = InstantClassifier(train(dataset).model_path).score(FOREIGN)
    assert scores == pytest.approx([1 / 3] * 3, abs=0.02)


def test_an_image_of_the_training_wins_against_others_that_look_the_same(
    train: Callable[..., Trained], tmp_path: Path
) -> None:
    files = [encoded(Image.new("RGB", (64, 64), (200, 200, value))) for value in range(6)]
    images = [LabelledImage(*stored(tmp_path, data), (row % 2,)) for row, data in enumerate(files)]
    dataset = ClassificationDataset(tuple(images), ("even", "odd"), multilabel=False)
    session = InstantClassifier(train(dataset).model_path)
    assert [session.score(data)[row % 2] > 0.95 for row, data in enumerate(files)] == [True] * 6


def test_several_tags_of_an_image_all_get_a_high_probability(
    train: Callable[..., Trained], tmp_path: Path
) -> None:
    dataset = classified_shapes(tmp_path, 6, multilabel=True)
    first = replace(dataset.images[0], labels=(0, 2))
    session = InstantClassifier(train(replace(dataset, images=(first, *dataset.images[1:]))).model_path)
    scores = session.score(shape_image("circle", 0)[0])
    assert scores[0] > 0.95
    assert scores[1] < 0.05
    assert scores[2] > 0.9


def test_a_detector_finds_the_boxes_of_the_nearest_image(
    train: Callable[..., Trained], tmp_path: Path
) -> None:
    dataset = boxed_shapes(tmp_path, 15)
    session = InstantDetector(train(dataset).model_path)
    for tag, shape in enumerate(SHAPES):
        data, box = shape_image(shape, 3)
        found = session.score(data)
        assert (found[0].tag_index, found[0].left, found[0].top) == (tag, box[0], box[1])
        assert found[0].width == pytest.approx(box[2])
        assert found[0].probability > 0.95
        assert [each.probability for each in found] == sorted(
            (each.probability for each in found), reverse=True
        )
        near = numpy.array([shape_image(shape, number)[1] for number in range(15)])
        unseen = session.score(shape_image(shape, 1000)[0])
        assert unseen
        assert any(numpy.allclose(unseen[0].left, place[0]) for place in near)
    assert session.score(FOREIGN) == []


def test_boxes_of_one_image_may_overlap_and_have_the_same_tag(
    train: Callable[..., Trained], tmp_path: Path
) -> None:
    boxes = (
        TaggedBox(0, 0.1, 0.1, 0.5, 0.5),
        TaggedBox(0, 0.12, 0.1, 0.5, 0.5),
        TaggedBox(1, 0.1, 0.1, 0.5, 0.5),
    )
    assert pairwise_iou(numpy.array([boxes[0].xyxy]), numpy.array([boxes[1].xyxy])).item() > 0.9
    images = [BoxedImage(*stored(tmp_path, shape_image("circle", 0)[0]), boxes)]
    images += [
        BoxedImage(*stored(tmp_path, shape_image("square", number)[0]), (TaggedBox(1, 0.2, 0.2, 0.3, 0.3),))
        for number in range(5)
    ]
    session = InstantDetector(train(DetectionDataset(tuple(images), ("a", "b"))).model_path)
    found = session.score(shape_image("circle", 0)[0])
    assert [(box.tag_index, round(box.left, 6)) for box in found if box.probability > 0.9] == [
        (0, 0.1),
        (0, 0.12),
        (1, 0.1),
    ]


def test_the_evaluation_is_of_predictions_without_the_image_itself(
    train: Callable[..., Trained], tmp_path: Path
) -> None:
    dataset = classified_shapes(tmp_path, 15)
    alone = stored(tmp_path, FOREIGN)
    odd = replace(dataset, images=(*dataset.images, LabelledImage(*alone, (0,))))
    trained = train(odd)
    evaluation = Evaluation.load(trained.evaluation_path)
    assert evaluation.count == trained.image_count == 46
    row = evaluation.keys.index(alone[1])
    assert evaluation.probabilities_NT[row, 0] < 0.5
    assert InstantClassifier(trained.model_path).score(FOREIGN)[0] > 0.95
    figures = evaluation.performance()
    assert figures.precision > 0.8
    assert figures.recall > 0.8
    assert set(evaluation.folds.tolist()) == {0, 1, 2, 3, 4}


def test_the_evaluation_of_a_detector_has_figures(train: Callable[..., Trained], tmp_path: Path) -> None:
    trained = train(boxed_shapes(tmp_path, 15))
    evaluation = DetectionEvaluation.load(trained.evaluation_path)
    assert evaluation.count == 45
    assert len(evaluation.truths.tags) == 45
    assert 0.3 < evaluation.performance().average_precision <= 1


@pytest.mark.parametrize("make", [classified_shapes, boxed_shapes])
def test_order_and_memory_change_nothing(
    train: Callable[..., Trained],
    tmp_path: Path,
    make: Callable[..., ClassificationDataset | DetectionDataset],
) -> None:
    dataset, memory = make(tmp_path, 8), FeatureMemory()
    backwards = replace(dataset, images=dataset.images[::-1])  # type: ignore[type-var]
    made = [train(dataset, memory=memory), train(dataset, memory=memory), train(backwards)]
    assert len({trained.model_path.read_bytes() for trained in made}) == 1
    assert len({trained.evaluation_path.read_bytes() for trained in made}) == 1
    other = train(dataset, seed=7)
    assert other.model_path.read_bytes() == made[0].model_path.read_bytes()
    assert other.evaluation_path.read_bytes() != made[0].evaluation_path.read_bytes()


@pytest.mark.parametrize("make", [classified_shapes, boxed_shapes])
def test_large_sets_are_compared_with_a_sample(
    train: Callable[..., Trained],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[..., ClassificationDataset | DetectionDataset],
) -> None:
    monkeypatch.setattr(training, "_MOST_COMPARED", 10)
    monkeypatch.setattr(training, "_MOST_FOR_HALF", 5)
    monkeypatch.setattr(training, "_BLOCK", 4)
    trained = train(make(tmp_path, 9))
    kind = Evaluation if isinstance(trained, TrainedClassifier) else DetectionEvaluation
    evaluation = kind.load(trained.evaluation_path)
    assert evaluation.count == 27
    assert evaluation.performance().recall > 0.3


def test_one_image_is_enough(train: Callable[..., Trained], tmp_path: Path) -> None:
    dataset = classified_shapes(tmp_path, 1, multilabel=True)
    alone = replace(dataset, images=dataset.images[:1], tags=("circle",))
    session = InstantClassifier(train(alone).model_path)
    assert session.score(shape_image("circle", 0)[0])[0] > 0.95
    assert session.score(FOREIGN)[0] < 0.05


def test_missing_files_and_undecodable_ones_are_left_out(
    train: Callable[..., Trained], tmp_path: Path
) -> None:
    dataset = classified_shapes(tmp_path, 5)
    Path(dataset.images[0].path).unlink()
    broken = LabelledImage(*stored(tmp_path, b"not an image"), (1,))
    trained = train(replace(dataset, images=(*dataset.images, broken)))
    assert trained.image_count == 14
    assert set(trained.skipped) == {dataset.images[0].key, broken.key}


def test_a_changed_file_ends_the_training(train: Callable[..., Trained], tmp_path: Path) -> None:
    dataset = classified_shapes(tmp_path, 5)
    Path(dataset.images[3].path).write_bytes(shape_image("circle", 77)[0])
    with pytest.raises(ImageFileDamaged, match=dataset.images[3].key):
        train(dataset)


def test_a_training_without_images_of_a_tag_fails(train: Callable[..., Trained], tmp_path: Path) -> None:
    dataset = classified_shapes(tmp_path, 5)
    for image in dataset.images[:5]:
        Path(image.path).unlink()
    with pytest.raises(TrainingFailed, match="None of the images of the tag circle could be read"):
        train(dataset)
    for image in dataset.images[5:]:
        Path(image.path).unlink()
    with pytest.raises(TrainingFailed, match="None of the images could be read"):
        train(dataset)


def test_a_deleted_base_model_fails_the_training(train: Callable[..., Trained], tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match="custom base model is not there any more"):
        train(classified_shapes(tmp_path, 5), base_model=tmp_path / "deleted")


def test_an_exception_of_progress_ends_the_training(train: Callable[..., Trained], tmp_path: Path) -> None:
    def cancel(fraction: float, step: str) -> None:
        raise InterruptedError(step)

    with pytest.raises((InterruptedError, TrainingFailed)):
        train(classified_shapes(tmp_path, 5), progress=cancel)


def test_progress_never_falls(train: Callable[..., Trained], tmp_path: Path) -> None:
    fractions: list[float] = []
    train(classified_shapes(tmp_path, 5), progress=lambda fraction, step: fractions.append(fraction))
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0, 1)


def test_models_are_loaded_like_those_of_other_trainings(
    train: Callable[..., Trained], tmp_path: Path
) -> None:
    classifier, detector = (
        train(classified_shapes(tmp_path, 5)).model_path,
        train(boxed_shapes(tmp_path, 5)).model_path,
    )
    assert isinstance(load_classifier(classifier), InstantClassifier)
    assert isinstance(load_detector(detector), InstantDetector)
    assert isinstance(load_any(classifier), InstantClassifier)
    assert isinstance(load_any(detector), InstantDetector)


def test_training_and_scoring_need_numpy_and_pillow_alone(
    train: Callable[..., Trained], tmp_path: Path
) -> None:
    image = Path(classified_shapes(tmp_path / "images", 3).images[0].path)
    code = """
import json, sys
for name in ("torch", "torchvision", "onnx", "onnxruntime", "google.protobuf"):
    sys.modules[name] = None  # importing them fails
from pathlib import Path
from emulator.vision.instant.feature_memory import FeatureMemory
from emulator.vision.instant.train import train_instant
from emulator.vision.exported.load import load_classifier
from tests.support.vision.shapes import classified_shapes
folder = Path(sys.argv[1])
trained = train_instant(
    classified_shapes(folder / "images", 3), seed=0, output=folder / "out", memory=FeatureMemory(),
    progress=lambda fraction, step: None,
)
print(json.dumps(load_classifier(trained.model_path).score(Path(sys.argv[2]).read_bytes())))
"""
    finished = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), str(image)], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    # In another process, with other libraries loaded, the numbers are the same to the last digit.
    own = InstantClassifier(train(classified_shapes(tmp_path / "images", 3)).model_path)
    assert json.loads(finished.stdout) == own.score(image.read_bytes())
