"""Publishing iterations for predictions, under a name."""

import re

from sqlmodel import Session, select

from emulator.core import lookup
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.rules.validation import checked_path_name
from emulator.store.tables import Iteration, IterationStatus

_RESOURCE = re.compile(
    r"/?subscriptions/[^/\s]+/resourceGroups/[^/\s]+/providers/Microsoft\.CognitiveServices/accounts/[^/\s]+/?",
    re.IGNORECASE,
)


def publish(
    context: Context,
    project_id: str,
    iteration_id: str,
    publish_name: str,
    prediction_id: str,
    overwrite: bool = False,
) -> None:
    """Publish the iteration for predictions under `publish_name`, effective at once.

    prediction_id: the ARM id of a Cognitive Services account; any account is accepted. overwrite: whether the
    name may be taken from another iteration.
    """
    check_target(publish_name, prediction_id)
    with context.database.write() as session:
        iteration = lookup.iteration(session, project_id, iteration_id)
        publish_in(context, session, iteration, publish_name, prediction_id, overwrite)


def check_target(publish_name: str, prediction_id: str) -> str:
    """The name without surrounding blanks. Raises ServiceError unless name and resource are valid."""
    name = checked_path_name(publish_name, "BadRequestInvalidPublishName", "published iteration")
    if not _RESOURCE.fullmatch(prediction_id):
        raise ServiceError(
            "BadRequestInvalidPublishTarget",
            "predictionId must be the full resource id of the prediction resource: /subscriptions/{id}/"
            "resourceGroups/{name}/providers/Microsoft.CognitiveServices/accounts/{name}",
        )
    return name


def publish_in(
    context: Context,
    session: Session,
    iteration: Iteration,
    publish_name: str,
    prediction_id: str,
    overwrite: bool,
) -> None:
    """`publish` within a transaction of the caller."""
    name = check_target(publish_name, prediction_id)
    if iteration.status != IterationStatus.COMPLETED:
        raise ServiceError(
            "BadRequestIterationIsNotTrained",
            f"Iteration is not trained: its status is {iteration.status}.",
        )
    if iteration.publish_name is not None:
        raise ServiceError(
            "BadRequestIterationIsPublished",
            f"Iteration is already published as: {iteration.publish_name}",
        )
    holder = session.exec(
        select(Iteration).where(Iteration.project_id == iteration.project_id, Iteration.publish_name == name)
    ).first()
    now = context.clock.now()
    if holder is not None:
        if not overwrite:
            raise ServiceError(
                "BadRequestInvalidPublishName", f"Another iteration is already published as: {name}"
            )
        _withdraw(holder)
        holder.last_modified = now
        session.add(holder)
        session.flush()
    iteration.publish_name = name
    iteration.original_publish_resource_id = prediction_id
    iteration.last_modified = now
    session.add(iteration)


def unpublish(context: Context, project_id: str, iteration_id: str) -> None:
    with context.database.write() as session:
        iteration = lookup.iteration(session, project_id, iteration_id)
        if iteration.publish_name is None:
            raise ServiceError("BadRequestIterationNotPublished", "Iteration is not published")
        _withdraw(iteration)
        iteration.last_modified = context.clock.now()
        session.add(iteration)


def _withdraw(iteration: Iteration) -> None:
    iteration.publish_name = iteration.original_publish_resource_id = None
