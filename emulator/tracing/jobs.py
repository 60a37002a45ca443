"""Spans of jobs, in the traces of the requests that queued them: of each attempt and each of its steps."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.context import Context
from opentelemetry.trace import Span, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from emulator.core.jobs.job_runner import JobStopped, TryAgain
from emulator.core.jobs.traces import TRACEPARENT, JobTrace
from emulator.gateway import log_context
from emulator.store.tables import Job


class TraceJobs:
    """The `JobTraces` of `emulator.core.jobs.traces`. Lines of the log have the id of the trace meanwhile."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._propagator = TraceContextTextMapPropagator()

    def traceparent(self) -> str | None:
        return log_context.traceparent()

    @contextmanager
    def job(self, job: Job) -> Iterator[JobTrace]:
        attributes: dict[str, str | int] = {
            "custom_vision.job.id": job.id,
            "custom_vision.job.kind": job.kind,
            "custom_vision.job.attempt": job.attempts,
        }
        if job.iteration_id is not None:
            attributes["custom_vision.iteration_id"] = job.iteration_id
        if job.project_id is not None:
            attributes["custom_vision.project_id"] = job.project_id
        queued_by = {"traceparent": (job.details or {}).get(TRACEPARENT, "")}
        parent = self._propagator.extract(queued_by, context=Context())
        span = self._tracer.start_span(f"job {job.kind}", context=parent, attributes=attributes)
        trace = _Trace(self._tracer, span)
        context = span.get_span_context()
        if context.is_valid:  # not when the SDK is disabled
            log_context.enter(
                {
                    "trace_id": f"{context.trace_id:032x}",
                    "span_id": f"{context.span_id:016x}",
                    "trace_flags": f"{context.trace_flags:02x}",
                }
            )
        try:
            yield trace
        finally:
            log_context.leave()
            trace.end()


class _Trace:
    def __init__(self, tracer: Tracer, span: Span) -> None:
        self._tracer = tracer
        self._span = span
        self._lock = threading.Lock()
        self._step: tuple[str, Span] | None = None
        self._outcome = "completed"
        self._has_ended = False

    def step(self, name: str) -> None:
        with self._lock:
            # A worker may report after the end of a job that was stopped.
            if self._has_ended or (self._step is not None and self._step[0] == name):
                return
            self._end_step()
            parent = set_span_in_context(self._span, Context())
            self._step = (name, self._tracer.start_span(name, context=parent))

    def failed(self, error: Exception) -> None:
        with self._lock:
            self._outcome = _outcome(error)
            if self._outcome == "failed":
                # The text of an error may have names of files or of a server in it.
                self._span.set_attribute("error.type", type(error).__name__)
                self._span.set_status(StatusCode.ERROR)

    def end(self) -> None:
        with self._lock:
            self._has_ended = True
            self._end_step()
            self._span.set_attribute("custom_vision.job.outcome", self._outcome)
            self._span.end()

    def _end_step(self) -> None:
        if self._step is not None:
            self._step[1].end()
            self._step = None


def _outcome(error: Exception) -> str:
    if isinstance(error, JobStopped):
        return "stopped"
    if isinstance(error, TryAgain):
        return "interrupted"
    return "failed"
