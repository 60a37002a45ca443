"""From a model file back to its network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from emulator.vision.detection.tiles import Tiling
from emulator.vision.exports.formats import ExportFailed, ExportOrder
from emulator.vision.exports.onnx import onnx_metadata
from emulator.vision.exports.stored_model import read_stored_model
from emulator.vision.networks.model_file import FIT, NETWORK, TILING
from emulator.vision.networks.onnx_writer import onnx_bytes
from tests.vision.exports.conftest import KINDS, Kind, MakeOrder, without

CLASSIFIER, MULTILABEL, S1_CLASSIFIER, DETECTOR, DETECTOR_S1 = KINDS
_CROP_AND_SIZE = ("CropMethod", "CropHeight", "CropWidth", "ResizeMethod", "TargetHeight", "TargetWidth")


def test_it_is_the_network_that_was_stored(kind: Kind, make_order: MakeOrder) -> None:
    order = make_order(kind, "ONNX")

    network = read_stored_model(order).network

    stored = onnx.load(order.model)
    again = onnx.load_from_string(onnx_bytes(network, {}))
    assert again.graph == stored.graph


def test_an_unknown_architecture_asks_for_a_new_training(make_order: MakeOrder, tmp_path: Path) -> None:
    order = without(make_order(CLASSIFIER, "ONNX"), tmp_path, NETWORK)
    model = onnx.load(order.model)
    del model.graph.initializer[3:]
    Path(order.model).write_bytes(model.SerializeToString())

    with pytest.raises(ExportFailed, match="train again"):
        read_stored_model(order)


def test_an_unknown_description_asks_for_a_new_training(make_order: MakeOrder, tmp_path: Path) -> None:
    text = '{"resolution": 224, "operations": [{"kind": "add", "wings": 2}], "outputs": {}}'
    order = without(make_order(CLASSIFIER, "ONNX"), tmp_path, **{NETWORK: text})

    with pytest.raises(ExportFailed, match="train again"):
        read_stored_model(order)


@pytest.mark.parametrize("content", [b"", b"no model", b"\x08\x07" * 50])
def test_a_file_that_is_no_model(content: bytes, make_order: MakeOrder, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(content)

    with pytest.raises(ExportFailed, match="train again"):
        read_stored_model(replace(make_order(CLASSIFIER, "ONNX"), model=str(tmp_path / "model.onnx")))


def test_a_file_that_is_gone(make_order: MakeOrder, tmp_path: Path) -> None:
    with pytest.raises(ExportFailed, match="cannot be read"):
        read_stored_model(replace(make_order(CLASSIFIER, "ONNX"), model=str(tmp_path / "gone.onnx")))


def test_labels_that_do_not_fit_the_outputs(make_order: MakeOrder) -> None:
    with pytest.raises(ExportFailed, match="5 outputs for 2 tags"):
        read_stored_model(replace(make_order(DETECTOR, "ONNX"), labels=("a", "b")))


def test_a_model_of_another_task(make_order: MakeOrder) -> None:
    with pytest.raises(ExportFailed, match="ObjectDetection"):
        read_stored_model(replace(make_order(CLASSIFIER, "ONNX"), domain_type="ObjectDetection"))


def test_a_model_that_looks_at_tiles(make_order: MakeOrder, tmp_path: Path) -> None:
    tiling = Tiling(2560, 96, whole=True).to_json()
    with pytest.raises(ExportFailed, match="compact"):
        read_stored_model(without(make_order(DETECTOR, "ONNX"), tmp_path, **{TILING: tiling}))


def test_models_from_before_the_crop_are_exported_for_stretched_images(
    make_order: MakeOrder, tmp_path: Path
) -> None:
    """Their files do not say how images become square."""
    names = [f"CustomVision.Preprocess.{name}" for name in _CROP_AND_SIZE]

    def exported(order: ExportOrder) -> list[str]:
        metadata = onnx_metadata(order, read_stored_model(order))
        return [metadata[name] for name in names]

    new = make_order(CLASSIFIER, "ONNX")
    assert exported(new) == ["OneCropCenter", "224", "224", "ByShorterSide", "256", "256"]
    assert exported(make_order(S1_CLASSIFIER, "ONNX")) == ["NoCrop", "0", "0", "Stretch", "300", "300"]
    old = without(new, tmp_path, FIT)
    assert exported(old) == ["NoCrop", "0", "0", "Stretch", "224", "224"]
