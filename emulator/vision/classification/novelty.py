"""Images unlike all images of a training: no tag is probable for them.

A linear head is fitted to the training images alone: along directions in which their features hardly differ,
its scores are arbitrary, and far away they are large. So an image also has a probability of being like the
training images. It is a logistic function of the distance of its features from the nearest training image
(Sun et al., *Out-of-distribution detection with deep nearest neighbors*, 2022), where distance is 1 - cosine.
It is 1/2 at `NoveltyFilter.limit`: farther than nearly all held-out images of the training are, and never
below a distance that images of other subjects rarely have. As a softmax over training images and one constant
it is part of the network, and so of exports.

Axes: N images, R rows (views of images), D features, K references (rows that are compared with), T tags.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from emulator.vision.classification.cross_validation import TrainingSet
from emulator.vision.classification.head import FEATURE_LENGTH, aligned
from emulator.vision.concurrency import single_threaded_operations
from emulator.vision.networks.graph import (
    NORMALISED_FEATURES,
    Network,
    Operation,
    with_inlier_outputs,
    with_novelty_filter,
)

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Array = NDArray[numpy.floating]
    Vector = NDArray[numpy.float64]

# More references would make files larger. They are spread over the training images, so that each of these has
# one near it.
_MOST_REFERENCES = 128
# Images of other subjects are rarely nearer: at usual resolutions, and from this side in pixels on, at which
# features of a network trained on smaller images differ less. See models/defaults.md.
_SMALLEST_LIMIT, _SMALLEST_LIMIT_OF_LARGE, _LARGE = 0.45, 0.35, 400
# Change of the log odds over a distance of 1.
_SHARPNESS = 100.0
# 99% of held-out images have at least these log odds.
_QUANTILE, _LOG_ODDS = 0.99, 3.0


@dataclass(frozen=True)
class NoveltyFilter:
    """Distinguishes images like those of a training from others.

    Attributes:
        references_KD: unit vectors, features of training images.
        limit: distance at which the probability of being like them is 1/2.
        inliers_N: this probability for the training images, each without the references of its fold.
        features: the tensor with the features in the network.
    """

    references_KD: Array  # noqa: N815 - the suffix names the axes
    limit: float
    inliers_N: Vector  # noqa: N815
    features: str = NORMALISED_FEATURES

    @classmethod
    def fit(
        cls,
        training_set: TrainingSet,
        folds_N: NDArray[numpy.int8],
        regular_N: NDArray[numpy.bool_],
        *,
        resolution: int,
    ) -> Self:
        """Choose the references, among all views of the images, and the limit.

        Args:
            folds_N: the fold of each image.
            regular_N: images that the limit depends on: not those of the negative tag, which show anything.
            resolution: side in pixels of the network's input.
        """
        import numpy

        features_RD, images_R = training_set.directions(), training_set.images_R
        chosen_K = _spread(features_RD, _MOST_REFERENCES)
        references_KD = features_RD[chosen_K] / FEATURE_LENGTH
        similarities_RK = _product(features_RD, references_KD.T) / FEATURE_LENGTH
        folds_R = folds_N[images_R]
        similarities_RK[folds_R[:, None] == folds_R[chosen_K]] = -numpy.inf
        comparable_R = (similarities_RK > -numpy.inf).any(axis=1)
        distances_R = numpy.zeros(len(features_RD))
        distances_R[comparable_R] = _distances(similarities_RK[comparable_R])
        # Each image by its most distant view, so that images with more views do not count more.
        farthest_N, comparable_N = numpy.full(len(folds_N), -numpy.inf), numpy.zeros(len(folds_N), bool)
        numpy.maximum.at(farthest_N, images_R, distances_R)
        numpy.logical_or.at(comparable_N, images_R, comparable_R)
        regular = farthest_N[comparable_N & regular_N]
        usual = float(numpy.quantile(regular, _QUANTILE)) if len(regular) else 0.0
        smallest = _SMALLEST_LIMIT if resolution < _LARGE else _SMALLEST_LIMIT_OF_LARGE
        limit = max(smallest, usual + _LOG_ODDS / _SHARPNESS)
        log_odds_N = _SHARPNESS * (limit - distances_R[: len(folds_N)])
        return cls(references_KD, limit, numpy.exp(-numpy.logaddexp(0, -log_odds_N)))

    def applied(self, network: Network, novel_T: Array) -> Network:
        """The classifier with the filter.

        Args:
            network: a classifier that has the tensor `features`.
            novel_T: the probabilities of an image unlike all, see `dataset.novel_probabilities`.
        """
        return with_novelty_filter(network, self.features, **self._constants(novel_T))

    def outputs(self, backbone: Network, novel_T: Array) -> Network:
        """The backbone with what the filter does to probabilities as its outputs, see
        `graph.with_inlier_outputs`."""
        operations = (
            *backbone.operations,
            Operation("l2_normalise", (backbone.output,), self.features, scale=FEATURE_LENGTH),
        )
        normalised = replace(backbone, operations=operations, outputs={})
        return with_inlier_outputs(normalised, self.features, **self._constants(novel_T))

    def _constants(self, novel_T: Array) -> dict[str, Any]:
        import numpy

        return {
            "references": (self.references_KD.T * (_SHARPNESS / FEATURE_LENGTH)).astype(numpy.float32),
            "sharpness": _SHARPNESS,
            "limit": self.limit,
            "novel": novel_T.astype(numpy.float32),
        }


def filtered(probabilities_NT: Array, inliers_N: Vector, novel_T: Array) -> NDArray[numpy.float32]:
    """Probabilities as the network of `NoveltyFilter.applied` computes them."""
    import numpy

    mixed_NT = probabilities_NT * inliers_N[:, None] + (1 - inliers_N)[:, None] * novel_T
    return numpy.asarray(mixed_NT, numpy.float32)


def _spread(features_RD: Array, count: int) -> NDArray[numpy.integer]:
    """Ascending indexes of images spread over all: repeatedly the one farthest from those chosen (Gonzalez,
    *Clustering to minimize the maximum intercluster distance*, 1985)."""
    import numpy
    import torch

    if len(features_RD) <= count:
        return numpy.arange(len(features_RD))
    with single_threaded_operations():
        features = aligned(features_RD)
        # The first is the most usual image.
        chosen = [int((features @ features.mean(dim=0)).argmax())]
        nearest = features @ features[chosen[0]]
        while len(chosen) < count:
            chosen.append(int(nearest.argmin()))
            nearest = torch.maximum(nearest, features @ features[chosen[-1]])
    return numpy.array(sorted(chosen))


def _product(one: Array, other: Array) -> Vector:
    """The matrix product; the number of threads has no effect on it."""
    import numpy

    with single_threaded_operations():
        product: Vector = (aligned(one) @ aligned(numpy.ascontiguousarray(other))).double().numpy()
    return product


def _distances(similarities_RK: Vector) -> Vector:
    """Distances from the nearest reference, with the smooth maximum that a softmax computes."""
    import numpy

    highest_R = similarities_RK.max(axis=1)
    sums_R = numpy.exp(_SHARPNESS * (similarities_RK - highest_R[:, None])).sum(axis=1)
    distances: Vector = 1 - highest_R - numpy.log(sums_R) / _SHARPNESS
    return distances
