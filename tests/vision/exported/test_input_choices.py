"""Preprocessing that a user chooses for an exported model."""

import re
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from emulator.vision.exported.files import ExportUnusable, read_export
from emulator.vision.exported.input_choices import (
    CHOICES_FILE,
    InputChoices,
    read_choices,
    texts_of,
    with_choices,
)
from emulator.vision.exported.model import load_export
from tests.support.exported_models import (
    COLOURS,
    ExportedClassifier,
    classifier_zip,
    colour_classifier,
    detector,
    export_zip,
    metadata_properties,
    plain,
    spot,
    yolo_detector,
)
from tests.vision.exported.test_real_exports import bands

KEPT = metadata_properties("Yolo", Preprocess_ResizeMethod="ByPixelCountAlign32")


def chosen(export: bytes, text: str) -> ExportedClassifier:
    model = load_export(export, choices=read_choices(text))
    assert isinstance(model, ExportedClassifier)
    return model


def test_all_choices_are_read() -> None:
    text = "crop=keep-aspect, size=300x200,resize=256,Channels=BGR,range=0-1,antialias=no,mean=124/117/105"
    assert read_choices(text) == InputChoices(
        crop="keep aspect",
        size=(300, 200),
        resize=256,
        channels=True,
        range=255,
        antialias=False,
        mean=(124.0, 117.0, 105.0),
    )
    assert read_choices("crop=Centre-Square").crop == "centre square"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is not of the form NAME=VALUE"),
        ("bgr", "'bgr' is not of the form NAME=VALUE"),
        ("channels=bgr,", "'' is not of the form NAME=VALUE"),
        ("colours=bgr", "'colours' is not one of: crop, size, resize, channels, range, antialias, mean"),
        ("channels=bgr,channels=rgb", "'channels' is given twice"),
        ("channels=grey", "channels: 'grey' is not one of: rgb, bgr"),
        ("range=255", "range: '255' is not one of: 0-255, 0-1"),
        ("crop=centre", "crop: 'centre' is not one of: stretch, center-square"),
        ("size=224", "size: '224' is not WIDTHxHEIGHT"),
        ("size=15x300", "size: '15x300' is not WIDTHxHEIGHT"),
        ("size=²²⁴x224", "is not WIDTHxHEIGHT"),
        ("resize=99999999999", "is not a number of pixels from 16 to 2048"),
        ("mean=1/2", "mean: '1/2' is not RED/GREEN/BLUE"),
        ("mean=nan/1/2", "is not RED/GREEN/BLUE"),
        ("mean=1/2/256", "is not RED/GREEN/BLUE"),
        ("antialias=", "antialias: '' is not one of: yes, no"),
    ],
)
def test_values_that_cannot_be_read_are_named(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        read_choices(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("channels=rgb", [1, 0, 0]),
        ("channels=bgr", [0, 0, 1]),
        ("range=0-1", [0, 0, 1 / 255]),
        ("range=0-255", [0, 0, 1]),
        ("mean=124/117/105", [-105 / 255, -117 / 255, 131 / 255]),
        ("mean=0/0/0", [0, 0, 1]),
    ],
)
def test_channels_range_and_mean(text: str, expected: list[float]) -> None:
    planes = ("first", "second", "third")
    model = chosen(export_zip(colour_classifier(planes), planes), text)
    assert model.score(plain("red")) == pytest.approx([max(value, 0) for value in expected])


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("crop=stretch", 1 / 3),
        ("crop=center-square", 250 / 300),
        ("crop=center-of-resized", 250 / (300 * 224 / 256)),
        ("crop=center-of-resized,resize=300", 1),
    ],
)
def test_crops(text: str, share: float) -> None:
    for metadata in (None, metadata_properties("ClassificationMultiClass")):
        model = chosen(export_zip(colour_classifier(), COLOURS, metadata), text)
        assert model.score(bands((750, 300)))[1] == pytest.approx(min(share, 1), abs=0.02)


def test_choices_are_described_as_chosen() -> None:
    text = "crop=stretch,channels=rgb,range=0-1,antialias=no,mean=1/2/3"
    described = chosen(classifier_zip(), text).preprocessing
    assert described == {
        "crop": "stretch (chosen)",
        "size": "224 x 224",
        "channels": "rgb (chosen)",
        "range": "0 to 1 (chosen)",
        "antialias": "no: chosen",
        "mean": "1, 2, 3 subtracted: chosen",
    }


