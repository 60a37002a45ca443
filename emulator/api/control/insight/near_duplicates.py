"""Groups of near-duplicates among the images of a project, in the emulator's own API."""

from typing import Annotated

from fastapi import Depends, Request
from starlette.responses import Response

from emulator.api import responses
from emulator.api.control.insight.image_jobs import end_of
from emulator.api.dependencies import Emulator, ImageLinks, ProjectId, version_of
from emulator.api.parameters import OfIteration, TakeAndSkip, flag, number_in
from emulator.api.responses import Links
from emulator.api.routing import OperationRouter, Result, response_of
from emulator.api.threads import in_thread
from emulator.contract.control import insight as shapes
from emulator.core.caches.image_jobs import ImageJob
from emulator.core.insight import near_duplicates

router = OperationRouter()


async def _threshold(request: Request) -> float:
    return near_duplicates.checked_threshold(number_in(request, "threshold"))


@router.own("GET", "/_emulator/projects/{projectId}/nearDuplicates")
async def get_near_duplicates(
    request: Request,
    emulator: Emulator,
    links: ImageLinks,
    project_id: ProjectId,
    threshold: Annotated[float, Depends(_threshold)],
    page: TakeAndSkip,
    contradictory: Annotated[bool, flag("contradictoryTags")],
    across_folds: Annotated[bool, flag("acrossFolds")],
    iteration_id: OfIteration,
) -> Response:
    def begin() -> tuple[str | None, ImageJob]:
        checked = near_duplicates.checked_iteration(emulator, project_id, iteration_id)
        return checked, near_duplicates.search_of(emulator, project_id)

    def completed() -> Response:
        found = near_duplicates.group_page(
            emulator,
            project_id,
            checked_id,
            search,
            threshold,
            contradictory=contradictory,
            across_folds=across_folds,
            take=page[0],
            skip=page[1],
        )
        duplicates = shapes.NearDuplicates(
            status="Completed",
            progress=1.0,
            threshold=threshold,
            iteration_id=found.iteration_id,
            image_count=found.image_count,
            group_count=found.group_count,
            groups=[_group(links, group) for group in found.groups],
        )
        return response_of(duplicates, version_of(request))

    checked_id, search = await in_thread(request, begin)
    # Not in a thread: waiting requests could occupy all of them.
    await end_of(search)
    if search.is_over:
        return await in_thread(request, completed)
    running = shapes.NearDuplicates(
        status="Running",
        progress=search.progress.done,
        threshold=threshold,
        iteration_id=checked_id,
        image_count=len(search.numbers),
        group_count=0,
        groups=[],
    )
    return response_of(Result(running, 202, {"Retry-After": "1"}), version_of(request))


def _group(links: Links, group: near_duplicates.Group) -> shapes.NearDuplicateGroup:
    return shapes.NearDuplicateGroup(
        similarity=group.similarity,
        image_count=group.image_count,
        contradictory_tags=group.contradictory_tags,
        across_folds=group.across_folds,
        images=[_image(links, image) for image in group.images],
        pairs=[
            shapes.NearDuplicatePair(
                image_ids=list(pair.image_ids), similarity=pair.similarity, mirrored=pair.mirrored
            )
            for pair in group.pairs
        ],
    )


def _image(links: Links, image: near_duplicates.NearImage) -> shapes.NearDuplicate:
    shown = responses.image(links, image.tagged)
    return shapes.NearDuplicate(
        id=shown.id,
        created=shown.created,
        width=shown.width,
        height=shown.height,
        image_uri=shown.original_image_uri,
        thumbnail_uri=shown.thumbnail_uri,
        tags=shown.tags,
        fold=image.fold,
    )
