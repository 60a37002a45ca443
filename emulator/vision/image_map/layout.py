"""Points in two dimensions whose neighbors are neighbors in the space of features. NumPy alone.

The method is that of UMAP (McInnes, Healy & Melville, "UMAP: Uniform Manifold Approximation and Projection",
2018): a weighted graph of nearest neighbors, points that its edges attract and random other points repel. It
begins with the first two principal components, which keeps the coarse arrangement (Kobak & Linderman, 2021).
Unlike UMAP, all edges of an epoch are applied at once, so that NumPy does the work, and the seed is fixed: on
one machine, equal features have the same layout.

Distances within a group of points have a meaning, those between groups hardly any.

Axes: N points, D dimensions of features, K neighbors, E edges, M points of the graph.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Floats = NDArray[numpy.float32]
    Rows = NDArray[numpy.int64]

# Dimensions to which features are reduced before neighbors are searched.
REDUCED = 50
NEIGHBORS = 15
# With more points, this many are arranged, and the others are placed among their neighbors.
MOST_ARRANGED = 12_000
# Below, a graph of neighbors says nothing; the principal components are the map.
FEWEST_ARRANGED = 8
_NEIGHBORS_OF_OTHERS = 4
_EPOCHS, _MANY, _EPOCHS_OF_MANY = 400, 4_000, 200
# The curve of the attraction, 1 / (1 + a d^(2b)): that of UMAP for a minimum distance of 0.5.
_A, _B = 0.583, 1.334
_NEGATIVES = 5
_MAX_STEP = 4.0
# Half the width of the map at the beginning.
_EXTENT = 10.0
_BLOCK_ENTRIES = 4_000_000


def reduced(features_ND: NDArray[numpy.floating], dimensions: int = REDUCED) -> Floats:
    """The first principal components of features scaled to length 1, (N, at most `dimensions`).

    The sign of each component is fixed: the entry of largest magnitude of its axis is positive.
    """
    import numpy

    exact = numpy.asarray(features_ND, numpy.float64)
    lengths = numpy.linalg.norm(exact, axis=1, keepdims=True)
    exact = exact / numpy.maximum(lengths, 1e-12)
    if not len(exact):
        return numpy.zeros((0, dimensions), numpy.float32)
    exact -= exact.mean(axis=0)
    _, axes_DD = numpy.linalg.eigh(exact.T @ exact)
    axes_DC = axes_DD[:, ::-1][:, :dimensions]
    largest = numpy.abs(axes_DC).argmax(axis=0)
    axes_DC = axes_DC * numpy.sign(axes_DC[largest, numpy.arange(axes_DC.shape[1])])
    result: Floats = (exact @ axes_DC).astype(numpy.float32)
    return result


def arranged(reduced_ND: Floats, progress: Callable[[float], None] = lambda fraction: None) -> Floats:
    """The layout, (N, 2), each coordinate within 0..1. `is_arranged` says by which method.

    Args:
        reduced_ND: a result of `reduced`.
        progress: called with the share that is done, 0..1. Its exceptions end the work.
    """
    import numpy

    count = len(reduced_ND)
    if not is_arranged(count):
        return _within_unit(_plane(reduced_ND))
    chosen = numpy.unique(numpy.linspace(0, count - 1, min(count, MOST_ARRANGED)).round().astype(numpy.int64))
    points_MD = reduced_ND[chosen]
    places = _optimized(points_MD, lambda done: progress(done if len(chosen) == count else done * 0.9))
    if len(chosen) == count:
        return _within_unit(places)
    result = numpy.zeros((count, 2), numpy.float32)
    result[chosen] = places
    others = numpy.setdiff1d(numpy.arange(count), chosen)
    nearest, distances = _nearest(reduced_ND[others], points_MD, _NEIGHBORS_OF_OTHERS)
    weights = 1 / (distances + 1e-6)
    result[others] = (places[nearest] * weights[..., None]).sum(axis=1) / weights.sum(axis=1)[:, None]
    progress(1.0)
    return _within_unit(result)


def is_arranged(count: int) -> bool:
    """Whether a map of this many points is arranged by neighbors, not merely by principal components."""
    return count >= FEWEST_ARRANGED


def _plane(reduced_ND: Floats) -> Floats:
    """The first two components, (N, 2); zeros where there are fewer."""
    import numpy

    result = numpy.zeros((len(reduced_ND), 2), numpy.float32)
    result[:, : reduced_ND.shape[1]] = reduced_ND[:, :2]
    return result


def _within_unit(places_N2: Floats) -> Floats:
    """Moved and scaled to 0..1, with the same scale in both directions."""
    import numpy

    if not len(places_N2):
        return places_N2
    low, high = places_N2.min(axis=0), places_N2.max(axis=0)
    side = max(float((high - low).max()), 1e-9)
    result: Floats = ((places_N2 - (low + high) / 2) / side + 0.5).clip(0, 1).astype(numpy.float32)
    return result


def _nearest(points_ND: Floats, others_MD: Floats, count: int) -> tuple[Rows, Floats]:
    """The nearest `count` of the others, nearest first (N, K), and their distances."""
    import numpy

    count = min(count, len(others_MD))
    rows_at_a_time = max(1, _BLOCK_ENTRIES // len(others_MD))
    squares_M = (others_MD * others_MD).sum(axis=1)
    found, distances = [], []
    for begin in range(0, len(points_ND), rows_at_a_time):
        some = points_ND[begin : begin + rows_at_a_time]
        squared = squares_M - 2 * (some @ others_MD.T) + (some * some).sum(axis=1)[:, None]
        rows = numpy.argpartition(squared, count - 1, axis=1)[:, :count]
        of_rows = numpy.take_along_axis(squared, rows, 1)
        order = numpy.lexsort((rows, of_rows), axis=1)
        found.append(numpy.take_along_axis(rows, order, 1))
        distances.append(numpy.sqrt(numpy.take_along_axis(of_rows, order, 1).clip(0)))
    return numpy.concatenate(found), numpy.concatenate(distances)


def _graph(points_ND: Floats) -> tuple[Rows, Rows, Floats]:
    """The edges of the fuzzy graph of neighbors, each once: two points and a weight in 0..1, (E,) each."""
    import numpy

    count = len(points_ND)
    nearest, distances = _nearest(points_ND, points_ND, NEIGHBORS + 1)
    # Usually the first is the point itself; of several equal points it may be another.
    itself = nearest == numpy.arange(count)[:, None]
    itself[~itself.any(axis=1), -1] = True
    width = nearest.shape[1] - 1
    nearest, distances = nearest[~itself].reshape(count, width), distances[~itself].reshape(count, width)
    weights = _memberships(distances)
    first = numpy.repeat(numpy.arange(count), width)
    second = nearest.ravel()
    # The fuzzy union of both directions: a + b - a b.
    names = numpy.minimum(first, second) * count + numpy.maximum(first, second)
    unique, place = numpy.unique(names, return_inverse=True)
    sums = numpy.bincount(place, weights.ravel(), len(unique))
    rest = numpy.bincount(place, numpy.log1p(-weights.ravel().clip(0, 1 - 1e-6)), len(unique))
    both = numpy.bincount(place, minlength=len(unique)) > 1
    union = numpy.where(both, 1 - numpy.exp(rest), sums)
    return unique // count, unique % count, union.astype(numpy.float32)


def _memberships(distances_NK: Floats) -> Floats:
    """exp(-(d - nearest) / scale): the scale of each point makes the weights add up to log2(K)."""
    import numpy

    beyond = distances_NK - distances_NK[:, :1]
    target = numpy.log2(max(2, distances_NK.shape[1]))
    low = numpy.zeros(len(beyond))
    high = numpy.full(len(beyond), numpy.inf)
    scale = numpy.ones(len(beyond))
    for _ in range(40):
        total = numpy.exp(-beyond / scale[:, None]).sum(axis=1)
        too_large = total > target
        high = numpy.where(too_large, scale, high)
        low = numpy.where(too_large, low, scale)
        scale = numpy.where(numpy.isinf(high), scale * 2, (low + high) / 2)
    floor = 1e-3 * max(float(distances_NK.mean()), 1e-12)
    result: Floats = numpy.exp(-beyond / numpy.maximum(scale, floor)[:, None]).astype(numpy.float32)
    return result


def _optimized(points_MD: Floats, progress: Callable[[float], None]) -> Floats:
    """The places of the points of a graph, (M, 2)."""
    import numpy

    count = len(points_MD)
    first, second, weights = _graph(points_MD)
    random = numpy.random.default_rng(0)
    places = _plane(points_MD)
    places *= _EXTENT / max(float(numpy.abs(places).max()), 1e-9)
    # Equal points would stay together for ever.
    places += random.normal(0, 1e-2, places.shape).astype(numpy.float32)
    epochs = _EPOCHS if count <= _MANY else _EPOCHS_OF_MANY
    strength = weights / weights.max()
    shares = numpy.bincount(first, strength, count) + numpy.bincount(second, strength, count)
    shares = (shares / max(float(shares.mean()), 1e-9)).astype(numpy.float32)
    for epoch in range(epochs):
        rate = 1 - epoch / epochs
        step = _attraction(places, first, second, strength, count)
        for _ in range(_NEGATIVES):
            step += _repulsion(places, random.permutation(count)) * shares[:, None]
        places += rate * step.clip(-_MAX_STEP, _MAX_STEP)
        if epoch % 10 == 9:
            progress((epoch + 1) / epochs)
    return places


def _attraction(places: Floats, first: Rows, second: Rows, strength: Floats, count: int) -> Floats:
    """The mean pull of the edges on each point, (M, 2)."""
    import numpy

    apart = places[first] - places[second]
    squared = (apart * apart).sum(axis=1)
    power = numpy.maximum(squared, 1e-12) ** numpy.float32(_B - 1)
    pull = -2 * _A * _B * power / (1 + _A * power * squared) * strength
    moves = (apart * pull[:, None]).clip(-_MAX_STEP, _MAX_STEP)
    result = numpy.empty((count, 2), numpy.float32)
    for axis in range(2):
        result[:, axis] = numpy.bincount(first, moves[:, axis], count)
        result[:, axis] -= numpy.bincount(second, moves[:, axis], count)
    return result


def _repulsion(places: Floats, others: Rows) -> Floats:
    """The push that each point gets from another one, (M, 2)."""
    import numpy

    apart = places - places[others]
    squared = (apart * apart).sum(axis=1)
    push = 2 * _B / ((1e-3 + squared) * (1 + _A * numpy.maximum(squared, 1e-12) ** numpy.float32(_B)))
    result: Floats = (apart * push[:, None]).clip(-_MAX_STEP, _MAX_STEP)
    return result
