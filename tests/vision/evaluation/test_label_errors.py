"""Probable errors of labels: confident learning as in its paper, and regions of detectors."""

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.vision.boxes.box import BoxArrays
from emulator.vision.evaluation.classification import Evaluation
from emulator.vision.evaluation.confusion import NONE
from emulator.vision.evaluation.detection import DetectionEvaluation
from emulator.vision.evaluation.label_errors import (
    LabelError,
    label_errors_of_classifier,
    label_errors_of_detector,
)

BOX, ELSEWHERE = (0.1, 0.1, 0.3, 0.3), (0.6, 0.6, 0.3, 0.3)


def evaluation(probabilities: numpy.ndarray, targets: numpy.ndarray) -> Evaluation:
    return Evaluation(
        tuple(f"{number:064x}" for number in range(len(targets))),
        (numpy.arange(len(targets)) % 5).astype(numpy.int8),
        probabilities.astype(numpy.float32),
        targets.astype(bool),
    )


def detections(
    truths: list[tuple[int, int, tuple[float, ...]]], found: list[tuple[int, int, float, tuple[float, ...]]]
) -> DetectionEvaluation:
    """Objects (image, tag, box) and boxes (image, tag, probability, box)."""
    count = max(image for image, *_ in [*truths, *found]) + 1
    return DetectionEvaluation(
        keys=tuple(f"{number:064x}" for number in range(count)),
        folds=numpy.zeros(count, numpy.int8),
        tag_count=2,
        truths=BoxArrays.of([(image, tag, *box) for image, tag, box in truths]),
        detections=BoxArrays.of([(image, tag, *box) for image, tag, _, box in found]),
        probabilities=numpy.array([probability for *_, probability, _ in found], numpy.float32),
    )


def seen(errors: list[LabelError]) -> list[tuple[int, str, int, int]]:
    return sorted((error.image, error.reason, error.actual, error.proposed) for error in errors)


@given(st.integers(1, 60), st.integers(2, 5), st.integers(0, 10_000))
def test_multiclass_errors_are_the_off_diagonal_of_the_confident_joint(
    count: int, tags: int, seed: int
) -> None:
    random = numpy.random.default_rng(seed)
    probabilities = random.dirichlet(numpy.ones(tags), count).astype(numpy.float32)
    labels = random.integers(0, tags, count)
    expected = []
    means = {
        tag: probabilities[labels == tag, tag].astype(float).mean() for tag in range(tags) if tag in labels
    }
    for image, label in enumerate(labels.tolist()):
        confident = [tag for tag in means if tag != label and float(probabilities[image, tag]) >= means[tag]]
        best = max(confident, key=lambda tag: probabilities[image, tag], default=label)
        if probabilities[image, best] > probabilities[image, label]:
            expected.append((image, "WrongTag", label, best))
    errors = label_errors_of_classifier(evaluation(probabilities, numpy.eye(tags)[labels]), multilabel=False)
    assert seen(errors) == expected
    for error in errors:
        assert error.strength == pytest.approx(
            probabilities[error.image, error.proposed] - probabilities[error.image, error.actual]
        )
        assert 0 < error.strength <= 1
        assert error.proposed_probability >= error.threshold == pytest.approx(means[error.proposed])


def test_flipped_labels_are_found_and_come_before_others() -> None:
    random = numpy.random.default_rng(0)
    true = numpy.arange(300) % 3
    logits = numpy.eye(3)[true] * 6 + random.normal(0, 1, (300, 3))
    probabilities = numpy.exp(logits) / numpy.exp(logits).sum(axis=1, keepdims=True)
    labels = true.copy()
    flipped = random.choice(300, 20, replace=False)
    labels[flipped] = (labels[flipped] + 1) % 3
    errors = label_errors_of_classifier(evaluation(probabilities, numpy.eye(3)[labels]), multilabel=False)
    strongest = sorted(errors, key=lambda error: -error.strength)
    found = [error.image for error in strongest[:20]]
    assert len(set(found) & set(flipped.tolist())) >= 18
    assert {error.proposed == true[error.image] for error in strongest[:15]} == {True}


