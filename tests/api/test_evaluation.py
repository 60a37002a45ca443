"""The evaluation of dependencies of endpoints."""

import asyncio
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Request, Response

from emulator.api import routes
from emulator.api.evaluation import Dependencies
from emulator.api.routing import OperationRoute

calls: list[str] = []


async def _first() -> None:
    calls.append("first")


async def _one(request: Request) -> str:
    calls.append("one")
    return f"one of {request.scope['path']}"


async def _two(one: Annotated[str, Depends(_one)]) -> str:
    calls.append("two")
    return f"two after {one}"


async def _failing(request: Request) -> str:
    raise ValueError(request.scope["path"])


def _plain() -> None: ...


def _evaluate(endpoint: Any, *first: Any) -> dict[str, Any]:
    calls.clear()
    request = Request({"type": "http", "path": "/path"})
    return asyncio.run(Dependencies(endpoint, *first).evaluate(request))


def test_each_dependency_is_evaluated_once_in_the_order_of_the_parameters() -> None:
    def endpoint(
        two: Annotated[str, Depends(_two)], request: Request, one: Annotated[str, Depends(_one)]
    ) -> None: ...

    arguments = _evaluate(endpoint, _first)
    assert calls == ["first", "one", "two"]
    assert arguments.pop("request").scope["path"] == "/path"
    assert arguments == {"two": "two after one of /path", "one": "one of /path"}


def test_an_error_of_a_dependency_precedes_those_that_follow() -> None:
    def endpoint(failing: Annotated[str, Depends(_failing)], one: Annotated[str, Depends(_one)]) -> None: ...

    with pytest.raises(ValueError, match="/path"):
        _evaluate(endpoint)
    assert calls == []


def test_a_parameter_that_is_no_dependency_is_refused() -> None:
    def endpoint(name: str) -> None: ...

    with pytest.raises(TypeError, match=r"parameter name of .*endpoint is neither"):
        Dependencies(endpoint)


def test_a_dependency_that_would_block_the_server_is_refused() -> None:
    def endpoint(plain: Annotated[None, Depends(_plain)]) -> None: ...

    with pytest.raises(TypeError, match="_plain is not a coroutine function"):
        Dependencies(endpoint)


def test_threads_of_a_coroutine_function_are_refused() -> None:
    async def endpoint() -> Response: ...  # type: ignore[empty-body]

    with pytest.raises(
        TypeError, match="endpoint is a coroutine function, which runs in no thread of 'images'"
    ):
        OperationRoute("/", endpoint, ["GET"], work="images").app  # noqa: B018


def test_every_endpoint_can_be_called() -> None:
    app = FastAPI(openapi_url=None)
    routes.add_routes(app)
    found = [*app.routes, *routes._CONTROL._load().routes]  # type: ignore[attr-defined]
    analyzed = [route.app for route in found if isinstance(route, OperationRoute)]
    assert len(analyzed) > 100
