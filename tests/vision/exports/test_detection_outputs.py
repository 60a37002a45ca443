"""Boxes by a network's operations equal those of `detected_boxes`, which the server uses."""

from __future__ import annotations

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.vision.boxes.geometry import MAX_DETECTIONS, detected_boxes
from emulator.vision.exports.detection_outputs import postprocessed, yolo_grid
from emulator.vision.networks.graph import Network
from emulator.vision.networks.nanodet import DISTANCE_BINS, DISTANCES, SCORES
from emulator.vision.networks.onnx_writer import onnx_model, serialize_model
from emulator.vision.onnx_runtime import inference_session
from tests.vision.exports.parity import (
    Found,
    assert_same_boxes,
    decoded_grid,
    fitting_a_grid,
    postprocessed_boxes,
)

SIDE, TAGS = 64, 3
POINTS = 8 * 8 + 4 * 4 + 2 * 2


class Outputs:
    """Only the operations: scores and distances in, boxes out."""

    def __init__(self, *, grid: bool, tags: int = TAGS) -> None:
        from onnx import TensorProto, helper

        raw = Network(
            SIDE, (), {}, {SCORES: (POINTS, tags), DISTANCES: (POINTS, 4 * DISTANCE_BINS)}, float_input=True
        )
        self.grid = grid
        network = yolo_grid(raw, "grid") if grid else postprocessed(raw, batch_axis=True)
        model = onnx_model(network, {}, opset=12)
        del model.graph.input[:]
        model.graph.input.extend(
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, *shape])
            for name, shape in raw.outputs.items()
        )
        self._session = inference_session(serialize_model(model), threads=1)

    def boxes(self, scores_PT: numpy.ndarray, distances_PD: numpy.ndarray) -> list[Found]:
        feed = {SCORES: scores_PT[None], DISTANCES: distances_PD[None]}
        names = [output.name for output in self._session.get_outputs()]
        outputs = dict(zip(names, self._session.run(names, feed), strict=True))
        assert all(numpy.isfinite(values).all() for values in outputs.values())
        if self.grid:
            return decoded_grid(outputs["grid"][0].transpose(1, 2, 0))
        return postprocessed_boxes(outputs)


@pytest.fixture(scope="module")
def outputs() -> Outputs:
    return Outputs(grid=False)


@pytest.fixture(scope="module")
def grid_outputs() -> Outputs:
    return Outputs(grid=True)


def expected(scores_PT: numpy.ndarray, distances_PD: numpy.ndarray) -> list[Found]:
    return [
        (box.tag_index, box.probability, box.left, box.top, box.left + box.width, box.top + box.height)
        for box in detected_boxes(scores_PT, distances_PD, SIDE)
    ]


