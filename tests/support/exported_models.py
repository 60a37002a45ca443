"""Small exports of Custom Vision: real signatures, and networks of a few weights.

The networks depend on colours alone, so that a test knows the expected output and fails when colours are
in the wrong order or range.
"""

import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy
from onnx import ModelProto, TensorProto, helper, numpy_helper
from PIL import Image

from emulator.vision.exported.model import ExportedClassifier, ExportedDetector, load_export

ITERATION = "0a1b2c3d-0000-4000-8000-00000000abcd"
BGR = {"Image.BitmapPixelFormat": "Bgr8", "Image.NominalPixelRange": "NominalRange_0_255"}
RGB_TO_ONE = {"Image.BitmapPixelFormat": "Rgb8", "Image.NominalPixelRange": "Normalized_0_1"}
RGB = {"Image.BitmapPixelFormat": "Rgb8", "Image.NominalPixelRange": "NominalRange_0_255"}
COLOURS = ("blue", "green", "red")  # by the planes of BGR


def metadata_properties(method: str, **changes: str) -> dict[str, str]:
    """The content of metadata_properties.json. `changes`: keys without ``CustomVision.``, with _ for dots."""
    properties = {
        "CustomVision.Metadata.AdditionalModelInfo": "",
        "CustomVision.Metadata.Version": "1.2",
        "CustomVision.Postprocess.Method": method,
        "CustomVision.Postprocess.Yolo.Biases": "[]",
        "CustomVision.Postprocess.Yolo.NmsThreshold": "0.0",
        "CustomVision.Preprocess.CropMethod": "NoCrop",
        "CustomVision.Preprocess.ResizeMethod": "Stretch",
        "CustomVision.Preprocess.TargetHeight": "224",
        "CustomVision.Preprocess.TargetWidth": "224",
        "Image.BitmapPixelFormat": "Rgb8",
        "Image.ColorSpaceGamma": "SRGB",
        "Image.NominalPixelRange": "Normalized_0_1",
    }
    return properties | {f"CustomVision.{name.replace('_', '.')}": value for name, value in changes.items()}


def export_zip(
    model: bytes | ModelProto,
    labels: Sequence[str] | None,
    metadata: Mapping[str, str] | None = None,
    *,
    name: str = "model.onnx",
    manifest: Mapping[str, Any] | None = None,
    folder: str = "",
    more: Mapping[str, bytes] | None = None,
) -> bytes:
    """The zip of a model. manifest: changed entries; None removes one. labels None: no labels.txt."""
    content = model if isinstance(model, bytes) else model.SerializeToString()
    described: dict[str, Any] = {
        "DomainType": "Classification",
        "Platform": "ONNX",
        "Flavor": None,
        "ExporterVersion": "2.2",
        "ExportedDate": "2024-05-11T19:45:31.4268582Z",
        "IterationId": ITERATION,
        "ModelFileName": name,
        "LabelFileName": "labels.txt",
        "MetadataPropsFileName": "metadata_properties.json",
        "ModelFileSHA1": hashlib.sha1(content).hexdigest(),
        "SchemaVersion": "1.0",
    }
    described = {key: value for key, value in (described | dict(manifest or {})).items() if value is not None}
    files = {name: content, "cvexport.manifest": json.dumps(described).encode()}
    if labels is not None:
        files["labels.txt"] = "\r\n".join(labels).encode()
    if metadata is not None:
        files["metadata_properties.json"] = json.dumps(metadata).encode()
    files |= more or {}
    return zip_of({f"{folder}{path}": data for path, data in files.items()})


def zip_of(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for path, data in files.items():
            archive.writestr(path, data)
    return buffer.getvalue()


# --- classifiers --------------------------------------------------------------------------------------------


def colour_classifier(
    labels: Sequence[str] = COLOURS,
    *,
    side: int = 224,
    metadata: Mapping[str, str] = BGR,
    keys: str = "strings",
    half: bool = False,
) -> ModelProto:
    """General (compact): `data` -> `classLabel`, `loss`; a label's score is the mean of one plane over 255.

    keys: of the map that `loss` is, "strings" or "numbers".
    """
    kind = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    nodes = [
        helper.make_node("GlobalAveragePool", ["data"], ["means"]),
        helper.make_node("Flatten", ["means"], ["flat"], axis=1),
        helper.make_node("Cast", ["flat"], ["wide"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["wide", "whole"], ["scores"]),
        helper.make_node("ArgMax", ["scores"], ["best"], axis=1, keepdims=0),
        helper.make_node("ArrayFeatureExtractor", ["names", "best"], ["classLabel"], domain="ai.onnx.ml"),
        helper.make_node(
            "ZipMap",
            ["scores"],
            ["loss"],
            domain="ai.onnx.ml",
            **(
                {"classlabels_strings": list(labels)}
                if keys == "strings"
                else {"classlabels_int64s": list(range(len(labels)))}
            ),
        ),
    ]
    key_type = TensorProto.STRING if keys == "strings" else TensorProto.INT64
    loss = helper.make_value_info(
        "loss",
        helper.make_sequence_type_proto(
            helper.make_map_type_proto(key_type, helper.make_tensor_type_proto(TensorProto.FLOAT, None))
        ),
    )
    names = helper.make_tensor("names", TensorProto.STRING, [len(labels)], [one.encode() for one in labels])
    graph = helper.make_graph(
        nodes,
        "classifier",
        [helper.make_tensor_value_info("data", kind, [None, 3, side, side])],
        [helper.make_tensor_value_info("classLabel", TensorProto.STRING, [1]), loss],
        [names, numpy_helper.from_array(numpy.array([255.0], numpy.float32), "whole")],
    )
    return _model(graph, metadata)


def s1_classifier(side: int = 300, metadata: Mapping[str, str] = RGB_TO_ONE) -> ModelProto:
    """General (compact) [S1]: an image with values 0 to 1 -> `model_output`, the mean of each plane."""
    nodes = [
        helper.make_node("GlobalAveragePool", ["input"], ["means"]),
        helper.make_node("Flatten", ["means"], ["model_output"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "classifier",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, side, side])],
        [helper.make_tensor_value_info("model_output", TensorProto.FLOAT, [1, 3])],
    )
    return _model(graph, metadata)


# --- detectors ----------------------------------------------------------------------------------------------


def yolo_detector(labels: int = 2, side: int | None = None, metadata: Mapping[str, str] = BGR) -> ModelProto:
    """General (compact): a grid of cells of 32 pixels; the first box of a red cell has tag 1.

    The box lies in the middle of the cell and has the size of the first anchor. side None: any size.
    """
    per_box = 5 + labels
    weights = numpy.zeros((5 * per_box, 3, 1, 1), numpy.float32)
    bias = numpy.zeros(5 * per_box, numpy.float32)
    bias[4::per_box] = -20
    # Object, from red less green: 10 for pure red, -10 for white.
    weights[4, :, 0, 0] = [0, -20 / 255, 20 / 255]
    bias[4] = -10
    bias[5 + 1] = 12
    nodes = [
        helper.make_node("AveragePool", ["data"], ["cells"], kernel_shape=[32, 32], strides=[32, 32]),
        helper.make_node("Conv", ["cells", "weights", "bias"], ["model_outputs0"], kernel_shape=[1, 1]),
    ]
    sides: list[Any] = ["height", "width"] if side is None else [side, side]
    cells: list[Any] = ["rows", "columns"] if side is None else [side // 32, side // 32]
    graph = helper.make_graph(
        nodes,
        "detector",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, 3, *sides])],
        [helper.make_tensor_value_info("model_outputs0", TensorProto.FLOAT, [1, 5 * per_box, *cells])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(bias, "bias")],
    )
    return _model(graph, metadata)


