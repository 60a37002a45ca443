"""Exported models, run as the programs that come with them run them."""

import logging
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image

from emulator.vision.exported import boxes
from emulator.vision.exported.files import ExportUnusable
from emulator.vision.exported.model import ExportedClassifier, load_export
from emulator.vision.exported.preprocess import (
    Preprocessing,
    aligned_size,
    announced_size,
)
from emulator.vision.imaging.decode import ImageRejected, resize_to_square
from tests.support.exported_models import (
    BGR,
    COLOURS,
    ITERATION,
    RGB,
    RGB_TO_ONE,
    classifier,
    classifier_zip,
    colour_classifier,
    detector,
    detector_zip,
    export_zip,
    finished_detector,
    metadata_properties,
    plain,
    s1_classifier,
    spot,
    yolo_detector,
)

# --- classifiers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("colour", ["blue", "red"])
@pytest.mark.parametrize(
    ("keys", "half"), [("strings", False), ("numbers", False), ("strings", True)], ids=str
)
def test_a_compact_classifier_takes_blue_first_and_gives_a_map(colour: str, keys: str, half: bool) -> None:
    model = classifier(export_zip(colour_classifier(keys=keys, half=half), COLOURS))
    assert model.score(plain(colour)) == [float(label == colour) for label in COLOURS]
    assert (model.labels, model.iteration_id, model.compact_s1) == (COLOURS, ITERATION, False)


def test_labels_come_in_the_order_of_the_file_whatever_the_order_of_the_map() -> None:
    model = classifier(export_zip(colour_classifier(), ("red", "green", "blue")))
    assert model.score(plain("red")) == [1, 0, 0]


def test_an_s1_classifier_takes_red_first_and_values_to_one() -> None:
    metadata = metadata_properties(
        "ClassificationMultiLabel", Preprocess_TargetWidth="300", Preprocess_TargetHeight="300"
    )
    model = classifier(export_zip(s1_classifier(), ("red", "green", "blue"), metadata))
    assert model.score(plain("red")) == [1, 0, 0]
    assert (model.compact_s1, model.multilabel) == (True, True)


@pytest.mark.parametrize(
    ("method", "multilabel"),
    [("ClassificationMultiClass", False), ("ClassificationMultiLabel", True), (None, None)],
)
def test_whether_labels_exclude_each_other_is_in_the_metadata_if_anywhere(
    method: str | None, multilabel: bool | None
) -> None:
    metadata = None if method is None else metadata_properties(method)
    assert classifier(export_zip(colour_classifier(), COLOURS, metadata)).multilabel is multilabel


@pytest.mark.parametrize(
    ("inside", "red_first", "largest"),
    [(BGR, False, 255), (RGB, True, 255), (RGB_TO_ONE, True, 1), ({}, False, 255)],
    ids=["BGR", "RGB", "RGB to 1", "nothing"],
)
def test_colours_and_range_of_onnx_are_those_of_its_own_metadata(
    inside: Mapping[str, str], red_first: bool, largest: int
) -> None:
    """Not from metadata_properties.json, which states RGB from 0 to 1 in every real export."""
    planes = ("first", "second", "third")
    data = export_zip(
        colour_classifier(planes, metadata=inside), planes, metadata_properties("ClassificationMultiClass")
    )
    whole = largest / 255
    expected = [whole, 0, 0] if red_first else [0, 0, whole]
    assert classifier(data).score(plain("red")) == pytest.approx(expected)


def test_probabilities_are_finite_and_from_0_to_1_for_any_output() -> None:
    model = classifier(export_zip(s1_classifier(metadata=RGB), COLOURS))
    assert model.score(plain("white")) == [1, 1, 1]


# --- images -----------------------------------------------------------------------------------------------


def bands(size: tuple[int, int]) -> bytes:
    """Red, green and blue beside each other, of equal width."""
    image = Image.new("RGB", (3, 1))
    image.putdata([(255, 0, 0), (0, 255, 0), (0, 0, 255)])
    buffer = BytesIO()
    image.resize(size, Image.Resampling.NEAREST).save(buffer, "PNG")
    return buffer.getvalue()


def test_the_whole_image_is_stretched_by_the_metadata() -> None:
    model = classifier(
        export_zip(colour_classifier(), COLOURS, metadata_properties("ClassificationMultiClass"))
    )
    assert model.score(bands((600, 200))) == pytest.approx([1 / 3] * 3, abs=0.01)


def test_the_centre_square_is_cropped_by_the_metadata() -> None:
    assert classifier(classifier_zip()).score(bands((600, 200))) == pytest.approx([0, 1, 0], abs=0.02)


def test_of_exports_without_metadata_the_centre_of_the_centre_is_taken() -> None:
    model = classifier(export_zip(colour_classifier(), COLOURS))
    # The square is 3 wide and shows a band of 1.5 on each side of a middle one of 1; 224 of 256 are left.
    blue, green, red = model.score(bands((750, 300)))
    assert green == pytest.approx(250 / (300 * 224 / 256), abs=0.02)
    assert blue == pytest.approx(red, abs=0.01)


