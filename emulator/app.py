"""The FastAPI application, assembled from store, workers, rules and routes."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import wait
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.exceptions import ExceptionMiddleware

from emulator import access_parts, optional_parts
from emulator.api.errors import HANDLERS
from emulator.api.faults.middleware import Faults
from emulator.api.faults.scenarios import FaultScenarios
from emulator.api.metrics.counts import CountRequests, RequestCounts
from emulator.api.middleware import Addressing, Keys
from emulator.api.repeated_requests import RepeatedRequests, repeated_responses
from emulator.api.request_log.recorder import RecordRequests, RequestLog
from emulator.api.routes import add_routes
from emulator.cluster.opening import open_cluster
from emulator.core import blob_sweep
from emulator.core.clock import Clock
from emulator.core.context import Context
from emulator.core.data_sets.runner import data_set_runner
from emulator.core.exports.runner import export_runner
from emulator.core.fetching.client import FetchPolicy
from emulator.core.ids import Ids, SeededIds
from emulator.core.notifications.sender import NotificationSender
from emulator.core.prediction_counts import PredictionCounts
from emulator.core.quotas import CallQuotas
from emulator.core.rollouts.saving import save as save_rollout_figures
from emulator.core.rules.kept_predictions import KeptPredictions
from emulator.core.rules.limits import MEGABYTE, TRAINING_IMAGE_BYTES
from emulator.core.rules.tiers import TIERS
from emulator.core.seeding import mark
from emulator.core.signed_uris import read_or_create_secret
from emulator.core.test_kit.trainers import Trainers
from emulator.core.test_sets.runner import evaluation_runner
from emulator.core.thread_pools import RequestThreads
from emulator.core.training.runner import (
    advanced_training_runner,
    instant_training_runner,
    training_runner,
)
from emulator.core.transfer.import_runner import import_runner
from emulator.gateway.memory import ReturnMemory
from emulator.gateway.middleware import DrainBody, MergeSlashes, ResponseHeaders
from emulator.gateway.origins import Origins, Preflights
from emulator.gateway.printable import forget_keys, know_keys
from emulator.gateway.proxies import TrustedProxies
from emulator.gateway.refusal_log import RefusalLog
from emulator.settings import Settings, StartRefused
from emulator.store.database import BlobsRefused, BlobsUnreachable, DatabaseRefused, StoreUnreachable
from emulator.store.opening import Store, open_server_store, open_store
from emulator.store.tables import JobKind
from emulator.vision.warm_up import warm_up
from emulator.worker.executor import WorkerExecutor

if TYPE_CHECKING:
    from emulator.core.snapshots.exit_export import ExitExport
    from emulator.tracing.metrics import MetricsSender
    from emulator.tracing.sending import Tracing

# An export is often followed by one to another platform, an advanced training by one with another budget.
_IDLE_SECONDS = 30
# The model of region proposals is written once for each data folder.
_PROPOSAL_IDLE_SECONDS = 5
# The time that the cleaning of the store has at the end.
_SWEEP_SECONDS = 0.1
# Quick trainings and exports have precedence over advanced trainings.
_ADVANCED_NICE = 10


@dataclass
class Parts:
    """The parts of the application besides its routes; in the application's state as ``parts``."""

    context: Context
    worker: WorkerExecutor
    advanced_worker: WorkerExecutor
    export_worker: WorkerExecutor
    proposal_worker: WorkerExecutor
    tracing: "Tracing | None" = None
    metrics: "MetricsSender | None" = None
    sweep: threading.Thread | None = None

    def start(self) -> None:
        self.sweep = blob_sweep.mark_in_use(self.context)
        if self.context.cluster is not None:
            self.context.cluster.start()
        for runner in self.context.jobs.runners:
            runner.start()
        self.context.leases.start()
        if self.metrics is not None:
            self.metrics.start()

    def close(self) -> None:
        """End the workers and close the store. A running job is carried out again after the next start."""
        if self.metrics is not None:
            self.metrics.close()
        for runner in self.context.jobs.runners:
            runner.stop()
        self.context.leases.stop()
        self.end_workers(wait=True)
        if self.sweep is not None:  # most often it has ended; in a large store it can take long
            self.sweep.join(timeout=_SWEEP_SECONDS)
        self.context.spare_work.stop()
        removals = tuple(self.context.removals)
        wait(removals, timeout=_SWEEP_SECONDS)
        is_left = any(not removal.done() or removal.exception() is not None for removal in removals)
        save_rollout_figures(self.context)
        self.context.database.close()
        running = self.context.jobs.health()
        # These may leave blobs without a row.
        if not (running[JobKind.IMPORT] or running[JobKind.DATA_SET] or is_left):
            blob_sweep.mark_clean(self.context)
        forget_keys(self.context.resources)
        if self.tracing is not None:
            self.tracing.close()

    def end_workers(self, *, wait: bool) -> None:
        """Kill the worker processes; `wait` for the threads that watch them."""
        for worker in (self.worker, self.advanced_worker, self.export_worker, self.proposal_worker):
            worker.shutdown(wait=wait, cancel_futures=True)
        if self.context.cluster is not None:
            self.context.cluster.shutdown(wait=wait)


