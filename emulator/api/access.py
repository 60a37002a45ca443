"""What the key of a request permits: one check for all endpoints, before any work."""

from fastapi import Request

from emulator.api.threads import in_thread
from emulator.contract.control.permissions import permission_of
from emulator.contract.gateway_responses import guid
from emulator.core import lookup
from emulator.core.context import Context
from emulator.core.rules.access import FULL_ACCESS, Access
from emulator.store.tables import DEFAULT_RESOURCE


async def check_own(request: Request) -> None:
    """Check the access to an endpoint of the emulator's own API; a path without keys has none.

    Raises ServiceError.
    """
    access: Access | None = request.scope.get("access")
    if access is not None and not permits_all(request, access):
        await check_access(request, access, permission_of(request.method, request.scope["route"].path))


def permits_all(request: Request, access: Access) -> bool:
    """Whether the check can be left out: full access to the only resource, as most emulators have it."""
    context: Context = request.app.state.context
    return access is FULL_ACCESS and context.resources.is_single


async def check_access(request: Request, access: Access, action: str | None) -> None:
    """Check that a key permits an action, and has the project of the path.

    A project of another resource is as one that does not exist. action: None for administrators.

    Raises ServiceError.
    """
    access.check(action)
    context: Context = request.app.state.context
    if not context.resources.is_loaded:
        await in_thread(request, context.resources.load)
    # A resource may have been removed since its key was checked.
    if not context.resources.has_several and access.resource == DEFAULT_RESOURCE:
        return
    try:
        project_id = guid(request.path_params.get("projectId"))
    except ValueError:
        return  # there is none, or no project can have this id
    owner = context.resources.known_owner(project_id)
    if owner is None:
        owner = await in_thread(request, context.resources.owner, project_id)
    if owner != access.resource:
        raise lookup.no_project()
