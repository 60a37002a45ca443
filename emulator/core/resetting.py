"""Everything gone, in milliseconds, as after a first start."""

from sqlmodel import select

from emulator.core.context import Context
from emulator.store.tables import Job


def reset(context: Context) -> None:
    """Delete all projects and what belongs to them; running trainings stop."""
    with context.database.read() as session:
        training = set(session.exec(select(Job.iteration_id)))
    context.database.clear()
    context.training_runs.cancel(training)
    context.blobs.clear()
    context.positions.clear()
    context.models.clear()