def finished_detector(
    boxes: Sequence[Sequence[float]],
    classes: Sequence[int],
    scores: Sequence[float],
    metadata: Mapping[str, str] = RGB,
) -> ModelProto:
    """General (compact) [S1]: fixed boxes for any image."""
    constants = {
        "boxes": numpy.array([boxes], numpy.float32).reshape(1, -1, 4),
        "classes": numpy.array([classes], numpy.int64),
        "scores": numpy.array([scores], numpy.float32),
    }
    nodes = [
        # Depends on the image, since runtimes reject unused inputs.
        helper.make_node("ReduceMean", ["image_tensor"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["scores", "nothing"], ["detected_scores"]),
        helper.make_node("Identity", ["boxes"], ["detected_boxes"]),
        helper.make_node("Identity", ["classes"], ["detected_classes"]),
    ]
    number = len(scores)
    graph = helper.make_graph(
        nodes,
        "detector",
        [helper.make_tensor_value_info("image_tensor", TensorProto.FLOAT, [1, 3, 320, 320])],
        [
            helper.make_tensor_value_info("detected_boxes", TensorProto.FLOAT, [1, number, 4]),
            helper.make_tensor_value_info("detected_classes", TensorProto.INT64, [1, number]),
            helper.make_tensor_value_info("detected_scores", TensorProto.FLOAT, [1, number]),
        ],
        [
            *(numpy_helper.from_array(value, name) for name, value in constants.items()),
            numpy_helper.from_array(numpy.float32(0), "zero"),
        ],
    )
    return _model(graph, metadata)


def _model(graph: Any, metadata: Mapping[str, str]) -> ModelProto:
    model = helper.make_model(
        graph,
        ir_version=7,
        opset_imports=[helper.make_opsetid("", 12), helper.make_opsetid("ai.onnx.ml", 1)],
    )
    helper.set_model_props(model, dict(metadata))
    return model


# --- ready for use ------------------------------------------------------------------------------------------


def classifier_zip(**more: Any) -> bytes:
    """A General (compact) classifier of colours in the current format."""
    metadata = metadata_properties("ClassificationMultiClass", Preprocess_CropMethod="FullImageShorterSide")
    return export_zip(colour_classifier(), COLOURS, metadata, **more)


def detector_zip(**more: Any) -> bytes:
    """A General (compact) detector of red cells: tags grey and red."""
    metadata = metadata_properties(
        "Yolo",
        Preprocess_ResizeMethod="ByPixelCountAlign32",
        Preprocess_TargetWidth="512",
        Preprocess_TargetHeight="512",
        Postprocess_Yolo_NmsThreshold="0.45",
    )
    more.setdefault("manifest", {"DomainType": "ObjectDetection"})
    return export_zip(yolo_detector(), ("grey", "red"), metadata, **more)


def plain(colour: str, size: tuple[int, int] = (120, 90), kind: str = "PNG") -> bytes:
    """An image of one colour."""
    return _encoded(Image.new("RGB", size, colour), kind)


def spot(colour: str, box: tuple[int, int, int, int], size: tuple[int, int]) -> bytes:
    """A white image with a rectangle (left, top, right, bottom) of a colour."""
    image = Image.new("RGB", size, "white")
    image.paste(colour, box)
    return _encoded(image, "PNG")


def _encoded(image: Image.Image, kind: str) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def classifier(data: bytes) -> ExportedClassifier:
    model = load_export(data)
    assert isinstance(model, ExportedClassifier)
    return model


def detector(data: bytes) -> ExportedDetector:
    model = load_export(data)
    assert isinstance(model, ExportedDetector)
    return model
