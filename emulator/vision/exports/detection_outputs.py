"""From the raw outputs of a detection network to boxes, as operations of the network itself.

They compute the same as `boxes.geometry.detected_boxes`, only with plain operations on tensors of fixed
shapes, which every format can hold and every runtime can run without synchronisation: the greatest scores,
the boxes of their points, and non-maximum suppression. Greedy suppression has a fixed point: a box is kept
exactly if no better kept box of its tag overlaps it. Starting from all boxes, repeating "suppress what a
better kept box overlaps" reaches it; the number of rounds is that of the longest chain of boxes that each
suppress the next. `_ROUNDS` is odd: if it is too small, a box is missing rather than shown twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from emulator.vision.boxes.geometry import (
    DISTANCE_BINS,
    MAX_CANDIDATES,
    MAX_DETECTIONS,
    NMS_IOU_THRESHOLD,
    SCORE_FLOOR,
    anchor_points,
    resolution_of,
)
from emulator.vision.networks.graph import Network, Operation, OperationKind
from emulator.vision.networks.nanodet import DISTANCES, SCORES

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    FloatArray = NDArray[numpy.float32]

__all__ = ["ANCHORS", "CELLS", "NMS_IOU_THRESHOLD", "postprocessed", "yolo_grid"]

_ROUNDS = 15

# The grid of the service's first detection domain: cells per side, and width and height, in cells, of the
# anchor of each slot of a cell.
CELLS = 13
ANCHORS = ((0.573, 0.677), (1.87, 2.06), (3.34, 5.47), (7.88, 3.53), (9.77, 9.17))
# The logit of a certain yes; its exponential is far below the float32 maximum.
_CERTAIN = 20.0
_NEARLY_ZERO = 1e-6


def postprocessed(network: Network, *, batch_axis: bool) -> Network:
    """The detector with postprocessed boxes as outputs.

    `detected_boxes` (N, 4) are left, top, right, bottom in fractions of the image, by falling score;
    `detected_scores` and `detected_classes` are (N,). Unused rows at the end are zeros.

    Args:
        batch_axis: the outputs have a batch axis of size 1.
    """
    steps = _Steps(network)
    boxes, scores, tags = _kept_boxes(steps, network)
    leading = (1,) if batch_axis else ()
    steps.add("reshape", boxes, output="detected_boxes", shape=(*leading, MAX_DETECTIONS, 4))
    steps.add("reshape", scores, output="detected_scores", shape=(*leading, MAX_DETECTIONS))
    steps.add(
        "integers", steps.add("reshape", tags, shape=(*leading, MAX_DETECTIONS)), output="detected_classes"
    )
    return steps.network(
        {
            "detected_boxes": (*leading, MAX_DETECTIONS, 4),
            "detected_scores": (*leading, MAX_DETECTIONS),
            "detected_classes": (*leading, MAX_DETECTIONS),
        }
    )


def yolo_grid(network: Network, output: str, *, use_gather: bool = False) -> Network:
    """The detector with the raw grid of a YOLOv2 detector as its output: an image of 13 x 13 cells.

    The channels are, for each of the five slots of a cell: offset of the box's centre in the cell (x, y, as
    logits), width and height (logarithms of multiples of the slot's anchor), logit of the probability, and a
    logit for each tag. Each box takes the next free slot of its cell, so that the usual decoding gives
    exactly the boxes that `postprocessed` gives; the sixth box of a cell and those after it are lost.

    Args:
        use_gather: look up the point and the tag of a candidate instead of computing them from its index,
            which is too large for runtimes that compute in half precision. It takes longer.
    """
    import numpy

    steps = _Steps(network)
    boxes, scores, tags = _kept_boxes(steps, network, use_gather=use_gather)
    tag_count = _tag_count(network)
    slot_count = CELLS * CELLS * len(ANCHORS)
    left, top, right, bottom = (steps.column(boxes, number) for number in range(4))
    cells, offsets = [], []
    for low, high in ((left, right), (top, bottom)):
        centre = steps.add("multiply", steps.add("add_each", low, high), steps.number(CELLS / 2))
        cell = steps.add("minimum", steps.add("floor", centre), steps.number(CELLS - 1))
        inside = steps.between(steps.add("subtract", centre, cell), 1e-4, 1 - 1e-4)
        cells.append(cell)
        offsets.append(steps.logit(inside))
    cell = steps.add("add_each", steps.add("multiply", cells[1], steps.number(CELLS)), cells[0])
    kept = steps.add("greater", scores, steps.number(0))
    # For each box, the number of boxes before it in the same cell.
    earlier_in_cell = steps.add("multiply", steps.same(cell), _before(steps, MAX_DETECTIONS))
    rank = steps.add("matmul", earlier_in_cell, kept)
    placed = steps.add("multiply", kept, steps.add("greater", steps.number(len(ANCHORS) - 0.5), rank))
    slot = steps.add("add_each", steps.add("multiply", cell, steps.number(len(ANCHORS))), rank)
    # Width and height depend on the anchor of the slot: five columns, of which `rank` selects one.
    chosen = steps.equal(rank, steps.constant(numpy.arange(len(ANCHORS))[None]))
    sizes = []
    for axis, (low, high) in enumerate(((left, right), (top, bottom))):
        size = steps.add("maximum", steps.add("subtract", high, low), steps.number(_NEARLY_ZERO))
        anchor = steps.constant(numpy.log([[anchor[axis] / CELLS] for anchor in ANCHORS]))
        sizes.append(steps.add("subtract", steps.add("log", size), steps.add("matmul", chosen, anchor)))
    objectness = steps.logit(steps.between(scores, _NEARLY_ZERO, 1 - _NEARLY_ZERO))
    tag = steps.equal(tags, steps.constant(numpy.arange(tag_count)[None]))
    tag_logits = steps.add("multiply", tag, steps.number(_CERTAIN))
    values = steps.add("join", *offsets, *sizes, objectness, tag_logits)
    # The slot of each box as a matrix (slots, boxes), because no scatter operation is available.
    placement = steps.add(
        "multiply",
        steps.equal(steps.constant(numpy.arange(slot_count)[:, None]), steps.add("transpose", slot)),
        steps.add("transpose", placed),
    )
    filled = steps.add("matmul", placement, steps.constant(numpy.ones((MAX_DETECTIONS, 1))))
    empty = numpy.zeros((1, 5 + tag_count))
    empty[0, 4] = -_CERTAIN
    unfilled = steps.add("matmul", steps.add("subtract", steps.number(1), filled), steps.constant(empty))
    slots = steps.add("add_each", steps.add("matmul", placement, values), unfilled)
    channels = len(ANCHORS) * (5 + tag_count)
    rows = steps.add("reshape", slots, shape=(1, CELLS * CELLS, channels))
    steps.add("picture", rows, output=output, shape=(CELLS, CELLS))
    return steps.network({output: (1, CELLS, CELLS, channels)})


def _kept_boxes(steps: _Steps, network: Network, *, use_gather: bool = False) -> tuple[str, str, str]:
    """Boxes (N, 4), falling scores (N, 1) and tags (N, 1), for N = `MAX_DETECTIONS`, padded with zeros."""
    tag_count = _tag_count(network)
    point_count = network.outputs[SCORES][0]
    flat = steps.add("reshape", SCORES, shape=(point_count * tag_count,))
    count = min(MAX_CANDIDATES, point_count * tag_count)
    best = steps.add("top_k", flat, count=count)
    indices = steps.add("top_k_places", flat, count=count)
    scores = steps.add("reshape", best, shape=(count, 1))
    if use_gather:
        rows = steps.add("gather", _all_candidates(steps, network), indices)
        boxes, tags = steps.add("slice", rows, span=(0, 4)), steps.column(rows, 4)
    else:
        index = steps.add("reshape", indices, shape=(count, 1))
        # The half keeps the quotient away from integers, where rounding errors would change the result.
        shifted = steps.add("add_each", index, steps.number(0.5))
        point = steps.add("floor", steps.add("multiply", shifted, steps.number(1 / tag_count)))
        tags = steps.add("subtract", index, steps.add("multiply", point, steps.number(tag_count)))

        boxes = _decoded(steps, steps.add("reshape", point, shape=(count,)), network, count)
    left, top, right, bottom = (steps.column(boxes, number) for number in range(4))
    width, height = steps.add("subtract", right, left), steps.add("subtract", bottom, top)
    kept = steps.add("greater", scores, steps.number(_just_below(SCORE_FLOOR)))
    for side in (width, height):
        kept = steps.add("multiply", kept, steps.add("greater", side, steps.number(0)))
    kept = _non_max_suppression(steps, (left, top, right, bottom), (width, height), tags, kept, count)

    scores = steps.add("reshape", steps.add("multiply", scores, kept), shape=(count,))
    best = steps.add("top_k", scores, count=MAX_DETECTIONS)
    indices = steps.add("top_k_places", scores, count=MAX_DETECTIONS)
    scores = steps.add("reshape", best, shape=(MAX_DETECTIONS, 1))
    found = steps.add("gather", steps.add("join", boxes, tags), indices)
    # Suppressed boxes become zeros.
    found = steps.add("multiply", found, steps.add("greater", scores, steps.number(0)))
    boxes = steps.add("slice", found, span=(0, 4))
    return boxes, scores, steps.column(found, 4)


def _all_candidates(steps: _Steps, network: Network) -> str:
    """The box and the tag of every pair of point and tag, (points x tags, 5), in the order of the scores."""
    import numpy

    point_count, tag_count = network.outputs[SCORES]
    boxes = _decoded(steps, None, network, point_count)
    blank = steps.constant(numpy.zeros((1, tag_count, 1)))
    repeated = steps.add("add_each", steps.add("reshape", boxes, shape=(point_count, 1, 4)), blank)
    tags = steps.add(
        "add_each",
        steps.constant(numpy.zeros((point_count, 1))),
        steps.constant(numpy.arange(tag_count)[None]),
    )
    count = point_count * tag_count
    return steps.add(
        "join",
        steps.add("reshape", repeated, shape=(count, 4)),
        steps.add("reshape", tags, shape=(count, 1)),
    )


def _decoded(steps: _Steps, point: str | None, network: Network, count: int) -> str:
    """Boxes (count, 4) of the points with these indices, or of all points, clipped to the image."""
    import numpy

    def chosen(rows: str) -> str:
        return rows if point is None else steps.add("gather", rows, point)

    point_count = network.outputs[SCORES][0]
    distances = steps.add("reshape", DISTANCES, shape=(point_count, 4 * DISTANCE_BINS))
    bins = steps.add("reshape", chosen(distances), shape=(4 * count, DISTANCE_BINS))
    means = steps.add(
        "matmul", steps.add("softmax", bins), steps.constant(numpy.arange(DISTANCE_BINS)[:, None])
    )
    resolution = resolution_of(point_count)
    centres, strides = anchor_points(resolution)
    scales = strides[:, None] * numpy.array([-1, -1, 1, 1]) / resolution
    centres_twice = numpy.concatenate([centres, centres], 1) / resolution
    offsets_of_sides = steps.add(
        "multiply",
        steps.add("reshape", means, shape=(count, 4)),
        chosen(steps.constant(scales)),
    )
    boxes = steps.add("add_each", chosen(steps.constant(centres_twice)), offsets_of_sides)
    return steps.between(boxes, 0, 1)


def _non_max_suppression(
    steps: _Steps,
    sides: tuple[str, str, str, str],
    sizes: tuple[str, str],
    tags: str,
    kept: str,
    count: int,
) -> str:
    """Which of the candidates, sorted by falling score, are kept: (count, 1)."""
    left, top, right, bottom = sides
    overlap = None
    for low, high in ((left, right), (top, bottom)):
        begin = steps.add("maximum", low, steps.add("transpose", low))
        end = steps.add("minimum", high, steps.add("transpose", high))
        shared = steps.add("maximum", steps.add("subtract", end, begin), steps.number(0))
        overlap = shared if overlap is None else steps.add("multiply", overlap, shared)
    assert overlap is not None
    area = steps.add("multiply", *sizes)
    sum_of_areas = steps.add("add_each", area, steps.add("transpose", area))
    union = steps.add("subtract", sum_of_areas, overlap)
    suppresses = steps.add("greater", overlap, steps.add("multiply", union, steps.number(NMS_IOU_THRESHOLD)))
    suppresses = steps.add("multiply", suppresses, steps.same(tags))
    suppresses = steps.add("multiply", suppresses, _before(steps, count))
    candidates = kept
    for _ in range(_ROUNDS):
        suppressors = steps.add("matmul", suppresses, kept)
        kept = steps.add("multiply", candidates, steps.add("greater", steps.number(0.5), suppressors))
    return kept


def _before(steps: _Steps, count: int) -> str:
    """1 where the index of the column is smaller than that of the row, else 0: (count, count)."""
    import numpy

    numbers = numpy.arange(count)
    return steps.add("greater", steps.constant(numbers[:, None]), steps.constant(numbers[None]))


def _just_below(value: float) -> float:
    import numpy

    return float(numpy.nextafter(numpy.float32(value), numpy.float32(0)))


def _tag_count(network: Network) -> int:
    return network.outputs[SCORES][1]


class _Steps:
    """A list of operations on plain tensors; names of tensors and constants are generated."""

    def __init__(self, network: Network) -> None:
        self._base = network
        self._operations: list[Operation] = []
        self._constants: dict[str, FloatArray] = {}

    def add(self, kind: OperationKind, *inputs: str, output: str | None = None, **details: Any) -> str:
        name = output or f"boxes.{len(self._operations)}"
        self._operations.append(Operation(kind, inputs, name, **details))
        return name

    def constant(self, value: Any) -> str:
        """A float32 constant; equal constants share one tensor."""
        import numpy

        array = numpy.ascontiguousarray(value, numpy.float32)
        for name, known in self._constants.items():
            if known.shape == array.shape and (known == array).all():
                return name
        name = f"boxes.constant.{len(self._constants)}"
        self._constants[name] = array
        return name

    def number(self, value: float) -> str:
        return self.constant([[value]])

    def column(self, matrix: str, number: int) -> str:
        """A column of a matrix, as a matrix."""
        return self.add("slice", matrix, span=(number, number + 1))

    def between(self, tensor: str, low: float, high: float) -> str:
        return self.add("minimum", self.add("maximum", tensor, self.number(low)), self.number(high))

    def logit(self, tensor: str) -> str:
        """log p - log(1 - p)."""
        other = self.add("subtract", self.number(1), tensor)
        return self.add("subtract", self.add("log", tensor), self.add("log", other))

    def equal(self, some: str, others: str) -> str:
        """1 where two integers are equal, else 0."""
        distance = self.add("abs", self.add("subtract", some, others))
        return self.add("greater", self.number(0.5), distance)

    def same(self, numbers: str) -> str:
        """(n, n): 1 where two of these integers (n, 1) are equal, else 0."""
        return self.equal(numbers, self.add("transpose", numbers))

    def network(self, outputs: Mapping[str, tuple[int, ...]]) -> Network:
        return replace(
            self._base,
            operations=(*self._base.operations, *self._operations),
            weights={**self._base.weights, **self._constants},
            outputs=outputs,
            single_image=True,
        )
