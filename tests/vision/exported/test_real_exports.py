"""Files with the structure of the service's exports of 2018 to 2025: colours, range, crop, size, names."""

import json
import zipfile
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import numpy
import pytest
from PIL import Image

from emulator.vision.exported.files import ExportUnusable
from emulator.vision.exported.model import load_export
from emulator.vision.exported.preprocess import Preprocessing
from emulator.vision.exports.tensorflow.messages import messages
from emulator.vision.exports.tflite.writer import tflite_bytes
from emulator.vision.networks.graph import Network, Operation
from tests.support.exported_models import (
    COLOURS,
    classifier,
    colour_classifier,
    detector,
    export_zip,
    metadata_properties,
    plain,
    s1_classifier,
    spot,
    yolo_detector,
    zip_of,
)

needs_openvino = pytest.mark.skipif(
    __import__("importlib.util").util.find_spec("openvino") is None,
    reason="OpenVINO is not installed: pip install openvino",
)
NO_DATE = {"ExportedDate": None}
METADATA_1_1 = metadata_properties(
    "ClassificationMultiClass",
    Preprocess_CropMethod="OneCropCenter",
    Preprocess_ResizeMethod="ByShorterSide",
    Preprocess_TargetWidth="256.0",
    Preprocess_TargetHeight="256.0",
    Preprocess_CropWidth="224.0",
    Preprocess_CropHeight="224.0",
    Metadata_Version="1.1",
)


class Graph:
    """A frozen graph, written node by node."""

    def __init__(self, name: str, shape: tuple[int, ...]) -> None:
        self.definition: Any = messages()["GraphDef"]()
        self.definition.versions.producer = 987
        node = self.node("Placeholder", name, (), dtype=1)
        for size in shape:
            node.attr["shape"].shape.dim.add(size=size)

    def node(self, op: str, name: str, inputs: tuple[str, ...], **types: int) -> Any:
        node = self.definition.node.add(op=op, name=name, input=inputs)
        for key, value in (types or {"T": 1}).items():
            node.attr[key].type = value
        return node

    def constant(self, name: str, value: Any) -> None:
        array = numpy.asarray(value)
        kind = {"float32": 1, "int32": 3, "int64": 9}[str(array.dtype)]
        tensor = self.node("Const", name, (), dtype=kind).attr["value"].tensor
        tensor.dtype = kind
        for size in array.shape:
            tensor.tensor_shape.dim.add(size=size)
        tensor.tensor_content = array.tobytes()

    def content(self) -> bytes:
        data: bytes = self.definition.SerializeToString()
        return data


def means_graph(output: str, *, side: int = 224, normalised: bool = True, divisor: float = 255) -> bytes:
    """The mean of each plane over `divisor`, from an input named `Placeholder`."""
    graph = Graph("Placeholder", (-1, side, side, 3))
    graph.constant("axes", numpy.array([1, 2], numpy.int32))
    graph.constant("whole", numpy.array([divisor], numpy.float32))
    graph.node("Mean", "means", ("Placeholder", "axes"), T=1, Tidx=3).attr["keep_dims"].b = False
    graph.node("RealDiv", "data_bn/scores" if normalised else "scores", ("means", "whole"))
    graph.node("Identity", output, ("data_bn/scores" if normalised else "scores",))
    return graph.content()


# --- channels and range -------------------------------------------------------------------------------------


@needs_openvino
@pytest.mark.parametrize(
    ("output", "side", "s1"),
    [("model_outputs", 224, False), ("loss", 224, False), ("model_output", 300, True)],
)
@pytest.mark.parametrize("metadata", [METADATA_1_1, None], ids=["metadata", "none"])
def test_only_model_output_is_s1(
    output: str, side: int, s1: bool, metadata: Mapping[str, str] | None
) -> None:
    model = classifier(export_zip(means_graph(output, side=side), COLOURS, metadata, name="model.pb"))
    assert model.compact_s1 is s1
    assert model.score(plain("red")) == pytest.approx([1, 0, 0] if s1 else [0, 0, 1])


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ({"Image.BitmapPixelFormat": "Bgr8"}, [0, 0, 1]),
        ({"Image.BitmapPixelFormat": "Bgra8"}, [0, 0, 1]),
        ({"Image.BitmapPixelFormat": "Rgb8"}, [1, 0, 0]),
        ({"Image.NominalPixelRange": "NominalRange_0_255"}, [0, 0, 1]),
        ({"Image.BitmapPixelFormat": "Bgr8", "Image.NominalPixelRange": "Normalized_0_1"}, [0, 0, 1 / 255]),
        ({}, [0, 0, 1]),
    ],
    ids=str,
)
def test_onnx_values_are_0_to_255_unless_normalized_is_said(
    inside: Mapping[str, str], expected: list[float]
) -> None:
    planes = ("first", "second", "third")
    model = classifier(export_zip(colour_classifier(planes, side=227, metadata=inside), planes))
    assert model.score(plain("red")) == pytest.approx(expected)


