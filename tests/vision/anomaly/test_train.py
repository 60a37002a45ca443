"""Training of anomaly detectors on images of good parts alone."""

from dataclasses import replace
from pathlib import Path

import numpy
import pytest

from emulator.vision.classification.dataset import ClassificationDataset, TrainedClassifier
from emulator.vision.classification.session import ClassifierSession
from emulator.vision.evaluation.classification import Evaluation
from emulator.vision.training.errors import TrainingFailed
from tests.support.vision.images import drawn, encoded, kept
from tests.vision.anomaly.conftest import GOOD, part, trained_on

pytestmark = pytest.mark.slow


def probability(trained: TrainedClassifier, data: bytes) -> float:
    """Of an anomaly."""
    return ClassifierSession(trained.model_path).score(data)[0]


def test_defects_and_other_images_are_anomalies(detector: TrainedClassifier) -> None:
    new_parts = [probability(detector, part(number)) for number in range(100, 108)]
    defects = [probability(detector, part(number, defect=True)) for number in range(100, 108)]
    assert max(new_parts) < min(defects)
    assert numpy.median(new_parts) < 0.2
    assert min(defects) > 0.9
    assert probability(detector, encoded(drawn("dots", 1))) > 0.9


def test_the_evaluation_is_of_all_images_by_memories_without_them(
    detector: TrainedClassifier, good_parts: ClassificationDataset
) -> None:
    evaluation = Evaluation.load(detector.evaluation_path)
    assert sorted(evaluation.keys) == sorted(image.key for image in good_parts.images)
    assert set(evaluation.folds.tolist()) == set(range(5))
    numpy.testing.assert_allclose(evaluation.probabilities_NT.sum(axis=1), 1, atol=1e-6)
    session = ClassifierSession(detector.model_path)
    known = numpy.array([session.score(Path(image.path).read_bytes())[0] for image in good_parts.images])
    # Images that are remembered look better than they do without being remembered.
    held_out = {key: row[0] for key, row in zip(evaluation.keys, evaluation.probabilities_NT, strict=True)}
    assert known.mean() < numpy.mean([held_out[image.key] for image in good_parts.images])


def test_the_same_images_give_the_same_files(
    detector: TrainedClassifier, good_parts: ClassificationDataset, tmp_path: Path
) -> None:
    again = trained_on(replace(good_parts, images=good_parts.images[::-1]), tmp_path)
    assert again.model_path.read_bytes() == detector.model_path.read_bytes()
    assert again.evaluation_path.read_bytes() == detector.evaluation_path.read_bytes()
    other = trained_on(good_parts, tmp_path / "other", seed=1)
    assert other.model_path.read_bytes() != detector.model_path.read_bytes()


def test_a_defect_among_the_good_images_is_not_learned_as_good(
    good_parts: ClassificationDataset, tmp_path: Path
) -> None:
    wrong = kept(tmp_path, part(50, defect=True), (1,))
    trained = trained_on(replace(good_parts, images=(*good_parts.images, wrong)), tmp_path / "model")
    evaluation = Evaluation.load(trained.evaluation_path)
    assert evaluation.probabilities_NT[evaluation.keys.index(wrong.key), 0] > 0.9
    assert probability(trained, part(50, defect=True)) > 0.9
    assert probability(trained, part(101)) < 0.5


def test_known_anomalies_are_evaluated_but_not_remembered(
    good_parts: ClassificationDataset, tmp_path: Path
) -> None:
    anomalies = tuple(kept(tmp_path, part(number, defect=True), (0,)) for number in (60, 61))
    trained = trained_on(replace(good_parts, images=(*good_parts.images, *anomalies)), tmp_path / "model")
    evaluation = Evaluation.load(trained.evaluation_path)
    assert trained.image_count == GOOD + 2
    figures = evaluation.performance()
    assert [tag.recall for tag in figures.per_tag] == [1, pytest.approx(1, abs=0.2)]
    assert probability(trained, part(60, defect=True)) > 0.9


def test_images_that_cannot_be_read_are_skipped_unless_too_few_are_left(
    good_parts: ClassificationDataset, tmp_path: Path
) -> None:
    damaged = tuple(kept(tmp_path, b"no image %d" % number, (number,)) for number in (0, 1))
    trained = trained_on(replace(good_parts, images=(*good_parts.images, *damaged)), tmp_path / "model")
    assert sorted(trained.skipped) == sorted(image.key for image in damaged)
    few = replace(good_parts, images=(*good_parts.images[:4], damaged[1]))
    with pytest.raises(TrainingFailed, match="4 could be read, and at least 5"):
        trained_on(few, tmp_path / "none")


def test_one_picture_repeated_is_too_little(tmp_path: Path) -> None:
    images = tuple(kept(tmp_path, part(1), (1,)) for _ in range(20))
    dataset = ClassificationDataset(images, ("anomaly", "good"), multilabel=False, negative=0)
    with pytest.raises(TrainingFailed, match="1 could be read"):
        trained_on(dataset, tmp_path / "model")


def test_datasets_of_classification_are_refused(good_parts: ClassificationDataset, tmp_path: Path) -> None:
    for dataset in (
        replace(good_parts, negative=None),
        replace(good_parts, tags=("anomaly", "good", "other")),
    ):
        with pytest.raises(TrainingFailed, match="one tag of good images"):
            trained_on(dataset, tmp_path)
