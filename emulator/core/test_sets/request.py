"""Requests for evaluations of iterations on a test set."""

from collections.abc import Sequence

from sqlmodel import Session, col, select

from emulator.core import lookup
from emulator.core.blob_sweep import sweep_blobs
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.jobs.traces import with_traceparent
from emulator.core.rules.validation import check_batch_size
from emulator.core.test_sets.manage import delete_jobs, find
from emulator.store.tables import IterationStatus, Job, JobKind
from emulator.store.test_set_tables import EvaluationStatus, TestEvaluation, TestSet

ITERATIONS_PER_REQUEST = 64


def request_evaluations(
    context: Context, project_id: str, test_set_id: str, iteration_ids: Sequence[str]
) -> list[TestEvaluation]:
    """Evaluate iterations on a test set, each in a job of its own; their evaluations.

    An evaluation that waits, or is of the test set as it is now, stays as it is. The others keep their
    figures until they are replaced.
    """
    check_batch_size("The request names", len(iteration_ids), "iterations", ITERATIONS_PER_REQUEST)
    if not iteration_ids:
        raise ServiceError("BadRequest", "The request names no iteration.")
    with context.database.write() as session:
        test_set = find(session, project_id, test_set_id)
        if not test_set.image_count:
            raise ServiceError("BadRequest", "The test set has no images.")
        rows = [
            _requested(context, session, test_set, iteration_id)
            for iteration_id in dict.fromkeys(iteration_ids)
        ]
    context.jobs.notify(JobKind.EVALUATION)
    return rows


def _requested(context: Context, session: Session, test_set: TestSet, iteration_id: str) -> TestEvaluation:
    iteration = lookup.iteration(session, test_set.project_id, iteration_id)
    if iteration.status != IterationStatus.COMPLETED:
        raise ServiceError(
            "BadRequestIterationIsNotTrained",
            f"Iteration '{iteration.name}' is not trained: its status is {iteration.status}.",
        )
    lookup.model_of(iteration)
    row = evaluation_row(session, test_set.id, iteration_id)
    if row is not None:
        is_current = row.status == EvaluationStatus.COMPLETED and row.revision == test_set.revision
        if is_current or row.status == EvaluationStatus.WAITING:
            return row
    now = context.clock.now()
    if row is None:
        row = TestEvaluation(id=context.ids.new(), test_set_id=test_set.id, iteration_id=iteration_id)
    row.status, row.created, row.failure = EvaluationStatus.WAITING, now, None
    session.add(row)
    session.flush()
    details = {"evaluation": row.id}
    session.add(
        Job(
            id=context.ids.new(),
            kind=JobKind.EVALUATION,
            iteration_id=iteration_id,
            created=now,
            details=with_traceparent(context.job_traces, details),
        )
    )
    return row


def delete_evaluation(context: Context, project_id: str, test_set_id: str, iteration_id: str) -> None:
    """Delete the evaluation of an iteration; one that runs ends at its next image."""
    with context.database.write() as session:
        row = find_evaluation(session, project_id, test_set_id, iteration_id)
        delete_jobs(session, {row.id})
        session.delete(row)
    context.jobs.changes.note()
    sweep_blobs(context, {row.evaluation_blob} if row.evaluation_blob else set())


def find_evaluation(session: Session, project_id: str, test_set_id: str, iteration_id: str) -> TestEvaluation:
    """The evaluation of an iteration on a test set. Raises ServiceError when there is none."""
    find(session, project_id, test_set_id)
    lookup.iteration(session, project_id, iteration_id)
    row = evaluation_row(session, test_set_id, iteration_id)
    if row is None:
        raise ServiceError("NotFound", "The iteration was not evaluated on the test set.")
    return row


def evaluation_row(session: Session, test_set_id: str, iteration_id: str) -> TestEvaluation | None:
    of_pair = (TestEvaluation.test_set_id == test_set_id, col(TestEvaluation.iteration_id) == iteration_id)
    return session.exec(select(TestEvaluation).where(*of_pair)).first()
