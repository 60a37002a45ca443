"""The routes: one for each operation of the contract, whatever the version, and the emulator's own."""

import asyncio
import re
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from emulator.api.calls import HANDLERS, Answer, Binary, Call, UnknownResource, call_of
from emulator.api.control.documents import document_routes
from emulator.api.control.health import control_routes
from emulator.api.control.insight import insight_routes
from emulator.api.control.model_imports import model_import_routes
from emulator.api.control.near_duplicates import near_duplicate_routes
from emulator.api.downloads.archives import archive_routes
from emulator.api.downloads.pictures import picture_routes
from emulator.api.gateway import JSON, Throttled, read_body, send_bytes

# Imported for what they hang on the operations of the contract.
from emulator.api.prediction import predictions  # noqa: F401
from emulator.api.training import (  # noqa: F401
    artifacts,
    domains,
    exports,
    image_metadata,
    image_tags,
    images,
    iterations,
    performance,
    projects,
    regions,
    stored_predictions,
    suggestions,
    tags,
    training,
)
from emulator.contract.operations import OPERATIONS, Operation
from emulator.contract.wire import render
from emulator.core import quotas
from emulator.core.context import Context
from emulator.core.tiers import CallKind

# Requests worked on at a time: enough that downloads and disks keep nobody waiting.
_THREADS = 16


class OperationRoute(Route):
    """A route whose literal parts match whatever their case, as the service's do."""

    def __init__(self, path: str, endpoint: Any, method: str) -> None:
        super().__init__(path, endpoint, methods=[method])
        self.methods = {method}
        self.path_regex = re.compile(self.path_regex.pattern, re.IGNORECASE)


class _Endpoint:
    """Reads a request, lets a thread answer it, and sends the answer."""

    def __init__(
        self,
        context: Context,
        operation: Operation,
        threads: Executor,
        max_body: int,
        public_url: str | None,
        rates: quotas.CallRates,
    ) -> None:
        self._context = context
        self._operation = operation
        self._threads = threads
        self._max_body = max_body
        self._public_url = public_url
        self._rates = rates
        self._kind = _kind(operation)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        version = scope["address"].version
        if not self._operation.exists_in(version):
            raise UnknownResource
        try:
            self._rates.admit(self._kind, self._context.clock.now())
        except quotas.TooManyCalls as reason:
            raise Throttled(self._operation.name, version, reason) from None
        body = await read_body(scope, receive, self._max_body)
        call = call_of(scope, self._context, self._operation, version, body, self._public_url)
        status, kind, answer = await asyncio.get_running_loop().run_in_executor(self._threads, _answer, call)
        await send_bytes(send, status, answer, [(b"content-type", kind)] if kind else [])


def _kind(operation: Operation) -> CallKind:
    if operation.api == "prediction":
        stores = not operation.name.endswith("NoStore")
        return "prediction, stored" if stores else "prediction, not stored"
    return "training" if operation.name == "TrainProject" else "other"


def _answer(call: Call) -> tuple[int, bytes, bytes]:
    """Status, ``Content-Type`` (none where there is no body) and body."""
    if call.operation.api == "prediction":
        try:
            quotas.check_month(call.context)
        except quotas.MonthIsUsedUp as reason:
            raise Throttled(call.operation.name, call.version, reason) from None
    result = HANDLERS[call.operation.name](call)
    if call.operation.api == "prediction":
        quotas.count_prediction(call.context)
    if not isinstance(result, Answer):
        result = Answer(result, 204 if result is None else 200)
    if result.value is None:
        return result.status, b"", b""
    if isinstance(result.value, Binary):
        return result.status, result.value.media_type.encode(), result.value.data
    return result.status, JSON, render(result.value, call.version)


def make_routes(context: Context, max_body: int, public_url: str | None) -> list[BaseRoute]:
    # Not anyio's, which starlette would offer: loading its event loop side adds 9 ms to the start.
    threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="requests")
    rates = quotas.CallRates(context.tier)
    routes: list[BaseRoute] = []
    for operation in OPERATIONS:
        endpoint: ASGIApp = _Endpoint(context, operation, threads, max_body, public_url, rates)
        routes.append(OperationRoute(f"/{operation.api}{operation.path}", endpoint, operation.method))
    own = [
        *document_routes(threads),
        *model_import_routes(context, threads, max_body),
        *control_routes(context, threads),
        *insight_routes(context, threads, public_url),
        *near_duplicate_routes(context, threads, public_url),
    ]
    # Pictures last: their pattern takes whatever has two parts.
    return [
        *routes,
        *archive_routes(context, threads),
        *exports.export_routes(context, threads, public_url),
        *own,
        *picture_routes(context, threads),
    ]