@needs_openvino
@pytest.mark.parametrize("normalised", [True, False], ids=["data_bn", "no data_bn"])
def test_the_mean_is_subtracted_for_graphs_without_data_bn(normalised: bool) -> None:
    graph = means_graph("loss", side=227, normalised=normalised)
    model = classifier(export_zip(graph, COLOURS, name="model.pb", manifest=NO_DATE))
    expected = [1, 1, 1] if normalised else [(255 - mean) / 255 for mean in (105, 117, 124)]
    assert model.score(plain("white")) == pytest.approx(expected)


# --- names --------------------------------------------------------------------------------------------------


@needs_openvino
@pytest.mark.parametrize("more", [(), ("a",), ("a", "StatefulPartitionedCall")], ids=str)
def test_boxes_of_s1_are_known_by_their_names_behind_identities(more: tuple[str, ...]) -> None:
    graph = Graph("image_tensor", (1, 320, 320, 3))
    graph.constant("zero", numpy.int32(0))
    graph.constant("axes", numpy.array([0, 1, 2, 3], numpy.int32))
    graph.constant("nothing", numpy.float32(0))
    graph.constant("first", numpy.array([0], numpy.int32))
    graph.node("Mean", "mean", ("image_tensor", "axes"), T=1, Tidx=3).attr["keep_dims"].b = False
    graph.node("Mul", "none", ("mean", "nothing"))
    values = {
        "detected_boxes": numpy.array([[0.1, 0.2, 0.5, 0.6]], numpy.float32),
        "detected_scores": numpy.array([0.75], numpy.float32),
        "detected_classes": numpy.array([1.0], numpy.float32),
    }
    for number, (name, value) in enumerate(values.items()):
        graph.constant(f"c{number}", value)
        graph.node("AddV2", f"s{number}", (f"c{number}", "none"))
        graph.node("GatherV2", f"G{number}", (f"s{number}", "first", "zero"), Tparams=1, Tindices=3, Taxis=3)
        graph.node("Identity", name, (f"G{number}",))
        last = name
        for suffix in more:
            graph.node("Identity", f"{suffix}{number}", (last,))
            last = f"{suffix}{number}"
    data = export_zip(
        graph.content(), ("a", "b"), name="model.pb", manifest={"DomainType": "ObjectDetection"}
    )
    (found,) = detector(data).score(plain("red"))
    assert (found.tag_index, found.probability) == (1, 0.75)
    assert (found.left, found.top, found.width, found.height) == pytest.approx((0.1, 0.2, 0.4, 0.4))


