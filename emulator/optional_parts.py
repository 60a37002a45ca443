"""Parts of the application that only options add, with imports that take time or need further packages."""

import importlib.util
from typing import TYPE_CHECKING

from starlette.middleware import Middleware

from emulator.api.metrics.counts import RequestCounts
from emulator.core.context import Context
from emulator.core.jobs.traces import JobTraces, NoTraces
from emulator.settings import Settings, StartRefused
from emulator.store.database import StoreUnreachable

if TYPE_CHECKING:
    from emulator.api.upstream.state import Upstream
    from emulator.tracing.metrics import MetricsSender
    from emulator.tracing.sending import Tracing


def upstream(settings: Settings, context: Context, max_body_bytes: int) -> "Upstream | None":
    """The resource to forward calls to. Raises StartRefused."""
    if settings.upstream is None:
        if settings.upstream_mode != "local" or settings.allow_upstream_writes:
            raise StartRefused("--upstream-mode, --allow-upstream-writes: they need --upstream URL")
        return None
    from emulator.api.upstream.state import LocalKeys, Upstream  # here, for a fast start

    return Upstream(
        context,
        settings.upstream,
        settings.upstream_mode,
        LocalKeys(settings.training_keys[0], settings.prediction_keys[0]),
        allows_writes=settings.allow_upstream_writes,
        max_body_bytes=max_body_bytes,
    )


def join_servers(settings: Settings, context: Context) -> None:
    """Tell the other servers of the database which options this one has. Raises StartRefused."""
    if context.database.shared is None:
        return
    from emulator.core.status.other_servers import register  # here, for a fast start
    from emulator.settings.common_options import common_options

    try:
        register(context.database.shared, common_options(settings, context.link_secret))
    except StoreUnreachable as error:
        raise StartRefused(f"--database: {error}") from None


def forwarding(upstream: "Upstream | None") -> list[Middleware]:
    """What forwards calls, with ``--upstream``."""
    if upstream is None:
        return []
    from emulator.api.upstream.middleware import ForwardCalls  # here, for a fast start

    return [Middleware(ForwardCalls, upstream=upstream)]


def replaying(upstream: "Upstream | None") -> list[Middleware]:
    """What answers with recorded responses, with ``--upstream``."""
    if upstream is None:
        return []
    from emulator.api.upstream.middleware import ReplayCalls  # here, for a fast start

    return [Middleware(ReplayCalls, upstream=upstream)]


def strict(settings: Settings, secrets: tuple[str, ...]) -> list[Middleware]:
    """What holds requests and responses to the documents, with ``--strict``. Raises StartRefused."""
    if not settings.strict:
        return []
    if importlib.util.find_spec("jsonschema") is None:
        raise StartRefused(
            "--strict needs the package jsonschema: pip install 'custom-vision-emulator[testing]'"
        )
    from emulator.api.strict import HoldToDocuments  # jsonschema takes a tenth of a second

    return [Middleware(HoldToDocuments, secrets=secrets)]


def metrics_sender(settings: Settings, context: Context, counts: RequestCounts) -> "MetricsSender | None":
    """What sends metrics, with ``--metrics-otlp``. Raises StartRefused."""
    if not settings.metrics_otlp:
        return None
    from emulator.api.metrics.exposition import Exposition, Requests

    try:
        from emulator.tracing.metrics import MetricsSender
    except ModuleNotFoundError as error:
        raise _without_packages("--metrics-otlp", error) from None
    exposition = Exposition(context)
    return MetricsSender(lambda: exposition.families(Requests(counts.numbers(), counts.durations())))


def _without_packages(option: str, error: ModuleNotFoundError) -> Exception:
    """The error for an option, of whose packages one cannot be imported."""
    if not (error.name or "").startswith("opentelemetry"):
        return error
    return StartRefused(
        f"{option} needs the packages of OpenTelemetry: pip install 'custom-vision-emulator[otel]'"
    )


def tracing(settings: Settings) -> "Tracing | None":
    """What sends traces, with ``--traces``. Raises StartRefused."""
    if not settings.traces:
        return None
    try:
        from emulator.tracing.sending import Tracing
    except ModuleNotFoundError as error:
        raise _without_packages("--traces", error) from None
    return Tracing()


def job_traces(tracing: "Tracing | None") -> JobTraces:
    """What follows the jobs."""
    if tracing is None:
        return NoTraces()
    from emulator.tracing.jobs import TraceJobs

    return TraceJobs(tracing.tracer)


def request_traces(tracing: "Tracing | None") -> list[Middleware]:
    """What follows the requests, with ``--traces``."""
    if tracing is None:
        return []
    from emulator.tracing.requests import TraceRequests

    return [Middleware(TraceRequests, tracer=tracing.tracer)]