def test_multilabel_tags_are_judged_one_by_one() -> None:
    targets = numpy.array([[1, 0], [1, 0], [0, 1], [0, 1], [1, 1], [0, 1]])
    probabilities = numpy.array([[0.9, 0.1], [0.1, 0.1], [0.95, 0.9], [0.1, 0.9], [0.9, 0.9], [0.1, 0.8]])
    errors = label_errors_of_classifier(evaluation(probabilities, targets), multilabel=True)
    assert seen(errors) == [(1, "SpuriousTag", 0, NONE), (2, "MissingTag", NONE, 0)]
    assert {error.image: round(error.strength, 5) for error in errors} == {1: 0.8, 2: 0.9}


def test_a_negative_tag_is_replaced_and_never_added() -> None:
    targets = numpy.array([[1, 0], [1, 0], [0, 1], [0, 1], [0, 1]])
    probabilities = numpy.array([[0.9, 0.9], [0.9, 0.1], [0.95, 0.1], [0.1, 0.9], [0.1, 0.9]])
    errors = label_errors_of_classifier(evaluation(probabilities, targets), multilabel=True, negative=1)
    assert seen(errors) == [(2, "WrongTag", 1, 0)]


def test_right_labels_have_no_errors() -> None:
    targets = numpy.eye(2)[[0, 0, 1, 1]]
    for multilabel in (False, True):
        assert label_errors_of_classifier(evaluation(targets, targets), multilabel=multilabel) == []
        nothing = evaluation(numpy.zeros((0, 2)), numpy.zeros((0, 2)))
        assert label_errors_of_classifier(nothing, multilabel=multilabel) == []


def usual() -> tuple[
    list[tuple[int, int, tuple[float, ...]]], list[tuple[int, int, float, tuple[float, ...]]]
]:
    """Images 0 to 7: objects of both tags that are found with 0.9."""
    return (
        [(image, image % 2, BOX) for image in range(8)],
        [(image, image % 2, 0.9, BOX) for image in range(8)],
    )


def test_regions_of_detectors() -> None:
    truths, found = usual()
    truths += [(8, 0, BOX), (9, 0, BOX), (9, 1, ELSEWHERE), (10, 0, BOX)]
    found += [
        (8, 1, 0.95, BOX),  # the object has the wrong tag
        (9, 0, 0.9, BOX),  # nothing is at the other object
        (10, 0, 0.9, BOX),
        (10, 1, 0.95, ELSEWHERE),  # no object is at this box
    ]
    errors = label_errors_of_detector(detections(truths, found))
    assert seen(errors) == [
        (8, "WrongRegionTag", 0, 1),
        (9, "SpuriousRegion", 1, NONE),
        (10, "MissingRegion", NONE, 1),
    ]
    by_reason = {error.reason: error for error in errors}
    assert (by_reason["WrongRegionTag"].object, by_reason["WrongRegionTag"].detection) == (8, 8)
    assert by_reason["SpuriousRegion"].object == 10
    assert by_reason["MissingRegion"].detection == 11
    assert all(0 < error.strength <= 1 for error in errors)


def test_boxes_that_are_merely_imprecise_or_uncertain_are_no_errors() -> None:
    truths, found = usual()
    truths += [(8, 0, BOX), (9, 0, BOX)]
    found += [
        (8, 0, 0.95, (0.2, 0.2, 0.3, 0.3)),  # beside its object
        (9, 0, 0.9, BOX),
        (9, 1, 0.6, ELSEWHERE),  # less certain than its tag usually is
    ]
    assert label_errors_of_detector(detections(truths, found)) == []


def test_objects_of_a_tag_that_is_hardly_ever_found_are_no_errors() -> None:
    truths = [(image, 0, BOX) for image in range(8)]
    assert label_errors_of_detector(detections(truths, [(0, 0, 0.9, BOX)])) == []
    assert label_errors_of_detector(detections(truths, [])) == []
