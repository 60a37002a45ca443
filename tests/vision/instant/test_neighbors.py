"""Shares of neighbors: exact integers, computed without exponential functions."""

import numpy
import pytest

from emulator.vision.instant import neighbors


def test_shares_halve_with_each_half_distance() -> None:
    distances = numpy.array([[0, 1000, 2000, 24_000, neighbors.FARTHEST]])
    shares = neighbors.shares_of(distances, half=1000)
    assert shares.tolist() == [[neighbors.ONE, neighbors.ONE / 2, neighbors.ONE / 4, neighbors.BACKGROUND, 0]]


def test_shares_are_integers_close_to_the_powers_of_two() -> None:
    distances = numpy.arange(0, 30_000, 7)[None]
    shares = neighbors.shares_of(distances, half=1000)[0]
    steps = distances[0] * neighbors.STEPS_PER_HALF // 1000
    assert (shares == numpy.floor(shares)).all()
    expected = neighbors.ONE * 2.0 ** (-steps / neighbors.STEPS_PER_HALF)
    assert (numpy.abs(shares - expected) <= 0.51).all()


def test_distances_do_not_depend_on_the_order_of_sums() -> None:
    features = numpy.random.default_rng(1).integers(-5000, 5000, (40, 251)).astype(numpy.int16)
    order = numpy.random.default_rng(2).permutation(251)
    some, others = neighbors.directions(features), neighbors.directions(features[:, order])
    assert (neighbors.distances(some, some) == neighbors.distances(others, others)).all()
    assert (numpy.diag(neighbors.distances(some, some)) == 0).all()


@pytest.mark.parametrize(
    ("nearest", "half"), [([], 5000), ([80_000] * 3, 10_000), ([0], 500), ([10**6], 20_000)]
)
def test_the_half_distance_follows_the_distances_of_neighbors(nearest: list[int], half: int) -> None:
    assert neighbors.half_distance(numpy.array(nearest, numpy.int64)) == half
