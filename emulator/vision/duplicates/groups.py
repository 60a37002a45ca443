"""Groups of near-duplicate images, which cross-validation keeps in one fold.

A copy of a training image among the held-out images would be recognised, whatever the model has learned of
its tag: figures would be too high.

Axes: N images, P pairs, D features, T tags.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.vision.duplicates.find import DEFAULT_SIMILARITY, find_near_duplicates
from emulator.vision.imaging.image_file import ImageFile

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

# Images with features of a larger distance, 1 - cosine, are not compared. It was at most .18 for copies of
# `measure_near_duplicates.py`, and is larger for 97% of all pairs of everyday photographs.
_MAX_DISTANCE = 0.25
# Groups with too many images of a tag are divided at higher similarities, and at last into single images.
_HIGHER_SIMILARITIES = (0.9, 0.95)


def near_duplicate_groups(
    images: Sequence[ImageFile],
    targets_NT: NDArray[numpy.bool_],
    features_ND: NDArray[numpy.floating] | None,
    cache_folder: Path,
    progress: Callable[[float], None],
) -> NDArray[numpy.int64]:
    """The group of each image, (N,): the smallest index of its images.

    Images are in one group if a chain of near-duplicates connects them. A group has at most half of the
    images of each tag (rounded down), so that every tag can be in two folds; images of a camera that does
    not move are all alike and cannot be kept together.

    Args:
        targets_NT: whether an image has a tag.
        features_ND: of any length, by a network; they decide which images are compared. None: colours alone
            decide, which takes three to five times as long.
        cache_folder: of the feature cache, for thumbnails.
        progress: called with the fraction that is done, 0..1. Its exceptions end the work.
    """
    import numpy

    found = find_near_duplicates(
        images,
        cache_folder,
        lambda done, _step: progress(done),
        is_candidate=None if features_ND is None else _with_similar(features_ND),
    )
    pairs = {(first, second): similarity for first, second, similarity, _ in found}
    most_T = targets_NT.sum(axis=0) // 2
    groups_N = numpy.arange(len(images))
    for least in (DEFAULT_SIMILARITY, *_HIGHER_SIMILARITIES):
        too_large: set[int] = set()
        for group in _connected([pair for pair, similarity in pairs.items() if similarity >= least]):
            if (targets_NT[group].sum(axis=0) > most_T).any():
                too_large.update(group)
            else:
                groups_N[group] = group[0]
        pairs = {pair: similarity for pair, similarity in pairs.items() if pair[0] in too_large}
    return groups_N


def _with_similar(
    features_ND: NDArray[numpy.floating],
) -> Callable[[NDArray[numpy.int64]], NDArray[numpy.bool_]]:
    """A function that tells which pairs (P, 2) of images have similar features, (P,)."""
    import numpy

    lengths_N1 = numpy.linalg.norm(features_ND, axis=1, keepdims=True)
    directions_ND = features_ND / numpy.maximum(lengths_N1, 1e-12)

    def alike(pairs_P2: NDArray[numpy.int64]) -> NDArray[numpy.bool_]:
        # Not as a matrix product, whose last digits depend on the number of threads.
        cosines_P = numpy.array(
            [(directions_ND[first] * directions_ND[second]).sum() for first, second in pairs_P2]
        )
        near_P: NDArray[numpy.bool_] = cosines_P >= 1 - _MAX_DISTANCE
        return near_P

    return alike


def _connected(pairs: Sequence[tuple[int, int]]) -> list[list[int]]:
    """The connected components of the graph of pairs, each with ascending indexes."""
    group_of: dict[int, list[int]] = {}
    for first, second in pairs:
        one, other = group_of.get(first, [first]), group_of.get(second, [second])
        if one is other:
            continue
        joined = sorted(one + other)
        group_of |= dict.fromkeys(joined, joined)
    return [group for number, group in sorted(group_of.items()) if group[0] == number]
