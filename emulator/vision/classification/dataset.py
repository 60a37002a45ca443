"""Datasets of classifiers: images with tags; and the files that a training writes.

Axes: N images, T tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emulator.vision.training.errors import NONE_READABLE, TrainingFailed
from emulator.vision.training.results import TrainedModel

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Array = NDArray[numpy.floating]


@dataclass(frozen=True)
class LabelledImage:
    """An image and its tags.

    Attributes:
        path: the file.
        key: SHA-256 of its bytes, in hexadecimal.
        labels: indexes into the tags of the dataset. One in a multiclass dataset; any number in a multilabel
            one, where an image without labels is an example of none of the tags.
    """

    path: str
    key: str
    labels: tuple[int, ...]


@dataclass(frozen=True)
class ClassificationDataset:
    """Images with tags.

    Attributes:
        images: in any order; the order does not change the model.
        tags: ids or names, in the order of the model's outputs.
        multilabel: whether an image may have several tags.
        negative: index of the tag for images that show none of the others. It is trained and predicted like
            the other tags; its images may have no other tag.
        held_out: keys of images to evaluate the training on, see `first_N` of `stratified_folds`.
    """

    images: tuple[LabelledImage, ...]
    tags: tuple[str, ...]
    multilabel: bool
    negative: int | None = None
    held_out: frozenset[str] = frozenset()


@dataclass(frozen=True)
class TrainedClassifier(TrainedModel):
    """A classifier: `model_path` is for `session.ClassifierSession`, `evaluation_path` for
    `evaluation.classification.Evaluation`."""


def distinct_images(dataset: ClassificationDataset) -> list[LabelledImage]:
    """The images by key, each once; one that occurs several times has the labels of all its occurrences."""
    if len(dataset.tags) < (1 if dataset.multilabel else 2):
        raise TrainingFailed("Too few tags: a multiclass training needs two, a multilabel one needs one.")
    by_key: dict[str, LabelledImage] = {}
    for image in sorted(dataset.images, key=lambda image: (image.key, image.path)):
        if any(not 0 <= label < len(dataset.tags) for label in image.labels):
            raise ValueError(f"a label of {image.key} is not the index of one of {len(dataset.tags)} tags")
        known = by_key.get(image.key)
        labels = sorted({*image.labels, *(known.labels if known else ())})
        by_key[image.key] = LabelledImage(known.path if known else image.path, image.key, tuple(labels))
    for image in by_key.values():
        if not dataset.multilabel and len(image.labels) != 1:
            raise TrainingFailed(
                f"An image has {len(image.labels)} tags; a multiclass training needs exactly one an image."
            )
        if dataset.negative in image.labels and len(image.labels) > 1:
            raise TrainingFailed("An image has both the negative tag and another one; remove one of the two.")
    return list(by_key.values())


def check_every_tag_has_images(
    dataset: ClassificationDataset, targets_NT: Array, but: int | None = None
) -> None:
    """Raises TrainingFailed unless each tag has an image that could be read; `but` may have none."""
    if not len(targets_NT):
        raise TrainingFailed(NONE_READABLE)
    for number, (tag, count) in enumerate(zip(dataset.tags, targets_NT.sum(axis=0), strict=True)):
        if count == 0 and number != but:
            raise TrainingFailed(
                f"None of the images of the tag {tag} could be read; add images to the tag or leave it out."
            )


def targets_of(dataset: ClassificationDataset, images: Sequence[LabelledImage]) -> Array:
    """1 where the image has the tag, else 0: (N, T) float64."""
    import numpy

    targets_NT = numpy.zeros((len(images), len(dataset.tags)))
    for row, image in enumerate(images):
        targets_NT[row, list(image.labels)] = 1
    return targets_NT


def regular_images(dataset: ClassificationDataset, targets_NT: Array) -> NDArray[numpy.bool_]:
    """Which images do not have the negative tag, (N,)."""
    import numpy

    if dataset.negative is None:
        return numpy.ones(len(targets_NT), bool)
    regular_N: NDArray[numpy.bool_] = targets_NT[:, dataset.negative] == 0
    return regular_N


def novel_probabilities(dataset: ClassificationDataset) -> Array:
    """The probabilities (T,) of an image that is nothing like the training images.

    The negative tag, if there is one. Otherwise none in multilabel datasets, and all tags alike in multiclass
    ones, whose probabilities sum to 1.
    """
    import numpy

    tag_count = len(dataset.tags)
    novel_T = numpy.zeros(tag_count)
    if dataset.negative is not None:
        novel_T[dataset.negative] = 1
    elif not dataset.multilabel:
        novel_T[:] = 1 / tag_count
    return novel_T
