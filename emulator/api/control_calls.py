"""Routes of the emulator's own API that read parameters and write answers as the service does."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emulator.api.calls import Call, call_of
from emulator.api.gateway import JSON
from emulator.contract.operations import Operation
from emulator.contract.versions import VERSIONS
from emulator.contract.wire import render
from emulator.core.context import Context

# What they share with the service looks as in its newest version.
_VERSION = VERSIONS["training"][-1]


def control_route(
    path: str, handler: Callable[[Call], Any], context: Context, threads: Executor, public_url: str | None
) -> Route:
    """A GET that a thread answers with what `handler` returns, a shape of the contract."""
    operation = Operation(handler.__name__, "training", "GET", path)

    async def answer(request: Request) -> Response:
        call = control_call(request, operation, context, public_url)
        body = await asyncio.get_running_loop().run_in_executor(threads, _answered, handler, call)
        return Response(body, media_type=JSON.decode())

    return Route(path, answer, methods=["GET"])


def control_call(request: Request, operation: Operation, context: Context, public_url: str | None) -> Call:
    """A request without a body as the handlers of operations see one."""
    return call_of(request.scope, context, operation, _VERSION, b"", public_url)


def written(value: Any) -> bytes:
    return render(value, _VERSION)


def _answered(handler: Callable[[Call], Any], call: Call) -> bytes:
    return written(handler(call))