def test_a_detector_keeps_the_aspect_or_is_stretched() -> None:
    pytest.importorskip("onnx", reason="onnx is not installed: pip install onnx")
    image = spot("red", (7 * 32, 32, 8 * 32, 2 * 32), (1024, 256))
    fixed = export_zip(yolo_detector(side=416), ("grey", "red"), metadata_properties("Yolo"))
    assert detector(fixed).preprocessing["crop"] == "stretch (fixed input size)"

    kept = load_export(fixed, choices=read_choices("crop=keep-aspect,size=512x512"))
    stretched = load_export(
        export_zip(yolo_detector(side=416), ("grey", "red"), KEPT), choices=read_choices("crop=stretch")
    )

    assert kept.preprocessing["crop"] == "keep aspect (chosen)"
    (found,) = kept.score(image)
    assert (found.width, found.height) == pytest.approx((0.573 / 32, 0.677 / 8))
    assert stretched.preprocessing["size"] == "416 x 416"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "crop=keep-aspect",
            "crop=keep-aspect needs an input of variable size; this one is 300 x 300",
        ),
        ("size=224x224", "size=224x224 does not fit the model, whose input is 300 x 300 pixels."),
        ("crop=stretch,resize=256", "resize needs crop=center-of-resized."),
    ],
)
def test_choices_that_do_not_fit_the_model(text: str, message: str) -> None:
    with pytest.raises(ExportUnusable, match=message):
        chosen(fixed_classifier(), text)


def fixed_classifier() -> bytes:
    """A classifier whose input cannot be made variable."""
    import numpy
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("Flatten", ["data"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weight"], ["model_output"]),
    ]
    weight = numpy.zeros((3 * 300 * 300, 2), numpy.float32)
    graph = helper.make_graph(
        nodes,
        "fixed",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, 3, 300, 300])],
        [helper.make_tensor_value_info("model_output", TensorProto.FLOAT, [1, 2])],
        [numpy_helper.from_array(weight, "weight")],
    )
    model = helper.make_model(graph, ir_version=7, opset_imports=[helper.make_opsetid("", 12)])
    return export_zip(model, ("a", "b"), metadata_properties("ClassificationMultiClass"))


# --- the file in the export ---------------------------------------------------------------------------------


def test_choices_are_stored_in_the_zip_and_given_ones_precede_them() -> None:
    planes = ("first", "second", "third")
    export = export_zip(colour_classifier(planes), planes)
    stored = with_choices(export, texts_of("channels=rgb,range=0-1"))

    assert with_choices(export, texts_of("channels=rgb,range=0-1")) == stored
    assert read_export(stored).digest == read_export(export).digest
    model = load_export(stored)
    assert isinstance(model, ExportedClassifier)
    assert model.score(plain("red")) == pytest.approx([1 / 255, 0, 0])
    assert chosen(stored, "range=0-255").score(plain("red")) == pytest.approx([1, 0, 0])


def test_a_folder_can_have_the_file(tmp_path: Path) -> None:
    with zipfile.ZipFile(BytesIO(classifier_zip())) as archive:
        archive.extractall(tmp_path)
    (tmp_path / CHOICES_FILE).write_text('{"channels": "rgb"}', encoding="utf-8")
    assert load_export(tmp_path).preprocessing["channels"] == "rgb (chosen)"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no JSON", f"{CHOICES_FILE} is not JSON."),
        (b"[]", f"{CHOICES_FILE} is not a JSON object."),
        (b'{"channels": 5}', f"{CHOICES_FILE}: 'channels' is not a text."),
        (b'{"channels": "green"}', f"{CHOICES_FILE}: channels: 'green' is not one of: rgb, bgr."),
        (b'{"x": "y"}', f"{CHOICES_FILE}: 'x' is not one of: crop, size,"),
    ],
)
def test_a_file_of_choices_that_is_invalid_is_refused(content: bytes, message: str) -> None:
    export = export_zip(colour_classifier(), COLOURS, more={CHOICES_FILE: content})
    with pytest.raises(ExportUnusable, match=re.escape(message)):
        load_export(export)
