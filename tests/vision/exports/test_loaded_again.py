"""Exports of this program, loaded by the module that loads exports of the service: the two know only files of
each other."""

from pathlib import Path

import pytest

from emulator.core.exports.formats import FORMATS
from emulator.vision.exported.model import ExportedDetector, load_export
from emulator.vision.exports.formats import ExportOrder, write_export
from emulator.vision.networks.model_file import FIT
from tests.vision.exports.conftest import KINDS, LABELS, S1, Expected, Kind, MakeOrder, without
from tests.vision.exports.parity import PIXELS, PROBABILITY, answers

_SURE = 0.05


@pytest.mark.parametrize(
    ("platform", "flavor", "number"),
    [
        ("ONNX", None, 10),
        ("DockerFile", "Linux", 2),
        ("TensorFlow", None, 4),
    ],
)
def test_a_loaded_export_gives_the_results_of_the_prediction_api(
    kind: Kind,
    platform: str,
    flavor: str | None,
    number: int,
    make_order: MakeOrder,
    photographs: dict[str, bytes],
    expected: Expected,
    tmp_path: Path,
) -> None:
    if platform == "TensorFlow":
        pytest.importorskip("openvino", reason="OpenVINO is not installed: pip install openvino")
    few = dict(list(photographs.items())[:number])
    check(kind, make_order(kind, platform, flavor), few, expected, tmp_path)


@pytest.mark.parametrize("kind", [KINDS[0], KINDS[3]], ids=lambda kind: kind.name, indirect=True)
def test_a_loaded_saved_model_does_too(
    kind: Kind, make_order: MakeOrder, photographs: dict[str, bytes], expected: Expected, tmp_path: Path
) -> None:
    pytest.importorskip("openvino", reason="OpenVINO is not installed: pip install openvino")
    few = dict(list(photographs.items())[:2])
    check(kind, make_order(kind, "TensorFlow", "TensorFlowSavedModel"), few, expected, tmp_path)


@pytest.mark.parametrize(
    ("number", "before_the_crop", "fit"),
    [
        (0, False, "centre of resized"),
        (0, True, "stretch"),
        (1, False, "centre of resized"),
        (2, False, "stretch"),
    ],
)
@pytest.mark.parametrize(("platform", "flavor"), [("ONNX", None), ("DockerFile", "Linux")])
def test_classifiers_are_served_for_the_images_that_they_were_trained_for(
    number: int,
    before_the_crop: bool,
    fit: str,
    platform: str,
    flavor: str | None,
    make_order: MakeOrder,
    photographs: dict[str, bytes],
    tmp_path: Path,
) -> None:
    """Cropped, stretched, or stretched because the model was stored before models were trained for the crop.
    The resizing is the same as in the Prediction API, so the limit is closer than for other programs."""
    order = make_order(KINDS[number], platform, flavor)
    if before_the_crop:
        order = without(order, tmp_path, FIT)
    wide = {name: photographs[name] for name in ("rocket.jpg", "coffee.png", "chelsea.png")}
    model = load_export(write_export(order, tmp_path / "export.zip", lambda share, step: None, FORMATS))

    assert model.preprocessing["crop"].startswith(f"{fit} (")
    api = answers(KINDS[number], Path(order.model), wide)
    for name, data in wide.items():
        assert model.score(data) == pytest.approx(api.by_name[name], abs=0.001), name


def check(
    kind: Kind, order: ExportOrder, photographs: dict[str, bytes], expected: Expected, folder: Path
) -> None:
    """Export, load, and compare the results for the images."""
    model = load_export(write_export(order, folder / "export.zip", lambda share, step: None, FORMATS))
    assert (model.labels, model.iteration_id) == (LABELS, order.iteration_id)
    assert model.compact_s1 == (kind.domain == S1)
    wanted = expected(kind)
    for name, data in photographs.items():
        found = model.score(data)
        if not isinstance(model, ExportedDetector):
            assert model.multilabel == kind.multilabel
            assert found == pytest.approx(wanted.by_name[name], abs=PROBABILITY), name
            continue
        boxes = [
            (box.tag_index, box.probability, box.left, box.top, box.left + box.width, box.top + box.height)
            for box in found
        ]
        for tag, probability, *sides in wanted.by_name[name]:
            if probability < _SURE:
                continue
            assert any(
                one[0] == tag
                and one[1] == pytest.approx(probability, abs=PROBABILITY)
                and one[2:] == pytest.approx(tuple(sides), abs=PIXELS / wanted.side)
                for one in boxes
            ), (name, tag, probability, sides)
