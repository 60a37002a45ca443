"""Curves and their areas, against scikit-learn and against torchmetrics."""

import warnings

import numpy
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics
from sklearn.calibration import calibration_curve as sklearn_calibration_curve

from emulator.vision.evaluation.classification import Evaluation
from emulator.vision.evaluation.curves import calibration_curve, precision_recall_curve
from tests.support.vision.second_opinions import torchmetrics

# Few distinct values, so that many are equal, including 0 and 1; all are distinct in float32.
probability = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.7, 0.75, 0.9, 1.0]) | st.floats(0, 1, width=32)
predictions = st.lists(st.tuples(probability, st.booleans()), max_size=60)


def arrays(made: list[tuple[float, bool]]) -> tuple[numpy.ndarray, numpy.ndarray]:
    return (
        numpy.array([one for one, _ in made], numpy.float32),
        numpy.array([right for _, right in made], bool),
    )


def tensors(*made: numpy.ndarray) -> list[torch.Tensor]:
    return [torch.tensor(one.astype(numpy.int64) if one.dtype == bool else one) for one in made]


# --- precision and recall -----------------------------------------------------------------------------------


@given(predictions)
def test_points_are_those_of_scikit_learn_and_torchmetrics(made: list[tuple[float, bool]]) -> None:
    scores, right = arrays(made)
    assume(right.any())

    curve = precision_recall_curve(scores, right, int(right.sum()))

    precision, recall, thresholds = sklearn_metrics.precision_recall_curve(right, scores)
    # They go the other way, and add a point of no predictions.
    assert curve.thresholds[::-1] == pytest.approx(thresholds)
    assert curve.precision[::-1] == pytest.approx(precision[:-1])
    assert curve.recall[::-1] == pytest.approx(recall[:-1])
    precision, recall, thresholds = torchmetrics.binary_precision_recall_curve(*tensors(scores, right))
    assert curve.thresholds[::-1] == pytest.approx(thresholds.numpy())
    assert curve.precision[::-1] == pytest.approx(precision.numpy()[:-1])
    assert curve.recall[::-1] == pytest.approx(recall.numpy()[:-1])


@given(predictions)
def test_the_area_is_the_average_precision_of_both(made: list[tuple[float, bool]]) -> None:
    scores, right = arrays(made)
    area = precision_recall_curve(scores, right, int(right.sum())).area()
    if not right.any():
        # Undefined in both: scikit-learn warns and returns 0, torchmetrics returns NaN.
        assert area == 0
        return
    assert area == pytest.approx(sklearn_metrics.average_precision_score(right, scores))
    assert area == pytest.approx(
        float(torchmetrics.binary_average_precision(*tensors(scores, right))), abs=1e-5
    )


@given(predictions, st.integers(0, 5))
def test_the_area_under_the_best_precision_from_here_is_not_smaller(
    made: list[tuple[float, bool]], missed: int
) -> None:
    """The area as in detection benchmarks is never smaller than the area under the step function."""
    scores, right = arrays(made)
    curve = precision_recall_curve(scores, right, int(right.sum()) + missed)
    assert 0 <= curve.area() <= curve.area(best_from_here=True) + 1e-9 <= 1 + 1e-8
    # Equal where precision only falls.
    if (numpy.diff(curve.precision) <= 0).all():
        assert curve.area() == pytest.approx(curve.area(best_from_here=True))


def test_curves_of_nothing() -> None:
    nothing = precision_recall_curve(numpy.empty(0, numpy.float32), numpy.empty(0, bool), 3)
    assert (len(nothing.thresholds), nothing.area(), nothing.area(best_from_here=True)) == (0, 0, 0)
    assert nothing.thinned(2) is nothing
    wrong = precision_recall_curve(numpy.array([0.5], numpy.float32), numpy.array([False]), 0)
    assert (wrong.precision.tolist(), wrong.recall.tolist(), wrong.area()) == ([0], [0], 0)


