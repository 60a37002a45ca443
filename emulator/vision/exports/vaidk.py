"""Export for the Vision AI Developer Kit, a camera of 2018 with a Qualcomm processor.

The service's zip has a model in the format of Qualcomm's own engine, which only Qualcomm's tools write. Since
its firmware of 2019 the camera's software also runs TensorFlow Lite files, so this module writes one, with
the configuration that selects it. Names, inputs and outputs follow the published software of the camera;
nothing was tested on a camera.
"""

from __future__ import annotations

import json
from dataclasses import replace

from emulator.vision.exports.bundle import LABELS_FILE, bundle, metadata_properties
from emulator.vision.exports.detection_outputs import postprocessed
from emulator.vision.exports.formats import ExportOrder, Progress
from emulator.vision.exports.graph import PixelFormat, with_tensor_names
from emulator.vision.exports.stored_model import StoredModel, read_stored_model
from emulator.vision.exports.tflite.writer import tflite_bytes
from emulator.vision.networks.graph import Network, Operation

MODEL_FILE = "model.tflite"
CONFIGURATION_FILE = "va-snpe-engine-library_config.json"
# The camera reads the names of objects from the second line on.
SHIFTED_LABELS_FILE = "labelmap.txt"
_NO_LABEL = "???"
# The usual output names and number of boxes of detectors in this format.
_BOXES, _TAGS, _SCORES, _COUNT = (f"TFLite_Detection_PostProcess{part}" for part in ("", ":1", ":2", ":3"))
_MOST_BOXES = 10


def vaidk_zip(order: ExportOrder, progress: Progress) -> bytes:
    """`model.tflite` and the camera's configuration, with metadata and labels."""
    stored = read_stored_model(order)
    progress(0.4, "Writing the model")
    network = _camera_detector(stored.network) if stored.detection else _camera_classifier(stored)
    content = tflite_bytes(network, bytes_in=True, description=order.domain)
    extras = {CONFIGURATION_FILE: json.dumps(_configuration(network, stored.detection), indent=4).encode()}
    if stored.detection:
        extras[SHIFTED_LABELS_FILE] = "\n".join((_NO_LABEL, *order.labels)).encode()
    metadata = metadata_properties(
        order,
        resolution=network.resolution,
        multilabel=stored.multilabel,
        fit=stored.fit,
        pixels=PixelFormat("Rgb8"),
    )
    return bundle(order, {MODEL_FILE: content}, metadata, extras)


def _camera_classifier(stored: StoredModel) -> Network:
    return with_tensor_names(stored.network, {stored.network.input: "data", stored.network.output: "loss"})


def _camera_detector(network: Network) -> Network:
    """The detector with the four outputs of detectors in this format, all float32.

    Boxes (1, N, 4) as top, left, bottom, right; tag indices (1, N); probabilities (1, N); and the number of
    boxes (1,).
    """
    import numpy

    found = postprocessed(with_tensor_names(network, {network.input: "data"}), batch_axis=False)
    (box_count,) = found.outputs["detected_scores"]
    (whole_numbers,) = (step for step in found.operations if step.kind == "integers")
    constants = {
        # Columns 1, 0, 3, 2.
        "camera.columns": numpy.eye(4)[:, [1, 0, 3, 2]],
        "camera.zero": numpy.zeros((1, 1)),
        "camera.ones": numpy.ones((_MOST_BOXES, 1)),
    }
    first = (0, _MOST_BOXES)
    steps = (
        Operation("matmul", ("detected_boxes", "camera.columns"), "camera.boxes"),
        Operation("transpose", ("camera.boxes",), "camera.sides"),
        Operation("slice", ("camera.sides",), "camera.sides.first", span=first),
        Operation("transpose", ("camera.sides.first",), "camera.boxes.first"),
        Operation("reshape", ("camera.boxes.first",), _BOXES, shape=(1, _MOST_BOXES, 4)),
        Operation("reshape", whole_numbers.inputs, "camera.tags", shape=(1, box_count)),
        Operation("slice", ("camera.tags",), _TAGS, span=first),
        Operation("reshape", ("detected_scores",), "camera.scores", shape=(1, box_count)),
        Operation("slice", ("camera.scores",), _SCORES, span=first),
        Operation("greater", (_SCORES, "camera.zero"), "camera.there"),
        Operation("matmul", ("camera.there", "camera.ones"), "camera.count"),
        Operation("reshape", ("camera.count",), _COUNT, shape=(1,)),
    )
    return replace(
        found,
        operations=(*(step for step in found.operations if step is not whole_numbers), *steps),
        weights={
            **found.weights,
            **{name: numpy.ascontiguousarray(value, numpy.float32) for name, value in constants.items()},
        },
        outputs={
            _BOXES: (1, _MOST_BOXES, 4),
            _TAGS: (1, _MOST_BOXES),
            _SCORES: (1, _MOST_BOXES),
            _COUNT: (1,),
        },
    )


def _configuration(network: Network, detection: bool) -> dict[str, object]:
    labels = SHIFTED_LABELS_FILE if detection else LABELS_FILE
    several_outputs = int(detection)
    return {
        "FrameworkType": 1,  # TensorFlow Lite
        "Engine": several_outputs,
        "EngineOutput": several_outputs,
        "NetworkIO": 0,
        "InputFormat": 0,  # RGB
        "ScaleWidth": network.resolution,
        "ScaleHeight": network.resolution,
        "PixelNorm": 0,
        "BlueMean": 0,
        "GreenMean": 0,
        "RedMean": 0,
        "UseNorm": 0,
        "TargetFPS": 10,
        "ConfThreshold": 0.5,
        # Older firmware reads the first pair of names, newer firmware the second.
        "DLC_NAME": MODEL_FILE,
        "LABELS_NAME": labels,
        "MODEL_FILENAME": MODEL_FILE,
        "LABELS_FILENAME": labels,
        "InputLayers": network.input,
        "OutputLayers": [*network.outputs],
        "ResultLayers": [*network.outputs],
        "Runtime": 0,  # the processor
        "NUM_THREADS": 2,
    }
