"""Fitting heads: the final one on all images, and one without each fold.

Axes: N images, R rows (views of images), D features, T tags, F folds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.vision.classification.dataset import LabelledImage
from emulator.vision.classification.features import Features
from emulator.vision.classification.head import (
    FEATURE_LENGTH,
    LinearHead,
    balancing_weights,
    fit_linear_head,
)
from emulator.vision.concurrency import (
    processor_count,
    single_threaded_operations,
    single_threaded_pool,
)
from emulator.vision.duplicates.groups import near_duplicate_groups
from emulator.vision.training.errors import LossNotFinite
from emulator.vision.training.folds import members, stratified_folds

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Array = NDArray[numpy.floating]

# Above this many rows heads are computed in single precision, to halve the memory.
_MOST_ROWS_IN_DOUBLE = 20_000


@dataclass(frozen=True)
class TrainingSet:
    """Images as arrays.

    Attributes:
        features_RD: features of length `FEATURE_LENGTH`: first the plain views of all images in their order,
            then the augmented views. With `roots`, the square roots of features, of the same length.
        images_R: the index of the image of each row.
        targets_NT: 1 where the image has the tag, else 0.
        multilabel: whether an image may have several tags.
        inverse_regularisation: see `head.fit_linear_head`.
        roots: whether heads read the square roots of the features, of which none may be negative: a few
            large ones then matter less (Hu, Gripon and Pateux, *Leveraging the feature distribution in
            transfer-based few-shot learning*, 2021). For multiclass sets; multilabel ones gained nothing
            (`models/defaults.md` has figures).
    """

    features_RD: Array  # noqa: N815 - the suffix names the axes
    images_R: NDArray[numpy.integer]  # noqa: N815
    targets_NT: Array  # noqa: N815
    multilabel: bool
    inverse_regularisation: float
    roots: bool = False

    @classmethod
    def of(
        cls,
        features: Features,
        keys: Sequence[str],
        targets_NT: Array,
        *,
        multilabel: bool,
        inverse_regularisation: float,
        roots: bool = False,
    ) -> TrainingSet:
        """The images with these keys, in this order."""
        import numpy
        import torch

        rows_of_views = [
            (image, view[key])
            for view in (features.plain, features.augmented)
            for image, key in enumerate(keys)
            if key in view
        ]
        precision = torch.float64 if len(rows_of_views) <= _MOST_ROWS_IN_DOUBLE else torch.float32
        images, vectors = zip(*rows_of_views, strict=True)
        # In memory of PyTorch, which is aligned: heads are fitted without another copy (see `aligned`).
        rows: Array = torch.empty(len(vectors), len(vectors[0]), dtype=precision).numpy()
        numpy.stack(vectors, out=rows)
        if roots:
            numpy.sqrt(rows, out=rows)
        _scale(rows)
        return cls(rows, numpy.array(images), targets_NT, multilabel, inverse_regularisation, roots)

    def directions(self) -> Array:
        """The features (R, D) themselves, also with `roots`, of length `FEATURE_LENGTH`."""
        if not self.roots:
            return self.features_RD
        squares_RD: Array = self.features_RD**2
        _scale(squares_RD)
        return squares_RD

    def fit(self, used_N: NDArray[numpy.bool_]) -> LinearHead:
        """A head trained on the images marked, in all their views."""
        import numpy

        weights_N = used_N.astype(numpy.float64)
        if not self.multilabel and used_N.any():
            weights_N[used_N] = balancing_weights(self.targets_NT[used_N])
        return fit_linear_head(
            self.features_RD,
            self.targets_NT[self.images_R],
            weights_N[self.images_R],
            multilabel=self.multilabel,
            inverse_regularisation=self.inverse_regularisation,
        )


def _scale(rows: Array) -> None:
    """Scale rows to `FEATURE_LENGTH`, in place."""
    import numpy

    rows *= FEATURE_LENGTH / numpy.maximum(numpy.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def folds_of(
    images: Sequence[LabelledImage],
    features: Features,
    targets_NT: Array,
    *,
    seed: int,
    held_out: Collection[str],
    cache_folder: Path,
    progress: Callable[[float], None],
) -> NDArray[numpy.int8]:
    """The fold of each image, (N,), from 0; near-duplicates are in one fold.

    Args:
        features: of all images; their plain views decide which images may be near-duplicates.
        held_out: keys of images that belong into the first fold, see `first_N` of `stratified_folds`.
        cache_folder: of the feature cache.
        progress: called with the fraction that is done, 0..1.
    """
    import numpy

    has_NT = targets_NT > 0
    features_ND = numpy.stack([features.plain[image.key] for image in images])
    groups_N = near_duplicate_groups(images, has_NT, features_ND, cache_folder, progress)
    first_N = members((image.key for image in images), held_out)
    return stratified_folds(has_NT, seed, first_N=first_N, groups_N=groups_N)


def fit_heads(
    training_set: TrainingSet, folds_N: NDArray[numpy.int8], progress: Callable[[float], None]
) -> tuple[LinearHead, Array]:
    """The head trained on everything, and scores of every image from a head trained without the image's fold.

    Args:
        folds_N: the fold of each image, from 0.
        progress: called with the fraction that is done, 0..1.

    Returns:
        The head, and scores (N, T) before softmax or sigmoid.

    Raises:
        LossNotFinite: one of them is not finite.
    """
    import numpy

    held_out_FN = [folds_N == fold for fold in range(int(folds_N.max()) + 1)]
    used_FN = [~held_out_N for held_out_N in held_out_FN] + [numpy.ones(len(folds_N), bool)]
    heads: list[LinearHead] = []
    with single_threaded_operations(), single_threaded_pool(processor_count(), "heads") as pool:
        for head in pool.map(training_set.fit, used_FN):
            heads.append(head)
            progress(len(heads) / len(used_FN))
    *fold_heads, final_head = heads
    plain_ND = training_set.features_RD[: len(folds_N)]
    logits_NT = numpy.zeros_like(training_set.targets_NT)
    for held_out_N, head in zip(held_out_FN, fold_heads, strict=True):
        logits_NT[held_out_N] = head.logits(plain_ND[held_out_N])
    if not all(numpy.isfinite(each).all() for each in (final_head.weight, final_head.bias, logits_NT)):
        raise LossNotFinite
    return final_head, logits_NT
