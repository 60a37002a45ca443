"""Models of the instant trainer, loaded to score images. NumPy alone: ONNX Runtime is not imported."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.vision.boxes.box import DetectedBox
from emulator.vision.instant import neighbors, scoring
from emulator.vision.instant.features import image_features
from emulator.vision.instant.model import InstantModel
from emulator.vision.onnx_runtime import ModelUnusable

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

# The share of the image itself, as a multiple of the sum of all shares.
_ITSELF = 64


class _Session:
    """The common part of classifiers and detectors. May be used by several threads at once.

    Attributes:
        labels: the tags, by their index.
    """

    def __init__(self, model: InstantModel) -> None:
        self.labels = model.labels
        self._model = model
        self._known = neighbors.directions(model.features_KF)
        self._rows = {key: row for row, key in enumerate(model.keys)}

    def _shares(self, data: bytes) -> NDArray[numpy.float64]:
        features = image_features(data)[None]
        distances = neighbors.distances(neighbors.directions(features), self._known)
        shares = neighbors.shares_of(distances, self._model.half)
        itself = self._rows.get(hashlib.sha256(data).hexdigest())
        if itself is not None:
            # The very file of the training counts more than all others, which may look alike.
            shares[0, itself] = _ITSELF * shares.sum()
        return shares


class InstantClassifier(_Session):
    """A classifier of the instant trainer.

    Attributes:
        multilabel: whether the probabilities are independent of each other, instead of summing to 1.
    """

    def __init__(self, path: Path) -> None:
        """Load a model.

        Raises:
            OSError: the file cannot be read.
            ModelUnusable: the file is not a classifier of the instant trainer.
        """
        model = InstantModel.read(path)
        if model.multilabel is None:
            raise ModelUnusable(f"{path.name} is not a classifier of this program: it is a detector")
        super().__init__(model)
        self.multilabel = model.multilabel

    def score(self, data: bytes) -> list[float]:
        """Probabilities of the labels, in their order: float32 values, 0..1.

        Raises:
            ImageRejected: the bytes are not an acceptable image.
        """
        shares = self._shares(data)
        found: list[float] = scoring.probabilities(
            shares, self._model.targets_KT, multilabel=self.multilabel, negative=self._model.negative
        )[0].tolist()
        return found


class InstantDetector(_Session):
    """A detector of the instant trainer."""

    def __init__(self, path: Path) -> None:
        """Load a model.

        Raises:
            OSError: the file cannot be read.
            ModelUnusable: the file is not a detector of the instant trainer.
        """
        model = InstantModel.read(path)
        if model.multilabel is not None:
            raise ModelUnusable(f"{path.name} is not a detector of this program: it is a classifier")
        super().__init__(model)
        self._boxes = scoring.KnownBoxes.of(
            len(model.features_KF), model.box_images, model.box_tags, model.boxes
        )

    def score(self, data: bytes) -> list[DetectedBox]:
        """The objects of an image, the most probable first; all boxes lie inside of the image.

        Raises:
            ImageRejected: the image cannot be decoded, or is too large.
        """
        return scoring.detections(self._shares(data)[0], self._boxes)
