"""From the model file of a training to its network, the start of every export."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from emulator.vision.exports.formats import ExportFailed, ExportOrder
from emulator.vision.fit import Fit
from emulator.vision.networks.graph import Network
from emulator.vision.networks.model_file import NETWORK, ModelMetadata, read_model
from emulator.vision.networks.serialization import deserialize
from emulator.vision.onnx_runtime import ModelUnusable
from emulator.vision.recipes.domains import domains
from emulator.vision.recipes.recipes import ClassifierRecipe, DetectorRecipe, recipe_for_domain

_TRAIN_AGAIN = "The stored model is not one that can be exported; train again and export the new iteration"


@dataclass(frozen=True)
class StoredModel:
    """A trained model.

    Attributes:
        network: takes RGB images, uint8; returns "probabilities", or the raw outputs of a detector.
        detection: whether it is a detector.
        multilabel: whether the probabilities of a classifier are independent of each other.
        fit: how images become square.
    """

    network: Network
    detection: bool
    multilabel: bool
    fit: Fit = "stretch"


def read_stored_model(order: ExportOrder) -> StoredModel:
    """Read the model to export.

    Raises:
        ExportFailed: the file is missing, damaged or of an unknown architecture, or does not match the order.
        ImportError: onnx is not installed.
    """
    instant = _instant_model(order)
    if instant is not None:
        return instant
    # First, so that a missing package is not reported as a damaged model.
    import onnx  # noqa: F401

    try:
        properties, weights = read_model(Path(order.model).read_bytes())
        metadata = ModelMetadata.from_properties(properties)
        network = deserialize(properties[NETWORK], weights)
    except OSError as error:
        raise ExportFailed(f"The stored model cannot be read: {error}.") from error
    except Exception as error:
        # Arbitrary bytes raise protobuf's own errors, KeyError, ValueError, ...
        raise ExportFailed(f"{_TRAIN_AGAIN} ({error!r}).") from error
    _check(order, detection=metadata.detection, label_count=len(metadata.labels))
    if metadata.tiling is not None:
        raise ExportFailed(
            "The model runs on tiles of large images, which exported models do not. Train it in a compact "
            "domain to export it."
        )
    return StoredModel(network, metadata.detection, bool(metadata.multilabel), metadata.fit)


def _instant_model(order: ExportOrder) -> StoredModel | None:
    """The model, if the instant trainer made it."""
    from emulator.vision.instant.model import InstantModel, is_instant
    from emulator.vision.instant.network import instant_network

    try:
        if not is_instant(Path(order.model)):
            return None
        model = InstantModel.read(Path(order.model))
    except OSError as error:
        raise ExportFailed(f"The stored model cannot be read: {error}.") from error
    except ModelUnusable as error:
        raise ExportFailed(f"{_TRAIN_AGAIN} ({error}).") from error
    detection = model.multilabel is None
    _check(order, detection=detection, label_count=len(model.labels))
    network = instant_network(model, _input_resolution(order))
    return StoredModel(network, detection, bool(model.multilabel))


def _input_resolution(order: ExportOrder) -> int:
    """The side in pixels of the input of the domain's exports."""
    if order.domain_type == "ObjectDetection":
        detector = recipe_for_domain(DetectorRecipe, domains().named(order.domain, "ObjectDetection").id)
        return detector.input_resolution or detector.resolution
    return recipe_for_domain(ClassifierRecipe, domains().named(order.domain, "Classification").id).resolution


def _check(order: ExportOrder, *, detection: bool, label_count: int) -> None:
    """Raises ExportFailed unless the model is one of the order."""
    if detection != (order.domain_type == "ObjectDetection"):
        raise ExportFailed(f"The stored model is not one for {order.domain_type}.")
    if label_count != len(order.labels):
        raise ExportFailed(f"The stored model has {label_count} outputs for {len(order.labels)} tags.")
