"""Published names within a transaction: giving a name to an iteration, and taking it back.

The iteration that had the name is remembered, and a roll-out of the name ends.
"""

from datetime import datetime

from sqlmodel import Session, col, select

from emulator.core.errors import ServiceError
from emulator.store.rollout_tables import FormerPublication, Rollout, RolloutStatus
from emulator.store.tables import Iteration


def holder(session: Session, project_id: str, name: str) -> Iteration | None:
    """The iteration that is published under a name."""
    statement = select(Iteration).where(Iteration.project_id == project_id, Iteration.publish_name == name)
    return session.exec(statement).first()


def last(session: Session, project_id: str, name: str) -> Rollout | None:
    """The running or the last roll-out of a name."""
    statement = select(Rollout).where(Rollout.project_id == project_id, Rollout.publish_name == name)
    return session.exec(statement).first()


def running(session: Session, project_id: str, name: str) -> Rollout | None:
    """The roll-out that is running under a name."""
    found = last(session, project_id, name)
    return found if found is not None and found.status == RolloutStatus.RUNNING else None


def check_no_candidate(session: Session, iteration: Iteration, *, except_as: str | None = None) -> None:
    """Raises ServiceError when the iteration is the candidate of a roll-out, which counts as published.

    except_as: the name whose roll-out does not count.
    """
    statement = select(Rollout.publish_name).where(
        Rollout.project_id == iteration.project_id,
        Rollout.candidate_id == iteration.id,
        Rollout.status == RolloutStatus.RUNNING,
    )
    name = session.exec(statement).first()
    if name is not None and name != except_as:
        raise ServiceError(
            "BadRequestIterationIsPublished",
            f"Iteration is being rolled out as: {name}. Finish the roll-out, or take it back, first.",
        )


def give(session: Session, iteration: Iteration, name: str, resource_id: str, now: datetime) -> None:
    """Publish an iteration, which has no name, in place of the one that has the name."""
    rollout = running(session, iteration.project_id, name)
    if rollout is not None and rollout.candidate_id == iteration.id:
        end(session, rollout, RolloutStatus.FINISHED, now)
    before = holder(session, iteration.project_id, name)
    if before is not None:
        take(session, before, now)
    former = session.get(FormerPublication, (iteration.project_id, name))
    if former is not None and former.iteration_id == iteration.id:
        session.delete(former)
    session.flush()  # two iterations never have the same name
    iteration.publish_name = name
    iteration.original_publish_resource_id = resource_id
    iteration.last_modified = now
    session.add(iteration)


def take(session: Session, iteration: Iteration, now: datetime) -> None:
    """Unpublish an iteration. It is then the former one of its name."""
    name = iteration.publish_name
    assert name is not None
    rollout = running(session, iteration.project_id, name)
    if rollout is not None:
        end(session, rollout, RolloutStatus.REPLACED, now)
    session.merge(
        FormerPublication(
            project_id=iteration.project_id,
            publish_name=name,
            iteration_id=iteration.id,
            resource_id=iteration.original_publish_resource_id or "",
        )
    )
    iteration.publish_name = iteration.original_publish_resource_id = None
    iteration.last_modified = now
    session.add(iteration)


def end(session: Session, rollout: Rollout, status: RolloutStatus, now: datetime) -> None:
    """End a roll-out that is running."""
    rollout.status = status
    rollout.ended = rollout.last_modified = now
    session.add(rollout)


def former(session: Session, project_id: str, name: str) -> tuple[FormerPublication, Iteration] | None:
    """The iteration that was published under a name before the present one, with its publication."""
    statement = (
        select(FormerPublication, Iteration)
        .join(Iteration, col(Iteration.id) == FormerPublication.iteration_id)
        .where(FormerPublication.project_id == project_id, FormerPublication.publish_name == name)
    )
    found = session.exec(statement).first()
    return None if found is None else (found[0], found[1])
