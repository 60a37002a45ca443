"""A span for each request.

The instrumentation packages of ASGI and FastAPI are not used: they record paths and queries, which have keys
and signatures of URIs in them, and name spans after routes instead of the operations of the service.
"""

from opentelemetry.trace import SpanKind, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import ASGIApp, Receive, Scope, Send

from emulator.api.metrics.counts import PATH as METRICS_PATH
from emulator.api.metrics.counts import StatusNoted, operation_of
from emulator.contract.operations import BY_NAME
from emulator.gateway.address import Address

_CONTEXT_HEADERS = (b"traceparent", b"tracestate")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# Monitors send these every few seconds.
_NOT_TRACED = ("/_emulator/health/", METRICS_PATH)
_FIRST_SERVER_ERROR = 500


class TraceRequests:
    """ASGI middleware that makes a span for each request, from its first byte to the end of its response.

    It continues the trace of the client's header ``traceparent`` (W3C Trace Context). The scope gets
    ``trace_id`` and ``span_id``, which lines of the log show, and ``trace_flags``.
    """

    def __init__(self, app: ASGIApp, tracer: Tracer) -> None:
        self._app = app
        self._tracer = tracer
        self._propagator = TraceContextTextMapPropagator()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(_NOT_TRACED):
            await self._app(scope, receive, send)
            return
        given = {
            name.decode(): value.decode("latin-1")
            for name, value in scope["headers"]
            if name in _CONTEXT_HEADERS
        }
        span = self._tracer.start_span(
            "request", context=self._propagator.extract(given), kind=SpanKind.SERVER
        )
        context = span.get_span_context()
        if context.is_valid:  # not when the SDK is disabled
            scope["trace_id"] = f"{context.trace_id:032x}"
            scope["span_id"] = f"{context.span_id:016x}"
            scope["trace_flags"] = f"{context.trace_flags:02x}"
        noting = StatusNoted(send)
        try:
            await self._app(scope, receive, noting)
        finally:
            status = noting.status
            operation = operation_of(scope)
            span.update_name(operation)
            span.set_attributes(_attributes(scope, operation))
            if status is not None:
                span.set_attribute("http.response.status_code", status)
            if status is None or status >= _FIRST_SERVER_ERROR:
                span.set_attribute("error.type", "no response" if status is None else str(status))
                span.set_status(StatusCode.ERROR)
            span.end()


def _attributes(scope: Scope, operation: str) -> dict[str, str]:
    """What a span shows of a request that was processed; no path, query, header or body."""
    attributes = {
        "http.request.method": scope["method"] if scope["method"] in _METHODS else "_OTHER",
        "url.scheme": scope["scheme"],
        "custom_vision.operation": operation,
    }
    address: Address | None = scope.get("address")
    if address is not None:
        attributes["custom_vision.api_version"] = address.version.name
    described = BY_NAME.get(operation)
    if described is not None:
        path = described.path.replace(":path}", "}")
        attributes["http.route"] = f"/customvision/v{{version}}/{described.api}{path}"
    if isinstance(scope.get("request_id"), str):
        attributes["custom_vision.request_id"] = scope["request_id"]
    return attributes
