"""The boxes of all points of a detector, for runtimes that select boxes themselves."""

from __future__ import annotations

from dataclasses import replace

from emulator.vision.boxes.geometry import DISTANCE_BINS, anchor_points, resolution_of
from emulator.vision.networks.graph import Network, Operation
from emulator.vision.networks.nanodet import DISTANCES, SCORES

# From a row left, top, right, bottom to x and y of the centre, width, height.
_TO_CENTRES = ((0.5, 0, -1, 0), (0, 0.5, 0, -1), (0.5, 0, 1, 0), (0, 0.5, 0, 1))


def with_raw_boxes(
    network: Network, *, boxes: str, scores: str, background: bool = False, batch_axis: bool = False
) -> Network:
    """The detector with the outputs `boxes` (points, 4) and `scores` (points, tags).

    A box is x and y of its centre, width and height, in fractions of the image, and lies inside of it.
    Improbable and overlapping boxes are included.

    Args:
        boxes, scores: names of the outputs.
        background: add a first column, the probability of background: 1 minus the probabilities of the
            tags.
        batch_axis: the outputs have an axis of one image before the others.
    """
    import numpy

    point_count, tag_count = network.outputs[SCORES]
    resolution = resolution_of(point_count)
    centres, strides = anchor_points(resolution)
    scales = strides[:, None] * numpy.array([-1, -1, 1, 1]) / resolution
    constants = {
        "raw.bins": numpy.arange(DISTANCE_BINS)[:, None],
        "raw.reach": scales,
        "raw.middle": numpy.concatenate([centres, centres], axis=1) / resolution,
        "raw.zero": [[0]],
        "raw.one": [[1]],
        "raw.to_centres": _TO_CENTRES,
    }
    operations = [
        Operation("reshape", (DISTANCES,), "raw.exponents", shape=(4 * point_count, DISTANCE_BINS)),
        Operation("softmax", ("raw.exponents",), "raw.shares"),
        Operation("matmul", ("raw.shares", "raw.bins"), "raw.means"),
        Operation("reshape", ("raw.means",), "raw.distances", shape=(point_count, 4)),
        Operation("multiply", ("raw.distances", "raw.reach"), "raw.moves"),
        Operation("add_each", ("raw.middle", "raw.moves"), "raw.sides"),
        Operation("maximum", ("raw.sides", "raw.zero"), "raw.sides.low"),
        Operation("minimum", ("raw.sides.low", "raw.one"), "raw.sides.inside"),
        Operation("matmul", ("raw.sides.inside", "raw.to_centres"), "raw.boxes"),
        Operation("reshape", (SCORES,), "raw.scores", shape=(point_count, tag_count)),
    ]
    all_scores, columns = "raw.scores", tag_count
    if background:
        constants["raw.tags"] = numpy.ones((tag_count, 1))
        operations += [
            Operation("matmul", ("raw.scores", "raw.tags"), "raw.sum"),
            Operation("minimum", ("raw.sum", "raw.one"), "raw.something"),
            Operation("subtract", ("raw.one", "raw.something"), "raw.nothing"),
            Operation("join", ("raw.nothing", "raw.scores"), "raw.columns"),
        ]
        all_scores, columns = "raw.columns", tag_count + 1
    leading = (1,) if batch_axis else ()
    outputs = {boxes: (*leading, point_count, 4), scores: (*leading, point_count, columns)}
    operations += [
        Operation("reshape", ("raw.boxes",), boxes, shape=outputs[boxes]),
        Operation("reshape", (all_scores,), scores, shape=outputs[scores]),
    ]
    arrays = {name: numpy.ascontiguousarray(value, numpy.float32) for name, value in constants.items()}
    return replace(
        network,
        operations=(*network.operations, *operations),
        weights={**network.weights, **arrays},
        outputs=outputs,
        single_image=True,
    )
