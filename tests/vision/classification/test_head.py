"""The head is a logistic regression, and its calibration gives calibrated probabilities."""

import math

import numpy
import pytest
from sklearn.linear_model import LogisticRegression

from emulator.vision.classification.head import (
    LinearHead,
    LogitCalibration,
    balancing_weights,
    calibration_of,
    fit_linear_head,
    log_losses,
    probabilities,
)


def blobs(per_tag: list[int], spread: float = 4.0, seed: int = 0) -> tuple[numpy.ndarray, numpy.ndarray]:
    """A cloud of points for each tag, on a sphere of radius 10, and their tags as one-hot rows."""
    random = numpy.random.default_rng(seed)
    centres = numpy.random.default_rng(7).normal(size=(len(per_tag), 12)) * 3
    tags = numpy.repeat(numpy.arange(len(per_tag)), per_tag)
    points = centres[tags] + random.normal(size=(len(tags), 12)) * spread
    points *= 10 / numpy.linalg.norm(points, axis=1, keepdims=True)
    return points, numpy.eye(len(per_tag))[tags]


def with_constant(features: numpy.ndarray) -> numpy.ndarray:
    """Centred, and with a column of ones: a bias that is regularised like the weights."""
    centred = features - features.mean(axis=0)
    return numpy.concatenate([centred, numpy.ones((len(features), 1))], axis=1)


@pytest.mark.parametrize("inverse_regularisation", [0.3, 10.0])
def test_multiclass_agrees_with_scikit_learn(inverse_regularisation: float) -> None:
    features, targets = blobs([30, 20, 10])
    weights = balancing_weights(targets)

    head = fit_linear_head(
        features, targets, weights, multilabel=False, inverse_regularisation=inverse_regularisation
    )

    other = LogisticRegression(C=inverse_regularisation, fit_intercept=False, tol=1e-10, max_iter=10_000)
    other.fit(with_constant(features), targets.argmax(axis=1), sample_weight=weights)
    numpy.testing.assert_allclose(
        probabilities(head.logits(features), multilabel=False),
        other.predict_proba(with_constant(features)),
        atol=2e-4,
    )


def test_multilabel_agrees_with_scikit_learn() -> None:
    features, targets = blobs([30, 20, 10])
    targets[:, 0] = numpy.maximum(targets[:, 0], targets[:, 2])
    equal = numpy.ones(len(features))

    head = fit_linear_head(features, targets, equal, multilabel=True, inverse_regularisation=1.0)

    for tag in range(3):
        other = LogisticRegression(C=1.0, fit_intercept=False, tol=1e-10, max_iter=10_000)
        other.fit(with_constant(features), targets[:, tag])
        numpy.testing.assert_allclose(
            probabilities(head.logits(features), multilabel=True)[:, tag],
            other.predict_proba(with_constant(features))[:, 1],
            atol=2e-4,
        )


def test_rows_of_weight_zero_are_as_if_they_were_not_there() -> None:
    features, targets = blobs([20, 20])
    kept = numpy.arange(40) % 4 > 0

    masked = fit_linear_head(features, targets, kept * 1.0, multilabel=False, inverse_regularisation=1.0)
    without = fit_linear_head(
        features[kept], targets[kept], numpy.ones(kept.sum()), multilabel=False, inverse_regularisation=1.0
    )

    numpy.testing.assert_allclose(masked.logits(features), without.logits(features), atol=1e-3)


def test_nothing_to_learn_from_gives_equal_probabilities() -> None:
    features, targets = blobs([2, 2])

    head = fit_linear_head(features, targets, numpy.zeros(4), multilabel=False, inverse_regularisation=1.0)

    assert probabilities(head.logits(features), multilabel=False).tolist() == [[0.5, 0.5]] * 4


@pytest.mark.parametrize("multilabel", [False, True])
def test_a_tag_without_images_gets_a_low_probability(multilabel: bool) -> None:
    features, targets = blobs([20, 20])
    targets = numpy.concatenate([targets, numpy.zeros((40, 1))], axis=1)

    head = fit_linear_head(
        features, targets, numpy.ones(40), multilabel=multilabel, inverse_regularisation=1.0
    )

    assert probabilities(head.logits(features), multilabel=multilabel)[:, 2].max() < 0.1


def test_equal_features_with_different_tags_are_undecided() -> None:
    features = numpy.ones((6, 4))
    targets = numpy.tile(numpy.eye(2), (3, 1))

    head = fit_linear_head(features, targets, numpy.ones(6), multilabel=False, inverse_regularisation=1.0)

    numpy.testing.assert_allclose(probabilities(head.logits(features), multilabel=False), 0.5, atol=1e-6)


def test_every_tag_has_the_same_weight() -> None:
    _, targets = blobs([30, 6, 4])

    weights = balancing_weights(targets)

    assert weights.mean() == pytest.approx(1)
    assert (weights @ targets).tolist() == pytest.approx([40 / 3] * 3)


