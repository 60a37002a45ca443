"""ExportIteration, GetExports."""

from typing import Annotated

from fastapi import Depends, Request

from emulator.api import responses
from emulator.api.dependencies import (
    ApiVersion,
    Emulator,
    ImageLinks,
    IterationId,
    ProjectId,
    version_of,
)
from emulator.api.parameters import choice_in, required_text
from emulator.api.routing import OperationRouter
from emulator.contract import exports as names
from emulator.contract import responses as shapes
from emulator.core.exports import request as exports

router = OperationRouter()


async def _platform(request: Request, _given: Annotated[str, required_text("platform")]) -> str:
    return choice_in(request, "platform", names.platforms(version_of(request)), "")


async def _flavor(request: Request) -> str:
    return choice_in(request, "flavor", names.flavors(version_of(request)), "")


@router.operation("ExportIteration")
def export_iteration(
    emulator: Emulator,
    links: ImageLinks,
    version: ApiVersion,
    project_id: ProjectId,
    iteration_id: IterationId,
    platform: Annotated[str, Depends(_platform)],
    flavor: Annotated[str, Depends(_flavor)],
) -> shapes.Export:
    row = exports.request_export(emulator, links.base_url, project_id, iteration_id, platform, flavor or None)
    return responses.export(links, version, project_id, row)


@router.operation("GetExports")
def get_exports(
    emulator: Emulator,
    links: ImageLinks,
    version: ApiVersion,
    project_id: ProjectId,
    iteration_id: IterationId,
) -> list[shapes.Export]:
    emulator.choreography.polled("export", project_id, iteration_id)
    platforms, flavors = names.platforms(version), ("", *names.flavors(version))
    return [
        responses.export(links, version, project_id, row)
        for row in exports.list_all(emulator, project_id, iteration_id)
        # A version lists only what its clients can request.
        if row.platform in platforms and row.flavor in flavors
    ]
