"""Folds for cross-validation: every image is predicted once by a model that was not trained on it.

Axes: N images, T tags, F folds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

MOST_FOLDS = 5


def stratified_folds(
    targets_NT: NDArray[numpy.bool_],
    seed: int,
    fold_count: int | None = None,
    *,
    first_N: NDArray[numpy.bool_] | None = None,
    groups_N: NDArray[numpy.integer] | None = None,
) -> NDArray[numpy.int8]:
    """Assign images to folds so that every tag is spread evenly over the folds.

    There are five folds, fewer if the smallest tag has fewer images, and at least two. Tags are processed
    from the rarest to the most common, and each image goes to the fold that lacks most images of the tag:
    stratification for multiple labels per image (Sechidis, Tsoumakas and Vlahavas, 2011) with a fixed order
    of tags; with one label per image it is plain stratification.

    Args:
        targets_NT: whether an image has a tag. Every tag has an image; images without tags are allowed.
        fold_count: another number of folds, at most 127; a tag with fewer images is then missing from some,
            and the first fold has it.
        first_N: images that belong into the first fold, which is evaluated by all trainings: those that
            another model was evaluated on, so that both can be compared. At most half of all images, and of
            the images of each tag, are in it for this reason. The first fold is larger than the others where
            they are more than its share.
        groups_N: images of one group are in one fold; large groups are assigned first. None: every image is
            a group. With a group of all images of a tag, the tag is in one fold only.

    Returns:
        The fold of each image, shape (N,), from 0.
    """
    import numpy

    image_count = len(targets_NT)
    images_per_tag = targets_NT.sum(axis=0)
    if fold_count is None:
        fold_count = int(max(2, min(MOST_FOLDS, images_per_tag.min(initial=MOST_FOLDS))))
    folds = numpy.full(image_count, -1, numpy.int8)
    lacking_FT = numpy.tile(images_per_tag / fold_count, (fold_count, 1))
    lacking_F = numpy.full(fold_count, image_count / fold_count)
    order = numpy.random.default_rng(seed).permutation(image_count)
    groups = [[image] for image in range(image_count)]
    if groups_N is not None:
        in_group: dict[int, list[int]] = {}
        for image, number in enumerate(groups_N.tolist()):
            in_group.setdefault(number, []).append(image)
        groups = [in_group[number] for number in groups_N.tolist()]
        order = order[numpy.argsort([-len(groups[image]) for image in order], kind="stable")]

    def deal(image: int, tag: int | None) -> None:
        # The fold that lacks most of the tag; among equals the one that lacks most images; then the first.
        wanted = lacking_F if tag is None else lacking_FT[:, tag]
        put(groups[image], int(numpy.lexsort((-lacking_F, -wanted))[0]))

    def put(group: list[int], fold: int) -> None:
        folds[group] = fold
        lacking_FT[fold] -= targets_NT[group].sum(axis=0)
        lacking_F[fold] -= len(group)

    if first_N is not None:
        free_T, free = images_per_tag // 2, image_count // 2
        for image in order[first_N[order]]:
            group = groups[image]
            counts_T = targets_NT[group].sum(axis=0)
            if folds[image] < 0 and len(group) <= free and (counts_T <= free_T).all():
                free_T -= counts_T
                free -= len(group)
                put(group, 0)
    for tag in numpy.argsort(images_per_tag, kind="stable"):
        for image in order[targets_NT[order, tag]]:
            if folds[image] < 0:
                deal(image, tag)
    for image in order:
        if folds[image] < 0:
            deal(image, None)
    return folds


def members(keys: Iterable[str], chosen: Collection[str]) -> NDArray[numpy.bool_]:
    """Whether each key is one of `chosen`, (N,)."""
    import numpy

    return numpy.array([key in chosen for key in keys], bool)