@given(predictions, st.integers(2, 12))
def test_a_thinned_curve_keeps_its_ends_and_true_points(made: list[tuple[float, bool]], most: int) -> None:
    scores, right = arrays(made)
    curve = precision_recall_curve(scores, right, int(right.sum()))
    thin = curve.thinned(most)
    assert len(thin.thresholds) <= most
    points, of_whole = (
        list(zip(each.thresholds, each.precision, each.recall, strict=True)) for each in (thin, curve)
    )
    assert set(points) <= set(of_whole)
    assert points[:1] == of_whole[:1]
    assert points[-1:] == of_whole[-1:]


def test_a_long_thinned_curve_has_no_gaps() -> None:
    random = numpy.random.default_rng(0)
    # Nearly everything is found at the very beginning; thresholds alone would leave that to two points.
    right = numpy.arange(100_000) < 900
    right[random.integers(900, 100_000, 100)] = True
    scores = numpy.linspace(1, 0, 100_000, dtype=numpy.float32)
    thin = precision_recall_curve(scores, right, int(right.sum())).thinned(200)
    assert 150 <= len(thin.thresholds) <= 200
    assert numpy.diff(thin.recall, prepend=0).max() < 0.02
    assert -numpy.diff(thin.thresholds).min() < 0.02


@given(predictions, st.sampled_from([0.0, 0.1, 0.25, 0.4, 0.7, 1.0]))
def test_figures_at_a_threshold_count_the_predictions_from_it_on(
    made: list[tuple[float, bool]], threshold: float
) -> None:
    scores, right = arrays(made)
    point = precision_recall_curve(scores, right, int(right.sum()) + 1).at(threshold)
    counted = scores >= threshold
    assert point.precision == pytest.approx(right[counted].mean() if counted.any() else 0)
    assert point.recall == pytest.approx(right[counted].sum() / (right.sum() + 1))


@given(predictions)
def test_the_best_point_has_the_highest_f1_score(made: list[tuple[float, bool]]) -> None:
    scores, right = arrays(made)
    point = precision_recall_curve(scores, right, int(right.sum())).best()
    if not right.any():
        assert point is None
        return
    assert point is not None
    scored = [sklearn_metrics.f1_score(right, scores >= threshold) for threshold in scores]
    f1 = 2 * point.precision * point.recall / max(1e-9, point.precision + point.recall)
    assert f1 == pytest.approx(max(scored))


@given(predictions, st.floats(0, 1))
def test_the_point_with_a_precision_has_the_highest_recall(
    made: list[tuple[float, bool]], precision: float
) -> None:
    scores, right = arrays(made)
    curve = precision_recall_curve(scores, right, int(right.sum()))
    point = curve.with_precision(precision)
    enough = curve.precision >= precision
    if point is None:
        assert not enough.any()
        return
    assert point.precision >= precision
    assert point.recall == curve.recall[enough].max()


def test_tags_that_cannot_be_predicted_are_no_points() -> None:
    scores = numpy.array([0.5, -numpy.inf], numpy.float32)
    curve = precision_recall_curve(scores, numpy.array([True, True]), 2)
    assert curve.thresholds.tolist() == [0.5]
    assert curve.recall.tolist() == [0.5]
    calibration = calibration_curve(scores, numpy.array([True, True]), 10)
    assert calibration.counts.sum() == 1
    assert calibration.expected_error == pytest.approx(0.5)


# --- calibration --------------------------------------------------------------------------------------------


@given(predictions, st.integers(2, 15))
def test_calibration_is_that_of_torchmetrics(made: list[tuple[float, bool]], bins: int) -> None:
    scores, right = arrays(made)
    # Theirs has a bin of its own for exactly 1, ours counts it to the last one.
    scores = numpy.minimum(scores, numpy.float32(0.99999))
    assume(len(scores))

    error = calibration_curve(scores, right, bins).expected_error

    theirs = torchmetrics.binary_calibration_error(*tensors(scores, right), n_bins=bins, norm="l1")
    # That of the binary case looks at the probability of the class that is there or not, as ours does.
    assert error == pytest.approx(float(theirs), abs=1e-5)


