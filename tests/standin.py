"""Stands for training: a model that looks at the mean colour of a picture, made in milliseconds.

What it writes is what a real training writes: an ONNX file for `emulator.vision.scoring` and an evaluation
for `emulator.vision.metrics`. No torch.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

from emulator.vision.classifier import ClassificationDataset, TrainedClassifier
from emulator.vision.images import stretched

RESOLUTION = 32
_SHARPNESS = 8.0


def train(
    dataset: ClassificationDataset, output: Path, on_progress: Callable[[float, str], None] | None = None
) -> TrainedClassifier:
    """A nearest-mean-colour classifier of the dataset."""
    if on_progress is not None:
        on_progress(0.5, "Looking at the images")
    means_NC = numpy.array(
        [
            stretched(Path(image.path).read_bytes(), RESOLUTION).mean(axis=(0, 1)) / 255
            for image in dataset.images
        ]
    )
    targets_NT = numpy.zeros((len(dataset.images), len(dataset.tags)), numpy.uint8)
    for row, image in enumerate(dataset.images):
        targets_NT[row, list(image.labels)] = 1
    centres_TC = numpy.array(
        [means_NC[targets_NT[:, tag] > 0].mean(axis=0) for tag in range(len(dataset.tags))]
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
    )


def _model(dataset: ClassificationDataset, weight_CT: numpy.ndarray, bias_T: numpy.ndarray) -> bytes:
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float", "axes"], ["mean"], keepdims=0),
        helper.make_node("Div", ["mean", "full"], ["colour"]),
        helper.make_node("Gemm", ["colour", "weight", "bias"], ["logits"]),
        helper.make_node("Sigmoid" if dataset.multilabel else "Softmax", ["logits"], ["probabilities"]),
    ]
    constants = {
        "axes": numpy.array([1, 2], numpy.int64),
        "full": numpy.array(255, numpy.float32),
        "weight": weight_CT,
        "bias": bias_T,
    }
    graph = helper.make_graph(
        nodes,
        "stand-in",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", RESOLUTION, RESOLUTION, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", len(dataset.tags)])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    helper.set_model_props(
        model,
        {
            "emulator.labels": json.dumps(dataset.tags),
            "emulator.multilabel": json.dumps(dataset.multilabel),
            "emulator.resolution": json.dumps(RESOLUTION),
        },
    )
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
