"""Stubs of training that write in milliseconds what real trainings write: a model that the server loads and
its evaluation. They do not import torch. The stub of exporting writes a zip of the stored model and labels.

The classifier uses the mean colour of an image. The detector ignores the image: it finds in any image,
for each tag, the mean of the tag's boxes and, with less confidence, the whole image.
"""

import io
import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

from emulator.vision.anomaly import train as anomaly_detection
from emulator.vision.boxes.box import BoxArrays
from emulator.vision.boxes.geometry import DISTANCE_BINS, anchor_points, decode_boxes
from emulator.vision.classification import advanced as advanced_classification
from emulator.vision.classification import train as quick_classification
from emulator.vision.classification.dataset import ClassificationDataset, TrainedClassifier
from emulator.vision.detection import advanced as advanced_detection
from emulator.vision.detection import train as quick_detection
from emulator.vision.detection.dataset import DetectionDataset, TrainedDetector
from emulator.vision.detection.session import DetectorSession
from emulator.vision.evaluation.detection import DetectionEvaluation
from emulator.vision.exports.formats import ExportOrder
from emulator.vision.imaging.decode import resize_to_square
from emulator.vision.networks.graph import Network, Operation
from emulator.vision.networks.model_file import ModelMetadata
from emulator.vision.networks.nanodet import DISTANCES, SCORES
from emulator.vision.networks.onnx_writer import onnx_bytes
from emulator.vision.networks.serialization import serialize
from emulator.vision.training.attempts import Attempt, Measure, Outcome, TrainingReport
from emulator.vision.training.number_formats import with_number_formats

RESOLUTION = 32
# The detector can express the distances from any of its points to the sides of a box at this size.
_DETECTOR_RESOLUTION = 128
# Probabilities of the first tag's box and of the whole image; each later tag is more probable.
DETECTED, WHOLE_PICTURE, MORE_BY_TAG = 0.8, 0.2, 0.05
_SHARPNESS = 8.0
# What every stub of a classifier's training reports.
REPORT = TrainingReport(
    measure=Measure.LOG_LOSS,
    budget_seconds=None,
    seconds=1.5,
    chosen="quick",
    attempts=(
        Attempt("quick", Outcome.FINISHED, 0.25, 10, 0.25, None, "The head of quick training."),
        Attempt("fine-tuned", Outcome.OUT_OF_TIME, None, 0, 1.25, None, "An epoch takes 60 s."),
    ),
)


def train_classifier(
    dataset: ClassificationDataset, output: Path, on_progress: Callable[[float, str], None] | None = None
) -> TrainedClassifier:
    """A nearest-mean-colour classifier of the dataset."""
    if on_progress is not None:
        on_progress(0.5, "Looking at the images")
    means_NC = numpy.array(
        [
            resize_to_square(Path(image.path).read_bytes(), RESOLUTION).mean(axis=(0, 1)) / 255
            for image in dataset.images
        ]
    )
    targets_NT = numpy.zeros((len(dataset.images), len(dataset.tags)), numpy.uint8)
    for row, image in enumerate(dataset.images):
        targets_NT[row, list(image.labels)] = 1
    centres_TC = numpy.array(
        [
            # A tag without images, as that of anomalies, is that of black ones.
            means_NC[targets_NT[:, tag] > 0].mean(axis=0) if targets_NT[:, tag].any() else numpy.zeros(3)
            for tag in range(len(dataset.tags))
        ]
    )
    # |x - c|^2 without the term that all tags share.
    weight_CT = (2 * _SHARPNESS * centres_TC.T).astype(numpy.float32)
    bias_T = (-_SHARPNESS * (centres_TC**2).sum(axis=1)).astype(numpy.float32)
    logits_NT = means_NC @ weight_CT + bias_T
    if dataset.multilabel:
        probabilities_NT = 1 / (1 + numpy.exp(-logits_NT))
    else:
        powers_NT = numpy.exp(logits_NT - logits_NT.max(axis=1, keepdims=True))
        probabilities_NT = powers_NT / powers_NT.sum(axis=1, keepdims=True)
    output.mkdir(parents=True, exist_ok=True)
    model_path, evaluation_path = output / "model.onnx", output / "evaluation.npz"
    model_path.write_bytes(_model(dataset, weight_CT, bias_T))
    with evaluation_path.open("wb") as file:
        numpy.savez(
            file,
            probabilities=probabilities_NT.astype(numpy.float32),
            targets=targets_NT,
            folds=numpy.arange(len(dataset.images), dtype=numpy.int8) % 5,
            keys=numpy.array([image.key.encode() for image in dataset.images]),
        )
    return TrainedClassifier(
        model_path=model_path,
        evaluation_path=evaluation_path,
        seconds={"features": 0.25},
        image_count=len(dataset.images),
        skipped=(),
        report=REPORT,
    )


