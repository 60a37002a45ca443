"""The part of the control API that is imported at the start: welcome, health, reset, unfinished imports."""

from typing import Annotated

from fastapi import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

from emulator.api.dependencies import Caller, Emulator
from emulator.api.parameters import flag
from emulator.api.routing import OperationRouter
from emulator.core.projects.reset import reset
from emulator.core.status import other_servers, readiness
from emulator.core.transfer import import_request as project_imports

router = OperationRouter()

_WELCOME = (
    "Custom Vision Emulator. The APIs are under /customvision, health under /_emulator/health/ready, "
    "documentation at /_emulator/docs, the portal for people at /portal/.\n"
)


@router.own("GET", "/")
def welcome(request: Request) -> Response:
    """A sentence for programs; browsers are led to the portal."""
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse("portal/", 302, {"Vary": "Accept"})
    return PlainTextResponse(_WELCOME)


@router.own("GET", "/_emulator/health/live")
def live() -> Response:
    return JSONResponse({"status": "live"})


@router.own("GET", "/_emulator/health/ready")
def ready(emulator: Emulator) -> Response:
    problems = readiness.problems(emulator)
    checks = {name: problems.get(name, "ok") for name in readiness.CHECKS}
    cluster = readiness.cluster_state(emulator)
    if cluster is not None:
        checks["cluster"] = cluster
    options = other_servers.options_state(emulator)
    if options is not None:
        checks["options"] = options
    status = "not ready" if problems else "ready"
    return JSONResponse({"status": status, "checks": checks}, 503 if problems else 200)


@router.own("POST", "/_emulator/reset")
def reset_everything(emulator: Emulator, snapshots: Annotated[bool, flag("snapshots")]) -> Response:
    if snapshots:
        from emulator.core.snapshots import manage  # here, for a fast start

        manage.delete_all(emulator)
    reset(emulator)
    return Response(status_code=204)


@router.own("GET", "/_emulator/imports")
def unfinished_imports(emulator: Emulator, caller: Caller) -> Response:
    return JSONResponse(
        [
            {
                "projectId": one.project_id,
                "name": one.name,
                "status": one.status,
                "attempts": one.attempts,
                "reason": one.reason,
            }
            for one in project_imports.unfinished(emulator, caller.resource)
        ]
    )
