"""Running trained detectors, in the server: ONNX Runtime and NumPy, imported when the first model loads."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.vision.boxes.box import DetectedBox
from emulator.vision.boxes.geometry import detected_boxes, resolution_of
from emulator.vision.detection.tiles import Tiling, make_tiles, merge_tiles, whole_image_window
from emulator.vision.imaging.decode import crop_resize, open_rgb, resize_to_square
from emulator.vision.networks.model_file import TASK, ModelMetadata
from emulator.vision.networks.nanodet import DISTANCES, SCORES
from emulator.vision.onnx_runtime import ModelUnusable, inference_session, processors

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray


class DetectorSession:
    """A trained detector, ready to find objects. May be used by several threads at once.

    Attributes:
        labels: the tags, by the index that detected boxes carry.
        resolution: side in pixels of the square that pictures are stretched to, or of each tile.
        tiling: how pictures are looked at in tiles, if they are.
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
            metadata = ModelMetadata.from_properties(self._session.get_modelmeta().custom_metadata_map)
            if not metadata.detection:
                raise ValueError(f"it has no {TASK}, so it is a classifier")
            self.labels, self.resolution = metadata.labels, metadata.resolution
            tiling = metadata.tiling
            self.tiling = None if tiling is None else Tiling.from_json(tiling, self.resolution)
        except Exception as error:
            # ONNX Runtime has a dozen exception types without a common one of its own.
            raise ModelUnusable(f"The model is not a detector of this program: {error}") from error

    def score(self, data: bytes) -> list[DetectedBox]:
        """The objects in a picture, the most probable first: see `detection_boxes.detected_boxes`.

        Raises:
            ImageRejected: the bytes are no acceptable picture.
        """
        with processors:
            if self.tiling is not None:
                return self._score_tiles(data, self.tiling)
            return self.score_pixels(resize_to_square(data, self.resolution))

    def score_pixels(self, pixels: NDArray[numpy.uint8]) -> list[DetectedBox]:
        """The same for a picture (side, side, 3) that `resize_to_square` made."""
        scores_NPT, distances_NPD = self._session.run([SCORES, DISTANCES], {"image": pixels[None]})
        return detected_boxes(scores_NPT[0], distances_NPD[0], resolution_of(scores_NPT.shape[1]))

    def _score_tiles(self, data: bytes, tiling: Tiling) -> list[DetectedBox]:
        """The picture is decoded once; each processor has the pixels of one tile at a time besides."""
        import numpy

        picture = open_rgb(data, target=tiling.side)
        size = picture.size
        tiles = make_tiles(*size, self.resolution, tiling)
        places = [tile.place for tile in tiles]
        if tiling.whole:
            places.append(whole_image_window(*size, tiling))
        scale = size[0] / tiling.scaled(*size)[0]

        def look(place: tuple[float, float, float, float]) -> list[DetectedBox]:
            return self.score_pixels(crop_resize(picture, numpy.array(place) * scale, self.resolution)[0])

        found = list(_tile_threads().map(look, places))
        return merge_tiles(*size, tiling, tiles, found[: len(tiles)], found[-1] if tiling.whole else ())


@cache
def _tile_threads() -> ThreadPoolExecutor:
    """For all sessions together, so that no more tiles are looked at side by side than there are processors.

    Each run needs memory of its own, and a session keeps as much as it ever needed at once.
    """
    return ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="tiles")
