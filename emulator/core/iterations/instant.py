"""Which iterations of a project have models of the instant trainer, for tests of programs only."""

from sqlmodel import col, select

from emulator.core import lookup
from emulator.core.context import Context
from emulator.store.tables import Iteration
from emulator.vision.networks.model_file import INSTANT_MAGIC


def instant_iterations(context: Context, project_id: str) -> list[str]:
    """The ids of the iterations whose model files the instant trainer wrote, in the order of their trainings.

    Read from the beginning of each file, so that it also holds for copied, imported and restored iterations.
    """
    with context.database.read() as session:
        lookup.project(session, project_id)
        statement = (
            select(Iteration.id, Iteration.model_blob)
            .where(Iteration.project_id == project_id, col(Iteration.model_blob).is_not(None))
            .order_by(col(Iteration.number))
        )
        models = session.exec(statement).all()
    return [iteration_id for iteration_id, blob in models if blob and _is_instant(context, blob)]


def _is_instant(context: Context, blob: str) -> bool:
    try:
        with context.blobs.path(blob).open("rb") as file:
            return file.read(len(INSTANT_MAGIC)) == INSTANT_MAGIC
    except OSError:  # the iteration was deleted meanwhile, or its file is missing
        return False
