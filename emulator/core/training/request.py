"""Requests for trainings: their checks, and the iteration that they create. `runner` executes them."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from sqlmodel import Session, col, select

from emulator.core import lookup, quotas, refused_items
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.iterations.manage import free_name
from emulator.core.jobs.traces import with_traceparent
from emulator.core.labels.tags import with_negative
from emulator.core.rules import domains
from emulator.core.rules.limits import ADVANCED_HOURS_MINIMUM
from emulator.core.training import preconditions
from emulator.store.tables import UNFINISHED, Iteration, IterationStatus, Job, JobKind, Project, Tag

TRAINING_TYPES = ("Regular", "Advanced")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


class TrainingRequest(NamedTuple):
    """Parameters of a training. selected_tags: () for all. custom_base_model: (project id, iteration id)."""

    training_type: str = "Regular"
    reserved_budget_in_hours: int = 0
    force_train: bool = False
    notification_email_address: str | None = None
    selected_tags: tuple[str, ...] = ()
    custom_base_model: tuple[str, str] | None = None


def request_training(context: Context, project_id: str, request: TrainingRequest) -> Iteration:
    """Request a training of the workspace as it is now. Returns the iteration, with status ``Training``.

    The iteration and its job are durable when this returns, so the training ends as ``Completed`` or
    ``Failed`` even if the process dies.
    """
    if request.notification_email_address and not _EMAIL.fullmatch(request.notification_email_address):
        raise ServiceError("BadRequestInvalidEmailAddress", "The notification email address is not valid.")
    with context.database.write() as session:
        project = lookup.project(session, project_id)
        _check_supported(project, request)
        tags = _chosen_tags(session, project_id, request.selected_tags)
        if domains.get(project.domain_id).detects_anomalies:
            tags = with_negative(context, session, project, tags, domains.ANOMALY)
        preconditions.check(
            session,
            project,
            tags,
            context.trainers.of(project_id),
            is_elsewhere=context.cluster is not None,
        )
        if request.custom_base_model:
            _check_base_model(session, project, *request.custom_base_model)
        _check_needed(session, project, request)
        quotas.check_iteration(context, session, project_id)
        now = context.clock.now()
        iteration = Iteration(
            id=context.ids.new(),
            project_id=project_id,
            number=project.next_iteration,
            name=free_name(session, project),
            status=IterationStatus.TRAINING,
            created=project.new_iteration_created,
            last_modified=now,
            revision=project.revision,
            # The ones that were checked; `begin` of the runner makes them visible.
            domain_id=project.domain_id,
            classification_type=project.classification_type,
            training_type=request.training_type,
            reserved_budget_in_hours=request.reserved_budget_in_hours,
            selected_tags=sorted(request.selected_tags) or None,
            custom_base_model_info=_base_model_info(request),
        )
        # The workspace that was trained becomes the iteration; the next one begins now.
        project.next_iteration += 1
        project.new_iteration_created = now
        session.add_all((project, iteration))
        session.flush()
        kind = _job_kind(context, project_id, request)
        job = Job(
            id=context.ids.new(),
            kind=kind,
            iteration_id=iteration.id,
            created=now,
            details=with_traceparent(context.job_traces),
        )
        session.add(job)
        if context.choreography.in_use:
            shown = context.choreography.begin(session, job, "training", iteration.id, project_id)
            iteration.status = shown or iteration.status
    context.jobs.notify(kind)
    if context.choreography.in_use:
        context.choreography.requested(job.id)
    return iteration


def _job_kind(context: Context, project_id: str, request: TrainingRequest) -> JobKind:
    if context.trainers.of(project_id) == "instant":
        return JobKind.INSTANT_TRAINING
    return JobKind.ADVANCED_TRAINING if request.training_type == "Advanced" else JobKind.TRAINING


def _check_supported(project: Project, request: TrainingRequest) -> None:
    if request.training_type not in TRAINING_TYPES:
        raise ServiceError(
            "BadRequest", f"Unknown training type '{request.training_type[:100]}'; it is Regular or Advanced."
        )
    if request.training_type != "Advanced":
        return
    if request.reserved_budget_in_hours < ADVANCED_HOURS_MINIMUM:
        raise ServiceError(
            "BadRequestReservedBudgetInHoursNotEnoughForAdvancedTraining",
            f"Advanced training needs reservedBudgetInHours of at least {ADVANCED_HOURS_MINIMUM}.",
        )
    domain = domains.get(project.domain_id)
    if domain.retired:
        raise ServiceError(
            "BadRequestDomainNotSupportedForAdvancedTraining",
            f"The domain {domain.name} is retired and has no advanced training; choose another one.",
        )


def _base_model_info(request: TrainingRequest) -> dict[str, str] | None:
    if request.custom_base_model is None:
        return None
    return dict(zip(("projectId", "iterationId"), request.custom_base_model, strict=True))


def _chosen_tags(session: Session, project_id: str, selected: Sequence[str]) -> list[Tag]:
    known = lookup.workspace_tags(session, project_id)
    unknown = [tag_id for tag_id in selected if tag_id not in known]
    for tag_id in unknown:
        refused_items.note("selectedTags", tag_id, "the project has no such tag")
    if unknown:
        raise ServiceError("NotFoundTag", f"Tag not found: {unknown[0]}")
    chosen = [tag for tag_id, tag in known.items() if not selected or tag_id in selected]
    return sorted(chosen, key=lambda tag: tag.name)


def _check_base_model(session: Session, project: Project, project_id: str, iteration_id: str) -> None:
    lookup.project_of(session, project.resource, project_id)
    base = lookup.iteration(session, project_id, iteration_id)
    if domains.get(project.domain_id).detects_anomalies:
        raise ServiceError(
            "BadRequestCustomBaseModelDomainNotCompatible",
            "Anomaly detection remembers images of good parts and cannot start from another model; leave the "
            "custom base model out.",
        )
    if base.status != IterationStatus.COMPLETED:
        raise ServiceError(
            "BadRequestCustomBaseModelIterationStatusNotCompleted",
            f"The iteration of the custom base model is not Completed but {base.status}.",
        )
    if base.is_imported:
        raise ServiceError(
            "BadRequestCustomBaseModelDomainNotCompatible",
            "The custom base model was imported as a file; only models that were trained here can be trained "
            "further.",
        )
    if base.domain_id != project.domain_id:
        raise ServiceError(
            "BadRequestCustomBaseModelDomainNotCompatible",
            "The custom base model was trained in another domain than the project's.",
        )


def _check_needed(session: Session, project: Project, request: TrainingRequest) -> None:
    of_project = select(Iteration).where(Iteration.project_id == project.id)
    if session.exec(of_project.where(col(Iteration.status).in_(UNFINISHED))).first():
        raise ServiceError("BadRequestTrainingAlreadyInProgress", "Training is already in progress.")
    if request.force_train:
        return
    trained = session.exec(of_project.order_by(col(Iteration.number).desc()))
    last = next((iteration for iteration in trained if not iteration.is_imported), None)
    if (
        last is not None
        and last.status != IterationStatus.FAILED
        and last.revision == project.revision
        and last.domain_id == project.domain_id
        and last.classification_type == project.classification_type
        and last.selected_tags == (sorted(request.selected_tags) or None)
        and last.training_type == request.training_type
        # A larger budget may give a better model; regular training has none.
        and (
            request.training_type != "Advanced"
            or last.reserved_budget_in_hours >= request.reserved_budget_in_hours
        )
        and last.custom_base_model_info == _base_model_info(request)
    ):
        raise ServiceError("BadRequestTrainingNotNeeded", "Nothing changed since last training")