def test_stretching_is_that_of_the_models_trained_here() -> None:
    image = bands((317, 211))
    rule = Preprocessing("stretch", 224, 224, bgr=False, divisor=1, planes=False)
    assert numpy.array_equal(rule.tensor(image)[0], resize_to_square(image, 224).astype(numpy.float32))


def test_an_image_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    buffer = BytesIO()
    image = Image.open(BytesIO(bands((60, 20))))
    image.save(buffer, "JPEG", exif=exif, quality=95)
    rule = Preprocessing("stretch", 20, 60, bgr=False, divisor=1, planes=False)
    tensor = rule.tensor(buffer.getvalue())[0]
    assert tensor[5].mean(axis=0).argmax() == 0
    assert tensor[55].mean(axis=0).argmax() == 2


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((512, 512), (512, 512)),
        ((1024, 256), (1024, 256)),
        ((1600, 1200), (608, 448)),
        ((25, 1), (2560, 128)),
    ],
)
def test_sides_are_multiples_of_32_and_about_512_squared_together(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert aligned_size(*size) == expected


@pytest.mark.parametrize("text", ["", "x", "-1", "8", "99999", "00000022499", "9" * 5000, "²²²", "224.5"])
def test_sizes_that_make_no_sense_are_not_announced(text: str) -> None:
    metadata = metadata_properties("Yolo", Preprocess_TargetWidth=text)
    assert announced_size(metadata) is None
    assert announced_size(metadata_properties("Yolo")) == (224, 224)


def test_what_is_not_an_image_is_rejected() -> None:
    with pytest.raises(ImageRejected):
        classifier(classifier_zip()).score(b"no picture")


# --- detectors ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [None, 416], ids=["any size", "416"])
def test_a_grid_becomes_boxes(side: int | None) -> None:
    """The red cell of a grid of 16 by 16, or 13 by 13, cells."""
    model = detector(export_zip(yolo_detector(side=side), ("grey", "red")))
    cells = 16 if side is None else 13
    (found,) = model.score(spot("red", (2 * 32, 4 * 32, 3 * 32, 5 * 32), (cells * 32, cells * 32)))
    assert (found.tag_index, found.probability) == (1, pytest.approx(1, abs=0.001))
    assert found.left + found.width / 2 == pytest.approx(2.5 / cells)
    assert found.top + found.height / 2 == pytest.approx(4.5 / cells)
    assert (found.width, found.height) == pytest.approx((0.573 / cells, 0.677 / cells))
    assert (model.compact_s1, model.labels) == (False, ("grey", "red"))


def test_an_open_grid_keeps_the_aspect_of_the_image() -> None:
    model = detector(detector_zip())
    (found,) = model.score(spot("red", (7 * 32, 32, 8 * 32, 2 * 32), (1024, 256)))
    assert (found.width, found.height) == pytest.approx((0.573 / 32, 0.677 / 8))
    assert found.left + found.width / 2 == pytest.approx(7.5 / 32)


def test_decoding_by_hand() -> None:
    """One cell, one anchor, as YOLO's authors define it."""
    grid = numpy.array([0.2, -0.4, 0.5, -0.7, 1.1, 0.3, 1.3], numpy.float32).reshape(1, 1, 7)
    sigmoid = 1 / (1 + numpy.exp(-grid[0, 0, :5].astype(float)))
    share = numpy.exp([0.3, 1.3]) / numpy.exp([0.3, 1.3]).sum() * sigmoid[4]
    width, height = 0.3 * numpy.exp(0.5), 0.4 * numpy.exp(-0.7)
    found = boxes.yolo_boxes(grid, (0.3, 0.4), 0.45)
    assert [box.tag_index for box in found] == [1, 0]
    assert [box.probability for box in found] == pytest.approx([share[1], share[0]], rel=1e-5)
    assert (found[0].left, found[0].top) == pytest.approx(
        (sigmoid[0] - width / 2, sigmoid[1] - height / 2), rel=1e-5
    )
    assert (found[0].width, found[0].height) == pytest.approx((width, height), rel=1e-5)


def test_doubles_go_within_a_tag_and_boxes_end_at_the_image() -> None:
    """Two anchors in one cell that cover the image and more, with the same two tags."""
    one = [0, 0, 3, 3, 4, 1, 1]
    other = [0, 0, 3, 3, 3, 1, 1]
    grid = numpy.array(one + other, numpy.float32).reshape(1, 1, 14)
    found = boxes.yolo_boxes(grid, (1, 1, 1, 1), 0.45)
    assert [box.tag_index for box in found] == [0, 1]
    assert {(box.left, box.top, box.width, box.height) for box in found} == {(0, 0, 1, 1)}


def test_no_numbers_are_too_large_to_decode() -> None:
    grid = numpy.full((2, 2, 35), 3e38, numpy.float32)
    for box in boxes.yolo_boxes(grid, boxes.ANCHORS, 0.45):
        assert box.left >= 0 and box.left + box.width <= 1 and 0 <= box.probability <= 1


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "[1]", "[1, -1]", "[1, 1e9]", "x", "[[[[", "{}", '["a", 1]']
)
def test_anchors_that_make_no_sense_are_the_usual_ones(text: str) -> None:
    assert boxes.anchors_from({"CustomVision.Postprocess.Yolo.Biases": text}) == boxes.ANCHORS