def create_app(settings: Settings, *, clock: Clock | None = None, ids: Ids | None = None) -> FastAPI:
    """The application for `settings`, with its store open. Raises StartRefused.

    Its state (``app.state``) has the `Parts`, which start and end with its lifespan, and the values that
    `emulator.api.dependencies` reads.
    """
    secrets = (*settings.training_keys, *settings.prediction_keys)
    strict = optional_parts.strict(settings, secrets)
    default_ids = Ids() if settings.id_seed is None else SeededIds(settings.id_seed)
    parts = make_parts(settings, clock or Clock(), ids or default_ids)
    try:
        request_counts = RequestCounts()
        parts.metrics = optional_parts.metrics_sender(settings, parts.context, request_counts)
        exit_export = _exit_export(parts.context, settings)
        _load_state(parts.context, settings)
        optional_parts.join_servers(settings, parts.context)
    except BaseException:
        parts.context.database.close()
        if parts.tracing is not None:
            parts.tracing.close()
        raise
    resources = access_parts.resources(settings, parts.context)
    if resources is not None:
        know_keys(resources)
    max_body_bytes = settings.max_body_mb * MEGABYTE
    request_log = RequestLog(settings.request_log, secrets) if settings.request_log else None
    if request_log is not None:
        parts.context.on_reset.append(request_log.clear)
    counts_requests = settings.metrics or settings.metrics_otlp
    origins = Origins(settings.cors_origins)
    proxies = TrustedProxies(settings.trusted_proxies)
    sessions = access_parts.sessions(settings, proxies, parts.context)
    faults = FaultScenarios()
    repeated = repeated_responses(parts.context.database.shared)
    upstream = optional_parts.upstream(settings, parts.context, max_body_bytes)
    parts.context.on_reset += (faults.clear, repeated.clear)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        parts.start()
        if upstream is not None:
            await asyncio.get_running_loop().run_in_executor(None, upstream.insert_earlier)
        try:
            yield
        finally:
            if upstream is not None:
                await upstream.close()
            parts.close()

    app = FastAPI(
        openapi_url=None,  # the documents are those of `api_spec/`, see `emulator.api.control.documents`
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
        lifespan=lifespan,
        exception_handlers=HANDLERS,
        # A request passes these from first to last, its response from last to first.
        middleware=[
            *optional_parts.request_traces(parts.tracing),
            *([Middleware(CountRequests, counts=request_counts)] if counts_requests else []),
            *([] if request_log is None else [Middleware(RecordRequests, log=request_log)]),
            *strict,
            Middleware(ResponseHeaders, new_id=parts.context.ids.internal, origins=origins),
            Middleware(RefusalLog, secrets=secrets, nearest=_nearest_operations),
            Middleware(ReturnMemory),
            Middleware(MergeSlashes),
            Middleware(DrainBody, limit=2 * max_body_bytes),
            *access_parts.host_check(settings, proxies),
            Middleware(ExceptionMiddleware, handlers=HANDLERS),  # for errors of the middleware that follows
            Middleware(Preflights, origins=origins),
            Middleware(Addressing),
            *optional_parts.forwarding(upstream),
            Middleware(
                Keys,
                training_keys=settings.training_keys,
                prediction_keys=settings.prediction_keys,
                sessions=sessions,
                multi_service=settings.multi_service,
                identities=access_parts.identities(settings, parts.context),
                resources=resources,
            ),
            *optional_parts.replaying(upstream),
            Middleware(Faults, scenarios=faults, tier=parts.context.tier, max_body_bytes=max_body_bytes),
            Middleware(RepeatedRequests, responses=repeated),
        ],
    )
    app.router.redirect_slashes = False
    app.state.parts = parts
    app.state.context = parts.context
    app.state.settings = settings
    app.state.started = time.time()
    app.state.request_log = request_log
    app.state.request_counts = request_counts
    app.state.accepts_tokens = settings.entra != "off"
    app.state.exit_export = exit_export
    app.state.sessions = sessions
    app.state.quotas = CallQuotas(parts.context)
    app.state.faults = faults
    app.state.upstream = upstream
    app.state.public_url = settings.public_url
    app.state.proxies = proxies
    app.state.max_body_bytes = max_body_bytes
    app.state.threads = RequestThreads()
    add_routes(app, metrics=settings.metrics)
    return app


def _nearest_operations(method: str, path: str) -> str:
    from emulator.contract.test_kit.near_misses import described  # at the first unknown path

    return described(method, path)


def _load_state(context: Context, settings: Settings) -> None:
    """Load seeds and exported state into a data folder without projects. Raises StartRefused."""
    if not (settings.seed_data or settings.import_folder or mark.is_unfinished(context.folder)):
        return
    from emulator.core.seeding import load  # here, for a fast start
    from emulator.core.seeding.find import SeedRejected

    load.clear_unfinished(context)
    option = "--import"
    try:
        if settings.import_folder is not None:
            may_be_empty = settings.export_folder == settings.import_folder
            load.import_state(context, settings.import_folder, may_be_empty=may_be_empty)
        option = "--seed-data"
        if settings.seed_data is not None:
            load.load_seeds(context, settings.seed_data)
    except SeedRejected as rejected:
        raise StartRefused(f"{option}: {rejected}") from None