def train_detector(
    dataset: DetectionDataset, output: Path, on_progress: Callable[[float, str], None] | None = None
) -> TrainedDetector:
    """A detector that returns the mean boxes of the dataset's tags for any image."""
    if on_progress is not None:
        on_progress(0.5, "Looking at the images")
    boxes = [
        (number, box.tag_index, box.left, box.top, box.width, box.height)
        for number, image in enumerate(dataset.images)
        for box in image.boxes
    ]
    truths = BoxArrays.of(boxes)
    means = [truths.ltwh[truths.tags == tag].mean(axis=0) for tag in range(len(dataset.tags))]
    output.mkdir(parents=True, exist_ok=True)
    model_path, evaluation_path = output / "model.onnx", output / "evaluation.npz"
    model_path.write_bytes(_detector(dataset, means))
    session = DetectorSession(model_path)
    detected = [
        (number, box)
        for number, image in enumerate(dataset.images)
        for box in session.score(Path(image.path).read_bytes())
    ]
    evaluation = DetectionEvaluation(
        keys=tuple(image.key for image in dataset.images),
        folds=numpy.arange(len(dataset.images), dtype=numpy.int8) % 5,
        tag_count=len(dataset.tags),
        truths=truths,
        detections=BoxArrays.of(
            [(number, box.tag_index, box.left, box.top, box.width, box.height) for number, box in detected]
        ),
        probabilities=numpy.array([box.probability for _, box in detected], numpy.float32),
    )
    evaluation_path.write_bytes(evaluation.content())
    return TrainedDetector(
        model_path=model_path,
        evaluation_path=evaluation_path,
        seconds={"training": 0.25},
        image_count=len(dataset.images),
        skipped=(),
    )


def write_export(order: ExportOrder, output: Path) -> Path:
    """A zip with the stored model, its labels and its origin."""
    content = io.BytesIO()
    about = {"platform": order.platform, "flavor": order.flavor, "iteration": order.iteration_id}
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in (
            ("model.onnx", Path(order.model).read_bytes()),
            ("labels.txt", "\n".join(order.labels).encode()),
            ("about.json", json.dumps(about).encode()),
        ):
            archive.writestr(zipfile.ZipInfo(name, order.created.timetuple()[:6]), data)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(content.getvalue())
    return output


