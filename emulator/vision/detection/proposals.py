"""Region proposals: boxes that probably contain an object, of any class.

The model is the network that all detectors start from, with its 80 classes of COCO. The objectness of a point
is the probability of its most probable class. No training is needed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Self

from emulator.vision.boxes.box import DetectedBox
from emulator.vision.boxes.geometry import detected_boxes
from emulator.vision.detection.session import DetectorSession
from emulator.vision.networks.nanodet import DISTANCES, SCORES
from emulator.vision.onnx_runtime import ModelUnusable

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

MAX_PROPOSALS = 100
# 0.05 halves the boxes, and misses up to half of the objects found at 0.03; 0.02 nearly doubles the boxes,
# and finds few more objects (`models/results/suggestions.md`).
MIN_CONFIDENCE = 0.03
_RESOLUTION = 320


class ProposalSession(DetectorSession):
    """A loaded model of `write_proposal_model`. May be used by several threads."""

    @classmethod
    def load(cls, path: Path) -> Self:
        """The model in a file.

        Raises:
            OSError: the file, or that of its SHA-256, cannot be read.
            ModelUnusable: its bytes do not match the SHA-256, or it is not a detector.
        """
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != _digest_file(path).read_text("ascii", "replace"):
            raise ModelUnusable(f"{path.name} is damaged")
        return cls(content)

    def score_pixels(self, pixels: NDArray[numpy.uint8]) -> list[DetectedBox]:
        """At most `MAX_PROPOSALS` boxes of tag 0, the most probable first, after non-maximum suppression."""
        scores_NPC, distances_NPD = self._session.run([SCORES, DISTANCES], {"image": pixels[None]})
        objectness_P1 = scores_NPC[0].max(axis=1, keepdims=True)
        boxes = detected_boxes(objectness_P1, distances_NPD[0], self.resolution)
        return [box for box in boxes if box.probability >= MIN_CONFIDENCE][:MAX_PROPOSALS]


def write_proposal_model(path: Path, progress: Callable[[float, str], None]) -> None:
    """Write the ONNX file of a `ProposalSession` and a file with its SHA-256.

    This runs in a worker process, which may load onnx.

    Raises:
        TrainingFailed: what is needed to make it is not installed.
    """
    from emulator.durable_files import write_atomically
    from emulator.vision.networks.model_file import ModelMetadata
    from emulator.vision.networks.nanodet import detection_network, published_weights
    from emulator.vision.networks.weights import BaseWeightsMissing
    from emulator.vision.training.errors import TrainingFailed

    progress(0.0, "Making the model of region proposals")
    try:
        from emulator.vision.networks.onnx_writer import onnx_bytes

        network = detection_network(published_weights(), _RESOLUTION)
        metadata = ModelMetadata(labels=(), resolution=_RESOLUTION)
        content = onnx_bytes(network, metadata.to_properties())
    except (ImportError, BaseWeightsMissing) as error:
        raise TrainingFailed(
            f"Region proposals need what training needs; install the package onnx ({error})."
        ) from error
    write_atomically(_digest_file(path), hashlib.sha256(content).hexdigest().encode())
    write_atomically(path, content)


def _digest_file(path: Path) -> Path:
    return path.with_suffix(".sha256")
