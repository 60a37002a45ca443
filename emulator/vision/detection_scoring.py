"""Running trained detectors, in the server: ONNX Runtime and NumPy, imported when the first model loads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.vision.detection_boxes import DetectedBox, detected_boxes, resolution_of
from emulator.vision.images import stretched
from emulator.vision.nanodet import DISTANCES, SCORES
from emulator.vision.scoring import ModelUnusable, inference_session, processors

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray


class DetectorSession:
    """A trained detector, ready to find objects. May be used by several threads at once.

    Attributes:
        labels: the tags, by the index that detected boxes carry.
        resolution: side in pixels of the square that pictures are stretched to.
    """

    def __init__(self, model: Path | bytes, threads: int = 1) -> None:
        """Load a model.

        Args:
            model: the `model.onnx` that a training wrote, or its content. A file is read once and may go
                afterwards.
            threads: processors that one run uses.

        Raises:
            OSError: the file cannot be read.
            ModelUnusable: it is not a detector of this program.
        """
        content = model if isinstance(model, bytes) else model.read_bytes()
        try:
            self._session = inference_session(content, threads)
            metadata = self._session.get_modelmeta().custom_metadata_map
            if metadata["emulator.task"] != "detection":
                raise ValueError("it has another task")
            self.labels: tuple[str, ...] = tuple(json.loads(metadata["emulator.labels"]))
            self.resolution: int = json.loads(metadata["emulator.resolution"])
        except Exception as error:
            # ONNX Runtime has a dozen exception types without a common one of its own.
            raise ModelUnusable(f"The model is not a detector of this program: {error}") from error

    def score(self, data: bytes) -> list[DetectedBox]:
        """The objects in a picture, the most probable first: see `detection_boxes.detected_boxes`.

        Raises:
            ImageRejected: the bytes are no acceptable picture.
        """
        with processors:
            return self.score_pixels(stretched(data, self.resolution))

    def score_pixels(self, pixels: NDArray[numpy.uint8]) -> list[DetectedBox]:
        """The same for a picture (side, side, 3) that `images.stretched` made."""
        scores_NPT, distances_NPD = self._session.run([SCORES, DISTANCES], {"image": pixels[None]})
        return detected_boxes(scores_NPT[0], distances_NPD[0], resolution_of(scores_NPT.shape[1]))
