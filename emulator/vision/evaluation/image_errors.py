"""Which images a model gets wrong, and how far.

Axes: N images, T tags, P pairs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from emulator.vision.evaluation.confusion import NONE, Confusion

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    from emulator.vision.evaluation.classification import Evaluation


class ImageErrors(NamedTuple):
    """The errors of the predictions for each image.

    Attributes:
        is_wrong: whether anything is wrong at the threshold, (N,).
        severity: orders images, the worst have the highest, (N,). At least 0, and for classifiers at most 1.
    """

    is_wrong: NDArray[numpy.bool_]
    severity: NDArray[numpy.float64]


def errors_of_multiclass(evaluation: Evaluation, confusion: Confusion) -> ImageErrors:
    """An image is wrong when the most probable tag, or none below the threshold, is not its tag.

    Severity is the probability that is missing for the tag of the image; for an image without a tag, the
    highest probability.
    """
    import numpy

    probabilities_NT = numpy.clip(evaluation.probabilities_NT, 0, 1)
    rows = numpy.arange(evaluation.count)
    severity = numpy.where(
        confusion.actual == NONE,
        probabilities_NT.max(axis=1, initial=0),
        1 - probabilities_NT[rows, numpy.maximum(confusion.actual, 0)],
    )
    return ImageErrors(confusion.actual != confusion.predicted, severity.astype(numpy.float64))


def errors_of_multilabel(evaluation: Evaluation, threshold: float) -> ImageErrors:
    """An image is wrong when any tag is predicted that it does not have, or is missed.

    Severity is the largest difference of a probability and 1 (the image has the tag) or 0 (it has not).
    """
    import numpy

    predicted_NT = evaluation.probabilities_NT >= threshold
    distances_NT = numpy.abs(numpy.clip(evaluation.probabilities_NT, 0, 1) - evaluation.targets_NT)
    return ImageErrors(
        (predicted_NT != evaluation.targets_NT).any(axis=1),
        distances_NT.max(axis=1, initial=0).astype(numpy.float64),
    )


def errors_of_inspection(evaluation: Evaluation, good: int, anomaly: int, threshold: float) -> ImageErrors:
    """An image is wrong when a good part counts as an anomaly, or a defect does not.

    It counts as one from the threshold on, however probable a good part is. Images with other tags than that
    of the good parts are defects; an image without a tag is always wrong. Severity is the distance of the
    probability of an anomaly from 0 (good parts) or 1 (defects); without a tag, from the nearer of both.

    good, anomaly: positions of their tags.
    """
    import numpy

    probability_N = numpy.clip(evaluation.probabilities_NT[:, anomaly], 0, 1).astype(numpy.float64)
    good_N = evaluation.targets_NT[:, good]
    tagged_N = evaluation.targets_NT.any(axis=1)
    severity = numpy.where(good_N, probability_N, 1 - probability_N)
    return ImageErrors(
        numpy.where(tagged_N, (probability_N >= threshold) == good_N, True),
        numpy.where(tagged_N, severity, numpy.minimum(probability_N, 1 - probability_N)),
    )


def errors_of_detector(confusion: Confusion, count: int) -> ImageErrors:
    """An image is wrong when an object was missed or confused, or a box is on background.

    Severity is the number of these errors, plus a part of 1 by the most probable wrong box. count: of images.
    """
    import numpy

    wrong = confusion.actual != confusion.predicted
    images = confusion.images[wrong]
    number = numpy.bincount(images, minlength=count)
    highest = numpy.zeros(count)
    numpy.maximum.at(highest, images, confusion.probabilities[wrong])
    return ImageErrors(number > 0, number + 0.5 * highest)
