"""Test sets of a project: creating, listing, renaming, deleting."""

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import func
from sqlmodel import Session, col, select

from emulator.core import lookup
from emulator.core.blob_sweep import sweep_blobs
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.labels.tags import guid_order
from emulator.core.rules.validation import checked_name
from emulator.store.tables import Job, JobKind, Tag
from emulator.store.test_set_tables import TestEvaluation, TestImage, TestLabel, TestSet

TEST_SETS_PER_PROJECT = 100


class CountedTestTag(NamedTuple):
    """A tag and the number of images of a test set that have it."""

    tag_id: str
    tag_name: str
    image_count: int


class ListedTestSet(NamedTuple):
    """A test set with the tags of its images, in the order of `guid_order`."""

    row: TestSet
    tags: list[CountedTestTag]
    untagged_count: int


def create(context: Context, project_id: str, name: str | None) -> ListedTestSet:
    """Create a test set. Names are unique in the project (not case-sensitive)."""
    name = _checked_name(name)
    with context.database.write() as session:
        lookup.project(session, project_id)
        names = _names(session, project_id)
        if len(names) >= TEST_SETS_PER_PROJECT:
            raise ServiceError(
                "BadRequest",
                f"The project has {len(names)} test sets, which is the most; delete one.",
            )
        _check_unique(name, names.values())
        now = context.clock.now()
        row = TestSet(id=context.ids.new(), project_id=project_id, name=name, created=now, last_modified=now)
        session.add(row)
    return ListedTestSet(row, [], 0)


def list_all(context: Context, project_id: str) -> list[ListedTestSet]:
    """The test sets, oldest first."""
    with context.database.read() as session:
        lookup.project(session, project_id)
        order = (col(TestSet.created), col(TestSet.id))
        rows = session.exec(select(TestSet).where(TestSet.project_id == project_id).order_by(*order)).all()
        return [_listed(session, row) for row in rows]


def get(context: Context, project_id: str, test_set_id: str) -> ListedTestSet:
    with context.database.read() as session:
        return _listed(session, find(session, project_id, test_set_id))


def rename(context: Context, project_id: str, test_set_id: str, name: str | None) -> ListedTestSet:
    name = _checked_name(name)
    with context.database.write() as session:
        row = find(session, project_id, test_set_id)
        names = _names(session, project_id)
        _check_unique(name, [other for key, other in names.items() if key != test_set_id])
        row.name, row.last_modified = name, context.clock.now()
        session.add(row)
        return _listed(session, row)


def delete(context: Context, project_id: str, test_set_id: str) -> None:
    """Delete the test set with its images and evaluations; one that runs ends at its next image."""
    with context.database.write() as session:
        row = find(session, project_id, test_set_id)
        blobs = set(session.exec(select(TestImage.blob).where(TestImage.test_set_id == test_set_id)))
        evaluations = session.exec(
            select(TestEvaluation).where(TestEvaluation.test_set_id == test_set_id)
        ).all()
        blobs |= {evaluation.evaluation_blob for evaluation in evaluations if evaluation.evaluation_blob}
        delete_jobs(session, {evaluation.id for evaluation in evaluations})
        session.delete(row)
    context.jobs.changes.note()
    sweep_blobs(context, blobs)


def find(session: Session, project_id: str, test_set_id: str) -> TestSet:
    """The row of a test set. Raises ServiceError when there is none."""
    lookup.project(session, project_id)
    row = session.get(TestSet, test_set_id)
    if row is None or row.project_id != project_id:
        raise ServiceError("NotFound", f"The project has no test set {test_set_id}.")
    return row


def delete_jobs(session: Session, evaluation_ids: set[str]) -> None:
    """Delete the jobs of evaluations whose rows are deleted."""
    for job in session.exec(select(Job).where(Job.kind == JobKind.EVALUATION)):
        if job.details is not None and job.details["evaluation"] in evaluation_ids:
            session.delete(job)


def _checked_name(name: str | None) -> str:
    return checked_name(name, "BadRequest", "test set")


def _names(session: Session, project_id: str) -> dict[str, str]:
    return dict(
        session.execute(select(TestSet.id, TestSet.name).where(TestSet.project_id == project_id)).all()
    )


def _check_unique(name: str, others: Iterable[str]) -> None:
    if name.casefold() in {other.casefold() for other in others}:
        raise ServiceError("BadRequest", f"Test set name '{name}' is already in use.")


def _listed(session: Session, row: TestSet) -> ListedTestSet:
    number = col(TestLabel.image_number)
    counts = session.execute(
        select(TestLabel.tag_id, Tag.name, func.count(func.distinct(number)))
        .join(TestImage, col(TestImage.number) == number)
        .join(Tag, col(Tag.id) == TestLabel.tag_id)
        .where(TestImage.test_set_id == row.id)
        .group_by(col(TestLabel.tag_id), col(Tag.name))
    )
    tags = sorted((CountedTestTag(*count) for count in counts), key=lambda item: guid_order(item.tag_id))
    labeled = session.scalar(
        select(func.count(func.distinct(number)))
        .join(TestImage, col(TestImage.number) == number)
        .where(TestImage.test_set_id == row.id)
    )
    return ListedTestSet(row, tags, row.image_count - int(labeled or 0))
