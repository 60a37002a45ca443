"""Calibrated probabilities of detections are the fractions of correct ones."""

import numpy
import pytest

from emulator.vision.detection.calibration import PlattScaling, calibrate


def sigmoid(scores: numpy.ndarray) -> numpy.ndarray:
    return 1 / (1 + numpy.exp(-scores))


@pytest.mark.parametrize(("slope", "offset"), [(1, 0), (2, 1), (0.5, -1), (3, -2)])
def test_slope_and_offset_are_found(slope: float, offset: float) -> None:
    random = numpy.random.default_rng(0)
    scores = random.normal(0, 2, 20_000)
    found = random.random(20_000) < sigmoid(slope * scores + offset)

    fitted = calibrate(sigmoid(scores), found)

    assert fitted.slope == pytest.approx(slope, rel=0.1)
    assert fitted.offset == pytest.approx(offset, abs=0.1)


def test_calibrated_probabilities_are_shares() -> None:
    random = numpy.random.default_rng(1)
    truth = random.random(20_000)
    found = random.random(20_000) < truth
    timid = sigmoid(numpy.log(truth / (1 - truth)) / 2 - 1)

    probabilities = calibrate(timid, found).probabilities(timid)

    for low in numpy.arange(0, 1, 0.1):
        inside = (probabilities >= low) & (probabilities < low + 0.1)
        assert found[inside].mean() == pytest.approx(probabilities[inside].mean(), abs=0.05)


def test_without_detections_nothing_changes() -> None:
    nothing = numpy.zeros(0, numpy.float32)

    fitted = calibrate(nothing, nothing > 0)

    assert (fitted.slope, fitted.offset) == pytest.approx((1, 0))
    assert len(fitted.probabilities(nothing)) == 0


@pytest.mark.parametrize("always", [True, False])
@pytest.mark.parametrize("probability", [0.0, 0.02, 0.9, 1.0])
def test_little_evidence_moves_little_and_never_turns_the_order_round(
    always: bool, probability: float
) -> None:
    fitted = calibrate(numpy.full(3, probability), numpy.full(3, always))

    assert 0.25 <= fitted.slope <= 4
    assert abs(fitted.offset) < 3
    rising = fitted.probabilities(numpy.linspace(0, 1, 50))
    assert (numpy.diff(rising) >= 0).all()
    assert numpy.isfinite(rising).all()


def test_no_calibration_is_no_change() -> None:
    values = numpy.array([0.01, 0.3, 0.99])

    numpy.testing.assert_allclose(PlattScaling().probabilities(values), values, rtol=1e-6)
