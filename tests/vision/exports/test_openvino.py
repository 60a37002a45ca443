"""OpenVINO exports: in OpenVINO they answer what the Prediction API answers."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy
import pytest

from emulator.vision.exported.model import load_export
from emulator.vision.exports.formats import ExportFailed, write_export
from tests.vision.exports.conftest import KINDS, LABELS, S1, Expected, Kind, MakeOrder
from tests.vision.exports.parity import (
    Found,
    Run,
    assert_same_answers,
    assert_same_boxes,
    fed,
    fitting_a_grid,
    postprocessed_boxes,
    written,
)
from tests.vision.exports.raw_outputs import suppressed

openvino = pytest.importorskip("openvino", reason="OpenVINO is missing: pip install openvino")

FLAVORS = (None, "NoPostProcess")


def loaded(folder: Path) -> Any:
    # In single precision: with bfloat16, where supported, OpenVINO differs by some percent.
    return openvino.Core().compile_model(
        folder / "model.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    )


def runner(model: Any) -> Run:
    """Runs the model on an image with channels last."""

    def run(pixels: numpy.ndarray) -> Mapping[str, Any]:
        result = model(numpy.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))
        return {output.get_any_name(): result[output] for output in model.outputs}

    return run


def test_finished_answers_are_those_of_the_prediction_api(
    kind: Kind, make_order: MakeOrder, photographs: dict[str, bytes], expected: Expected, tmp_path: Path
) -> None:
    folder = written(make_order(kind, "OpenVino"), tmp_path)
    model = loaded(folder)
    properties = json.loads((folder / "metadata_properties.json").read_bytes())

    assert properties["Image.BitmapPixelFormat"] == "Rgb8"
    assert properties["Image.NominalPixelRange"] == "Normalized_0_1"
    if not kind.detection:
        assert_same_answers(kind, expected(kind), folder, photographs, runner(model))
        return
    assert {output.get_any_name() for output in model.outputs} == {
        "detected_boxes",
        "detected_scores",
        "detected_classes",
    }
    # Postprocessed boxes in every domain, without a grid to decode.
    assert properties["CustomVision.Postprocess.Method"] == "SSD"
    for name, data in photographs.items():
        found = postprocessed_boxes(runner(model)(fed(data, folder)))
        assert_same_boxes(expected(kind).by_name[name], found, expected(kind).side, name)


def test_raw_outputs_lead_to_those_of_the_prediction_api(
    kind: Kind, make_order: MakeOrder, photographs: dict[str, bytes], expected: Expected, tmp_path: Path
) -> None:
    folder = written(make_order(kind, "OpenVino", "NoPostProcess"), tmp_path)
    if not kind.detection:
        # These have no other outputs.
        usual = written(make_order(kind, "OpenVino"), tmp_path / "usual")
        assert (folder / "model.xml").read_bytes() == (usual / "model.xml").read_bytes()
        return
    run = runner(loaded(folder))
    side = expected(kind).side
    for name, data in list(photographs.items())[:4]:
        outputs = run(fed(data, folder))
        wanted = expected(kind).by_name[name]
        if kind.domain == S1:
            assert_same_boxes(wanted, boxes_of_points(outputs), side, name)
        else:
            found = boxes_of_region(outputs, anchors_in(folder / "model.xml"))
            assert_same_boxes(fitting_a_grid(wanted, 13), found, side, name)


def boxes_of_points(outputs: Mapping[str, Any]) -> list[Found]:
    """Of [S1]: `raw_boxes` with centre and size, `raw_probs` with a column for the background first."""
    assert set(outputs) == {"raw_boxes", "raw_probs"}
    boxes, probabilities = outputs["raw_boxes"][0], outputs["raw_probs"][0]
    assert boxes.shape == (2100, 4) and probabilities.shape == (2100, 1 + len(LABELS))
    assert (probabilities >= 0).all() and (probabilities <= 1).all()
    background = 1 - probabilities[:, 1:].sum(axis=1).clip(max=1)
    numpy.testing.assert_allclose(probabilities[:, 0], background, atol=1e-5)
    centres, sizes = boxes[:, :2], boxes[:, 2:]
    return suppressed(numpy.concatenate([centres - sizes / 2, centres + sizes / 2], 1), probabilities[:, 1:])


def boxes_of_region(outputs: Mapping[str, Any], anchors: numpy.ndarray) -> list[Found]:
    """Of the other detectors: one row of values; only widths and heights are not yet decoded."""
    (row,) = outputs.values()
    assert row.shape == (1, len(anchors) * (5 + len(LABELS)) * 13 * 13)
    grid = row.reshape(len(anchors), 5 + len(LABELS), 13, 13)
    found: list[Found] = []
    for slot, line, column in numpy.ndindex(len(anchors), 13, 13):
        x, y, width, height, sure, *tags = grid[slot, :, line, column].astype(float)
        probability = sure * max(tags)
        if probability < 0.005:
            continue
        width, height = numpy.exp([width, height]) * anchors[slot] / 26
        x, y = (column + x) / 13, (line + y) / 13
        tag = tags.index(max(tags))
        found.append((tag, probability, x - width, y - height, x + width, y + height))
    return found


def anchors_in(file: Path) -> numpy.ndarray:
    """As programs read them: in the attributes of the RegionYolo layer."""
    (layer,) = ElementTree.parse(file).getroot().iterfind("layers/layer[@type='RegionYolo']/data")
    return numpy.array([float(value) for value in layer.attrib["anchors"].split(",")]).reshape(-1, 2)


@pytest.mark.parametrize("flavor", FLAVORS)
def test_the_same_order_gives_the_same_bytes(
    kind: Kind, flavor: str | None, make_order: MakeOrder, tmp_path: Path
) -> None:
    """Also later in a process, because OpenVINO numbers layers through its lifetime."""
    order = make_order(kind, "OpenVino", flavor)

    first, second = (
        write_export(order, tmp_path / name, lambda share, step: None).read_bytes() for name in "ab"
    )

    assert first == second
    assert len(first) <= (16_000_000 if kind.detection else 20_000_000)


def test_serve_model_reads_them(
    kind: Kind, make_order: MakeOrder, photographs: dict[str, bytes], expected: Expected, tmp_path: Path
) -> None:
    session = load_export(
        write_export(make_order(kind, "OpenVino"), tmp_path / "export.zip", lambda share, step: None)
    )
    (name, data) = next(iter(photographs.items()))

    if kind.detection:
        (tag, probability, *_), *_ = expected(kind).by_name[name]
        best, *_ = session.score(data)
        assert best.tag_index == tag
        assert best.probability == pytest.approx(probability, abs=0.005)
    else:
        assert session.score(data) == pytest.approx(expected(kind).by_name[name], abs=0.005)


def test_without_openvino_the_message_says_what_to_install(
    make_order: MakeOrder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)

    with pytest.raises(ExportFailed, match=r"custom-vision-emulator\[openvino\]"):
        write_export(make_order(KINDS[0], "OpenVino"), tmp_path / "export", lambda share, step: None)
    assert not (tmp_path / "export").exists()
