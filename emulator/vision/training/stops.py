"""What ends an attempt within a training, which then keeps its best model so far."""

from __future__ import annotations

import logging

from emulator.vision.imaging.decode import ImageRejected
from emulator.vision.training.attempts import AttemptLog, Outcome
from emulator.vision.training.budget import OutOfTime
from emulator.vision.training.errors import LossNotFinite, TrainingFailed

_log = logging.getLogger(__name__)


class NoGain(Exception):
    """The attempt cannot be better than the best model so far; the message tells by how much."""


STOPS = (OutOfTime, NoGain, ImageRejected, OSError, TrainingFailed, LossNotFinite, MemoryError, ImportError)


def ending(stop: Exception) -> tuple[Outcome, str]:
    """How an attempt ended, and why, for people.

    Args:
        stop: one of `STOPS`.
    """
    match stop:
        case OutOfTime():
            return Outcome.OUT_OF_TIME, str(stop) or "Its part of the budget was used up."
        case NoGain():
            return Outcome.FINISHED, str(stop)
        case LossNotFinite():
            return Outcome.FAILED, "It became unstable: its loss became NaN or infinite."
        case MemoryError():
            return Outcome.FAILED, "There is not enough memory."
        case ImportError():
            return Outcome.FAILED, f"A package is missing: {stop}"
        case _:
            return Outcome.FAILED, f"An image or the disk could not be used: {stop}"


def add_stopped(attempts: AttemptLog, name: str, stop: Exception, plan: str | None = None) -> None:
    """Add an attempt that ended with one of `STOPS`, and log it: as a warning if it failed."""
    outcome, reason = ending(stop)
    _log.log(logging.WARNING if outcome == Outcome.FAILED else logging.INFO, "%s: %s", name, reason)
    attempts.add(name, reason, outcome=outcome, plan=plan)
