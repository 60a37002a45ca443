"""Exports for the Vision AI Developer Kit, read as the camera's published software reads them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy
import pytest

from emulator.vision.exports.stored_model import read_stored_model
from emulator.vision.fit import Fit
from emulator.vision.imaging.decode import resize_to_square
from tests.vision.exports.conftest import KINDS, LABELS, Expected, Kind, MakeOrder
from tests.vision.exports.parity import PROBABILITY, written

interpreters = pytest.importorskip(
    "ai_edge_litert.interpreter",
    reason="the interpreter of TensorFlow Lite is missing: pip install ai-edge-litert",
)

DETECTORS = [kind for kind in KINDS if kind.detection]
CLASSIFIERS = [kind for kind in KINDS if not kind.detection]


class Camera:
    """Loads the model of the configuration, feeds RGB bytes, and reads the outputs by position."""

    def __init__(self, folder: Path) -> None:
        configuration = json.loads((folder / "va-snpe-engine-library_config.json").read_bytes())
        assert configuration["FrameworkType"] == 1
        # Older firmware reads other names than newer.
        assert configuration["MODEL_FILENAME"] == configuration["DLC_NAME"]
        assert configuration["LABELS_FILENAME"] == configuration["LABELS_NAME"]
        assert configuration["Engine"] == configuration["EngineOutput"]
        self.labels = (folder / configuration["LABELS_NAME"]).read_text(encoding="utf-8").split("\n")
        self.configuration = configuration
        self._interpreter = interpreters.Interpreter(
            model_path=str(folder / configuration["MODEL_FILENAME"]),
            experimental_op_resolver_type=interpreters.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        self._interpreter.allocate_tensors()

    def outputs(self, data: bytes, fit: Fit = "stretch") -> list[numpy.ndarray]:
        (given,) = self._interpreter.get_input_details()
        side = self.configuration["ScaleWidth"]
        assert (given["dtype"], given["shape"].tolist()) == (numpy.uint8, [1, side, side, 3])
        self._interpreter.set_tensor(given["index"], resize_to_square(data, side, fit)[None])
        self._interpreter.invoke()
        details = self._interpreter.get_output_details()
        assert {detail["dtype"] for detail in details} == {numpy.float32}
        return [self._interpreter.get_tensor(detail["index"]) for detail in details]


@pytest.mark.parametrize("kind", CLASSIFIERS, ids=lambda kind: kind.name)
def test_classifiers_answer_what_the_prediction_api_answers(
    kind: Kind, make_order: MakeOrder, photographs: dict[str, bytes], expected: Expected, tmp_path: Path
) -> None:
    order = make_order(kind, "VAIDK")
    camera = Camera(written(order, tmp_path))

    assert camera.configuration["Engine"] == 0
    # The camera rejects models whose number of outputs differs from the number of labels.
    assert camera.labels == list(LABELS)
    for name, data in photographs.items():
        (probabilities,) = camera.outputs(data, read_stored_model(order).fit)
        assert numpy.abs(probabilities[0] - expected(kind).by_name[name]).max() <= PROBABILITY, name


@pytest.mark.parametrize("kind", DETECTORS, ids=lambda kind: kind.name)
def test_detectors_give_the_best_boxes_of_the_prediction_api(
    kind: Kind, make_order: MakeOrder, photographs: dict[str, bytes], expected: Expected, tmp_path: Path
) -> None:
    camera = Camera(written(make_order(kind, "VAIDK"), tmp_path))

    assert camera.configuration["Engine"] == 1
    for name, data in photographs.items():
        boxes, tags, scores, (count,) = camera.outputs(data)
        wanted = expected(kind).by_name[name][:10]
        assert count == len(wanted)
        for place, (tag, probability, *edges) in enumerate(wanted):
            # The camera reads names from the second line on.
            assert camera.labels[int(tags[0, place]) + 1] == LABELS[tag], name
            assert abs(scores[0, place] - probability) <= PROBABILITY
            top, left, bottom, right = boxes[0, place]
            pixel = 1 / expected(kind).side
            numpy.testing.assert_allclose((left, top, right, bottom), edges, atol=pixel, err_msg=name)
        assert not scores[0, len(wanted) :].any()
