"""Iterations: listing, renaming, deleting."""

from sqlalchemy import bindparam, func
from sqlmodel import Session, col, select

from emulator.core import lookup
from emulator.core.blob_sweep import export_blobs, sweep_blobs, test_evaluation_blobs
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.images.delete import delete_unreferenced
from emulator.core.rollouts import names
from emulator.core.rules.validation import checked_name
from emulator.store.row_queries import rows_of
from emulator.store.tables import UNFINISHED, Iteration, Project

_OF_PROJECT = rows_of(
    Iteration,
    lambda all_of: all_of.where(col(Iteration.project_id) == bindparam("project_id")).order_by(
        col(Iteration.number)
    ),
)
_ONE = rows_of(
    Iteration,
    lambda all_of: all_of.where(
        col(Iteration.id) == bindparam("iteration_id"), col(Iteration.project_id) == bindparam("project_id")
    ),
)
_INSTANT_SECONDS = 0.1


def free_name(session: Session, project: Project) -> str:
    """``Iteration N``, or ``Iteration N (2)`` and so on if another iteration has that name."""
    taken = set(session.exec(select(func.lower(Iteration.name)).where(Iteration.project_id == project.id)))
    name, again = f"Iteration {project.next_iteration}", 1
    while name.lower() in taken:
        again += 1
        name = f"Iteration {project.next_iteration} ({again})"
    return name


def list_all(context: Context, project_id: str) -> list[Iteration]:
    """The iterations in the order of their trainings, without the hidden workspace iteration."""
    rows = context.database.rows(_OF_PROJECT, project_id=project_id)
    if not rows:
        lookup.shown_project(context.database, project_id)
    return rows


def get(context: Context, project_id: str, iteration_id: str) -> Iteration:
    """An iteration. While an instant trainer trains it, waits for the end, a tenth of a second at most.

    So a client that waits between its requests finds it completed at its first one. With a plan of
    `emulator.core.choreography`, the state is read as it is.
    """

    def read() -> Iteration:
        for row in context.database.rows(_ONE, iteration_id=iteration_id, project_id=project_id):
            return row
        lookup.shown_project(context.database, project_id)
        raise ServiceError("NotFoundIteration", "Invalid iteration")

    if context.choreography.in_use or context.trainers.of(project_id) != "instant":
        return read()
    return context.instant_trainings.wait(read, lambda row: row.status not in UNFINISHED, _INSTANT_SECONDS)


def rename(context: Context, project_id: str, iteration_id: str, name: str | None) -> Iteration:
    """Change the name, which must be unique in the project (not case-sensitive)."""
    name = checked_name(name, "BadRequestIterationName", "iteration")
    with context.database.write() as session:
        iteration = lookup.iteration(session, project_id, iteration_id)
        others = session.exec(
            select(Iteration.name).where(Iteration.project_id == project_id, Iteration.id != iteration_id)
        )
        if name.casefold() in {other.casefold() for other in others}:
            raise ServiceError(
                "BadRequestIterationNameNotUnique", f"Iteration name '{name}' is already in use."
            )
        iteration.name = name
        iteration.last_modified = context.clock.now()
        session.add(iteration)
    return iteration


def delete(context: Context, project_id: str, iteration_id: str) -> None:
    """Delete the iteration, its model, exports and evaluations on test sets, and deleted images that no other
    iteration contains; its running training or export is stopped.

    Refused while it is published or being rolled out.
    """
    with context.database.write() as session:
        iteration = lookup.iteration(session, project_id, iteration_id)
        if iteration.publish_name is not None:
            raise ServiceError(
                "BadRequestIterationIsPublished",
                f"Iteration is already published as: {iteration.publish_name}",
            )
        names.check_no_candidate(session, iteration)
        blobs = export_blobs(session, [iteration_id]) | test_evaluation_blobs(session, [iteration_id])
        session.delete(iteration)
        session.flush()
        blobs |= delete_unreferenced(session, project_id)
    context.score_index.forget([iteration_id])
    context.jobs.cancel({iteration_id})
    blobs |= {blob for blob in (iteration.model_blob, iteration.evaluation_blob) if blob}
    sweep_blobs(context, blobs)