def _exit_export(context: Context, settings: Settings) -> "ExitExport | None":
    if settings.export_folder is None:
        return None
    from emulator.core.snapshots.exit_export import ExitExport, ExportRefused  # here, for a fast start

    try:
        return ExitExport(context, settings.export_folder)
    except ExportRefused as refused:
        raise StartRefused(f"--export-on-exit: {refused}") from None


def make_parts(settings: Settings, clock: Clock, ids: Ids) -> Parts:
    """Workers, store and runners, not started. Raises StartRefused."""
    tracing = optional_parts.tracing(settings)
    worker = WorkerExecutor(initializer=warm_up)
    advanced_worker = WorkerExecutor(initializer=warm_up, nice=_ADVANCED_NICE, idle_seconds=_IDLE_SECONDS)
    export_worker = WorkerExecutor(idle_seconds=_IDLE_SECONDS)
    # A request waits for it, so that trainings have no precedence.
    proposal_worker = WorkerExecutor(nice=0, idle_seconds=_PROPOSAL_IDLE_SECONDS)
    try:
        context = make_context(
            settings,
            clock,
            ids,
            worker=worker,
            advanced_worker=advanced_worker,
            export_worker=export_worker,
            proposal_worker=proposal_worker,
        )
    except BaseException:
        if tracing is not None:
            tracing.close()
        raise
    context.job_traces = optional_parts.job_traces(tracing)
    register_runners(context)
    context.on_reset += [context.clock.restore, context.prediction_scripts.clear]
    return Parts(
        context=context,
        worker=worker,
        advanced_worker=advanced_worker,
        export_worker=export_worker,
        proposal_worker=proposal_worker,
        tracing=tracing,
    )


def register_runners(context: Context) -> None:
    """Register a runner for every kind of job."""
    context.jobs.register(training_runner(context))
    context.jobs.register(advanced_training_runner(context))
    context.jobs.register(instant_training_runner(context))
    context.jobs.register(export_runner(context))
    context.jobs.register(import_runner(context))
    context.jobs.register(evaluation_runner(context))
    context.jobs.register(data_set_runner(context))
    notifications = NotificationSender(context)
    context.jobs.register(notifications)
    # Notifications that wait for the next attempt may be due now.
    context.clock.on_change.append(notifications.notify)


def make_context(
    settings: Settings,
    clock: Clock,
    ids: Ids,
    *,
    worker: WorkerExecutor,
    advanced_worker: WorkerExecutor,
    export_worker: WorkerExecutor,
    proposal_worker: WorkerExecutor,
) -> Context:
    folder = settings.data
    role_assignments = access_parts.role_assignments(settings)
    cluster = open_cluster(settings)
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
        store = opened_store(settings)
        if store.loss is not None:
            blob_sweep.mark_unclean(folder)
        link_secret = read_or_create_secret(folder, store.database)
        ids.restart(store.database)
    except (DatabaseRefused, StoreUnreachable) as error:
        option = "--data" if settings.database is None else "--database"
        if isinstance(error, (BlobsRefused, BlobsUnreachable)):
            option = "--blobs"
        raise StartRefused(f"{option}: {error}") from None
    return Context(
        database=store.database,
        blobs=store.blobs,
        folder=folder,
        worker=worker,
        advanced_worker=advanced_worker,
        export_worker=export_worker,
        proposal_worker=proposal_worker,
        cluster=cluster,
        fetch_policy=fetch_policy,
        clock=clock,
        ids=ids,
        seed=settings.seed,
        number_format=settings.number_format,
        quick_training_seconds=settings.quick_training_seconds,
        training_hour_seconds=settings.training_hour,
        image_uri_lifetime=timedelta(hours=settings.image_uri_hours),
        link_secret=link_secret,
        tier=TIERS[settings.tier],
        role_assignments=role_assignments,
        trainers=Trainers(settings.trainer),
        kept_predictions=KeptPredictions(settings.prediction_days, settings.most_predictions),
        least_free_bytes=settings.least_free_mb * MEGABYTE,
        prediction_counts=PredictionCounts() if settings.metrics or settings.metrics_otlp else None,
    )


def opened_store(settings: Settings, *, exclusive: bool = False) -> Store:
    """The store that the options name. Raises DatabaseRefused, StoreUnreachable, StartRefused.

    exclusive: refuse a database that servers use, also one that several may use.
    """
    if settings.database is None:
        if settings.blobs is not None:
            raise StartRefused("--blobs: has an effect with --database only")
        return open_store(
            settings.data, accept_data_loss=settings.accept_data_loss, durable=not settings.ephemeral
        )
    if settings.ephemeral:
        raise DatabaseRefused("cannot be used with --ephemeral, which deletes the images of its rows")
    return open_server_store(
        settings.data,
        settings.database,
        settings.blobs,
        accept_data_loss=settings.accept_data_loss,
        exclusive=exclusive,
    )
