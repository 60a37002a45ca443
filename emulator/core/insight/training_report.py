"""What the training of an iteration tried, and why it chose its model."""

from typing import TYPE_CHECKING

from emulator.core.context import Context
from emulator.core.predictions.predict import trained_iteration
from emulator.store.tables import Iteration

if TYPE_CHECKING:
    from emulator.vision.training.attempts import TrainingReport


def training_report(
    context: Context, project_id: str, iteration_id: str
) -> "tuple[Iteration, TrainingReport | None]":
    """A trained iteration and the report of its training.

    It has none if nothing else was tried (quick training of detectors, anomaly detection, the instant
    trainer), if it was imported, or if an earlier version of the emulator trained it.

    Raises:
        ServiceError: there is no such iteration, or it is not trained.
    """
    from emulator.vision.training.attempts import Attempt, Measure, Outcome, TrainingReport

    iteration = trained_iteration(context, project_id, iteration_id)
    kept = iteration.training_report
    if kept is None:
        return iteration, None
    attempts = tuple(Attempt(**{**one, "outcome": Outcome(one["outcome"])}) for one in kept["attempts"])
    return iteration, TrainingReport(**{**kept, "measure": Measure(kept["measure"]), "attempts": attempts})
