"""The emulator's own API under ``/_emulator``: is it alive, is it ready, why did imports fail, forget all."""

import asyncio
import shutil
from concurrent.futures import Executor

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from emulator.core.context import Context
from emulator.core.limits import MEGABYTE
from emulator.core.projects.reset import reset
from emulator.core.transfer import import_request as project_imports
from emulator.store.tables import JobKind

# Below this the next upload may not fit.
_FREE_BYTES_NEEDED = 64 * MEGABYTE
# The name of the check, and what the thread does.
_RUNNERS = {
    JobKind.TRAINING: ("trainings", "carries out trainings"),
    JobKind.ADVANCED_TRAINING: ("trainings", "carries out advanced trainings"),
    JobKind.EXPORT: ("exports", "carries out exports"),
    JobKind.IMPORT: ("imports", "carries out imports"),
    JobKind.NOTIFICATION: ("notifications", "sends notifications"),
}
_WELCOME = (
    "Custom Vision Emulator. The APIs are under /customvision, health under /_emulator/health/ready, "
    "documentation at /_emulator/docs, what models get wrong at /_emulator/insight.\n"
)


def readiness(context: Context) -> dict[str, str]:
    """What is wrong, by the name of the check; empty when the emulator is ready."""
    problems = {}
    try:
        context.database.check()
    except Exception as error:  # noqa: BLE001  (whatever it is, it is the answer)
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


def control_routes(context: Context, threads: Executor) -> list[BaseRoute]:
    async def live(_request: Request) -> Response:
        return JSONResponse({"status": "live"})

    async def ready(_request: Request) -> Response:
        problems = await asyncio.get_running_loop().run_in_executor(threads, readiness, context)
        names = ("database", "disk", "trainings", "exports", "imports", "notifications")
        checks = {name: problems.get(name, "ok") for name in names}
        status = "not ready" if problems else "ready"
        return JSONResponse({"status": status, "checks": checks}, 503 if problems else 200)

    async def forget(_request: Request) -> Response:
        await asyncio.get_running_loop().run_in_executor(threads, reset, context)
        return Response(status_code=204)

    async def imports(_request: Request) -> Response:
        found = await asyncio.get_running_loop().run_in_executor(threads, project_imports.unfinished, context)
        return JSONResponse(
            [
                {
                    "projectId": one.project_id,
                    "name": one.name,
                    "status": one.status,
                    "attempts": one.attempts,
                    "reason": one.reason,
                }
                for one in found
            ]
        )

    async def welcome(_request: Request) -> Response:
        return PlainTextResponse(_WELCOME)

    return [
        Route("/", welcome),
        Route("/_emulator/health/live", live),
        Route("/_emulator/health/ready", ready),
        Route("/_emulator/reset", forget, methods=["POST"]),
        Route("/_emulator/imports", imports),
    ]
