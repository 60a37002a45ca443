"""Confusion matrices equal those of scikit-learn and torchmetrics, and of a direct implementation."""

from typing import get_args

import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from emulator.vision.boxes.box import BoxArrays
from emulator.vision.evaluation.classification import Evaluation
from emulator.vision.evaluation.confusion import (
    NONE,
    Outcome,
    confusion_of_classifier,
    confusion_of_detector,
    outcome_masks,
)
from emulator.vision.evaluation.detection import DetectionEvaluation
from tests.support.vision.second_opinions import torchmetrics


def evaluation(probabilities: numpy.ndarray, targets: numpy.ndarray) -> Evaluation:
    count = len(targets)
    return Evaluation(
        tuple(f"{number:064x}" for number in range(count)),
        (numpy.arange(count) % 5).astype(numpy.int8),
        probabilities.astype(numpy.float32),
        targets.astype(bool),
    )


def made_up(count: int, tags: int, seed: int) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Probabilities, some equal, and labels; some tags have no images."""
    random = numpy.random.default_rng(seed)
    probabilities = random.dirichlet(numpy.ones(tags), count).round(1).astype(numpy.float32)
    return probabilities, random.integers(0, max(1, tags - 1), count)


# --- classifiers --------------------------------------------------------------------------------------------


@given(st.integers(0, 40), st.integers(2, 5), st.floats(0, 1), st.integers(0, 10_000))
def test_the_matrix_is_that_of_scikit_learn_and_torchmetrics(
    count: int, tags: int, threshold: float, seed: int
) -> None:
    probabilities, labels = made_up(count, tags, seed)
    measured = evaluation(probabilities, numpy.eye(tags)[labels])

    counts = confusion_of_classifier(measured, threshold).counts()

    best = probabilities.argmax(axis=1)
    predicted = numpy.where(probabilities.max(axis=1, initial=0) >= numpy.float32(threshold), best, tags)
    expected = numpy.zeros((tags + 1, tags + 1), int)
    if count:
        expected = sklearn_metrics.confusion_matrix(labels, predicted, labels=range(tags + 1))
    assert counts.tolist() == expected.tolist()
    theirs = torchmetrics.multiclass_confusion_matrix(
        torch.tensor(predicted), torch.tensor(labels), num_classes=tags + 1
    )
    assert counts.tolist() == theirs.tolist()


@given(st.integers(1, 40), st.sampled_from([0.05, 0.33, 0.5, 0.55, 0.95]), st.integers(0, 10_000))
def test_outcomes_are_those_of_scikit_learn_and_torchmetrics(count: int, threshold: float, seed: int) -> None:
    random = numpy.random.default_rng(seed)
    probabilities = random.random((count, 3)).round(2).astype(numpy.float32)
    targets = random.random((count, 3)) < [0.5, 0.1, 0.0]
    measured = evaluation(probabilities, targets)

    outcomes = [outcome_masks(measured, tag, threshold) for tag in range(3)]

    counts = [{name: int(mask.sum()) for name, mask in masks.items()} for masks in outcomes]
    # Rows are actual tags. torchmetrics excludes its threshold, ours is inclusive.
    of_scikit = sklearn_metrics.multilabel_confusion_matrix(
        targets, probabilities >= numpy.float32(threshold)
    )
    of_torchmetrics = torchmetrics.multilabel_confusion_matrix(
        torch.tensor(probabilities),
        torch.tensor(targets.astype(int)),
        num_labels=3,
        threshold=float(numpy.nextafter(numpy.float32(threshold), numpy.float32(0))),
    )
    for theirs in (of_scikit.tolist(), of_torchmetrics.tolist()):
        for tag, ((neither, wrong), (missed, right)) in enumerate(theirs):
            assert counts[tag] == dict(zip(get_args(Outcome), (right, wrong, missed, neither), strict=True))
    assert all(sum(each.values()) == count for each in counts)


def test_an_image_of_several_tags_stands_where_it_is_right() -> None:
    targets = numpy.array([[1, 0, 1], [1, 0, 1], [0, 0, 0]])
    probabilities = numpy.array([[0.1, 0.1, 0.8], [0.1, 0.8, 0.1], [0.4, 0.3, 0.3]])
    confusion = confusion_of_classifier(evaluation(probabilities, targets), 0.4)
    assert confusion.actual.tolist() == [2, 0, NONE]
    assert confusion.predicted.tolist() == [2, 1, 0]
    assert confusion.pairs(0, 1).tolist() == [1]
    assert confusion.counts()[-1].tolist() == [1, 0, 0, 0]


# --- detectors ----------------------------------------------------------------------------------------------

grid = st.integers(0, 5)
placed = st.tuples(st.integers(0, 1), st.integers(0, 2), grid, grid, st.integers(1, 4), st.integers(1, 4))
Placed = tuple[int, ...]


def detection_evaluation(truths: list[Placed], found: list[tuple[Placed, float]]) -> DetectionEvaluation:
    def rows(boxes: list[Placed]) -> BoxArrays:
        return BoxArrays.of([(image, tag, *(value / 10 for value in place)) for image, tag, *place in boxes])

    return DetectionEvaluation(
        ("a" * 64, "b" * 64),
        numpy.array([0, 1], numpy.int8),
        3,
        rows(truths),
        rows([box for box, _ in found]),
        numpy.array([probability for _, probability in found], numpy.float32),
    )


def overlap(one: Placed, other: Placed) -> float:
    def cells(box: Placed) -> set[tuple[int, int]]:
        return {(x, y) for x in range(box[2], box[2] + box[4]) for y in range(box[3], box[3] + box[5])}

    return len(cells(one) & cells(other)) / len(cells(one) | cells(other))


def defined(
    truths: list[Placed], found: list[tuple[Placed, float]], threshold: float, least: float
) -> list[tuple[int | None, int | None]]:
    """Pairs of rows, by a direct implementation of the documentation."""
    free = set(range(len(truths)))
    pairs: dict[int, int] = {}
    ranked = sorted(range(len(found)), key=lambda row: (-found[row][1], row))
    for same_tag in (True, False):
        for row in ranked:
            box, probability = found[row]
            if row in pairs or numpy.float32(probability) < numpy.float32(threshold):
                continue
            near = [
                (overlap(box, truths[each]), -each)
                for each in free
                if truths[each][0] == box[0] and (not same_tag or truths[each][1] == box[1])
            ]
            best = max(near, default=(0.0, 0))
            if near and best[0] >= least:
                pairs[row] = -best[1]
                free.remove(-best[1])
    shown = [row for row in ranked if numpy.float32(found[row][1]) >= numpy.float32(threshold)]
    result: list[tuple[int | None, int | None]] = [(pairs.get(row), row) for row in shown]
    return result + [(each, None) for each in free]


@given(
    st.lists(placed, max_size=6),
    st.lists(st.tuples(placed, st.integers(1, 20)), max_size=10),
    st.sampled_from([0.0, 0.3, 0.62, 1.0]),
    st.sampled_from([0.05, 0.301, 0.501]),
)
def test_the_matrix_of_a_detector_is_as_defined(
    truths: list[Placed], made: list[tuple[Placed, int]], threshold: float, least: float
) -> None:
    """Also with equal probabilities, without objects, and without boxes."""
    found = [(box, twentieth / 20) for box, twentieth in made]
    measured = detection_evaluation(truths, found)

    confusion = confusion_of_detector(measured, threshold, least)

    def name(row: int) -> int | None:
        return None if row < 0 else row

    pairs = [
        (name(there), name(predicted))
        for there, predicted in zip(confusion.objects.tolist(), confusion.detections.tolist(), strict=True)
    ]
    key = str
    assert sorted(pairs, key=key) == sorted(defined(truths, found, threshold, least), key=key)
    expected = numpy.zeros((4, 4), int)
    for there, predicted in pairs:
        expected[
            3 if there is None else truths[there][1], 3 if predicted is None else found[predicted][0][1]
        ] += 1
    assert confusion.counts().tolist() == expected.tolist()
    for there, predicted, image in zip(
        confusion.objects.tolist(), confusion.detections.tolist(), confusion.images.tolist(), strict=True
    ):
        assert image == (truths[there][0] if there >= 0 else found[predicted][0][0])


@given(
    st.lists(placed, max_size=6),
    st.lists(st.tuples(placed, st.integers(1, 20)), max_size=10),
    st.sampled_from([0.1, 0.5]),
)
def test_the_matrix_agrees_with_the_figures(
    truths: list[Placed], made: list[tuple[Placed, int]], threshold: float
) -> None:
    measured = detection_evaluation(truths, [(box, twentieth / 20) for box, twentieth in made])
    confusion = confusion_of_detector(measured, threshold, 0.3)
    counts, figures = confusion.counts(), measured.performance(threshold, 0.3)
    for tag, figure in enumerate(figures.per_tag):
        right = counts[tag, tag]
        assert figure.precision == pytest.approx(right / max(1, counts[:, tag].sum()))
        assert figure.recall == pytest.approx(right / max(1, counts[tag].sum()))
        assert len(confusion.pairs_of_outcome(tag, "TruePositive")) == right
        assert len(confusion.pairs_of_outcome(tag, "FalsePositive")) == counts[:, tag].sum() - right
        assert len(confusion.pairs_of_outcome(tag, "FalseNegative")) == counts[tag].sum() - right
    assert counts[-1, -1] == 0
