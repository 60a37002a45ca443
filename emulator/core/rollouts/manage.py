"""Roll-outs of a published name: starting, changing, finishing and taking them back, and their state."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from emulator.core import lookup
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.rollout_counts import RolloutFigures
from emulator.core.rollouts import names, saving
from emulator.core.rules import domains
from emulator.core.rules.validation import checked_path_name
from emulator.store.references import raise_if_missing
from emulator.store.rollout_tables import FormerPublication, Rollout, RolloutMode, RolloutStatus
from emulator.store.tables import Iteration, IterationStatus

_NAMES_IN_MESSAGE = 10


@dataclass(frozen=True)
class ListedRollout:
    """A roll-out with its figures. current, candidate: None if the iteration was deleted after the end."""

    row: Rollout
    figures: RolloutFigures
    current: Iteration | None
    candidate: Iteration | None


@dataclass(frozen=True)
class ListedName:
    """A published name. published: None if no iteration has the name now. former: to which `back` returns
    when no roll-out is running. rollout: the running or the last one."""

    name: str
    published: Iteration | None
    former: Iteration | None
    rollout: ListedRollout | None


def list_names(context: Context, project_id: str, name: str | None = None) -> list[ListedName]:
    """The names under which iterations are or were published, in alphabetical order; or one of them.

    Raises ServiceError for an unknown project, and for a name that was never used.
    """
    wanted = None if name is None else _checked(name)
    with context.rollout_counts.saving, context.database.read() as session:
        lookup.project(session, project_id)
        iterations = session.exec(
            select(Iteration).where(
                Iteration.project_id == project_id, col(Iteration.publish_name).is_not(None)
            )
        )
        published = {row.publish_name: row for row in iterations}
        rollouts = {
            row.publish_name: _listed(context, session, row)
            for row in session.exec(select(Rollout).where(Rollout.project_id == project_id))
        }
        formers = {
            row.publish_name: session.get(Iteration, row.iteration_id)
            for row in session.exec(
                select(FormerPublication).where(FormerPublication.project_id == project_id)
            )
        }
    known = sorted(one for one in {*published, *rollouts, *formers} if one is not None)
    if wanted is not None and wanted not in known:
        raise _unknown(wanted, known)
    return [
        ListedName(one, published.get(one), formers.get(one), rollouts.get(one))
        for one in known
        if wanted in (None, one)
    ]


def running_rollouts(context: Context) -> list[ListedRollout]:
    """The roll-outs that are running, of all projects."""
    statement = (
        select(Rollout)
        .where(Rollout.status == RolloutStatus.RUNNING)
        .order_by(Rollout.project_id, Rollout.publish_name)
    )
    with context.rollout_counts.saving, context.database.read() as session:
        return [_listed(context, session, row) for row in session.exec(statement)]


def start(
    context: Context, project_id: str, name: str, iteration_id: str, mode: RolloutMode, percent: float | None
) -> ListedName:
    """Begin to try a trained, unpublished iteration under a name that another one is published as.

    percent: see `Rollout`. Raises ServiceError, also when its model cannot be run.
    """
    name, percent = _checked(name), _checked_percent(mode, percent)
    with context.database.read() as session:
        candidate = _candidate(session, project_id, name, iteration_id)
    load_model(context, candidate)
    rollout_id = context.ids.new()
    with context.database.write() as session:
        candidate = _candidate(session, project_id, name, iteration_id)
        current = names.holder(session, project_id, name)
        assert current is not None  # `_candidate` checks it
        _delete_last(session, project_id, name)
        now = context.clock.now()
        session.add(
            Rollout(
                id=rollout_id,
                project_id=project_id,
                publish_name=name,
                current_id=current.id,
                candidate_id=candidate.id,
                mode=mode,
                percent=percent,
                started=now,
                last_modified=now,
                figures=RolloutFigures().to_stored(),
            )
        )
    return _state(context, project_id, name)


def change(
    context: Context, project_id: str, name: str, mode: RolloutMode, percent: float | None
) -> ListedName:
    """Change mode and percentage of the running roll-out. Its figures go on."""
    name, percent = _checked(name), _checked_percent(mode, percent)
    with context.database.write() as session:
        rollout = _running(session, project_id, name)
        rollout.mode, rollout.percent = mode, percent
        rollout.last_modified = context.clock.now()
        session.add(rollout)
    return _state(context, project_id, name)


def finish(context: Context, project_id: str, name: str) -> ListedName:
    """Publish the candidate of the running roll-out in place of the present iteration, in one transaction."""
    name = _checked(name)
    with context.database.write() as session:
        rollout = _running(session, project_id, name)
        candidate = session.get_one(Iteration, rollout.candidate_id)
        current = names.holder(session, project_id, name)
        resource_id = (current and current.original_publish_resource_id) or ""
        names.give(session, candidate, name, resource_id, context.clock.now())
    return _state(context, project_id, name)


def back(context: Context, project_id: str, name: str, *, replacing: str | None = None) -> ListedName:
    """End the running roll-out, so that the published iteration answers all requests again; without one,
    publish the former iteration again.

    When it has returned to the former iteration, a second call is refused, rather than undoing the first one.

    replacing: the iteration that must not answer any longer; the call is refused if it does not take part.
    """
    name = _checked(name)
    with context.database.read() as session:
        lookup.project(session, project_id)
        found = names.former(session, project_id, name)
        if found is not None and names.running(session, project_id, name) is None:
            load_model(context, found[1])
    with context.database.write() as session:
        lookup.project(session, project_id)
        now = context.clock.now()
        rollout = names.running(session, project_id, name)
        current = names.holder(session, project_id, name)
        taking_part = {None if current is None else current.id, rollout and rollout.candidate_id}
        if replacing is not None and replacing not in taking_part:
            raise ServiceError(
                "Conflict",
                f"The iteration {replacing} does not answer requests for '{name}': nothing was done.",
            )
        if rollout is not None:
            names.end(session, rollout, RolloutStatus.TAKEN_BACK, now)
        else:
            _return_to_former(session, project_id, name, now=now)
    return _state(context, project_id, name)


def load_model(context: Context, iteration: Iteration) -> None:
    """Load the model of an iteration, so that the first request does not wait for it.

    Raises ServiceError when it cannot be run, and BlobDamaged.
    """
    from emulator.vision.onnx_runtime import ModelUnusable  # with what scores images, at the first use

    blob = lookup.model_of(iteration)
    try:
        if domains.get(iteration.domain_id or "").type == "ObjectDetection":
            context.models.detector(blob)
        else:
            context.models.classifier(blob)
    except ModelUnusable as unusable:
        raise ServiceError(
            "BadRequestNotSupported", f"The model of '{iteration.name}' cannot be run. {unusable}"
        ) from None
    except FileNotFoundError:
        raise_if_missing(context.database, blob)
        raise ServiceError("NotFoundIteration", "Invalid iteration") from None


def _state(context: Context, project_id: str, name: str) -> ListedName:
    return list_names(context, project_id, name)[0]


def _listed(context: Context, session: Session, row: Rollout) -> ListedRollout:
    return ListedRollout(
        row=row,
        figures=saving.figures_of(context, row),
        current=session.get(Iteration, row.current_id),
        candidate=session.get(Iteration, row.candidate_id),
    )


def _candidate(session: Session, project_id: str, name: str, iteration_id: str) -> Iteration:
    """The iteration that is to be tried under a name. Raises ServiceError if it cannot be."""
    candidate = lookup.iteration(session, project_id, iteration_id)
    current = names.holder(session, project_id, name)
    if current is None:
        raise ServiceError(
            "NotFoundIteration", f"No iteration is published as '{name}'. Publish the first one directly."
        )
    if names.running(session, project_id, name) is not None:
        raise ServiceError(
            "Conflict", f"A roll-out of '{name}' is running. Finish it, or take it back, first."
        )
    if candidate.status != IterationStatus.COMPLETED:
        raise ServiceError(
            "BadRequestIterationIsNotTrained", f"Iteration is not trained: its status is {candidate.status}."
        )
    if candidate.publish_name is not None:
        raise ServiceError(
            "BadRequestIterationIsPublished", f"Iteration is already published as: {candidate.publish_name}"
        )
    names.check_no_candidate(session, candidate)
    types = [domains.get(one.domain_id or "").type for one in (current, candidate)]
    if types[0] != types[1]:
        raise ServiceError(
            "BadRequestNotSupported", f"'{name}' is of the type {types[0]}, the iteration of {types[1]}."
        )
    return candidate


def _running(session: Session, project_id: str, name: str) -> Rollout:
    lookup.project(session, project_id)
    rollout = names.running(session, project_id, name)
    if rollout is None:
        raise ServiceError("NotFound", f"No roll-out of '{name}' is running.")
    return rollout


def _delete_last(session: Session, project_id: str, name: str) -> None:
    """Delete the roll-out of a name that has ended."""
    last = names.last(session, project_id, name)
    if last is not None:
        session.delete(last)
        session.flush()


def _return_to_former(session: Session, project_id: str, name: str, *, now: datetime) -> None:
    found = names.former(session, project_id, name)
    if found is None:
        raise ServiceError("Conflict", f"There is no former iteration of '{name}' to return to.")
    publication, iteration = found
    if iteration.publish_name is not None:
        raise ServiceError(
            "BadRequestIterationIsPublished",
            f"The former iteration '{iteration.name}' is published as: {iteration.publish_name}. "
            "Unpublish it first.",
        )
    names.check_no_candidate(session, iteration)
    replaced = names.holder(session, project_id, name)
    names.give(session, iteration, name, publication.resource_id, now)
    session.flush()
    kept = session.get(FormerPublication, (project_id, name))
    if kept is not None:
        session.delete(kept)
    last = names.last(session, project_id, name)
    if last is not None and replaced is not None and last.candidate_id == replaced.id:
        names.end(session, last, RolloutStatus.TAKEN_BACK, now)


def _checked(name: str) -> str:
    return checked_path_name(name, "BadRequestInvalidPublishName", "published iteration")


def _checked_percent(mode: RolloutMode, percent: float | None) -> float | None:
    """Raises ServiceError unless there is a percentage exactly in that mode, 0 to 100."""
    if mode == RolloutMode.SHADOW:
        if percent is not None:
            raise ServiceError("BadRequest", "percent is for the mode Percentage alone.")
        return None
    if percent is None or not 0 <= percent <= 100:  # neither for NaN
        raise ServiceError(
            "BadRequest", "The mode Percentage needs percent: a number of at least 0 and at most 100."
        )
    return percent


def _unknown(name: str, known: Sequence[str]) -> ServiceError:
    shown = ", ".join(f"'{one}'" for one in known[:_NAMES_IN_MESSAGE]) or "none"
    return ServiceError("NotFound", f"No iteration is or was published as '{name}'; names are: {shown}.")
