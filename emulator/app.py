"""Where the parts meet: store, worker, rules and routes become one ASGI application."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from emulator.api.addressing import Addressing
from emulator.api.gateway import AnswerErrors, AnswerHeaders, Keys
from emulator.api.routes import make_routes
from emulator.core import blob_sweep
from emulator.core.context import Clock, Context, Ids
from emulator.core.exports.runner import export_runner
from emulator.core.fetching.client import FetchPolicy
from emulator.core.limits import MEGABYTE, TRAINING_IMAGE_BYTES
from emulator.core.notifications.sender import NotificationSender
from emulator.core.tiers import TIERS
from emulator.core.training.runner import advanced_training_runner, training_runner
from emulator.core.transfer.import_runner import import_runner
from emulator.files import write_atomically
from emulator.settings import Settings, StartRefused
from emulator.store.blobs import FolderBlobStore
from emulator.store.database import Database, SchemaTooNew
from emulator.store.tables import JobKind
from emulator.vision.warm_up import warm_up
from emulator.worker.executor import WorkerExecutor

_SECRET_BYTES = 32
# Somebody who exports to one platform often exports to the next, and tries another budget after the first.
_IDLE_SECONDS = 30
# Advanced trainings take what processors quick ones and exports leave.
_ADVANCED_NICE = 10


class Application:
    """The ASGI application. `context` is there for tests, which replace its clock and ids."""

    def __init__(self, settings: Settings, clock: Clock | None = None, ids: Ids | None = None) -> None:
        self.worker = WorkerExecutor(initializer=warm_up)
        self.advanced_worker = WorkerExecutor(
            initializer=warm_up, nice=_ADVANCED_NICE, idle_seconds=_IDLE_SECONDS
        )
        self.export_worker = WorkerExecutor(idle_seconds=_IDLE_SECONDS)
        self.context = make_context(
            settings,
            clock or Clock(),
            ids or Ids(),
            worker=self.worker,
            advanced_worker=self.advanced_worker,
            export_worker=self.export_worker,
        )
        register_runners(self.context)
        max_body = settings.max_body_mb * MEGABYTE
        # In this order a request passes them; an answer passes them the other way.
        middleware: list[Any] = [
            Middleware(AnswerHeaders, new_id=self.context.ids.new),
            Middleware(AnswerErrors, max_body_bytes=max_body),
            Middleware(Addressing),
            Middleware(Keys, training_keys=settings.training_keys, prediction_keys=settings.prediction_keys),
        ]
        self._app = Starlette(
            routes=make_routes(self.context, max_body, settings.public_url),
            lifespan=self._lifespan,
        )
        self._app.router.redirect_slashes = False
        self._entry: ASGIApp = self._app.router
        for item in reversed(middleware):
            self._entry = item.cls(self._entry, *item.args, **item.kwargs)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self._app
        entry = self._entry if scope["type"] == "http" else self._app.router
        await entry(scope, receive, send)

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        blob_sweep.mark_in_use(self.context)
        for runner in self.context.jobs.runners:
            runner.start()
        try:
            yield
        finally:
            self.close()

    def close(self) -> None:
        """End the worker and close the store; a running training stays a job for the next start."""
        for runner in self.context.jobs.runners:
            runner.stop()
        for worker in (self.worker, self.advanced_worker, self.export_worker):
            worker.shutdown(wait=True, cancel_futures=True)
        self.context.database.close()
        if not self.context.jobs.health()[JobKind.IMPORT]:  # else it may leave blobs without a row
            blob_sweep.mark_clean(self.context)


def create_app(settings: Settings) -> Application:
    """The application for `settings`, its store open. Raises StartRefused."""
    return Application(settings)


def register_runners(context: Context) -> None:
    """Put a runner for every kind of job on the board."""
    context.jobs.register(training_runner(context))
    context.jobs.register(advanced_training_runner(context))
    context.jobs.register(export_runner(context))
    context.jobs.register(import_runner(context))
    context.jobs.register(NotificationSender(context))


def make_context(
    settings: Settings,
    clock: Clock,
    ids: Ids,
    *,
    worker: WorkerExecutor,
    advanced_worker: WorkerExecutor,
    export_worker: WorkerExecutor,
) -> Context:
    folder = settings.data
    try:
        fetch_policy = FetchPolicy(
            mode=settings.url_fetch,
            allow=settings.url_allow,
            mapping=settings.url_map,
            max_bytes=TRAINING_IMAGE_BYTES,
        )
    except ValueError as error:
        raise StartRefused(f"--url-allow or --url-map: {error}") from None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        database = Database(folder)
        blobs = FolderBlobStore(folder)
        link_secret = _link_secret(folder / "link-secret")
    except SchemaTooNew as error:
        raise StartRefused(str(error)) from None
    return Context(
        database=database,
        blobs=blobs,
        folder=folder,
        worker=worker,
        advanced_worker=advanced_worker,
        export_worker=export_worker,
        fetch_policy=fetch_policy,
        clock=clock,
        ids=ids,
        seed=settings.seed,
        training_hour_seconds=settings.training_hour,
        image_uri_lifetime=timedelta(hours=settings.image_uri_hours),
        link_secret=link_secret,
        tier=TIERS[settings.tier],
    )


def _link_secret(path: Path) -> bytes:
    """The secret that signs image URIs: made at the first start, so that URIs outlive a restart."""
    if path.exists() and len(secret := path.read_bytes()) == _SECRET_BYTES:
        return secret
    secret = secrets.token_bytes(_SECRET_BYTES)
    write_atomically(path, secret)
    return secret
