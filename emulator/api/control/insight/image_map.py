"""The map of the images of a project, in the emulator's own API."""

from fastapi import Request
from starlette.responses import Response

from emulator.api.control.insight.image_jobs import end_of
from emulator.api.dependencies import Emulator, ProjectId, version_of
from emulator.api.parameters import OfIteration
from emulator.api.routing import OperationRouter, Result, response_of
from emulator.api.threads import in_thread
from emulator.contract.control import labeling as shapes
from emulator.core.caches.image_jobs import ImageJob
from emulator.core.insight import image_map
from emulator.core.revisions.views import open_view

router = OperationRouter()


@router.own("GET", "/_emulator/projects/{projectId}/map")
async def get_image_map(
    request: Request, emulator: Emulator, project_id: ProjectId, iteration_id: OfIteration
) -> Response:
    def begin() -> ImageJob:
        with emulator.database.read() as session:
            open_view(session, project_id, iteration_id)  # raises when one of them does not exist
        return image_map.job(emulator, project_id)

    def completed() -> Response:
        found = image_map.image_map(emulator, project_id, iteration_id, job)
        made = shapes.ImageMap(
            status="Completed",
            progress=1.0,
            method=found.method,
            features=found.features,
            iteration_id=iteration_id,
            image_count=found.image_count,
            images=[
                shapes.MappedImage(id=image.id, x=image.x, y=image.y, tag_ids=image.tag_ids)
                for image in found.images
            ],
        )
        return response_of(made, version_of(request))

    job = await in_thread(request, begin)
    # Not in a thread: waiting requests could occupy all of them.
    await end_of(job)
    if job.is_over:
        return await in_thread(request, completed)
    running = shapes.ImageMap(
        status="Running",
        progress=job.progress.done,
        method=image_map.NEIGHBORS,
        features=image_map.features_of(job),
        iteration_id=iteration_id,
        image_count=len(job.numbers),
        images=[],
    )
    return response_of(Result(running, 202, {"Retry-After": "1"}), version_of(request))
