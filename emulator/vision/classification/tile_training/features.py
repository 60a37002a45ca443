"""Features of the windows of large images' tiles, and parts of the maps of early layers. In the worker only.

Axes: N images, K tiles of an image, W windows of a tile, R windows of all images, D features, C channels, P
places of a part of a map.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from emulator.vision.classification.dataset import LabelledImage
from emulator.vision.classification.head import FEATURE_LENGTH, LinearHead
from emulator.vision.classification.tile_training.window_head import Windows
from emulator.vision.classification.tiles.layout import TileLayout
from emulator.vision.concurrency import ordered, processor_count, single_threaded_operations
from emulator.vision.imaging.decode import crop_resize, open_rgb
from emulator.vision.imaging.image_file import read_image_file
from emulator.vision.networks.graph import WINDOW_SCORES, Network, with_window_scores
from emulator.vision.networks.onnx_writer import onnx_bytes
from emulator.vision.networks.parts import DividedNetwork
from emulator.vision.onnx_runtime import inference_session, run_outputs

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Array = NDArray[numpy.floating]
    Pixels = NDArray[numpy.uint8]

# Images, and tiles of each, that principal components are computed from.
_SAMPLED_IMAGES, _SAMPLED_TILES = 40, 8
_WINDOW_FEATURES = "window_features"


@dataclass(frozen=True)
class Components:
    """Principal components of the features of windows.

    Attributes:
        mean_D: mean of the features, which have the length `FEATURE_LENGTH`.
        axes_DC: orthonormal columns.
    """

    mean_D: NDArray[numpy.float64]  # noqa: N815 - the suffix names the axes
    axes_DC: NDArray[numpy.float64]  # noqa: N815

    def as_head(self) -> LinearHead:
        """Its scores are the components."""
        return LinearHead(self.axes_DC, -_product(self.mean_D[None], self.axes_DC)[0])

    def of_features(self, head: LinearHead) -> LinearHead:
        """A head on the features from one on the components."""
        weight = _product(self.axes_DC, head.weight)
        return LinearHead(weight, head.bias - _product(self.mean_D[None], weight)[0])


def _product(one: NDArray[numpy.float64], other: NDArray[numpy.float64]) -> NDArray[numpy.float64]:
    """The matrix product; the number of threads has no effect on it."""
    import numpy

    return LinearHead(other, numpy.zeros(other.shape[1])).logits(one)


def places_of(backbone: Network) -> str:
    """The tensor of images whose means are the features.

    Raises:
        ValueError: the network has another end.
    """
    last = backbone.operations[-1]
    if last.kind != "global_average":
        raise ValueError("the features are no means over the places of a layer")
    return last.inputs[0]


def window_network(backbone: Network, head: LinearHead) -> Network:
    """The network from a tile to the scores of its windows."""
    import numpy

    return with_window_scores(
        backbone,
        places_of(backbone),
        head.weight.astype(numpy.float32),
        head.bias.astype(numpy.float32),
        feature_length=FEATURE_LENGTH,
    )


def tiles_of(
    image: LabelledImage, layout: TileLayout, side: int, only: Sequence[int] | None = None
) -> list[Pixels]:
    """The tiles of an image, (side, side, 3) each, or only some of them.

    Raises:
        ImageRejected, OSError: it cannot be read.
    """
    opened = open_rgb(read_image_file(image), target=layout.shorter_side(side))
    windows = layout.windows(*opened.size, side)
    wanted = range(len(windows)) if only is None else only
    return [crop_resize(opened, windows[number], side)[0] for number in wanted]


def principal_components(
    images: Sequence[LabelledImage], layout: TileLayout, backbone: Network, count: int
) -> Components:
    """The components of the windows of some tiles of some images."""
    import numpy
    import torch

    side, (channels,) = backbone.resolution, backbone.outputs[backbone.output]
    network = window_network(backbone, _no_head(channels))
    shown = replace(network, outputs={_WINDOW_FEATURES: (channels, -1, -1)})
    session = inference_session(onnx_bytes(shown, {}), threads=1)
    sampled = images[:: max(1, -(-len(images) // _SAMPLED_IMAGES))]

    def features(image: LabelledImage) -> NDArray[numpy.float32]:
        tiles = tiles_of(image, layout, side)
        chosen = tiles[:: max(1, -(-len(tiles) // _SAMPLED_TILES))]
        found = [run_outputs(session, [_WINDOW_FEATURES], tile)[0] for tile in chosen]
        return numpy.concatenate([each.reshape(channels, -1).T for each in found])

    with ThreadPoolExecutor(processor_count(), thread_name_prefix="windows") as pool:
        rows_RD = numpy.concatenate([found for _, found in ordered(pool, features, sampled)])
    with single_threaded_operations():
        rows = torch.from_numpy(rows_RD).double()
        mean = rows.mean(dim=0)
        rows -= mean
        axes = torch.linalg.eigh(rows.T @ rows).eigenvectors[:, -count:]
    return Components(mean.numpy(), axes.contiguous().numpy())


def window_scores(
    images: Sequence[LabelledImage],
    layout: TileLayout,
    network: Network,
    progress: Callable[[float], None],
) -> Windows:
    """The scores of the windows of all images by a network of `window_network`.

    Args:
        progress: called with the fraction that is done, 0..1. Its exceptions end the work.
    """
    import numpy

    session = inference_session(onnx_bytes(network, {}), threads=1)

    def scores(image: LabelledImage) -> NDArray[numpy.float32]:
        tiles = tiles_of(image, layout, network.resolution)
        found = [run_outputs(session, [WINDOW_SCORES], tile)[0] for tile in tiles]
        return numpy.concatenate(found)

    rows: list[NDArray[numpy.float32]] = []
    with ThreadPoolExecutor(processor_count(), thread_name_prefix="windows") as pool:
        for _, found in ordered(pool, scores, images):
            rows.append(found)
            progress(len(rows) / len(images))
    return Windows(numpy.concatenate(rows), numpy.array([len(each) for each in rows]))


def map_parts(
    images: Sequence[LabelledImage],
    layout: TileLayout,
    network: DividedNetwork,
    wanted: Sequence[Sequence[int]],
    side: int,
    progress: Callable[[float], None],
) -> NDArray[numpy.float16]:
    """Parts of the maps of early layers around windows, (windows, P, P, C), image after image.

    Args:
        wanted: numbers of windows of each image, ascending; a window of a tile follows those of the tile
            before.
        side: P, at most that of a map.
        progress: called with the fraction that is done, 0..1.
    """
    import numpy

    channels, map_side, _ = network.whole.outputs[network.map]
    side = min(side, map_side)
    session = inference_session(onnx_bytes(network.whole, {}), threads=1)
    (width,) = network.late.outputs[network.late.output]
    rows, _ = window_network(network.with_late({}), _no_head(width)).outputs[WINDOW_SCORES]
    across = round(rows**0.5)

    def parts(numbered: tuple[LabelledImage, Sequence[int]]) -> NDArray[numpy.float16]:
        image, windows = numbered
        needed = sorted({window // rows for window in windows})
        shown = tiles_of(image, layout, network.whole.resolution, needed) if needed else []
        maps = {
            number: run_outputs(session, [network.map], tile)[0].transpose(1, 2, 0)
            for number, tile in zip(needed, shown, strict=True)
        }
        found = numpy.empty((len(windows), side, side, channels), numpy.float16)
        for place, window in enumerate(windows):
            row, column = divmod(window % rows, across)
            top, left = (_first_place(number, across, map_side, side) for number in (row, column))
            found[place] = maps[window // rows][top : top + side, left : left + side]
        return found

    collected = []
    with ThreadPoolExecutor(processor_count(), thread_name_prefix="maps") as pool:
        for _, found in ordered(pool, parts, list(zip(images, wanted, strict=True))):
            collected.append(found)
            progress(len(collected) / len(images))
    return numpy.concatenate(collected)


def _no_head(width: int) -> LinearHead:
    import numpy

    return LinearHead(numpy.zeros((width, 1)), numpy.zeros(1))


def _first_place(number: int, across: int, map_side: int, side: int) -> int:
    """Where the part of a map begins along one axis whose middle is that of a window, or nearly at edges."""
    places = 2 * across - 1  # or one more: windows are around every second place
    middle = (2 * number + 0.5) * map_side / places
    return max(0, min(map_side - side, round(middle - side / 2)))
