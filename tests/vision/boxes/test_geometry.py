"""From a network's outputs to boxes."""

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.vision.boxes.geometry import (
    MAX_DETECTIONS,
    NMS_IOU_THRESHOLD,
    SCORE_FLOOR,
    anchor_points,
    detected_boxes,
    non_max_suppression,
    pairwise_iou,
)

SIDE = 64
POINTS = 64 + 16 + 4


def certain_of(distances: dict[int, tuple[int, int, int, int]]) -> numpy.ndarray:
    """Outputs of a network that is certain of these distances, in strides, at these points."""
    exponents = numpy.zeros((POINTS, 4, 11), numpy.float32)
    for point, reach in distances.items():
        for edge, steps in enumerate(reach):
            exponents[point, edge, steps] = 100
    return exponents.reshape(POINTS, 44)


def scored(values: dict[tuple[int, int], float], tags: int = 2) -> numpy.ndarray:
    scores = numpy.zeros((POINTS, tags), numpy.float32)
    for place, value in values.items():
        scores[place] = value
    return scores


def test_points_are_the_centres_of_cells_line_by_line() -> None:
    centres, strides = anchor_points(SIDE)

    assert centres[:2].tolist() == [[4, 4], [12, 4]]
    assert centres[8].tolist() == [4, 12]
    assert centres[64].tolist() == [8, 8]
    assert centres[-1].tolist() == [48, 48]
    assert strides[[0, 63, 64, 79, 80, 83]].tolist() == [8, 8, 16, 16, 32, 32]


def test_a_box_is_placed_by_the_distances() -> None:
    # Point 9 lies at (12, 12) with stride 8: 8 to the left, 0 up, 16 to the right, 24 down.
    (box,) = detected_boxes(scored({(9, 1): 0.75}), certain_of({9: (1, 0, 2, 3)}), SIDE)

    assert (box.tag_index, box.probability) == (1, 0.75)
    assert (box.left, box.top) == pytest.approx((4 / 64, 12 / 64))
    assert (box.width, box.height) == pytest.approx((24 / 64, 24 / 64))


def test_boxes_end_at_the_edge_of_the_image() -> None:
    (box,) = detected_boxes(scored({(83, 0): 0.5}), certain_of({83: (10, 10, 10, 10)}), SIDE)

    assert (box.left, box.top, box.width, box.height) == (0, 0, 1, 1)


def test_boxes_without_area_are_not_reported() -> None:
    assert detected_boxes(scored({(9, 0): 0.9}), certain_of({9: (0, 1, 0, 1)}), SIDE) == []


@pytest.mark.parametrize(("score", "count"), [(SCORE_FLOOR * 1.001, 1), (SCORE_FLOOR * 0.999, 0)])
def test_the_floor(score: float, count: int) -> None:
    assert len(detected_boxes(scored({(9, 0): score}), certain_of({9: (1, 1, 1, 1)}), SIDE)) == count


def test_the_most_probable_comes_first_and_doubles_go_within_a_tag_only() -> None:
    same = (1, 1, 1, 1)
    found = detected_boxes(
        scored({(9, 0): 0.5, (9, 1): 0.8, (10, 0): 0.6, (60, 0): 0.1}),
        certain_of({9: same, 10: (2, 1, 0, 1), 60: same}),
        SIDE,
    )

    # Points 9 and 10 see the same place: one box of each tag, and another one elsewhere.
    assert [(box.tag_index, round(box.probability, 3)) for box in found] == [(1, 0.8), (0, 0.6), (0, 0.1)]


def test_there_are_never_more_than_the_most() -> None:
    random = numpy.random.default_rng(0)
    resolution = 320
    count = sum((resolution // stride) ** 2 for stride in (8, 16, 32))
    distances = numpy.zeros((count, 4, 11), numpy.float32)
    distances[:, :, 0] = 3

    found = detected_boxes(random.random((count, 5)), distances.reshape(count, 44), resolution)

    assert len(found) == MAX_DETECTIONS
    probabilities = [box.probability for box in found]
    assert probabilities == sorted(probabilities, reverse=True)


corner = st.integers(0, 12)
extent = st.integers(1, 8)


@given(st.lists(st.tuples(corner, corner, extent, extent, st.integers(0, 1)), max_size=25))
def test_suppression_against_the_definition(rows: list[tuple[int, int, int, int, int]]) -> None:
    boxes = numpy.array([(x, y, x + w, y + h) for x, y, w, h, _ in rows], float).reshape(-1, 4)
    tags = numpy.array([row[4] for row in rows], int)

    expected: list[int] = []
    for row in range(len(rows)):
        x, y, w, h, tag = rows[row]
        cells = {(i, j) for i in range(x, x + w) for j in range(y, y + h)}
        doubles = False
        for other in expected:
            ox, oy, ow, oh, other_tag = rows[other]
            other_cells = {(i, j) for i in range(ox, ox + ow) for j in range(oy, oy + oh)}
            share = len(cells & other_cells) / len(cells | other_cells)
            doubles |= other_tag == tag and share > NMS_IOU_THRESHOLD
        if not doubles:
            expected.append(row)

    assert non_max_suppression(boxes, tags) == expected


@pytest.mark.parametrize("most", [1, 64, 65, 200])
@pytest.mark.parametrize("count", [63, 64, 65, 300])
def test_many_are_suppressed_like_few(count: int, most: int) -> None:
    random = numpy.random.default_rng(count)
    boxes = random.random((count, 4)).astype(numpy.float32)
    boxes[:, 2:] = boxes[:, :2] + boxes[:, 2:] / 2
    tags = random.integers(0, 3, count)

    expected: list[int] = []
    for row in range(count):
        rivals = [other for other in expected if tags[other] == tags[row]]
        if not rivals or pairwise_iou(boxes[[row]], boxes[rivals]).max() <= NMS_IOU_THRESHOLD:
            expected.append(row)

    assert len(expected) < count
    assert non_max_suppression(boxes, tags, most=most) == expected[:most]


def test_overlap_of_boxes_without_area_is_none() -> None:
    flat, real = numpy.array([[0.5, 0.5, 0.5, 0.9]]), numpy.array([[0.0, 0.0, 1.0, 1.0]])

    assert pairwise_iou(flat, real).tolist() == [[0.0]]
    assert pairwise_iou(flat, flat).tolist() == [[0.0]]
    assert pairwise_iou(real, numpy.array([[0.0, 0.0, 0.5, 1.0]])).tolist() == [[0.5]]
