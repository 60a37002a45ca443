"""An order of images in which the first ones represent all of them: greedy farthest-first traversal.

Each next image is the one that is farthest from all before it (Gonzalez, "Clustering to minimize the maximum
intercluster distance", 1985; as the core set of active learning in Sener & Savarese, 2018).

Axes: N images, D dimensions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

# The traversal ends after this many images; the others follow in an order without a meaning.
_TRAVERSED = 1_000
# The first images of the traversal are the centers of groups of similar images.
_GROUPS = 64


@dataclass(frozen=True)
class Order:
    """An order by diversity.

    Attributes:
        ranks: the place of each image in the order, (N,); images that cannot be read come last.
        groups: the group of each image, (N,): that of the nearest center.
    """

    ranks: NDArray[numpy.int64]
    groups: NDArray[numpy.int64]

    def spread(self, count: int, indexes: NDArray[numpy.int64]) -> Order:
        """The order of `count` images, of which this one has those with the given ascending indexes."""
        import numpy

        ranks = numpy.empty(count, numpy.int64)
        groups = numpy.zeros(count, numpy.int64)
        ranks[indexes], groups[indexes] = self.ranks, self.groups
        others = numpy.setdiff1d(numpy.arange(count), indexes)
        ranks[others] = numpy.arange(len(indexes), count)
        return Order(ranks, groups)


def diverse_order(points_ND: NDArray[numpy.float32], keys: Sequence[str]) -> Order:
    """The order of points, beginning with the one that is nearest to their mean.

    Args:
        keys: of the images; they decide between equal distances and order the rest.
    """
    import numpy

    count = len(points_ND)
    ranks, groups = numpy.full(count, -1, numpy.int64), numpy.zeros(count, numpy.int64)
    if not count:
        return Order(ranks, groups)
    by_key = sorted(range(count), key=lambda place: hashlib.sha256(keys[place].encode()).digest())
    points = points_ND[by_key]
    ranked = numpy.full(count, -1, numpy.int64)
    nearest, group = numpy.full(count, numpy.inf, numpy.float32), numpy.zeros(count, numpy.int64)
    squares = (points * points).sum(axis=1)
    chosen = int(((points - points.mean(axis=0)) ** 2).sum(axis=1).argmin())
    for rank in range(min(count, _TRAVERSED)):
        ranked[chosen] = rank
        distances = squares - 2 * (points @ points[chosen]) + squares[chosen]
        closer = distances < nearest
        if rank < _GROUPS:
            group[closer] = rank
        nearest[closer] = distances[closer]
        # Chosen ones are not chosen again, among equal points either.
        nearest[chosen] = -numpy.inf
        chosen = int(nearest.argmax())
    rest = numpy.flatnonzero(ranked < 0)
    ranked[rest] = numpy.arange(count - len(rest), count)
    ranks[by_key], groups[by_key] = ranked, group
    return Order(ranks, groups)