def test_anchors_and_overlap_of_the_metadata_are_used() -> None:
    metadata = metadata_properties(
        "Yolo", Postprocess_Yolo_Biases="[1.0, 2, 3, 4]", Postprocess_Yolo_NmsThreshold="0.3"
    )
    assert boxes.anchors_from(metadata) == (1, 2, 3, 4)
    assert boxes.nms_threshold(metadata) == 0.3
    for text in ("0.0", "x", "7", "nan", ""):
        assert boxes.nms_threshold({"CustomVision.Postprocess.Yolo.NmsThreshold": text}) == 0.45


def test_postprocessed_boxes_are_taken_over() -> None:
    model = detector(
        export_zip(
            finished_detector(
                [[0.1, 0.2, 0.5, 0.7], [-1, 0.2, 2, 0.3], [0, 0, 1, 1], [2, 2, 3, 3]],
                [1, 0, 1, 0],
                [0.3, 0.9, 0.001, 0.8],
            ),
            ("a", "b"),
        )
    )
    found = model.score(plain("red"))
    assert [(box.tag_index, round(box.probability, 4)) for box in found] == [(0, 0.9), (1, 0.3)]
    assert [(box.left, box.width) for box in found] == [(0, 1), (pytest.approx(0.1), pytest.approx(0.4))]
    assert model.compact_s1


def test_a_class_beyond_the_labels_is_no_box_of_another_tag() -> None:
    with pytest.raises(ExportUnusable, match="names 1 tags, the model found number 1"):
        load_export(export_zip(finished_detector([[0, 0, 1, 1]], [1], [0.9]), ("a",)))


# --- TensorFlow formats -------------------------------------------------------------------------------------


def test_without_openvino_a_tensorflow_export_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openvino", None)
    with pytest.raises(ExportUnusable, match=r"pip install 'custom-vision-emulator\[openvino\]'"):
        load_export(export_zip(b"graph", COLOURS, name="model.pb"))


@pytest.mark.parametrize("name", ["model.pb", "saved_model.pb", "model.tflite", "model.xml"])
def test_a_tensorflow_export_that_is_none_is_one_line(name: str) -> None:
    pytest.importorskip("openvino", reason="OpenVINO is not installed: pip install openvino")
    with pytest.raises(ExportUnusable, match="does not load") as caught:
        load_export(export_zip(b"\0\1\2 no graph", COLOURS, name=name, more={"model.bin": b""}))
    assert "\n" not in str(caught.value)


# --- invalid models -----------------------------------------------------------------------------------------


def without_operations(name: str) -> bytes:
    """The classifier with an unknown operation."""
    model = colour_classifier()
    model.graph.node[0].op_type = name
    return model.SerializeToString()


def with_input(shape: list[Any]) -> bytes:
    model = s1_classifier()
    sides = model.graph.input[0].type.tensor_type.shape
    del sides.dim[:]
    for side in shape:
        dimension = sides.dim.add()
        if isinstance(side, int):
            dimension.dim_value = side
        else:
            dimension.dim_param = side
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    return model.SerializeToString()


@pytest.mark.parametrize(
    ("model", "labels", "message"),
    [
        (b"no model", COLOURS, "The ONNX model does not load"),
        (without_operations("Teleport"), COLOURS, "The ONNX model does not load: .*Teleport"),
        (colour_classifier(), ("blue", "green"), "names 2 tags, the model knows 3"),
        (colour_classifier(), ("blue", "green", "pink"), "does not know 'pink'"),
        (s1_classifier(), ("a", "b", "c", "d"), "names 4 tags, the model knows 3"),
        (yolo_detector(2), ("a", "b", "c"), "names 3 tags, the model knows 2"),
        (with_input([1, 3, 100_000, 100_000]), COLOURS, "100000 x 100000"),
        (with_input([1, 3, 8, 8]), COLOURS, "8 x 8"),
        (with_input([1, 4, 224, 224]), COLOURS, "takes no image: its shape is 1 x 4 x 224 x 224"),
        (with_input([16, 3, 224, 224]), COLOURS, "takes no image"),
        (with_input([1, 3, 224, "any"]), COLOURS, "fits nothing: 1 x 3 x 224 x [?]"),
        (with_input([1, 3]), COLOURS, "takes no image"),
    ],
)
def test_a_model_that_does_not_fit_is_one_line(model: Any, labels: tuple[str, ...], message: str) -> None:
    with pytest.raises(ExportUnusable, match=message) as caught:
        load_export(export_zip(model, labels))
    assert "\n" not in str(caught.value)


def test_a_folder_is_as_good_as_its_zip(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(colour_classifier().SerializeToString())
    (tmp_path / "labels.txt").write_text("\n".join(COLOURS), encoding="utf-8")
    model = load_export(tmp_path)
    assert isinstance(model, ExportedClassifier)
    assert model.score(plain("red")) == [0, 0, 1]


def test_nothing_is_logged_as_an_error(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        classifier(classifier_zip()).score(plain("red"))
    assert caplog.records == []
