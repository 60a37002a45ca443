"""TensorFlow.js exports, loaded in Node by the package that the service's users have: they answer what the
Prediction API answers."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy
import pytest

from tests.vision.exports.conftest import COMPACT, KINDS, Expected, Kind, MakeOrder
from tests.vision.exports.parity import assert_same_answer, fed, written

PROGRAMS = Path(__file__).parent / "javascript"
# Without WebGL a detection takes a second or more.
PICTURES = {False: 10, True: 3}
node = shutil.which("node")

pytestmark = [
    pytest.mark.skipif(node is None, reason="Node is not installed (get Node 20 or newer from nodejs.org)"),
    pytest.mark.skipif(
        not (PROGRAMS / "node_modules" / "@microsoft").is_dir(),
        reason="TensorFlow.js is not installed (run make test, or npm ci in tests/vision/exports/javascript)",
    ),
]


@pytest.fixture(scope="module")
def answered(
    make_order: MakeOrder, photographs: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """The outputs of the package and of the model, by kind, from one run of Node."""
    orders, names = [], []
    for kind in KINDS:
        folder = tmp_path_factory.mktemp(kind.name)
        written(make_order(kind, "TensorFlow", "TensorFlowJs"), folder)
        images = []
        for name in list(photographs)[: PICTURES[kind.detection]]:
            pixels = fed(photographs[name], folder).astype(numpy.uint8)
            (folder / name).write_bytes(pixels.tobytes())
            images.append({"file": str(folder / name), "side": pixels.shape[1]})
        order = {"folder": str(folder), "detection": kind.detection}
        orders.append({**order, "prepared": True, "pictures": images})
        names.append(f"{kind.name} prepared")
        if not kind.detection:
            # The package preprocesses a square image itself, so it must know the channel order.
            (folder / "rgb").write_bytes(rgb(fed(photographs["chelsea.png"], folder), kind).tobytes())
            images = [{"file": str(folder / "rgb"), "side": images[0]["side"]}]
            orders.append({**order, "prepared": False, "pictures": images})
            names.append(kind.name)
    file = tmp_path_factory.mktemp("orders") / "orders.json"
    file.write_text(json.dumps(orders))
    assert node is not None
    finished = subprocess.run(
        [node, str(PROGRAMS / "predict.mjs"), str(file)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=300,
    )
    assert finished.returncode == 0, finished.stderr
    return dict(zip(names, json.loads(finished.stdout), strict=True))


def rgb(pixels: numpy.ndarray, kind: Kind) -> numpy.ndarray:
    return numpy.ascontiguousarray(pixels[..., ::-1] if kind.domain == COMPACT else pixels).astype(
        numpy.uint8
    )


def test_it_answers_what_the_prediction_api_answers(
    kind: Kind, answered: dict[str, Any], expected: Expected, photographs: dict[str, bytes]
) -> None:
    answers = answered[f"{kind.name} prepared"]["answers"]
    assert len(answers) == PICTURES[kind.detection]

    for name, answer in zip(photographs, answers, strict=False):
        raw = [numpy.array(values) for values in answer["raw"]]
        if kind.detection and not kind.yolo:
            boxes, scores, classes = (numpy.array(values) for values in answer["result"])
            outputs = {"detected_boxes": boxes, "detected_scores": scores, "detected_classes": classes}
            assert boxes.shape == (200, 4)
            assert {values.shape for values in raw} == {(200, 4), (200,)}
        else:
            (values,) = raw
            outputs = {"output": values}
        assert_same_answer(kind, expected(kind), name, outputs)


def test_the_package_finds_the_best_boxes_in_the_grid(
    answered: dict[str, Any], expected: Expected, photographs: dict[str, bytes]
) -> None:
    """The package keeps ten boxes, and suppresses overlapping boxes also between tags."""
    (kind,) = (each for each in KINDS if each.yolo)
    for name, answer in zip(photographs, answered["detector prepared"]["answers"], strict=False):
        boxes, scores, classes = answer["result"]
        best = expected(kind).by_name[name][0]
        assert len(boxes) == 10
        assert (classes[0], scores[0]) == (best[0], pytest.approx(best[1], abs=0.005))
        assert boxes[0] == pytest.approx(best[2:], abs=1 / 416)


@pytest.mark.parametrize("kind", [each for each in KINDS if not each.detection], ids=lambda each: each.name)
def test_the_package_feeds_channels_in_the_right_order(
    kind: Kind, answered: dict[str, Any], expected: Expected
) -> None:
    (answer,) = answered[kind.name]["answers"]
    (probabilities,) = answer["result"]

    scores = expected(kind).by_name["chelsea.png"]
    assert numpy.abs(numpy.array(probabilities) - scores).max() < 0.005


def test_the_input_is_named_as_the_service_names_it(kind: Kind, answered: dict[str, Any]) -> None:
    (source,) = answered[f"{kind.name} prepared"]["inputs"]

    names = {"detector-s1": "image_tensor", "classifier-s1": "data"}
    assert source["name"] == names.get(kind.name, "Placeholder")
