"""Routers that are imported at their first request, which shortens the start."""

import importlib

from starlette.types import ASGIApp, Receive, Scope, Send


class LazyRoutes:
    """An ASGI application: the routes of several modules, each with a ``router``.

    Mounted in the application, whose middleware, exception handlers and state apply to it too.
    """

    def __init__(self, *modules: str) -> None:
        self._modules = modules
        self._app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._app is None:
            self._app = self._load()
        await self._app(scope, receive, send)

    def _load(self) -> ASGIApp:
        from emulator.api.routing import OperationRouter

        router = OperationRouter()
        for name in self._modules:
            router.routes.extend(importlib.import_module(name).router.routes)
        return router
