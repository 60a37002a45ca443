"""A classifier as files: the network with its head, and its evaluation.

Axes: N images, T tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from emulator.vision.classification.dataset import ClassificationDataset, LabelledImage
from emulator.vision.classification.head import FEATURE_LENGTH, LinearHead
from emulator.vision.classification.tiles.layout import TileScoring
from emulator.vision.evaluation.classification import Evaluation
from emulator.vision.fit import Fit
from emulator.vision.networks.graph import Network, with_classifier
from emulator.vision.networks.model_file import ModelMetadata
from emulator.vision.networks.onnx_writer import onnx_bytes
from emulator.vision.networks.serialization import serialize

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Array = NDArray[numpy.floating]


def classifying_network(
    backbone: Network, head: LinearHead, *, multilabel: bool, roots: bool = False
) -> Network:
    """The network from the image to probabilities.

    Args:
        roots: whether the head was fitted to the square roots of the features (see `TrainingSet`).
    """
    import numpy

    return with_classifier(
        backbone,
        head.weight.astype(numpy.float32),
        head.bias.astype(numpy.float32),
        feature_length=FEATURE_LENGTH,
        multilabel=multilabel,
        roots=roots,
    )


def model_bytes(
    dataset: ClassificationDataset, network: Network, fit: Fit, tiles: TileScoring | None = None
) -> bytes:
    """The model file of a network of `classifying_network`, or of an ensemble of such networks, for images of
    this fit; or of a network that scores tiles."""
    metadata = ModelMetadata(
        labels=dataset.tags,
        resolution=network.resolution,
        multilabel=dataset.multilabel,
        network=serialize(network),
        tiling=None if tiles is None else tiles.to_json(),
        fit=fit,
    )
    return onnx_bytes(network, metadata.to_properties())


def evaluation_bytes(
    probabilities_NT: NDArray[numpy.float32],
    targets_NT: Array,
    folds_N: NDArray[numpy.int8],
    images: Sequence[LabelledImage],
) -> bytes:
    """The file for `evaluation.classification.Evaluation`."""
    return Evaluation(
        keys=tuple(image.key for image in images),
        folds=folds_N,
        probabilities_NT=probabilities_NT,
        targets_NT=targets_NT > 0,
    ).content()
