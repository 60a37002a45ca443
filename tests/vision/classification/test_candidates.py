"""The calibration of heads without a fold each, applied to the head of all images."""

import numpy
import pytest

from emulator.vision.classification import candidates
from emulator.vision.classification.candidates import SCALE_OF_ALL_IMAGES, frozen_candidate
from emulator.vision.classification.cross_validation import TrainingSet, fit_heads
from emulator.vision.classification.head import (
    FEATURE_LENGTH,
    LinearHead,
    LogitCalibration,
    calibration_of,
    log_losses,
)
from emulator.vision.training.folds import stratified_folds

TAGS, WIDTH = 3, 64
FACTORS = numpy.exp(numpy.linspace(-1, 1, 201))


def drawn(random: numpy.random.Generator, centres: numpy.ndarray, count: int) -> tuple[numpy.ndarray, ...]:
    """Features of overlapping classes, and targets."""
    labels = numpy.arange(count) % TAGS
    features = centres[labels] + random.normal(size=(count, WIDTH))
    features *= FEATURE_LENGTH / numpy.linalg.norm(features, axis=1, keepdims=True)
    return features, numpy.eye(TAGS)[labels]


def best_factor(head: LinearHead, features: numpy.ndarray, targets: numpy.ndarray) -> float:
    """The factor on the scores of a head that has the lowest log loss."""
    logits = head.logits(features)
    return min(
        FACTORS.tolist(), key=lambda factor: log_losses(logits * factor, targets, multilabel=False).sum()
    )


def test_the_head_of_all_images_is_as_sure_on_new_images_as_it_may_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It has larger scores than heads of four fifths of the images, whose calibration it gets."""
    monkeypatch.setattr(candidates, "classifying_network", lambda backbone, head, **_: head)
    with_factor, without = [], []
    for seed in range(10):
        random = numpy.random.default_rng(seed)
        centres = random.normal(size=(TAGS, WIDTH)) * 0.3
        features, targets = drawn(random, centres, 150)
        training_set = TrainingSet(features, numpy.arange(150), targets, False, 1.0)
        folds = stratified_folds(targets > 0, seed)
        head, held_out = fit_heads(training_set, folds, lambda done: None)
        calibration = calibration_of(held_out, targets, multilabel=False)
        made = frozen_candidate(
            "frozen", training_set, folds, numpy.ones(150, bool), None, lambda done: None
        ).make(calibration)
        new = drawn(random, centres, 3000)
        with_factor.append(numpy.log(best_factor(made, *new)))
        without.append(numpy.log(best_factor(head.calibrated(calibration), *new)))

    assert numpy.mean(without) < -0.03
    assert abs(numpy.mean(with_factor)) < abs(numpy.mean(without))


def test_shifts_of_tags_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "classifying_network", lambda backbone, head, **_: head)
    features, targets = drawn(numpy.random.default_rng(0), numpy.eye(TAGS, WIDTH), 30)
    training_set = TrainingSet(features, numpy.arange(30), targets, True, 1.0)
    folds = stratified_folds(targets > 0, 0)
    head, _ = fit_heads(training_set, folds, lambda done: None)
    shifts = numpy.array([1.0, -2.0, 0.0])

    made = frozen_candidate(
        "frozen", training_set, folds, numpy.ones(30, bool), None, lambda done: None
    ).make(LogitCalibration(2.0, shifts))

    expected = 2 * SCALE_OF_ALL_IMAGES * head.logits(features) + shifts
    numpy.testing.assert_allclose(made.logits(features), expected, atol=1e-9)
