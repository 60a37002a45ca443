"""From the ONNX file that a training stored back to its network, which every writer starts from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.vision.detection.tiles import TILING_KEY
from emulator.vision.exports.formats import ExportFailed, ExportOrder
from emulator.vision.networks.graph import Network, efficientnet_lite, with_classifier
from emulator.vision.networks.nanodet import detection_network, layer_names
from emulator.vision.networks.serialization import DESCRIPTION_KEY, deserialize, read_model

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Weights = dict[str, NDArray[numpy.float32]]

_TRAIN_AGAIN = "The stored model is not one that can be exported; train again and export the new iteration"
# `efficientnet_lite` folds batch norms with this epsilon: a variance of 1 less it changes nothing.
_EPSILON = 1e-3


@dataclass(frozen=True)
class StoredModel:
    """A model as it was trained.

    Attributes:
        network: takes RGB pictures, uint8; gives "probabilities", or the raw tensors of a detector.
        detection: whether it finds boxes.
        multilabel: whether the probabilities of a classifier are independent of each other.
    """

    network: Network
    detection: bool
    multilabel: bool


def read_stored_model(order: ExportOrder) -> StoredModel:
    """The model that is to be exported.

    Raises:
        ExportFailed: the file is missing, damaged, of an unknown architecture, or does not fit to the order.
        ImportError: onnx is not installed.
    """
    # Before anything is tried: a package that is missing is no damaged model.
    import onnx  # noqa: F401

    try:
        metadata, weights = read_model(Path(order.model).read_bytes())
        detection = metadata.get("emulator.task") == "detection"
        multilabel = not detection and bool(json.loads(metadata["emulator.multilabel"]))
        if DESCRIPTION_KEY in metadata:
            network = deserialize(metadata[DESCRIPTION_KEY], weights)
        else:
            network = _rebuilt(weights, json.loads(metadata["emulator.resolution"]), detection, multilabel)
        label_count = len(json.loads(metadata["emulator.labels"]))
    except OSError as error:
        raise ExportFailed(f"The stored model cannot be read: {error}.") from error
    except Exception as error:
        # Whatever bytes may be in the place of the model: protobuf's own errors, missing keys, odd shapes.
        raise ExportFailed(f"{_TRAIN_AGAIN} ({error!r}).") from error
    if detection != (order.domain_type == "ObjectDetection"):
        raise ExportFailed(f"The stored model is not one for {order.domain_type}.")
    if TILING_KEY in metadata:
        raise ExportFailed(
            "The model looks at large pictures in tiles, which no exported model does. Train it in a compact "
            "domain to export it."
        )
    if label_count != len(order.labels):
        raise ExportFailed(f"The stored model has {label_count} outputs for {len(order.labels)} tags.")
    return StoredModel(network, detection, multilabel)


def _rebuilt(weights: Weights, resolution: int, detection: bool, multilabel: bool) -> Network:
    """The network of a model that was stored before models described themselves: of these there are two."""
    import numpy

    if detection:
        parts = [f"{layer}.{part}" for layer in layer_names() for part in ("weight", "bias")]
        return detection_network({name: weights[name] for name in parts}, resolution)
    state: Weights = {}
    for name, weight in weights.items():
        if weight.ndim != 4:
            continue
        layer = name.removesuffix(".weight")
        norm = _norm_of(layer)
        state[name] = weight
        state[f"{norm}.weight"] = numpy.ones(len(weight), numpy.float32)
        state[f"{norm}.bias"] = weights[f"{layer}.bias"]
        state[f"{norm}.running_mean"] = numpy.zeros(len(weight), numpy.float32)
        state[f"{norm}.running_var"] = numpy.full(len(weight), 1 - _EPSILON, numpy.float64)
    return with_classifier(
        efficientnet_lite(state, resolution=resolution),
        weights["head.weight"],
        weights["head.bias"],
        feature_length=float(weights["normalised_features.scale"]),
        multilabel=multilabel,
    )


def _norm_of(layer: str) -> str:
    """The batch norm that follows a layer, by the names of the published checkpoints."""
    block, _, last = layer.rpartition(".")
    prefix = f"{block}." if block else ""
    return (
        prefix
        + {
            "_conv_stem": "_bn0",
            "_conv_head": "_bn1",
            "_expand_conv": "_bn0",
            "_depthwise_conv": "_bn1",
            "_project_conv": "_bn2",
        }[last]
    )
