"""Scoring the tiles of an image: ONNX Runtime and NumPy.

Axes: K tiles, W windows of a tile, T tags.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emulator.vision.classification.tiles.layout import TileScoring
from emulator.vision.imaging.decode import crop_resize, open_rgb, squared
from emulator.vision.networks.graph import INLIER, NOVEL, WINDOW_SCORES
from emulator.vision.onnx_runtime import run_outputs, tile_threads

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession


@dataclass(frozen=True)
class ScoredTiles:
    """The scores of an image.

    Attributes:
        width, height: of the image as it was decoded, in pixels.
        windows_K4: the tiles: left, top, right, bottom in these pixels.
        scores_KWT: the scores of their windows, in rows from the top left.
        probabilities_T: of the tags.
    """

    width: int
    height: int
    windows_K4: NDArray[numpy.floating]  # noqa: N815 - the suffix names the axes
    scores_KWT: NDArray[numpy.float32]  # noqa: N815
    probabilities_T: NDArray[numpy.float32]  # noqa: N815


def score_tiles(
    session: InferenceSession, data: bytes, scoring: TileScoring, resolution: int, *, multilabel: bool
) -> ScoredTiles:
    """Decode an image once and score its tiles, one at a time for each processor.

    Args:
        session: of a model with this `scoring`.
        resolution: side of its input in pixels.

    Raises:
        ImageRejected: the bytes are not an acceptable image.
    """
    import numpy

    image = open_rgb(data, target=scoring.layout.shorter_side(resolution))
    windows_K4 = scoring.layout.windows(*image.size, resolution)

    def scores(window: NDArray[numpy.floating]) -> NDArray[numpy.float32]:
        pixels, _, _ = crop_resize(image, window, resolution)
        (found,) = run_outputs(session, [WINDOW_SCORES], pixels)
        return found

    scores_KWT = numpy.stack(list(tile_threads().map(scores, windows_K4)))
    inlier_T, novel_T = run_outputs(session, [INLIER, NOVEL], squared(image, resolution, "stretch"))
    every_window_RT = scores_KWT.reshape(-1, scores_KWT.shape[-1])
    probabilities_T = scoring.probabilities(every_window_RT, multilabel=multilabel) * inlier_T + novel_T
    return ScoredTiles(*image.size, windows_K4, scores_KWT, probabilities_T.astype(numpy.float32))
