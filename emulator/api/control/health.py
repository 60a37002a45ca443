"""The control API's light part: welcome, health, reset, unfinished imports."""

import shutil

from starlette.responses import JSONResponse, PlainTextResponse, Response

from emulator.api.dependencies import Emulator
from emulator.api.routing import OperationRouter
from emulator.core.context import Context
from emulator.core.limits import MEGABYTE
from emulator.core.projects.reset import reset
from emulator.core.transfer import import_request as project_imports
from emulator.store.tables import JobKind

router = OperationRouter()

# With less than this, the next upload may not fit.
_FREE_BYTES_NEEDED = 64 * MEGABYTE
# The check that a runner belongs to, and what its thread does.
_RUNNERS = {
    JobKind.TRAINING: ("trainings", "carries out trainings"),
    JobKind.ADVANCED_TRAINING: ("trainings", "carries out advanced trainings"),
    JobKind.EXPORT: ("exports", "carries out exports"),
    JobKind.IMPORT: ("imports", "carries out imports"),
    JobKind.NOTIFICATION: ("notifications", "sends notifications"),
}
_CHECKS = ("database", "disk", "trainings", "exports", "imports", "notifications")
_WELCOME = (
    "Custom Vision Emulator. The APIs are under /customvision, health under /_emulator/health/ready, "
    "documentation at /_emulator/docs, what models get wrong at /_emulator/insight.\n"
)


def readiness(context: Context) -> dict[str, str]:
    """The problems by the name of the check; empty when the emulator is ready."""
    problems = {}
    try:
        context.database.check()
    except Exception as error:  # noqa: BLE001  (any error is the result of the check)
        problems["database"] = f"cannot be read: {error}"
    try:
        free = shutil.disk_usage(context.folder).free
        if free < _FREE_BYTES_NEEDED:
            problems["disk"] = f"the disk of the data folder has {free // MEGABYTE} MB left"
    except OSError as error:
        problems["disk"] = f"the data folder is out of reach: {error.strerror}"
    for kind, is_alive in context.jobs.health().items():
        if not is_alive:
            name, what = _RUNNERS[kind]
            problems.setdefault(name, f"the thread that {what} is not running")
    return problems


@router.own("GET", "/")
def welcome() -> Response:
    return PlainTextResponse(_WELCOME)


@router.own("GET", "/_emulator/health/live")
def live() -> Response:
    return JSONResponse({"status": "live"})


@router.own("GET", "/_emulator/health/ready")
def ready(emulator: Emulator) -> Response:
    problems = readiness(emulator)
    checks = {name: problems.get(name, "ok") for name in _CHECKS}
    status = "not ready" if problems else "ready"
    return JSONResponse({"status": status, "checks": checks}, 503 if problems else 200)


@router.own("POST", "/_emulator/reset")
def reset_everything(emulator: Emulator) -> Response:
    reset(emulator)
    return Response(status_code=204)


@router.own("GET", "/_emulator/imports")
def unfinished_imports(emulator: Emulator) -> Response:
    return JSONResponse(
        [
            {
                "projectId": one.project_id,
                "name": one.name,
                "status": one.status,
                "attempts": one.attempts,
                "reason": one.reason,
            }
            for one in project_imports.unfinished(emulator)
        ]
    )