def test_single_precision_gives_nearly_the_same() -> None:
    features, targets = blobs([50, 50])
    heads = [
        fit_linear_head(
            features.astype(precision), targets, numpy.ones(100), multilabel=False, inverse_regularisation=1.0
        )
        for precision in (numpy.float32, numpy.float64)
    ]

    numpy.testing.assert_allclose(heads[0].logits(features), heads[1].logits(features), atol=0.01)


@pytest.mark.parametrize("multilabel", [False, True])
@pytest.mark.parametrize("true_scale", [0.5, 1.0, 2.5])
def test_calibration_finds_by_how_much_scores_are_wrong(multilabel: bool, true_scale: float) -> None:
    random = numpy.random.default_rng(1)
    calibrated = random.normal(size=(4000, 3)) * 2
    chances = probabilities(calibrated, multilabel=multilabel)
    if multilabel:
        targets = (random.random(chances.shape) < chances) * 1.0
    else:
        drawn = (random.random((4000, 1)) > chances.cumsum(axis=1)).sum(axis=1).clip(max=2)
        targets = numpy.eye(3)[drawn]

    found = calibration_of(calibrated / true_scale, targets, multilabel=multilabel)

    assert found.scale == pytest.approx(true_scale, rel=0.12)
    assert found.shift_T == pytest.approx(0, abs=0.15)


def test_features_without_information_give_each_tag_its_frequency() -> None:
    random = numpy.random.default_rng(2)
    common = numpy.array([0.9, 0.5, 0.2])
    targets = (random.random((400, 3)) < common) * 1.0
    noise = numpy.log(common / (1 - common)) * 0.3 + random.normal(size=(400, 3))

    found = calibration_of(noise, targets, multilabel=True)

    chances = probabilities(found.applied(noise), multilabel=True)
    assert chances.mean(axis=0) == pytest.approx(common, abs=0.04)
    assert chances.std(axis=0).max() < 0.15


def test_a_few_images_shift_little() -> None:
    found = calibration_of(numpy.zeros((3, 1)), numpy.ones((3, 1)), multilabel=True)
    assert 0 < float(numpy.asarray(found.shift_T)[0]) < 1


def test_sixty_images_of_a_frequent_tag_give_it_nearly_its_frequency() -> None:
    found = calibration_of(numpy.zeros((60, 1)), (numpy.arange(60)[:, None] < 48) * 1.0, multilabel=True)
    assert 0.77 < probabilities(found.applied(numpy.zeros((1, 1))), multilabel=True)[0, 0] < 0.8


def test_calibrations_one_after_another() -> None:
    logits = numpy.array([[1.0, -2.0]])
    first, second = LogitCalibration(2.0, numpy.array([1.0, 0.5])), LogitCalibration(0.5, -1.0)

    numpy.testing.assert_allclose(second.after(first).applied(logits), second.applied(first.applied(logits)))
    numpy.testing.assert_allclose(first.weighted(0.25).applied(logits), first.applied(logits) / 4)
    head = LinearHead(numpy.array([[1.0, 2.0]]), numpy.array([0.5, 0.0]))
    features = numpy.array([[3.0]])
    numpy.testing.assert_allclose(
        head.calibrated(first).logits(features), first.applied(head.logits(features))
    )


def test_a_few_images_without_errors_do_not_give_certainty() -> None:
    logits = numpy.array([[2.0, -2.0], [-2.0, 2.0]] * 10)

    found = calibration_of(logits, (logits > 0) * 1.0, multilabel=False)

    assert 1 < found.scale < 2


def test_calibration_is_bounded() -> None:
    logits = numpy.tile([[0.5, -0.5]], (100_000, 1))
    targets = numpy.tile([[1.0, 0.0]], (100_000, 1))

    assert calibration_of(logits, targets, multilabel=False).scale == pytest.approx(4)
    assert calibration_of(logits, 1 - targets, multilabel=False).scale == pytest.approx(0.25)


@pytest.mark.parametrize("multilabel", [False, True])
def test_extreme_scores_overflow_nowhere(multilabel: bool) -> None:
    logits = numpy.array([[1e4, -1e4], [-1e4, 1e4]])

    assert numpy.isfinite(probabilities(logits, multilabel=multilabel)).all()
    assert numpy.isfinite(log_losses(logits, numpy.eye(2), multilabel=multilabel)).all()


def test_log_loss_is_that_of_the_textbook() -> None:
    logits = numpy.log([[0.7, 0.2, 0.1]])

    assert log_losses(logits, numpy.array([[0, 1, 0]]), multilabel=False)[0] == pytest.approx(-math.log(0.2))
    even = log_losses(numpy.zeros((1, 3)), numpy.array([[1, 1, 0]]), multilabel=True)
    assert even[0] == pytest.approx(3 * math.log(2))
