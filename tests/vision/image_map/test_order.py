"""The order by diversity: farthest-first traversal, and groups of similar images."""

import numpy

from emulator.vision.image_map import order
from emulator.vision.image_map.order import diverse_order


def keys(count: int) -> list[str]:
    return [f"{number:064x}" for number in range(count)]


def test_the_first_images_come_from_all_clusters() -> None:
    random = numpy.random.default_rng(0)
    centers = random.normal(0, 10, (6, 8))
    labels = numpy.arange(120) % 6
    points = (centers[labels] + random.normal(0, 0.3, (120, 8))).astype(numpy.float32)
    found = diverse_order(points, keys(120))
    assert sorted(found.ranks.tolist()) == list(range(120))
    first = numpy.argsort(found.ranks)[:6]
    assert set(labels[first]) == set(range(6))


def test_each_image_is_the_farthest_from_those_before_it() -> None:
    points = numpy.random.default_rng(1).normal(size=(40, 5)).astype(numpy.float32)
    sequence = numpy.argsort(diverse_order(points, keys(40)).ranks)
    apart = numpy.linalg.norm(points[:, None] - points, axis=2)
    for place in range(1, 40):
        before, rest = sequence[:place], sequence[place:]
        assert apart[rest][:, before].min(axis=1).argmax() == 0 or (
            apart[sequence[place], before].min() >= apart[rest][:, before].min(axis=1).max() - 1e-4
        )


def test_groups_are_those_of_the_nearest_center() -> None:
    points = numpy.random.default_rng(2).normal(size=(200, 5)).astype(numpy.float32)
    found = diverse_order(points, keys(200))
    centers = points[numpy.argsort(found.ranks)[: order._GROUPS]]
    apart = numpy.linalg.norm(points[:, None] - centers, axis=2)
    chosen = apart[numpy.arange(200), found.groups]
    assert numpy.allclose(chosen, apart.min(axis=1), atol=1e-3)


def test_the_order_does_not_depend_on_that_of_the_images() -> None:
    points = numpy.random.default_rng(3).integers(0, 3, (50, 2)).astype(numpy.float32)
    names = keys(50)
    shuffled = numpy.random.default_rng(4).permutation(50)
    first = diverse_order(points, names)
    second = diverse_order(points[shuffled], [names[place] for place in shuffled])
    assert first.ranks[shuffled].tolist() == second.ranks.tolist()


def test_few_images_and_unreadable_ones() -> None:
    nothing = diverse_order(numpy.zeros((0, 50), numpy.float32), [])
    assert nothing.spread(2, numpy.zeros(0, numpy.int64)).ranks.tolist() == [0, 1]
    one = diverse_order(numpy.ones((1, 50), numpy.float32), keys(1))
    assert one.spread(3, numpy.array([1])).ranks.tolist() == [1, 0, 2]
