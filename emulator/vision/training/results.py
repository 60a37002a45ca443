"""The results of trainings of both tasks: two files, or a failure with a message for the user."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from emulator.vision.imaging.decode import ImageRejected
from emulator.vision.networks.weights import BaseWeightsMissing
from emulator.vision.training.attempts import TrainingReport
from emulator.vision.training.errors import (
    LossNotFinite,
    TrainingFailed,
    loss_not_finite,
    storage_failure,
)

# Names in the output folder of a training.
MODEL_FILE = "model.onnx"
EVALUATION_FILE = "evaluation.npz"


@dataclass(frozen=True)
class TrainedModel:
    """The files of a training, and what it was trained on.

    Attributes:
        model_path: the model.
        evaluation_path: predictions for images that the predicting model was not trained on.
        seconds: duration of each step, by its name.
        image_count: number of images that were trained on.
        skipped: keys of images that could not be read or decoded.
        report: what was tried; None for trainings that try nothing else.
    """

    model_path: Path
    evaluation_path: Path
    seconds: dict[str, float]
    image_count: int
    skipped: tuple[str, ...]
    report: TrainingReport | None = None


@contextmanager
def training_failures(look_at: str) -> Iterator[None]:
    """Turn the errors of a training into TrainingFailed with a message for the user.

    Args:
        look_at: what the user should check when the loss is not finite.

    Raises:
        TrainingFailed: base weights are missing, images or storage cannot be read or written, or the loss is
            not finite.
    """
    try:
        yield
    except BaseWeightsMissing as error:
        raise TrainingFailed(str(error)) from error
    except (ImageRejected, OSError, sqlite3.Error) as error:
        raise storage_failure(error) from error
    except LossNotFinite as error:
        raise loss_not_finite(look_at) from error
