"""Routers with paths and methods from the contract, and responses in the JSON of the requested version."""

import inspect
import re
from collections.abc import Awaitable, Callable, Iterable
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

from fastapi import APIRouter, Request, Response
from starlette.routing import Match, Route, compile_path, request_response
from starlette.types import ASGIApp, Scope

from emulator.api.access import check_own
from emulator.api.dependencies import admit, version_of
from emulator.api.evaluation import Dependencies
from emulator.api.threads import in_thread
from emulator.contract import version_differences, wire
from emulator.contract.operations import BY_NAME
from emulator.contract.versions import Version
from emulator.core import refused_items
from emulator.core.context import Context
from emulator.core.thread_pools import Work
from emulator.gateway import log_context
from emulator.gateway.errors import JSON

# Whether a request is a small read, see `OperationRouter.operation`.
Small = bool | Callable[[Request], bool]
_Endpoint = TypeVar("_Endpoint", bound=Callable[..., Any])


class Result(NamedTuple):
    """The return value of an endpoint that sets the status; other values have status 200, None has 204."""

    value: Any = None
    status: int = 200
    headers: dict[str, str] | None = None


class Binary(NamedTuple):
    """The return value of an endpoint for a response that is not JSON."""

    data: bytes
    media_type: str = "application/octet-stream"


def batch_result(version: Version, value: Any, *, complete: bool) -> Result:
    """The result of a batch. complete: whether all entries succeeded."""
    return Result(value, version_differences.batch_status(version, complete=complete))


class OperationRouter(APIRouter):
    """An `APIRouter` with two more decorators: `operation`, and `own` for the emulator's own API.

    Endpoints are plain functions, which run in the threads of the server. They return a shape of the
    contract, a `Result`, a `Binary`, None or a response, and declare ``Annotated`` dependencies. These are
    evaluated in the order of the parameters, so this order decides which error of a request is reported.
    Coroutine functions return a response.
    """

    def __init__(self) -> None:
        super().__init__(redirect_slashes=False)

    def operation(
        self, name: str, work: Work = "quick", *, small: Small = False
    ) -> Callable[[_Endpoint], _Endpoint]:
        """Decorates the endpoint of an operation of the service; the contract has path and method.

        work: selects the threads, unless a dependency has set ``work`` in the scope. small: whether, without
        query parameters, only a few rows are read, by `Database.rows`; or a function that says so.
        """
        row = BY_NAME[name]

        def register(endpoint: _Endpoint) -> _Endpoint:
            path = f"/{row.api}{row.path}"
            self.routes.append(
                OperationRoute(
                    path, endpoint, [row.method], name=name, admission=True, work=work, small=small
                )
            )
            return endpoint

        return register

    def own(self, method: str, path: str, work: Work = "quick") -> Callable[[_Endpoint], _Endpoint]:
        """Decorates an endpoint of the emulator's own API; a GET serves HEAD too."""
        methods = ["GET", "HEAD"] if method == "GET" else [method]

        def register(endpoint: _Endpoint) -> _Endpoint:
            self.routes.append(OperationRoute(path, endpoint, methods, work=work))
            return endpoint

        return register


class OperationRoute(Route):
    """A route whose pattern and dependencies are analyzed at the first request to it.

    For all routes this takes 7 ms of the start, and a client uses few of them.

    Args:
        admission: whether `dependencies.admit` precedes all other dependencies; otherwise `access.check_own`.
        work: selects the threads.
        small: whether only a few rows are read, see `OperationRouter.operation`.
    """

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        methods: Iterable[str],
        *,
        name: str | None = None,
        admission: bool = False,
        work: Work = "quick",
        small: Small = False,
    ) -> None:
        self.path = path
        self.endpoint = endpoint
        self.methods = set(methods)
        self.name = endpoint.__name__ if name is None else name
        self._admission = admission
        self._work = work
        self._small = small
        self._slashes = None if ":path}" in path else path.count("/")

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if self._admission and "address" not in scope:  # then no key was checked
            return Match.NONE, {}
        if self._slashes is not None and scope["path"].count("/") != self._slashes:
            return Match.NONE, {}
        match, child_scope = super().matches(scope)
        if match != Match.NONE:
            child_scope["route"] = self
        return match, child_scope

    @cached_property
    def path_regex(self) -> re.Pattern[str]:  # type: ignore[override]
        pattern, _, self.param_convertors = compile_path(self.path)
        return pattern

    @cached_property
    def app(self) -> ASGIApp:  # type: ignore[override]
        return request_response(
            _responding(self.endpoint, self._work, admission=self._admission, small=self._small)
        )


def _responding(
    endpoint: Callable[..., Any], work: Work, *, admission: bool, small: Small
) -> Callable[[Request], Awaitable[Response]]:
    """What responds to a request: plain functions run in a thread of the server, except small reads.

    Raises TypeError for a parameter that is no dependency, and for threads of a coroutine function.
    """
    dependencies = Dependencies(endpoint, admit if admission else check_own)

    async def respond(request: Request) -> Response:
        arguments = await dependencies.evaluate(request)
        version = version_of(request)
        if small and _needs_no_thread(request) and (small is True or small(request)):
            return response_of(endpoint(**arguments), version)
        chosen = request.scope.get("work", work)
        return await in_thread(request, _respond, endpoint, arguments, version, request.scope, work=chosen)

    async def respond_here(request: Request) -> Response:
        response: Response = await endpoint(**await dependencies.evaluate(request))
        return response

    if not inspect.iscoroutinefunction(endpoint):
        return respond
    if work != "quick":
        raise TypeError(
            f"{endpoint.__qualname__} is a coroutine function, which runs in no thread of {work!r}"
        )
    return respond_here


def _needs_no_thread(request: Request) -> bool:
    """Whether a small read can run in the thread of the event loop.

    The change of threads takes longer than the read, above all when many clients send requests: threads
    wait for each other's global interpreter lock. Not where the read waits: for the server of a database, or
    for a job that `choreography` ends.
    """
    context: Context = request.app.state.context
    return context.database.is_local and not (request.scope["query_string"] or context.choreography.in_use)


def _respond(
    endpoint: Callable[..., Any], arguments: dict[str, Any], version: Version, scope: Scope
) -> Response:
    items = refused_items.collect()
    log_context.enter(scope)
    try:
        return response_of(endpoint(**arguments), version)
    finally:
        log_context.leave()
        if items.count:
            scope["refused_items"] = items  # for the log


def response_of(result: Any, version: Version) -> Response:
    """The response for the return value of an endpoint."""
    if isinstance(result, Response):
        return result
    if isinstance(result, Binary):
        return Response(result.data, media_type=result.media_type)
    if not isinstance(result, Result):
        result = Result(result, 204 if result is None else 200)
    if result.value is None:
        return Response(status_code=result.status, headers={"content-length": "0"})
    return Response(wire.render(result.value, version), result.status, result.headers, JSON)
