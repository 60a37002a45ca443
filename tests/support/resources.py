"""Resources of tests: their keys, all operations with the ids of a project, and the state of the store."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import httpx
from sqlmodel import SQLModel

from emulator.api.lazy import LazyRoutes
from emulator.contract.operations import OPERATIONS
from tests.support.harness import NEWEST, NOWHERE, Service, expect

PATH = "/_emulator/resources"


class Keys(NamedTuple):
    """The keys of a resource, with that of the other API where a path does not fit."""

    training: str
    prediction: str

    def of(self, path: str) -> str:
        return self.prediction if "/prediction/" in path else self.training


class Call(NamedTuple):
    """A request to an operation: its name, method and absolute path."""

    name: str
    method: str
    path: str
    needs_project: bool


def add_resource(service: Service, name: str, **more: Any) -> dict[tuple[str, str], str]:
    """The keys of a new resource, by kind and name."""
    added = expect(service.request("POST", PATH, key=_administrator(service), json={"name": name, **more}))
    return {(key["kind"], key["name"]): key["key"] for key in added["keys"]}


def first_keys(service: Service, name: str, **more: Any) -> Keys:
    added = add_resource(service, name, **more)
    return Keys(added["Training", "1"], added["Prediction", "1"])


def role_key(service: Service, resource: str, role: str, name: str | None = None) -> Keys:
    """A new key with a role, which is valid for both APIs."""
    body = {"name": name or role.lower(), "role": role}
    key = expect(service.request("POST", f"{PATH}/{resource}/keys", key=_administrator(service), json=body))[
        "key"
    ]
    return Keys(key, key)


def _administrator(service: Service) -> str:
    return service.settings.training_keys[0]


def calls(ids: dict[str, str]) -> list[Call]:
    """A call of each operation of both APIs. ids: of a project and its objects, by names of parameters."""
    return [
        Call(
            operation.name,
            operation.method,
            f"/customvision/{NEWEST if operation.api == 'training' else 'v3.1'}/{operation.api}"
            + _filled(operation.path, ids),
            "{projectId}" in operation.path,
        )
        for operation in OPERATIONS
    ]


def own_calls(service: Service, ids: dict[str, str]) -> list[Call]:
    """A call of each operation of the emulator's own API that needs a key."""
    found = []
    for route in _own_routes(service):
        for method in sorted(route.methods - {"HEAD"}):
            name = f"{method} {route.path}"
            found.append(Call(name, method, _filled(route.path, ids), "{projectId}" in route.path))
    return found


def _own_routes(service: Service) -> list[Any]:
    apps = [route.app for route in service.app.router.routes]
    lazy = [app for app in apps if isinstance(app, LazyRoutes)]
    routes = [route for app in lazy for route in getattr(app._load(), "routes", [])]
    routes += service.app.router.routes
    keyless = ("health", "openapi", "docs", "insight", "coverage", "facts")
    own = [
        route
        for route in routes
        if route.path.startswith("/_emulator/")
        and not route.path.startswith(tuple(f"/_emulator/{name}" for name in keyless))
        and "{path" not in route.path
    ]
    assert len(own) > 80
    return own


def _filled(path: str, ids: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)(:path)?\}", lambda match: ids.get(match[1], NOWHERE), path)


def send(service: Service, call: Call, key: str) -> httpx.Response:
    """Send a call with an empty body; the response is validated."""
    return service.request(call.method, call.path, key=key)


def state(service: Service) -> dict[str, list[Any]]:
    """All rows of all tables."""
    return {
        table.name: sorted(service.rows(f'SELECT * FROM "{table.name}"'), key=str)
        for table in SQLModel.metadata.sorted_tables
    }