def _detector(dataset: DetectionDataset, means: list[numpy.ndarray]) -> bytes:
    """Two points for each tag predict: those that are closest to the centre of their boxes."""
    centres, strides = anchor_points(_DETECTOR_RESOLUTION)
    scores_PT = numpy.zeros((len(strides), len(dataset.tags)), numpy.float32)
    distances_PD = numpy.zeros((len(strides), 4 * DISTANCE_BINS), numpy.float32)
    free = numpy.ones(len(strides), bool)
    for tag, mean in enumerate(means):
        for box, score in ((mean, DETECTED), (numpy.array([0, 0, 1, 1]), WHOLE_PICTURE)):
            edges = numpy.concatenate([box[:2], box[:2] + box[2:]])
            corners = edges * _DETECTOR_RESOLUTION
            reach = numpy.concatenate([centres - corners[:2], corners[2:] - centres], axis=1)
            distances = numpy.stack([_distribution(row) for row in reach / strides[:, None]])
            errors = numpy.abs(
                decode_boxes(distances, numpy.arange(len(strides)), _DETECTOR_RESOLUTION) - edges
            )
            point = numpy.where(free, errors.sum(axis=1), numpy.inf).argmin()
            free[point] = False
            scores_PT[point, tag] = score + MORE_BY_TAG * tag
            distances_PD[point] = distances[point]
    outputs = {SCORES: scores_PT[None], DISTANCES: distances_PD[None]}
    graph = helper.make_graph(
        [helper.make_node("Identity", [f"constant {name}"], [name]) for name in outputs],
        "stand-in",
        [
            helper.make_tensor_value_info(
                "image", TensorProto.UINT8, ["n", _DETECTOR_RESOLUTION, _DETECTOR_RESOLUTION, 3]
            )
        ],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape)
            for name, value in outputs.items()
        ],
        [numpy_helper.from_array(value, f"constant {name}") for name, value in outputs.items()],
    )
    return _with_metadata(
        graph,
        ModelMetadata(labels=dataset.tags, resolution=_DETECTOR_RESOLUTION),
    )


def _distribution(distances: numpy.ndarray) -> numpy.ndarray:
    """Logits for four distances, in strides: the two bins around each distance share its probability."""
    shares = 1 - numpy.abs(numpy.arange(DISTANCE_BINS) - distances.clip(0, DISTANCE_BINS - 1)[:, None])
    return numpy.log(shares.clip(1e-9)).ravel().astype(numpy.float32)


def _model(dataset: ClassificationDataset, weight_CT: numpy.ndarray, bias_T: numpy.ndarray) -> bytes:
    network = Network(
        RESOLUTION,
        (
            Operation("normalise", ("image",), "colours", scale=1 / 255),
            Operation("global_average", ("colours",), "mean"),
            Operation("dense", ("mean",), "logits", weight="weight", bias="bias"),
            Operation("sigmoid" if dataset.multilabel else "softmax", ("logits",), "probabilities"),
        ),
        {"weight": weight_CT, "bias": bias_T},
        {"probabilities": (len(dataset.tags),)},
    )
    metadata = ModelMetadata(
        labels=dataset.tags,
        resolution=RESOLUTION,
        multilabel=dataset.multilabel,
        network=serialize(network),
    )
    return onnx_bytes(network, metadata.to_properties())


def _with_metadata(graph: onnx.GraphProto, metadata: ModelMetadata) -> bytes:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    helper.set_model_props(model, metadata.to_properties())
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


# By the functions that jobs call in a worker process.
TRAININGS: dict[Callable[..., Any], Callable[..., Any]] = {
    quick_classification.train_classifier: train_classifier,
    advanced_classification.train_advanced_classifier: train_classifier,
    anomaly_detection.train_anomaly_detector: train_classifier,
    quick_detection.train_detector: train_detector,
    advanced_detection.train_advanced_detector: train_detector,
}


@dataclass(frozen=True)
class Training:
    """A training that a job calls, and its stub.

    Attributes:
        function: the training without the stub.
        arguments: its positional arguments: the dataset and the recipe.
        stub: takes the dataset, the output folder and a callback for progress.
    """

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    stub: Callable[..., Any]


def training_of(fn: Callable[..., Any], args: Sequence[Any]) -> Training | None:
    """The training of the job ``fn(*args)``, also with number formats; None if the job is another one.

    Raises:
        KeyError: the training has no stub, so that a test would train a network unnoticed.
    """
    if fn is with_number_formats:
        _, _, training, *rest = args
        return Training(training, tuple(rest), TRAININGS[training])
    return Training(fn, tuple(args), TRAININGS[fn]) if fn in TRAININGS else None