def test_labels_inside_the_model() -> None:
    """ONNX exports of 2019: `LabelFileName` is null, and the ZipMap has the labels."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("model.onnx", colour_classifier().SerializeToString())
        archive.writestr("cvexport.manifest", '{"ModelFileName": "model.onnx", "LabelFileName": null}')
    model = classifier(buffer.getvalue())
    assert dict(zip(model.labels, model.score(plain("red")), strict=True)) == {
        "red": 1,
        "green": 0,
        "blue": 0,
    }


def test_core_ml_without_a_label_file_is_refused_for_its_format() -> None:
    """Core ML exports of 2019 have labels inside too; the reason is the format, not the labels."""
    manifest = {"ModelFileName": "model.mlmodel", "LabelFileName": None}
    export = zip_of({"model.mlmodel": b"...", "cvexport.manifest": json.dumps(manifest).encode()})
    with pytest.raises(ExportUnusable, match="It holds a CoreML model"):
        load_export(export)


@pytest.mark.parametrize("announced", [None, ""])
def test_a_model_without_labels_inside_needs_labels(announced: str | None) -> None:
    manifest = json.dumps({"LabelFileName": announced}).encode()
    export = zip_of({"model.onnx": s1_classifier().SerializeToString(), "cvexport.manifest": manifest})
    with pytest.raises(ExportUnusable, match=r"labels\.txt is missing, and the model does not contain"):
        load_export(export)


def test_labels_and_metadata_can_have_the_names_in_the_manifest() -> None:
    planes = ("first", "second", "third")
    manifest = {"LabelFileName": "names.txt", "MetadataPropsFileName": "properties.json"}
    more = {"names.txt": "\n".join(planes).encode(), "properties.json": json.dumps(METADATA_1_1).encode()}
    model = classifier(export_zip(colour_classifier(planes), None, manifest=manifest, more=more))
    assert model.labels == planes
    assert model.preprocessing["crop"] == "centre of resized (CropMethod OneCropCenter)"


# --- TensorFlow Lite ----------------------------------------------------------------------------------------


def lite_means(output: str, side: int, **options: bool) -> bytes:
    """A TensorFlow Lite file: the mean of each plane over 255, from an input named `Placeholder`."""
    steps = (
        Operation("normalise", ("Placeholder",), "scaled", scale=1 / 255),
        Operation("global_average", ("scaled",), "means"),
        Operation("dense", ("means",), output, weight="weight", bias="bias"),
    )
    weights = {"weight": numpy.eye(3, dtype=numpy.float32), "bias": numpy.zeros(3, numpy.float32)}
    network = Network(side, steps, weights, {output: (3,)}, input="Placeholder", float_input=True)
    return tflite_bytes(network, **options)


@needs_openvino
@pytest.mark.parametrize(
    ("output", "side", "s1"),
    [
        ("model_outputs", 224, False),
        ("model_output_1", 224, False),
        ("loss", 227, False),
        ("model_output", 300, True),
    ],
)
@pytest.mark.parametrize("name", ["model.tflite", "graph.lite"])
@pytest.mark.parametrize("metadata", [METADATA_1_1, None], ids=["metadata", "none"])
def test_only_model_output_of_tensorflow_lite_is_s1(
    output: str, side: int, s1: bool, name: str, metadata: Mapping[str, str] | None
) -> None:
    model = classifier(export_zip(lite_means(output, side), COLOURS, metadata, name=name))
    assert model.compact_s1 is s1
    assert model.score(plain("red")) == pytest.approx([1, 0, 0] if s1 else [0, 0, 1], abs=1e-6)


@needs_openvino
def test_half_precision_weights_of_tensorflow_lite_are_read() -> None:
    model = classifier(export_zip(lite_means("loss", 224, half=True), COLOURS, name="model.tflite"))
    assert model.score(plain("red")) == pytest.approx([0, 0, 1], abs=1e-3)


@needs_openvino
def test_tensorflow_lite_with_integer_input_is_refused() -> None:
    """The service's exports have float input; quantized models of other tools have other ranges."""
    export = export_zip(lite_means("loss", 224, bytes_in=True), COLOURS, name="model.tflite")
    with pytest.raises(ExportUnusable, match=r"input 'Placeholder' is u8, not float\."):
        load_export(export)


# --- crop and size ------------------------------------------------------------------------------------------


def bands(size: tuple[int, int]) -> bytes:
    image = Image.new("RGB", (3, 1))
    image.putdata([(255, 0, 0), (0, 255, 0), (0, 0, 255)])
    buffer = BytesIO()
    image.resize(size, Image.Resampling.NEAREST).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("changes", "share"),
    [
        ({}, 250 / (300 * 224 / 256)),
        ({"Preprocess_TargetWidth": "448", "Preprocess_TargetHeight": "448"}, 1),
        ({"Preprocess_CropMethod": "FullImageShorterSide"}, 250 / 300),
        (
            {
                "Preprocess_CropMethod": "FullImageShorterSide",
                "Preprocess_ResizeMethod": "ByShorterSideAlign32",
            },
            250 / 300,
        ),
        ({"Preprocess_CropMethod": "NoCrop", "Preprocess_ResizeMethod": "Stretch"}, 1 / 3),
    ],
    ids=str,
)
def test_the_crop_is_that_of_the_metadata(changes: dict[str, str], share: float) -> None:
    prefixed = {f"CustomVision.{name.replace('_', '.')}": value for name, value in changes.items()}
    model = classifier(export_zip(colour_classifier(), COLOURS, METADATA_1_1 | prefixed))
    assert model.score(bands((750, 300)))[1] == pytest.approx(share, abs=0.02)


