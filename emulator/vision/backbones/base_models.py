"""A trained model as the start of another training: its backbone, or the weights of a detector."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.vision.networks.graph import (
    INPUT,
    NORMALISED_FEATURES,
    WINDOW_MEANS,
    WINDOW_SCORES,
    Network,
    Operation,
)
from emulator.vision.networks.model_file import INSTANT_MAGIC, NETWORK, read_model
from emulator.vision.networks.serialization import deserialize
from emulator.vision.training.errors import TrainingFailed

if TYPE_CHECKING:
    from emulator.vision.networks.graph import FloatArray

_FIRST_MEMBER = "0."


def starting_backbone(model_path: Path) -> Network | None:
    """The backbone of a classifier; of an ensemble, that of the first member.

    Returns:
        None if the features of several backbones are concatenated: none of those was trained.

    Raises:
        TrainingFailed: the file is missing or is not a classifier of this program.
    """
    metadata, weights = _read(model_path)
    try:
        return _backbone(deserialize(metadata[NETWORK], weights))
    except (KeyError, TypeError, ValueError) as error:
        raise _unreadable(error) from error


def starting_detector(model_path: Path) -> dict[str, FloatArray]:
    """The weights of all layers of a detector except those of its tags, by name.

    Raises:
        TrainingFailed: the file is missing or is not a detector of this program.
    """
    from emulator.vision.networks.nanodet import layer_names

    weights = _read(model_path)[1]
    names = [f"{layer}.{part}" for layer in layer_names() for part in ("weight", "bias")]
    try:
        return {name: weights[name] for name in names if ".classes." not in name}
    except KeyError as error:
        raise TrainingFailed(
            "The custom base model is not a detector; choose another iteration to start from."
        ) from error


def _read(model_path: Path) -> tuple[dict[str, str], dict[str, FloatArray]]:
    """The metadata and the weights of a model file."""
    try:
        content = model_path.read_bytes()
        if content.startswith(INSTANT_MAGIC):
            raise TrainingFailed(
                "The custom base model was made by the instant trainer and has no network to start from; "
                "choose an iteration that the real trainer made."
            )
        return read_model(content)
    except TrainingFailed:
        raise
    except OSError as error:
        raise TrainingFailed(
            "The iteration of the custom base model is not there any more; choose another one to start from."
        ) from error
    except Exception as error:
        # Arbitrary bytes raise protobuf's own errors, and others.
        raise _unreadable(error) from error


def _unreadable(error: Exception) -> TrainingFailed:
    return TrainingFailed(
        f"The custom base model cannot be read ({error!r}); choose another iteration to start from."
    )


def _backbone(classifier: Network) -> Network | None:
    """The operations before the first feature vector of the first member."""
    operations: list[Operation] = []
    resolution = classifier.resolution
    tiles = WINDOW_SCORES in classifier.outputs
    sums = {operation.output for operation in classifier.operations if operation.kind == "add"}
    prefix = _FIRST_MEMBER if tiles else ""
    while f"{prefix}scores" in sums:
        prefix += _FIRST_MEMBER
    weights = {}
    for operation in classifier.operations:
        if not operation.output.startswith(prefix):
            continue
        read = [name for name in (operation.weight, operation.bias) if name] + [*operation.inputs]
        operation = replace(
            operation,
            inputs=tuple(name.removeprefix(prefix) for name in operation.inputs),
            output=operation.output.removeprefix(prefix),
            further_outputs=tuple(name.removeprefix(prefix) for name in operation.further_outputs),
        )
        if operation.output == WINDOW_MEANS:
            break
        if operation.kind == "l2_normalise":
            if operation.output != NORMALISED_FEATURES:
                return None
            break
        for name in read:
            if name in classifier.weights:
                weights[name.removeprefix(prefix)] = classifier.weights[name]
        operations.append(
            replace(
                operation,
                weight=operation.weight and operation.weight.removeprefix(prefix),
                bias=operation.bias and operation.bias.removeprefix(prefix),
            )
        )
    resolution, operations = _without_scaling(operations, resolution)
    head = classifier.weights[f"{prefix}{'window_head' if tiles else 'head'}.weight"]
    width = head.shape[1 if tiles else 0]
    return Network(resolution, tuple(operations), weights, {operations[-1].output: (width,)})


def _without_scaling(operations: list[Operation], resolution: int) -> tuple[int, list[Operation]]:
    """Undo `ensembles.with_input_resolution`."""
    first, second, *others = operations
    if second.kind != "resize" or first.inputs != (INPUT,):
        return resolution, operations
    return round(resolution * second.factor), [
        first,
        *(
            replace(
                operation,
                inputs=tuple(first.output if name == second.output else name for name in operation.inputs),
            )
            for operation in others
        ),
    ]
