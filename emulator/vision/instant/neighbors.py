"""How much each image of a model counts for an image that is scored: more, the more similar the two are.

The share of an image falls exponentially with its distance, 1 - cosine of the two vectors of features, as in
the kernel regression of Nadaraya and Watson (1964). One more share, that of the background, belongs to none
of the images: an image that resembles none of them gets low probabilities.

Shares are integers, and sums of them are exact in any order; distances come from square roots and quotients,
which IEEE 754 rounds alike everywhere. So the results are the same on every operating system and processor.

Axes: F features, K images of a model (Known), N images that are scored.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Integers = NDArray[numpy.int64]
    Floats = NDArray[numpy.float64]

# A share is 2 to the power of minus its number of steps / STEPS_PER_HALF, in units of 1 / ONE. The sum of the
# shares of 2^17 images is exact in 64-bit floats.
ONE = 2**36
STEPS_PER_HALF = 256
# Distances are in millionths, from 0 to 2,000,000.
UNIT = 1_000_000
# Larger than any distance: such an image has no share.
FARTHEST = 2**50 // STEPS_PER_HALF
# The distance that halves a share is a part of the usual distance between neighbors in the set: an eighth.
# The background is three times as far as neighbors usually are.
_HALVES_TO_NEIGHBOR = 8
_BACKGROUND_DISTANCES = 3
# Limits of the distance that halves a share: for sets of nearly equal images, and for those without similar
# ones.
_SHORTEST_HALF, _LONGEST_HALF = 500, 20_000
# Multiplications up to which OpenBLAS uses one thread (SMP_THRESHOLD_MIN x GEMM_MULTITHREAD_THRESHOLD).
_SINGLE_THREADED = 2**18
# The half of a set with a single image.
_HALF_OF_ONE = 5_000
# The distance of the background, in halves, and its share.
BACKGROUND_HALVES = _HALVES_TO_NEIGHBOR * _BACKGROUND_DISTANCES
BACKGROUND = ONE >> BACKGROUND_HALVES


def directions(features: NDArray[numpy.int16]) -> tuple[Floats, Floats]:
    """Features as floats, (N, F), and their Euclidean lengths, (N,)."""
    import numpy

    exact = features.astype(numpy.float64)
    return exact, numpy.sqrt((exact * exact).sum(axis=1))


def distances(some: tuple[Floats, Floats], others: tuple[Floats, Floats]) -> Integers:
    """Distances in millionths of the images of two results of `directions`, (N, K).

    The products of features are integers below 2^53, so their sums are exact however a library orders them.
    """
    import numpy

    products_NK = _products(some[0], others[0].T)
    cosines_NK = products_NK / (some[1][:, None] * others[1])
    result: Integers = numpy.rint((1 - cosines_NK) * UNIT).astype(numpy.int64).clip(0)
    return result


def _products(some_NF: Floats, others_FK: Floats) -> Floats:
    """The product of two matrices, in parts on which OpenBLAS uses a single thread.

    On small matrices its threads wait for each other, for milliseconds on a busy machine. Large ones are
    multiplied in one step.
    """
    import numpy

    rows = _SINGLE_THREADED // others_FK.size
    if not 0 < rows < len(some_NF):
        return some_NF @ others_FK
    return numpy.concatenate([some_NF[at : at + rows] @ others_FK for at in range(0, len(some_NF), rows)])


def half_distance(nearest: Integers) -> int:
    """The distance that halves a share, of the distances of images from the nearest other image, (N,)."""
    import numpy

    if not len(nearest):
        return _HALF_OF_ONE
    middle = int(numpy.sort(nearest)[len(nearest) // 2])
    return min(max(middle // _HALVES_TO_NEIGHBOR, _SHORTEST_HALF), _LONGEST_HALF)


def shares_of(distances_NK: Integers, half: int) -> Floats:
    """The shares of images at these distances, (N, K): integers, 0 to `ONE`.

    Args:
        half: the distance that halves a share.
    """
    import numpy

    powers = _powers()
    result: Floats = powers[numpy.minimum(distances_NK * STEPS_PER_HALF // half, len(powers) - 1)]
    return result


@lru_cache(maxsize=1)
def _powers() -> Floats:
    """`ONE` x 2^(-i / STEPS_PER_HALF), for i from 0 until it is 0: computed with integers."""
    import numpy

    bits = 200
    factor = 1 << (bits - 1)
    for _ in range(STEPS_PER_HALF.bit_length() - 1):
        factor = math.isqrt(factor << bits)
    unit = bits - ONE.bit_length() + 1
    powers, power = [], 1 << bits
    while rounded := (power + (1 << (unit - 1))) >> unit:
        powers.append(rounded)
        power = power * factor >> bits
    return numpy.array([*powers, 0], numpy.float64)
