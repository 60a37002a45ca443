"""The order in which a training of a detector looks at its images.

Letters of shapes: N examples, T tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from emulator.vision.detection.dataset import Example

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

# Streams of random numbers: each is independent of how many numbers another has drawn.
_ORDER = 0


def sample_batches(
    examples: Sequence[Example],
    tag_count: int,
    size: int,
    steps: int,
    seed: Sequence[int],
    factors_N: NDArray[numpy.float64] | None = None,
) -> list[list[int]]:
    """The examples of each step's batch, as numbers.

    All examples in a random order, then all again in another one. Examples of rare tags are repeated (repeat
    factors of Gupta et al., *LVIS*, 2019: the square root of the mean frequency of tags over the tag's own),
    and images without objects are at most as many as the others.

    Args:
        size: examples per batch.
        factors_N: how many times as often as otherwise each example is repeated.
    """
    import numpy

    random = numpy.random.default_rng([*seed, _ORDER])
    has_NT = numpy.zeros((len(examples), tag_count), bool)
    for row, example in enumerate(examples):
        has_NT[row, example.tags] = True
    with_objects = has_NT.any(axis=1)
    shares_T = has_NT[with_objects].mean(axis=0)
    even = shares_T[shares_T > 0].mean()
    factors_T = numpy.sqrt(even / shares_T.clip(min=1e-9)).clip(min=1)
    repeats_N = numpy.where(has_NT, factors_T, 0).max(axis=1)
    repeats_N[~with_objects] = min(1.0, with_objects.sum() / max(1, (~with_objects).sum()))
    if factors_N is not None:
        repeats_N *= factors_N
    order: list[int] = []
    while len(order) < steps * size:
        copies_N = (repeats_N + random.random(len(examples))).astype(int)
        order += random.permutation(numpy.repeat(numpy.arange(len(examples)), copies_N)).tolist()
    return [order[step * size : (step + 1) * size] for step in range(steps)]
