"""The log odds of an anomaly, from the scores of held-out images."""

import numpy
import pytest

from emulator.vision.anomaly.calibration import Calibration, probably_not_good

NONE = numpy.zeros((0, 2))


def good(count: int, seed: int = 0) -> numpy.ndarray:
    return numpy.random.default_rng(seed).normal((5.0, -3.0), (1.0, 2.0), (count, 2))


def test_few_good_images_are_beyond_the_limit() -> None:
    calibration = Calibration.fit(good(500), NONE)
    new = calibration.log_odds(good(1000, seed=1))
    assert 0.02 < (new > 0).mean() < 0.09
    assert numpy.median(new) < -2.5
    assert calibration.log_odds(numpy.array([[9.0, 6.0]])) > 3


def test_scores_count_by_how_much_they_vary_among_good_images() -> None:
    weights = Calibration.fit(good(500), NONE).weight_L
    assert weights[0] / weights[1] == pytest.approx(2, rel=0.1)


def test_known_anomalies_move_the_limit_only_towards_the_good_images() -> None:
    without = Calibration.fit(good(200), NONE)
    near = good(50, seed=2) + numpy.array([1.2, 2.4])
    far = good(50, seed=2) + numpy.array([9.0, 18.0])
    moved = Calibration.fit(good(200), near)
    assert moved.bias > without.bias
    assert (moved.log_odds(near) > 0).mean() > (without.log_odds(near) > 0).mean() + 0.1
    assert Calibration.fit(good(200), far).bias == without.bias


def test_images_that_all_look_the_same_give_finite_log_odds() -> None:
    calibration = Calibration.fit(numpy.ones((10, 2)), NONE)
    assert numpy.isfinite(calibration.log_odds(numpy.array([[1.0, 1.0], [1.5, 1.0]]))).all()
    assert calibration.log_odds(numpy.array([[1.0, 1.0]])) < -1


def test_outliers_are_found_up_to_a_tenth_of_the_images() -> None:
    scores = good(40)
    scores[:3] += (30.0, 0.0)
    assert numpy.flatnonzero(probably_not_good(scores)).tolist() == [0, 1, 2]
    scores[:10] += (30.0, 0.0)
    assert probably_not_good(scores).sum() == 4
    assert not probably_not_good(good(40)).any()
