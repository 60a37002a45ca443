"""The untagged images of a project in the order of labeling, in the emulator's own API."""

from typing import Literal

from fastapi import Request
from starlette.responses import Response

from emulator.api.control.insight.image_jobs import end_of
from emulator.api.dependencies import Emulator, ImageLinks, ProjectId, version_of
from emulator.api.parameters import OfIteration, TakeAndSkip
from emulator.api.responses import Links
from emulator.api.routing import OperationRouter, Result, response_of
from emulator.api.threads import in_thread
from emulator.contract.control import labeling as shapes
from emulator.core.caches.image_jobs import ImageJob
from emulator.core.labeling import queue

router = OperationRouter()


@router.own("GET", "/_emulator/projects/{projectId}/labelingQueue")
async def get_labeling_queue(
    request: Request,
    emulator: Emulator,
    links: ImageLinks,
    project_id: ProjectId,
    iteration_id: OfIteration,
    page: TakeAndSkip,
) -> Response:
    take, skip = page

    def counted() -> Response:
        listed = queue.counts(
            emulator, project_id, queue.chosen_iteration(emulator, project_id, iteration_id)
        )
        return response_of(_shown(listed, links, "Completed", 1.0), version_of(request))

    def begin() -> tuple[str | None, ImageJob]:
        checked = queue.chosen_iteration(emulator, project_id, iteration_id)
        return checked, queue.order_job(emulator, project_id)

    def found() -> Response:
        is_over = order.is_over
        listed = queue.page(emulator, project_id, checked_id, order, take=take, skip=skip)
        if is_over:
            return response_of(_shown(listed, links, "Completed", 1.0), version_of(request))
        shown = _shown(listed, links, "Running", order.progress.done)
        return response_of(Result(shown, 202, {"Retry-After": "1"}), version_of(request))

    if take == 0:
        return await in_thread(request, counted)

    checked_id, order = await in_thread(request, begin)
    # Not in a thread: waiting requests could occupy all of them.
    await end_of(order)
    # In the threads of images, since images may be scored for it.
    return await in_thread(request, found, work="images")


def _shown(
    listed: queue.QueuePage, links: Links, status: Literal["Running", "Completed"], progress: float
) -> shapes.LabelingQueue:
    return shapes.LabelingQueue(
        status=status,
        progress=progress,
        iteration_id=listed.iteration_id,
        count=listed.count,
        labels_since_training=listed.training.labeled_since,
        labels_to_next_training=listed.training.needed,
        tags=[
            shapes.LabeledTag(tag_id=tag_id, image_count=count)
            for tag_id, count in listed.training.of_tags.items()
        ],
        images=[_queued(links, item) for item in listed.images],
    )


def _queued(links: Links, item: queue.Queued) -> shapes.QueuedImage:
    return shapes.QueuedImage(
        id=item.image.id,
        created=item.image.created,
        width=item.image.width,
        height=item.image.height,
        image_uri=links.image(item.image, "i"),
        thumbnail_uri=links.image(item.image, "t"),
        reason=item.reason,
        uncertainty=item.candidate.uncertainty,
        suggested_tag_id=item.candidate.tag_id,
        suggested_tag_name=item.tag_name,
        suggested_probability=item.candidate.probability,
    )
