"""Images unlike all images of a training: nothing is detected in them.

A head learns what the training images show, and its scores elsewhere are arbitrary. So the scores of an image
are multiplied by its probability of being like the training images: a logistic function of the distance of
its features, the means of the coarsest feature maps, from the nearest training image. Distance is 1 - cosine.
The filter is part of the network, as that of classifiers (`classification.novelty`), and so of exports.

Axes: N images, D features, K references (images that are compared with).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from emulator.vision.detection.dataset import Example
from emulator.vision.detection.finetune import ImageSource
from emulator.vision.networks.graph import INPUT, Network, with_scores_filter
from emulator.vision.networks.nanodet import COARSEST_STAGE, SCORES
from emulator.vision.networks.torch_runner import run_operations
from emulator.vision.training.trainer import slice_threads

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    FloatArray = NDArray[numpy.float32]

# More references would cost more time in training; each is one run of the backbone.
_MOST_REFERENCES = 64
# Fewer do not tell how much images differ.
_LEAST_REFERENCES = 5
# The distance at which the probability is 1/2, over the largest among the references.
_LIMIT_FACTOR = 1.5
# Distances within references are never taken for smaller: images of one scene are nearly equal.
_SMALLEST_LIMIT = 0.01
# Change of the log odds from distance 0 to the limit.
_LOG_ODDS = 60.0


@dataclass(frozen=True)
class DetectorFilter:
    """Distinguishes images like those of a training from others.

    Attributes:
        references_KD: unit vectors, features of training images.
        limit: distance at which the probability of being like them is 1/2.
    """

    references_KD: FloatArray  # noqa: N815 - the suffix names the axes
    limit: float

    @classmethod
    def fit(cls, network: Network, examples: Sequence[Example], images: ImageSource) -> Self | None:
        """Compare training images with each other. None for too few images.

        Args:
            network: the trained detector.
            examples: the images of the training.
            images: provides them.

        Raises:
            ImageRejected, OSError: an image cannot be read any more.
        """
        import numpy

        chosen = examples[:: -(-len(examples) // _MOST_REFERENCES)] if examples else []
        if len(chosen) < _LEAST_REFERENCES:
            return None
        features_KD = _features(network, chosen, images)
        # No matrix product of NumPy, whose last digits depend on the number of threads.
        similarities_KK = numpy.array([(features_KD * each).sum(axis=1) for each in features_KD])
        numpy.fill_diagonal(similarities_KK, -1)
        farthest = 1 - float(similarities_KK.max(axis=1).min())
        limit = max(_SMALLEST_LIMIT, _LIMIT_FACTOR * farthest)
        return cls(features_KD.astype(numpy.float32), limit)

    def applied(self, network: Network) -> Network:
        """The detector with the filter."""
        sharpness = _LOG_ODDS / self.limit
        return with_scores_filter(
            network,
            COARSEST_STAGE,
            SCORES,
            self.references_KD.T * sharpness,
            sharpness=sharpness,
            limit=self.limit,
        )


def with_filter(examples: Sequence[Example], images: ImageSource, network: Network) -> Network:
    """The trained detector with a filter that knows these images of its training."""
    fitted = DetectorFilter.fit(network, examples, images)
    return network if fitted is None else fitted.applied(network)


def _features(network: Network, examples: Sequence[Example], images: ImageSource) -> NDArray[numpy.float64]:
    """Unit vectors (N, D): the means of the coarsest maps."""
    import numpy
    import torch
    from PIL.Image import Resampling

    last = next(place for place, step in enumerate(network.operations) if step.output == COARSEST_STAGE)
    operations = network.operations[: last + 1]
    weights = {name: torch.tensor(weight) for name, weight in network.weights.items()}

    def one(example: Example) -> NDArray[numpy.float64]:
        side = network.resolution
        pixels = numpy.asarray(images.get(example).resize((side, side), Resampling.BILINEAR))
        tensors = {INPUT: torch.tensor(pixels[None])}
        with torch.inference_mode():
            run_operations(operations, weights, tensors)
        mean: NDArray[numpy.float64] = tensors[COARSEST_STAGE][0].double().mean((1, 2)).numpy()
        return mean

    with slice_threads() as pool:
        features_ND = numpy.stack(list(pool.map(one, examples)))
    lengths_N1 = numpy.sqrt((features_ND**2).sum(axis=1, keepdims=True))
    unit: NDArray[numpy.float64] = features_ND / numpy.maximum(lengths_N1, 1e-12)
    return unit
