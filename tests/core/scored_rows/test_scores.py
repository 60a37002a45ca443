"""Scores of an image and their uncertainty."""

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.core.scored_rows.scores import TagProbability, uncertainty

# Responses of the service for two tags; the probabilities of the second one add up to 1.
RECORDED = (
    ((0.9999989, 1.37367179e-12), 1.1411630111979321e-05),
    ((0.999999762, 2.38418579e-07), 5.5891741794766858e-06),
)


def scores(*probabilities: float) -> list[TagProbability]:
    return [TagProbability("id", "tag", "Regular", probability) for probability in probabilities]


@pytest.mark.parametrize(("probabilities", "expected"), RECORDED)
def test_uncertainty_equals_that_of_the_service(probabilities: tuple[float, ...], expected: float) -> None:
    exact = [float(numpy.float32(probability)) for probability in probabilities]
    assert uncertainty(scores(*exact)) == pytest.approx(expected, rel=1e-7)


@given(st.lists(st.floats(0, 1), max_size=6))
def test_uncertainty_lies_between_0_and_1(probabilities: list[float]) -> None:
    assert 0 <= uncertainty(scores(*probabilities)) <= 1


@given(st.floats(0, 1), st.floats(0, 1))
def test_probabilities_nearer_to_a_half_are_less_certain(one: float, other: float) -> None:
    nearer, farther = sorted((one, other), key=lambda probability: abs(probability - 0.5))
    assert uncertainty(scores(nearer)) >= uncertainty(scores(farther)) - 1e-12


def test_certainty_and_its_opposite() -> None:
    assert uncertainty([]) == uncertainty(scores(0.0, 1.0)) == 0
    assert uncertainty(scores(0.5, 0.5, 0.5)) == 1
    assert uncertainty(scores(0.5, 1.0)) == 0.5
