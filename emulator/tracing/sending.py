"""The provider of tracers: what the variables OTEL_* configure, and the sending of spans to a collector.

Spans wait in a queue in memory, and a thread of the SDK sends them: a collector that is slow or away delays
nothing. When the queue is full, spans are dropped.
"""

import logging
import os
import threading
from collections.abc import Sequence
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Tracer

from emulator import __version__
from emulator.core.status.other_servers import server_name
from emulator.settings import StartRefused

_SERVICE = "custom-vision-emulator"
_EXPORTERS = ("otlp", "none")
_PROTOCOL = "http/protobuf"
_DEFAULT_ENDPOINT = "http://localhost:4318"
# The time that the last spans have at the end: the process ends soon after a signal, with or without them.
_CLOSE_SECONDS = 0.25
# The loggers that tell of each attempt to send, and of each span that is dropped.
_REPEATING_LOGGERS = ("opentelemetry.exporter", "opentelemetry.sdk._shared_internal")
_log = logging.getLogger(__name__)


class Tracing:
    """The tracer of a server. Made from the variables OTEL_*.

    Raises:
        StartRefused: a variable has a value that is not supported.
    """

    def __init__(self) -> None:
        self._failures = _Failures(endpoint("--traces", "TRACES"))
        # `shutdown_on_exit` would let the process wait for the collector at its end.
        self._provider = TracerProvider(resource=resource(), shutdown_on_exit=False)
        if sends("--traces", "TRACES"):
            try:
                exporter = _Exporter(OTLPSpanExporter(), self._failures)
                self._provider.add_span_processor(BatchSpanProcessor(exporter))
            except (ValueError, OSError) as error:
                raise StartRefused(f"--traces: the variables OTEL_* are not valid: {error}") from None
        self._failures.install()

    @property
    def tracer(self) -> Tracer:
        """Makes the spans."""
        return self._provider.get_tracer("emulator", __version__)

    def flush(self) -> None:
        """Send the spans that wait, however long it takes."""
        self._provider.force_flush()

    def close(self) -> None:
        """Send the spans that wait, if the collector takes them at once; the others are lost."""
        closing = threading.Thread(target=self._provider.shutdown, name="end of traces", daemon=True)
        closing.start()
        closing.join(_CLOSE_SECONDS)
        if not closing.is_alive():  # otherwise the SDK may still tell of its last attempt
            self._failures.remove()


class _Failures(logging.Handler):
    """One line of the log when spans cannot be sent, and one when they can again.

    It takes the place of the SDK's own lines, of which there is one for each attempt.
    """

    def __init__(self, endpoint: str) -> None:
        super().__init__(logging.WARNING)
        self._endpoint = endpoint
        self._is_failing = False

    def emit(self, record: logging.LogRecord) -> None:
        if self._is_failing:
            return
        self._is_failing = True
        _log.warning(
            "Traces cannot be sent to %s; spans are dropped until they can: %s",
            self._endpoint,
            record.getMessage(),
        )

    def succeeded(self) -> None:
        """Spans were sent."""
        if self._is_failing:
            self._is_failing = False
            _log.warning("Traces are sent to %s again.", self._endpoint)

    def install(self) -> None:
        for name in _REPEATING_LOGGERS:
            logger = logging.getLogger(name)
            logger.addHandler(self)
            logger.propagate = False

    def remove(self) -> None:
        for name in _REPEATING_LOGGERS:
            logger = logging.getLogger(name)
            logger.removeHandler(self)
            logger.propagate = not logger.handlers


class _Exporter(SpanExporter):
    """Sends spans by another exporter and reports success; failures are those of its logger."""

    def __init__(self, exporter: SpanExporter, failures: _Failures) -> None:
        self._exporter = exporter
        self._failures = failures

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            self._failures.succeeded()
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def resource() -> Resource:
    """What sends: this program, with the attributes of the variables OTEL_*, which have precedence.

    The instance distinguishes servers of one database, whose series would be the same.
    """
    own = Resource.create(
        {
            "service.name": _SERVICE,
            "service.version": __version__,
            "service.instance.id": server_name(),
        }
    )
    return own.merge(OTELResourceDetector().detect())


def sends(option: str, signal: str) -> bool:
    """Whether the variables leave the exporter on. signal: TRACES or METRICS. Raises StartRefused."""
    if _one_of(option, f"OTEL_{signal}_EXPORTER", _EXPORTERS) != "otlp":
        return False
    _one_of(option, f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL", (_PROTOCOL,))
    _one_of(option, "OTEL_EXPORTER_OTLP_PROTOCOL", (_PROTOCOL,))
    return True


def endpoint(option: str, signal: str) -> str:
    """Scheme, host and port of the collector. signal: TRACES or METRICS. Raises StartRefused."""
    names = (f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    name = next((name for name in names if os.environ.get(name, "").strip()), names[-1])
    text = os.environ.get(name, "").strip() or _DEFAULT_ENDPOINT
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.scheme not in ("http", "https"):
        # The value may have a user name and a password in it.
        raise StartRefused(f"{option}: {name} must be a URL such as http://collector:4318")
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + ("" if port is None else f":{port}")


def _one_of(option: str, name: str, allowed: Sequence[str]) -> str:
    """The value of a variable; the first allowed one if it is not set. Raises StartRefused."""
    given = os.environ.get(name, "").strip() or allowed[0]
    if given not in allowed:
        raise StartRefused(f"{option}: {name} is {given[:50]!r}; supported: {', '.join(allowed)}")
    return given
