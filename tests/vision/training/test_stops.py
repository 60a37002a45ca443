"""How attempts of a training end early."""

import logging

import pytest

from emulator.vision.imaging.decode import ImageRejected
from emulator.vision.training.attempts import AttemptLog, Measure, Outcome
from emulator.vision.training.budget import OutOfTime
from emulator.vision.training.errors import LossNotFinite
from emulator.vision.training.stops import STOPS, NoGain, add_stopped


@pytest.mark.parametrize(
    ("stop", "outcome", "reason"),
    [
        (OutOfTime(), Outcome.OUT_OF_TIME, "Its part of the budget was used up."),
        (OutOfTime("10 s were left."), Outcome.OUT_OF_TIME, "10 s were left."),
        (NoGain("Log loss 2, not below 1."), Outcome.FINISHED, "Log loss 2, not below 1."),
        (LossNotFinite(), Outcome.FAILED, "It became unstable: its loss became NaN or infinite."),
        (MemoryError(), Outcome.FAILED, "There is not enough memory."),
        (ModuleNotFoundError("torch"), Outcome.FAILED, "A package is missing: torch"),
        (
            ImageRejected("format", "no image"),
            Outcome.FAILED,
            "An image or the disk could not be used: no image",
        ),
        (OSError("disk full"), Outcome.FAILED, "An image or the disk could not be used: disk full"),
    ],
)
def test_an_attempt_that_stopped_is_kept_with_its_reason(
    caplog: pytest.LogCaptureFixture, stop: Exception, outcome: Outcome, reason: str
) -> None:
    attempts = AttemptLog(Measure.LOG_LOSS, lambda: 0.0)
    with caplog.at_level(logging.INFO):
        try:
            raise stop
        except STOPS as caught:
            add_stopped(attempts, "tiles", caught, "four epochs")

    (attempt,) = attempts.report("frozen", budget_seconds=None).attempts
    assert (attempt.name, attempt.outcome, attempt.reason) == ("tiles", outcome, reason)
    assert attempt.plan == "four epochs"
    (logged,) = caplog.records
    assert logged.getMessage() == f"tiles: {reason}"
    assert (logged.levelno == logging.WARNING) is (outcome == Outcome.FAILED)
