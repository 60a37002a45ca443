"""Errors of trainings and their messages."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager

from emulator.durable_files import is_disk_full

NONE_READABLE = (
    "None of the images could be read: their files are damaged or gone. Delete the images, upload them again "
    "and train again."
)


class TrainingFailed(Exception):
    """The training cannot produce a model. The message tells the user what to do."""


class LossNotFinite(Exception):
    """The loss or a weight is NaN or infinite."""


def loss_not_finite(look_at: str) -> TrainingFailed:
    """The failure of a training whose loss became NaN; `look_at`: what the user should check."""
    return TrainingFailed(
        f"The training became unstable: its loss is not a number any more. {look_at}, or train again."
    )


def storage_failure(error: Exception) -> TrainingFailed:
    """The failure of a training that could not read its images or write its results."""
    if is_disk_full(error) or (isinstance(error, sqlite3.Error) and "full" in str(error)):
        return TrainingFailed("The disk is full: free some space and train again.")
    return TrainingFailed(
        f"The training cannot read its images or store its results: {error}. Check that the data folder is "
        "there and can be written, and train again."
    )


@contextmanager
def timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    """Stores the duration of the block in `seconds`."""
    started = time.perf_counter()
    yield
    seconds[step] = time.perf_counter() - started
