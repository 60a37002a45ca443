"""Training a project that was pulled without the model of its last iteration."""

from sqlmodel import col, select

from emulator.core.context import Context
from emulator.core.training.request import TrainingRequest, request_training
from emulator.store.tables import Iteration, IterationStatus


def retrain(context: Context, project_id: str) -> Iteration | None:
    """Request a training here; None when the last completed iteration has a model, or there is none.

    The training holds out the images that the service held out (`core.training.dataset`). Raises ServiceError
    when the project cannot be trained.
    """
    completed = select(Iteration).where(
        Iteration.project_id == project_id, Iteration.status == IterationStatus.COMPLETED
    )
    with context.database.read() as session:
        last = session.exec(completed.order_by(col(Iteration.number).desc())).first()
    if last is None or last.model_blob is not None:
        return None
    return request_training(context, project_id, TrainingRequest(force_train=True))
