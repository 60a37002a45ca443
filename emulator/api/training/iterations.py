"""GetIterations, GetIteration, UpdateIteration, DeleteIteration, PublishIteration, UnpublishIteration."""

from emulator.api import responses as shapes
from emulator.api.calls import Call, handles
from emulator.contract import requests
from emulator.contract import responses as models
from emulator.core.iterations import manage as iterations
from emulator.core.iterations import publishing

_OVERWRITE_SINCE = (3, 3)


@handles("GetIterations")
def get_iterations(call: Call) -> list[models.Iteration]:
    return [shapes.iteration(row) for row in iterations.list_all(call.context, call.id("projectId"))]


@handles("GetIteration")
def get_iteration(call: Call) -> models.Iteration:
    return shapes.iteration(iterations.get(call.context, call.id("projectId"), call.id("iterationId")))


@handles("UpdateIteration")
def update_iteration(call: Call) -> models.Iteration:
    body = call.parsed(requests.Iteration)
    row = iterations.rename(call.context, call.id("projectId"), call.id("iterationId"), body.name)
    return shapes.iteration(row)


@handles("DeleteIteration")
def delete_iteration(call: Call) -> None:
    iterations.delete(call.context, call.id("projectId"), call.id("iterationId"))


@handles("PublishIteration")
def publish_iteration(call: Call) -> bool:
    publishing.publish(
        call.context,
        call.id("projectId"),
        call.id("iterationId"),
        call.required_text("publishName"),
        call.required_text("predictionId"),
        overwrite=call.version.number >= _OVERWRITE_SINCE and call.flag("overwrite"),
    )
    return True


@handles("UnpublishIteration")
def unpublish_iteration(call: Call) -> None:
    publishing.unpublish(call.context, call.id("projectId"), call.id("iterationId"))
