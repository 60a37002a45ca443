"""GetIterations, GetIteration, UpdateIteration, DeleteIteration, PublishIteration, UnpublishIteration."""

from typing import Annotated

from fastapi import Request

from emulator.api import responses
from emulator.api.dependencies import ApiVersion, Emulator, IterationId, ProjectId, json_body
from emulator.api.parameters import flag, required_text
from emulator.api.routing import OperationRouter
from emulator.contract import requests
from emulator.contract import responses as shapes
from emulator.contract.gateway_responses import guid
from emulator.core.context import Context
from emulator.core.iterations import manage as iterations
from emulator.core.iterations import publishing

router = OperationRouter()


@router.operation("GetIterations", small=True)
def get_iterations(emulator: Emulator, version: ApiVersion, project_id: ProjectId) -> list[shapes.Iteration]:
    emulator.choreography.polled("training", project_id)
    return [responses.iteration(version, row) for row in iterations.list_all(emulator, project_id)]


def _does_not_wait(request: Request) -> bool:
    """Whether `iterations.get` has no instant training to wait for."""
    context: Context = request.app.state.context
    return context.trainers.of(guid(request.path_params["projectId"])) != "instant"


@router.operation("GetIteration", small=_does_not_wait)
def get_iteration(
    emulator: Emulator, version: ApiVersion, project_id: ProjectId, iteration_id: IterationId
) -> shapes.Iteration:
    emulator.choreography.polled("training", project_id, iteration_id)
    return responses.iteration(version, iterations.get(emulator, project_id, iteration_id))


@router.operation("UpdateIteration")
def update_iteration(
    emulator: Emulator,
    version: ApiVersion,
    changes: Annotated[requests.Iteration, json_body(requests.Iteration)],
    project_id: ProjectId,
    iteration_id: IterationId,
) -> shapes.Iteration:
    return responses.iteration(version, iterations.rename(emulator, project_id, iteration_id, changes.name))


@router.operation("DeleteIteration")
def delete_iteration(emulator: Emulator, project_id: ProjectId, iteration_id: IterationId) -> None:
    iterations.delete(emulator, project_id, iteration_id)


@router.operation("PublishIteration")
def publish_iteration(
    emulator: Emulator,
    project_id: ProjectId,
    iteration_id: IterationId,
    publish_name: Annotated[str, required_text("publishName")],
    prediction_id: Annotated[str, required_text("predictionId")],
    overwrite: Annotated[bool, flag("overwrite")],
) -> bool:
    publishing.publish(emulator, project_id, iteration_id, publish_name, prediction_id, overwrite=overwrite)
    return True


@router.operation("UnpublishIteration")
def unpublish_iteration(emulator: Emulator, project_id: ProjectId, iteration_id: IterationId) -> None:
    publishing.unpublish(emulator, project_id, iteration_id)
