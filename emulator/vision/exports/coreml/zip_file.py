"""Export to Core ML. The models run only on Apple's systems; the tests use a reader of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from emulator.vision.boxes.geometry import NMS_IOU_THRESHOLD, SCORE_FLOOR
from emulator.vision.exports.bundle import bundle, metadata_properties
from emulator.vision.exports.coreml.writer import coreml_network
from emulator.vision.exports.detection_outputs import yolo_grid
from emulator.vision.exports.formats import ExportOrder, Progress
from emulator.vision.exports.graph import PixelFormat, has_postprocessed_boxes, with_tensor_names
from emulator.vision.exports.raw_boxes import with_raw_boxes
from emulator.vision.exports.samples import sample_files
from emulator.vision.exports.stored_model import StoredModel, read_stored_model

MODEL_FILE = "model.mlmodel"
_INPUT = "data"
_LOOSE = -1  # a variable length


def coreml_zip(order: ExportOrder, progress: Progress) -> bytes:
    """`model.mlmodel` with its descriptions.

    The flavor "CoreMLFloat16" keeps the weights in half precision.

    Raises:
        ImportError: coremltools is not installed.
    """
    stored = read_stored_model(order)
    progress(0.1, "Converting the model")
    metadata = metadata_properties(
        order,
        resolution=stored.network.resolution,
        multilabel=stored.multilabel,
        fit=stored.fit,
        # Core ML converts the channels of an image itself.
        pixels=PixelFormat("Rgb8"),
    )
    message = _model(order, stored)
    message.description.metadata.shortDescription = f"{order.domain}, {order.domain_type}"
    for key, value in metadata.items():
        message.description.metadata.userDefined[key] = value
    content: bytes = message.SerializeToString(deterministic=True)
    samples = sample_files("coreml", detection=stored.detection)
    return bundle(order, {MODEL_FILE: content}, metadata, samples)


def _model(order: ExportOrder, stored: StoredModel) -> Any:
    half = order.flavor == "CoreMLFloat16"
    network = with_tensor_names(stored.network, {stored.network.input: _INPUT})
    if not stored.detection:
        network = with_tensor_names(network, {network.output: "loss"})
        return coreml_network(network, labels=order.labels, half=half)
    if not has_postprocessed_boxes(order.domain):
        return coreml_network(yolo_grid(network, "model_outputs0", use_gather=True), half=half)
    network = with_raw_boxes(network, boxes="raw_coordinates", scores="raw_confidence")
    boxes, scores = network.outputs["raw_coordinates"], network.outputs["raw_confidence"]
    return _with_suppression(coreml_network(network, half=half), order.labels, boxes, scores)


def _with_suppression(
    detector: Any, labels: Sequence[str], boxes: tuple[int, ...], scores: tuple[int, ...]
) -> Any:
    """The detector followed by Core ML's non-maximum suppression.

    Apple's Vision framework recognises such a pipeline as a detector and returns its boxes as recognised
    objects.

    The outputs are `confidence` (boxes, tags) and `coordinates` (boxes, 4): x and y of the centre, width and
    height, in fractions of the image.
    """
    from coremltools.proto import FeatureTypes_pb2, Model_pb2

    floats = FeatureTypes_pb2.ArrayFeatureType.FLOAT32
    suppression = Model_pb2.Model(specificationVersion=detector.specificationVersion)
    for name, shape in (("raw_confidence", scores), ("raw_coordinates", boxes)):
        array = suppression.description.input.add(name=name).type.multiArrayType
        array.dataType = floats
        array.shape.extend(shape)
    for name, columns in (("confidence", len(labels)), ("coordinates", 4)):
        array = suppression.description.output.add(name=name).type.multiArrayType
        array.dataType = floats
        for least, most in ((0, _LOOSE), (columns, columns)):
            array.shapeRange.sizeRanges.add(lowerBound=least, upperBound=most)
    parts = suppression.nonMaximumSuppression
    parts.confidenceInputFeatureName = "raw_confidence"
    parts.coordinatesInputFeatureName = "raw_coordinates"
    parts.confidenceOutputFeatureName = "confidence"
    parts.coordinatesOutputFeatureName = "coordinates"
    parts.iouThreshold = NMS_IOU_THRESHOLD
    parts.confidenceThreshold = SCORE_FLOOR
    # Optional inputs, with which programs override the thresholds.
    parts.iouThresholdInputFeatureName = "iouThreshold"
    parts.confidenceThresholdInputFeatureName = "confidenceThreshold"
    parts.pickTop.perClass = True
    parts.stringClassLabels.vector.extend(labels)

    pipeline = Model_pb2.Model(specificationVersion=detector.specificationVersion)
    pipeline.description.input.add().CopyFrom(detector.description.input[0])
    for name, meaning in (
        ("iouThreshold", f"Boxes that overlap by more are doubles; {NMS_IOU_THRESHOLD} if left out"),
        ("confidenceThreshold", f"Less probable boxes are left out; {SCORE_FLOOR} if left out"),
    ):
        for description in (suppression.description, pipeline.description):
            feature = description.input.add(name=name, shortDescription=meaning)
            feature.type.doubleType.SetInParent()
            feature.type.isOptional = True
    for feature in suppression.description.output:
        pipeline.description.output.add().CopyFrom(feature)
    pipeline.pipeline.models.add().CopyFrom(detector)
    pipeline.pipeline.models.add().CopyFrom(suppression)
    pipeline.pipeline.names.extend(["detector", "suppression"])
    return pipeline