@given(predictions, st.integers(2, 15))
def test_bins_are_those_of_scikit_learn(made: list[tuple[float, bool]], bins: int) -> None:
    scores, right = arrays(made)
    # Theirs hold their upper edge, ours the lower one.
    edges = numpy.linspace(0, 1, bins + 1).astype(numpy.float32)
    scores, right = scores[~numpy.isin(scores, edges)], right[~numpy.isin(scores, edges)]
    assume(len(scores))

    curve = calibration_curve(scores, right, bins)

    share, confidence = sklearn_calibration_curve(right, scores, n_bins=bins, pos_label=True)
    filled = curve.counts > 0
    assert curve.accuracy[filled] == pytest.approx(share)
    assert curve.confidence[filled] == pytest.approx(confidence)


def test_edges_of_bins() -> None:
    scores = numpy.array([0.0, 0.1, 0.3, 0.6, 0.7, 0.7, 1.0], numpy.float32)
    curve = calibration_curve(scores, numpy.ones(7, bool), 10)
    assert curve.counts.tolist() == [1, 1, 0, 1, 0, 0, 1, 2, 0, 1]
    assert curve.confidence[[2, 9]].tolist() == [0.25, 1.0]
    assert curve.accuracy[[2, 9]].tolist() == [0, 1]


def test_calibration_without_predictions() -> None:
    curve = calibration_curve(numpy.empty(0, numpy.float32), numpy.empty(0, bool))
    assert (curve.counts.tolist(), curve.expected_error) == ([0] * 10, 0)


@given(st.integers(0, 40), st.integers(2, 5), st.integers(0, 10_000))
def test_the_calibration_of_a_classifier_is_that_of_its_highest_probability(
    count: int, tags: int, seed: int
) -> None:
    random = numpy.random.default_rng(seed)
    probabilities = random.dirichlet(numpy.ones(tags), count).astype(numpy.float32)
    labels = random.integers(0, tags, count)
    measured = Evaluation(
        tuple(f"{number:064x}" for number in range(count)),
        (numpy.arange(count) % 5).astype(numpy.int8),
        probabilities,
        numpy.eye(tags, dtype=bool)[labels],
    )
    error = measured.calibration(multilabel=False, bins=8).expected_error
    if not count:
        assert error == 0
        return
    theirs = torchmetrics.multiclass_calibration_error(
        torch.tensor(probabilities), torch.tensor(labels), num_classes=tags, n_bins=8, norm="l1"
    )
    assert error == pytest.approx(float(theirs), abs=1e-5)
    assert measured.calibration(multilabel=True, bins=8).counts.sum() == count * tags


# --- by tag and by fold -------------------------------------------------------------------------------------


@given(st.integers(1, 30), st.integers(0, 10_000))
def test_curves_by_tag_and_by_fold(count: int, seed: int) -> None:
    random = numpy.random.default_rng(seed)
    targets = random.random((count, 3)) < 0.4
    measured = Evaluation(
        tuple(f"{number:064x}" for number in range(count)),
        random.integers(0, 4, count).astype(numpy.int8),
        random.random((count, 3)).round(1).astype(numpy.float32),
        targets,
    )
    scored = measured.scored_predictions()
    figures = measured.performance()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn's, of tags that no image has
        for tag in range(3):
            scores, right = measured.probabilities_NT[:, tag], targets[:, tag]
            assert scored.curve_of(tag).area() == figures.per_tag[tag].average_precision
            for fold, curve in scored.curves_by_fold(tag):
                there = measured.folds == fold
                expected = sklearn_metrics.average_precision_score(right[there], scores[there])
                assert curve.area() == pytest.approx(expected)
            with_tag = {int(fold) for fold in measured.folds[right]}
            assert {fold for fold, _ in scored.curves_by_fold(tag)} == with_tag
    for threshold, precision, recall in zip(
        scored.curve().thresholds, scored.curve().precision, scored.curve().recall, strict=True
    ):
        at = measured.performance(float(threshold))
        assert (at.precision, at.recall) == pytest.approx((precision, recall))
