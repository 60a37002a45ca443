"""Wrong images and their order, evaluations of some images, and tags that a model cannot predict."""

from pathlib import Path

import numpy
import pytest

from emulator.vision.boxes.box import BoxArrays
from emulator.vision.evaluation.classification import NEVER, Evaluation
from emulator.vision.evaluation.confusion import confusion_of_classifier, confusion_of_detector
from emulator.vision.evaluation.detection import DetectionEvaluation
from emulator.vision.evaluation.image_errors import (
    errors_of_detector,
    errors_of_inspection,
    errors_of_multiclass,
    errors_of_multilabel,
)


def classified(rows: list[list[float]], targets: list[list[int]]) -> Evaluation:
    return Evaluation(
        keys=tuple(f"{number:064x}" for number in range(len(rows))),
        folds=numpy.zeros(len(rows), numpy.int8),
        probabilities_NT=numpy.array(rows, numpy.float32),
        targets_NT=numpy.array(targets, bool),
    )


def detected() -> DetectionEvaluation:
    """Three images: an object that is found, one that is missed beside a wrong box, and nothing at all."""
    return DetectionEvaluation(
        keys=tuple(f"{number:064x}" for number in range(3)),
        folds=numpy.zeros(3, numpy.int8),
        tag_count=1,
        truths=BoxArrays.of([(0, 0, 0.1, 0.1, 0.2, 0.2), (1, 0, 0.1, 0.1, 0.2, 0.2)]),
        detections=BoxArrays.of([(0, 0, 0.1, 0.1, 0.2, 0.2), (1, 0, 0.7, 0.7, 0.2, 0.2)]),
        probabilities=numpy.array([0.9, 0.6], numpy.float32),
    )


@pytest.mark.parametrize(
    ("threshold", "wrong"),
    [(0.3, [True, False, False, True]), (0.7, [False, False, True, True])],
)
def test_anomalies_count_from_the_threshold_on(threshold: float, wrong: list[bool]) -> None:
    """A good part; a known defect; a defect with a tag of its own; without a tag."""
    evaluation = classified(
        [[0.6, 0.4, NEVER], [0.1, 0.9, NEVER], [0.4, 0.6, NEVER], [0.8, 0.2, NEVER]],
        [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]],
    )
    errors = errors_of_inspection(evaluation, 0, 1, threshold)
    assert errors.is_wrong.tolist() == wrong
    assert errors.severity == pytest.approx([0.4, 0.1, 0.4, 0.2], abs=1e-6)


@pytest.mark.parametrize(
    ("threshold", "wrong"), [(0.5, [False, True, True, True]), (0.95, [True, True, True, False])]
)
def test_multiclass(threshold: float, wrong: list[bool]) -> None:
    """Right; confused; below the threshold; without a tag."""
    evaluation = classified(
        [[0.9, 0.1], [0.8, 0.2], [0.4, 0.3], [0.3, 0.6]], [[1, 0], [0, 1], [1, 0], [0, 0]]
    )
    errors = errors_of_multiclass(evaluation, confusion_of_classifier(evaluation, threshold))
    assert errors.is_wrong.tolist() == wrong
    assert errors.severity == pytest.approx([0.1, 0.8, 0.6, 0.6], abs=1e-6)


def test_multilabel() -> None:
    """Right; one tag too many; one missed."""
    evaluation = classified([[0.9, 0.8], [0.9, 0.7], [0.1, 0.9]], [[1, 1], [1, 0], [1, 1]])
    errors = errors_of_multilabel(evaluation, 0.5)
    assert errors.is_wrong.tolist() == [False, True, True]
    assert errors.severity == pytest.approx([0.2, 0.7, 0.9], abs=1e-6)
    assert errors_of_multilabel(evaluation, 0.75).is_wrong.tolist() == [False, False, True]


def test_detectors() -> None:
    evaluation = detected()
    errors = errors_of_detector(confusion_of_detector(evaluation, 0.5, 0.3), 3)
    assert errors.is_wrong.tolist() == [False, True, False]
    assert errors.severity == pytest.approx([0, 2.3, 0])
    # Above the wrong box, the missed object is left.
    fewer = errors_of_detector(confusion_of_detector(evaluation, 0.7, 0.3), 3)
    assert fewer.severity == pytest.approx([0, 1, 0])


def test_tags_that_are_never_predicted() -> None:
    evaluation = classified([[0.9, NEVER], [0.2, NEVER], [0.6, NEVER]], [[1, 0], [0, 1], [1, 0]])
    for threshold in (0.0, 0.5):
        figures = evaluation.performance(threshold)
        assert (figures.per_tag[1].precision, figures.per_tag[1].recall) == (0, 0)
    assert [tag.average_precision for tag in figures.per_tag] == [1, 0]
    assert figures.average_precision == 0.5
    errors = errors_of_multiclass(evaluation, confusion_of_classifier(evaluation, 0.5))
    assert errors.is_wrong.tolist() == [False, True, False]
    assert errors.severity[1] == 1


def test_evaluations_of_some_images(tmp_path: Path) -> None:
    evaluation = classified([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6]], [[1, 0], [0, 1], [0, 1]])
    some = evaluation.subset([2, 0])
    assert some.keys == (evaluation.keys[2], evaluation.keys[0])
    assert some.performance().recall == 1
    (tmp_path / "evaluation.npz").write_bytes(some.content())
    again = Evaluation.load(tmp_path / "evaluation.npz")
    assert again.keys == some.keys
    assert (again.probabilities_NT == some.probabilities_NT).all()
    assert (again.targets_NT == some.targets_NT).all()
    assert evaluation.subset([]).count == 0


def test_detections_of_some_images() -> None:
    evaluation = detected()
    some = evaluation.subset([1, 0])
    assert (some.truths.images.tolist(), some.detections.images.tolist()) == ([0, 1], [0, 1])
    assert some.probabilities == pytest.approx([0.6, 0.9])
    assert some.detected(1) == evaluation.detected(0)
    assert some.performance(0.5).recall == evaluation.performance(0.5).recall
    only = evaluation.subset([2])
    assert (only.count, len(only.truths.tags), len(only.probabilities)) == (1, 0, 0)