def test_the_choices_are_described_with_their_reasons() -> None:
    described = classifier(export_zip(colour_classifier(), COLOURS, METADATA_1_1)).preprocessing
    assert described["crop"] == "centre of resized (CropMethod OneCropCenter)"
    assert described["channels"] == "bgr (Image.BitmapPixelFormat in the model)"


YOLO = metadata_properties(
    "Yolo",
    Preprocess_ResizeMethod="ByPixelCountAlign32",
    Preprocess_TargetWidth="512.0",
    Preprocess_TargetHeight="512",
    Postprocess_Yolo_Biases=(
        "[0.57273, 0.677385, 1.87446, 2.06253, 3.33843, 5.47434, 7.88282, 3.52778, 9.77052, 9.16828]"
    ),
    Postprocess_Yolo_NmsThreshold="0.45",
)


def test_a_fixed_onnx_detector_is_opened_and_keeps_the_aspect() -> None:
    pytest.importorskip("onnx", reason="onnx is not installed: pip install onnx")
    model = detector(export_zip(yolo_detector(side=416), ("grey", "red"), YOLO))
    (found,) = model.score(spot("red", (7 * 32, 32, 8 * 32, 2 * 32), (1024, 256)))
    assert (found.width, found.height) == pytest.approx((0.57273 / 32, 0.677385 / 8))


@needs_openvino
def test_a_fixed_graph_of_a_detector_is_opened() -> None:
    graph = Graph("Placeholder", (-1, 416, 416, 3))
    weights = numpy.zeros((1, 1, 3, 35), numpy.float32)
    weights[0, 0, :, 4] = [0, -20 / 255, 20 / 255]
    bias = numpy.zeros(35, numpy.float32)
    bias[4::7] = -20
    bias[4], bias[6] = -10, 12
    graph.constant("weights", weights)
    graph.constant("bias", bias)
    pool = graph.node("AvgPool", "cells", ("Placeholder",))
    convolution = graph.node("Conv2D", "product", ("cells", "weights"))
    for node, sides in (
        (pool, {"ksize": [1, 32, 32, 1], "strides": [1, 32, 32, 1]}),
        (convolution, {"strides": [1, 1, 1, 1], "dilations": [1, 1, 1, 1]}),
    ):
        for key, value in sides.items():
            node.attr[key].list.i.extend(value)
        node.attr["padding"].s = b"VALID"
        node.attr["data_format"].s = b"NHWC"
    graph.node("BiasAdd", "model_outputs", ("product", "bias")).attr["data_format"].s = b"NHWC"
    model = detector(export_zip(graph.content(), ("grey", "red"), YOLO, name="model.pb"))
    (found,) = model.score(spot("red", (7 * 32, 32, 8 * 32, 2 * 32), (1024, 256)))
    assert (found.width, found.height) == pytest.approx((0.57273 / 32, 0.677385 / 8))


def test_without_antialiasing_pixels_are_sampled() -> None:
    """A checkerboard of single pixels becomes grey with antialiasing, and stays one without."""
    board = numpy.indices((900, 900)).sum(axis=0) % 2 * 255
    buffer = BytesIO()
    Image.fromarray(board.astype(numpy.uint8)).save(buffer, "PNG")
    spread = {
        antialias: Preprocessing("stretch", 300, 300, bgr=False, divisor=1, planes=False, antialias=antialias)
        .tensor(buffer.getvalue())
        .std()
        for antialias in (True, False)
    }
    assert spread[True] < 30 < 100 < spread[False]


@needs_openvino
@pytest.mark.parametrize(
    ("date", "antialias"),
    [("2019-05-11T19:45:31.4268582Z", False), (None, False), ("2024-05-11T19:45:31.4268582Z", True)],
)
def test_graphs_of_2018_to_2020_are_scaled_without_antialiasing(date: str | None, antialias: bool) -> None:
    data = export_zip(means_graph("loss"), COLOURS, name="model.pb", manifest={"ExportedDate": date})
    assert classifier(data).preprocessing["antialias"].startswith("yes" if antialias else "no")
