"""Publishing iterations for predictions, under a name."""

import re

from sqlmodel import Session

from emulator.core import lookup
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.rollouts import names
from emulator.core.rules.validation import checked_path_name
from emulator.store.tables import DEFAULT_RESOURCE, Iteration, IterationStatus

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
    """Publish the iteration for predictions under `publish_name`, effective at once: it ends a roll-out.

    prediction_id: the ARM id of a Cognitive Services account. Where resources were added, it is that of the
    project's resource, `prediction_resource_id`; a project of the default resource may have any other one.
    overwrite: whether the name may be taken from another iteration.
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


def prediction_resource_id(default: str, resource: str) -> str:
    """The id of the prediction resource that belongs to a resource; Azure's portal makes such names.

    default: that of the default resource.
    """
    if resource == DEFAULT_RESOURCE:
        return default
    return f"{default.rpartition('/')[0]}/{resource}-Prediction"


def _check_resource(context: Context, session: Session, iteration: Iteration, prediction_id: str) -> None:
    """Raise ServiceError unless the prediction key of the project's resource is one of the account."""
    if not context.resources.has_several:
        return
    resource = lookup.project(session, iteration.project_id).resource
    account = prediction_id.rstrip("/").rpartition("/")[2].lower()
    named = account.removesuffix("-prediction")
    if resource != DEFAULT_RESOURCE:
        is_own = named == resource
    else:  # whose account has any other name, as that of the well-known id: prediction
        is_own = named == account or context.resources.tier(named) is None
    if not is_own:
        raise ServiceError(
            "BadRequestInvalidPublishTarget",
            f"predictionId is not the prediction resource of the project: '{account[:64]}' is no account of "
            f"the resource '{resource}'.",
        )


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
    _check_resource(context, session, iteration, prediction_id)
    names.check_no_candidate(session, iteration, except_as=name if overwrite else None)
    if not overwrite and names.holder(session, iteration.project_id, name) is not None:
        raise ServiceError(
            "BadRequestInvalidPublishName", f"Another iteration is already published as: {name}"
        )
    names.give(session, iteration, name, prediction_id, context.clock.now())


def unpublish(context: Context, project_id: str, iteration_id: str) -> None:
    """Unpublish the iteration, effective at once. It ends a roll-out of its name."""
    with context.database.write() as session:
        iteration = lookup.iteration(session, project_id, iteration_id)
        if iteration.publish_name is None:
            raise ServiceError("BadRequestIterationNotPublished", "Iteration is not published")
        names.take(session, iteration, context.clock.now())
