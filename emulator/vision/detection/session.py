"""Inference with trained detectors: ONNX Runtime and NumPy, imported when the first model is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from emulator.vision.boxes.box import DetectedBox
from emulator.vision.boxes.geometry import detected_boxes, resolution_of
from emulator.vision.detection.tiles import Tiling, make_tiles, merge_tiles, whole_image_window
from emulator.vision.imaging.decode import crop_resize, open_rgb, resize_to_square
from emulator.vision.networks.model_file import TASK, ModelMetadata
from emulator.vision.networks.nanodet import DISTANCES, SCORES
from emulator.vision.onnx_runtime import ModelUnusable, inference_session, processors, tile_threads

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray


class DetectorSession:
    """A loaded detector. May be used by several threads at once.

    Attributes:
        labels: the tags, by the index that detected boxes carry.
        resolution: side in pixels of the square that images, or their tiles, are resized to.
        tiling: how images are divided into tiles, if they are.
    """

    def __init__(self, model: Path | bytes, threads: int = 1) -> None:
        """Load a model.

        Args:
            model: the `model.onnx` of a training, or its content. A file is read once.
            threads: processors that one run uses.

        Raises:
            OSError: the file cannot be read.
            ModelUnusable: it is not a detector of this program.
        """
        content = model if isinstance(model, bytes) else model.read_bytes()
        try:
            self._session = inference_session(content, threads)
            metadata = ModelMetadata.from_properties(self._session.get_modelmeta().custom_metadata_map)
            if not metadata.detection:
                raise ValueError(f"it has no {TASK}, so it is a classifier")
            self.labels, self.resolution = metadata.labels, metadata.resolution
            tiling = metadata.tiling
            self.tiling = None if tiling is None else Tiling.from_json(tiling, self.resolution)
        except Exception as error:
            # ONNX Runtime has a dozen exception types without a common base class.
            raise ModelUnusable(f"The model is not a detector of this program: {error}") from error

    def score(self, data: bytes) -> list[DetectedBox]:
        """The objects of an image, the most probable first: see `boxes.geometry.detected_boxes`.

        Raises:
            ImageRejected: the image cannot be decoded, or is too large.
        """
        if self.tiling is not None:
            with processors:
                return self._score_tiles(data, self.tiling)
        pixels = resize_to_square(data, self.resolution)
        with processors:
            return self.score_pixels(pixels)

    def score_pixels(self, pixels: NDArray[numpy.uint8]) -> list[DetectedBox]:
        """The same for pixels (side, side, 3) of `resize_to_square`."""
        scores_NPT, distances_NPD = self._session.run([SCORES, DISTANCES], {"image": pixels[None]})
        return detected_boxes(scores_NPT[0], distances_NPD[0], resolution_of(scores_NPT.shape[1]))

    def _score_tiles(self, data: bytes, tiling: Tiling) -> list[DetectedBox]:
        """Decode the image once and score its tiles, one at a time for each processor."""
        import numpy

        image = open_rgb(data, target=tiling.side)
        size = image.size
        tiles = make_tiles(*size, self.resolution, tiling)
        windows = [tile.window for tile in tiles]
        if tiling.whole:
            windows.append(whole_image_window(*size, tiling))
        scale = size[0] / tiling.scaled(*size)[0]

        def score(window: tuple[float, float, float, float]) -> list[DetectedBox]:
            return self.score_pixels(crop_resize(image, numpy.array(window) * scale, self.resolution)[0])

        found = list(tile_threads().map(score, windows))
        return merge_tiles(*size, tiling, tiles, found[: len(tiles)], found[-1] if tiling.whole else ())