def raw(seed: int, share: float, tags: int = TAGS) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Distances, and scores with the given share above the floor."""
    random = numpy.random.default_rng(seed)
    scores = random.random((POINTS, tags)) * (random.random((POINTS, tags)) < share)
    distances = random.normal(size=(POINTS, 4 * DISTANCE_BINS)) * 3
    return scores.astype(numpy.float32), distances.astype(numpy.float32)


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.sampled_from([0.02, 0.1, 0.5, 1.0]))
def test_postprocessed_boxes_are_those_of_the_prediction_api(
    outputs: Outputs, seed: int, share: float
) -> None:
    scores, distances = raw(seed, share)
    boxes = expected(scores, distances)

    found = outputs.boxes(scores, distances)

    if boxes:
        assert_same_boxes(boxes, found, SIDE, "random")
    else:
        assert found == []
    assert [box[1] for box in found] == sorted((box[1] for box in found), reverse=True)


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.sampled_from([0.02, 0.1, 0.5]))
def test_the_grid_decodes_to_the_boxes_of_the_prediction_api(
    grid_outputs: Outputs, seed: int, share: float
) -> None:
    scores, distances = raw(seed, share)
    boxes = fitting_a_grid(expected(scores, distances), 13)

    found = grid_outputs.boxes(scores, distances)

    if boxes:
        assert_same_boxes(boxes, found, SIDE, "random")
    else:
        assert found == []


def test_no_detections(outputs: Outputs, grid_outputs: Outputs) -> None:
    scores, distances = raw(0, 1.0)

    assert outputs.boxes(scores * 0, distances) == []
    assert grid_outputs.boxes(scores * 0, distances) == []


def one_hot(bins: tuple[int, int, int, int]) -> numpy.ndarray:
    """Distances of exactly these numbers of strides."""
    distances = numpy.full((4, DISTANCE_BINS), -50, numpy.float32)
    distances[range(4), bins] = 50
    return distances.ravel()


@pytest.mark.parametrize("point", [0, 7, 56, 63, 80, 83])
def test_boxes_at_the_edges_of_the_image_and_of_cells(grid_outputs: Outputs, point: int) -> None:
    """Boxes that fill the image, and boxes that lie almost entirely outside of it."""
    for bins in ((10, 10, 10, 10), (0, 0, 10, 10), (10, 10, 0, 0), (1, 0, 0, 1), (0, 10, 1, 10)):
        scores = numpy.zeros((POINTS, TAGS), numpy.float32)
        scores[point, 1] = 0.75
        distances = numpy.tile(one_hot(bins), (POINTS, 1))
        boxes = expected(scores, distances)

        found = grid_outputs.boxes(scores, distances)

        if boxes:
            assert_same_boxes(boxes, found, SIDE, str(bins))
        else:
            assert found == []


def test_certain_and_nearly_impossible_objects(outputs: Outputs, grid_outputs: Outputs) -> None:
    scores = numpy.zeros((POINTS, TAGS), numpy.float32)
    scores[[0, 9, 18, 27], 0] = 1.0, 0.0101, 0.01, 0.0099
    distances = numpy.tile(one_hot((0, 0, 1, 1)), (POINTS, 1))
    boxes = expected(scores, distances)
    assert [round(box[1], 4) for box in boxes] == [1.0, 0.0101, 0.01]

    assert_same_boxes(boxes, outputs.boxes(scores, distances), SIDE, "finished")
    assert_same_boxes(boxes, grid_outputs.boxes(scores, distances), SIDE, "grid")


def test_of_more_boxes_in_a_cell_than_it_has_slots_the_best_stay() -> None:
    grid = Outputs(grid=True, tags=8)
    scores = numpy.zeros((POINTS, 8), numpy.float32)
    scores[30] = numpy.linspace(0.2, 0.9, 8)
    distances = numpy.tile(one_hot((2, 2, 2, 2)), (POINTS, 1))

    found = grid.boxes(scores, distances)

    assert len(expected(scores, distances)) == 8
    assert [box[0] for box in sorted(found, key=lambda box: -box[1])] == [7, 6, 5, 4, 3]


def test_a_chain_of_boxes_of_which_each_suppresses_the_next(outputs: Outputs) -> None:
    """The longest chain of suppressions that a row of points can have."""
    scores = numpy.zeros((POINTS, TAGS), numpy.float32)
    scores[:8, 0] = numpy.linspace(0.9, 0.5, 8)
    distances = numpy.tile(one_hot((2, 2, 2, 2)), (POINTS, 1))
    boxes = expected(scores, distances)
    assert 1 < len(boxes) < 8

    assert_same_boxes(boxes, outputs.boxes(scores, distances), SIDE, "chain")


def test_as_many_boxes_as_there_may_be() -> None:
    finished_outputs = Outputs(grid=False, tags=20)
    scores, _ = raw(1, 1.0, tags=20)
    distances = numpy.tile(one_hot((0, 0, 1, 1)), (POINTS, 1))

    found = finished_outputs.boxes(scores, distances)

    assert len(found) == MAX_DETECTIONS
    assert_same_boxes(expected(scores, distances), found, SIDE, "many")
