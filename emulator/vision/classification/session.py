"""Running trained models, in the server: ONNX Runtime and NumPy, imported when the first model loads."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.vision.classification.tiles.layout import TileScoring
from emulator.vision.classification.tiles.scoring import score_tiles
from emulator.vision.imaging.decode import resize_to_square
from emulator.vision.networks.model_file import ModelMetadata
from emulator.vision.onnx_runtime import ModelUnusable, inference_session, processors

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

# The number of images that classifiers score at once. At 1 per processor, the throughput of 8 clients is
# 7% lower; at 2 it is that without a limit. Without a limit a session keeps the memory of the largest number
# of runs that it ever had at once.
_classifications = threading.BoundedSemaphore(2 * (os.cpu_count() or 1))


class ClassifierSession:
    """A trained classifier that scores images. Thread-safe.

    Models of `classification.tiles` score the tiles of an image.

    Attributes:
        labels: the tags, in the order of the scores.
        multilabel: whether the probabilities are independent of each other, instead of summing to 1.
    """

    def __init__(self, model_path: Path, threads: int = 1) -> None:
        """Load a model.

        Args:
            model_path: the `model.onnx` that a training wrote. It is read once; the file may be deleted
                afterwards.
            threads: processors that one run uses.

        Raises:
            OSError: the file cannot be read.
            ModelUnusable: the file is not a classifier of this program.
        """
        content = model_path.read_bytes()
        try:
            self._session = inference_session(content, threads)
            metadata = ModelMetadata.from_properties(self._session.get_modelmeta().custom_metadata_map)
            if metadata.multilabel is None:
                raise ValueError("it is a detector")
            self.labels, self.multilabel = metadata.labels, metadata.multilabel
            self._resolution, self._fit = metadata.resolution, metadata.fit
            tiling = metadata.tiling
            self._tiles = (
                None if tiling is None else TileScoring.from_json(tiling, self._resolution, len(self.labels))
            )
        except Exception as error:
            # ONNX Runtime has a dozen exception types without a common base class.
            raise ModelUnusable(f"{model_path.name} is not a classifier of this program: {error}") from error

    def score(self, data: bytes) -> list[float]:
        """Probabilities of the labels, in their order: float32 values, 0..1.

        Raises:
            ImageRejected: the bytes are not an acceptable image.
        """
        if self._tiles is not None:
            with processors:
                found = score_tiles(
                    self._session, data, self._tiles, self._resolution, multilabel=self.multilabel
                )
            by_tiles: list[float] = found.probabilities_T.tolist()
            return by_tiles
        pixels = resize_to_square(data, self._resolution, self._fit)
        scores: list[float] = self.score_pixels(pixels[None])[0].tolist()
        return scores

    def score_pixels(self, pixels: NDArray[numpy.uint8]) -> NDArray[numpy.float32]:
        """Probabilities (N, labels) of images (N, side, side, 3) that `resize_to_square` made."""
        with _classifications:
            (probabilities,) = self._session.run(None, {"image": pixels})
        result: NDArray[numpy.float32] = probabilities
        return result
