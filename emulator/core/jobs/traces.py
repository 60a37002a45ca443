"""What follows the execution of jobs, step by step. `emulator.tracing` makes traces of it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

from emulator.store.tables import Job

# In the details of a job: the span of the request that queued it, as the header of W3C Trace Context.
TRACEPARENT = "traceparent"


class JobTrace(Protocol):
    """The trace of one execution of a job. Thread-safe."""

    def step(self, name: str) -> None:
        """A step begins, which ends the one before. Nothing happens when it is the current one."""

    def failed(self, error: Exception) -> None:
        """The execution has not succeeded: it failed, was stopped, or is to be tried again."""


class JobTraces(Protocol):
    """Makes the traces of jobs."""

    def traceparent(self) -> str | None:
        """The span of the request or job of this thread, as the header of W3C Trace Context."""

    def job(self, job: Job) -> AbstractContextManager[JobTrace]:
        """Follow the execution of a job in this thread."""


class NoTrace:
    """A `JobTrace` that keeps nothing."""

    def step(self, name: str) -> None:
        """Nothing is kept."""

    def failed(self, error: Exception) -> None:
        """Nothing is kept."""


class NoTraces:
    """The `JobTraces` without ``--traces``."""

    def traceparent(self) -> str | None:
        return None

    @contextmanager
    def job(self, job: Job) -> Iterator[JobTrace]:
        yield _NOTHING


NONE = NoTraces()
_NOTHING = NoTrace()
_current: ContextVar[JobTrace] = ContextVar("trace of the job", default=_NOTHING)


def with_traceparent(traces: JobTraces, details: dict[str, Any] | None = None) -> dict[str, Any] | None:
    """The details of a new job, with the span of the request or job that queues it, if there is one."""
    span = traces.traceparent()
    return details if span is None else {**(details or {}), TRACEPARENT: span}


def current() -> JobTrace:
    """The trace of the job that this thread executes."""
    return _current.get()


@contextmanager
def following(traces: JobTraces, job: Job) -> Iterator[JobTrace]:
    """Follow the execution of a job in this thread; `current` returns its trace meanwhile."""
    with traces.job(job) as trace:
        token = _current.set(trace)
        try:
            yield trace
        finally:
            _current.reset(token)
