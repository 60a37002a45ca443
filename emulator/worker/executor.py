"""The server's side of the worker: an `Executor` that runs one job after the other in a child process.

Why not `concurrent.futures.ProcessPoolExecutor` or `multiprocessing`:

- their children run the parent's main module again (a console script, `python -m ...`), import what it
  imports, and share its process group, so that a Ctrl-C reaches both;
- a child of theirs that runs a job outlives a parent that was killed, until the job is done;
- a running job cannot be stopped, and one dead child breaks the pool for good;
- they cost the server memory and, on POSIX, a second child (the resource tracker).

So the child is `python -c "... emulator.worker.child.main()"` with pipes as its standard streams. It gets the
parent's `sys.path` and nothing else. Pipes close when their process dies, however it dies; each side detects
the other's death by the end of the stream, on Linux, macOS and Windows alike. A frozen program (`sys.frozen`)
has no interpreter to start and cannot run jobs.
"""

import io
import pickle
import sys
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future
from typing import Any, Protocol, TypeVar

from emulator.worker.messages import (
    Progress,
    Raised,
    Ready,
    Returned,
    Run,
    SetUp,
    Started,
    pack_call,
)
from emulator.worker.process import WorkerDied, WorkerProcess, logger

__all__ = ["JobFailed", "JobFuture", "RemoteTraceback", "WorkerDied", "WorkerExecutor"]

T = TypeVar("T")
OnProgress = Callable[[float, str], object]

# Packages that the server must never import, not even to unpickle a job's result.
FORBIDDEN_IMPORTS = frozenset({"torch"})


class JobFailed(Exception):
    """A job raised an exception that cannot be rebuilt in the server. The message starts with its type."""


class RemoteTraceback(Exception):
    """The cause of every exception that a job raised: the traceback in the worker process, as text."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


class Stopping(Protocol):
    """The executor of a `JobFuture`."""

    def stop(self, future: "JobFuture[Any]") -> bool:
        """Stop the job of a future if it is running, and call `mark_stopped`; whether it was running."""


class JobFuture(Future[T]):
    """A `Future` whose `cancel` also stops a job that is running.

    A cancelled job has ended when `cancel` returns: its process has exited, and its files are closed and keep
    their content. All jobs are cancelled when the executor shuts down; a cancelled job can be submitted
    again.
    """

    def __init__(self, executor: Stopping, call: bytes, on_progress: OnProgress | None) -> None:
        super().__init__()
        self._executor = executor
        self._call = call
        self.on_progress = on_progress
        self._stopped = False

    def cancel(self) -> bool:
        """Cancel the job, waiting or running. Returns False when it had already ended, except by a cancel."""
        return super().cancel() or self._executor.stop(self) or self._stopped

    def cancelled(self) -> bool:
        return self._stopped or super().cancelled()

    def running(self) -> bool:
        return super().running() and not self._stopped

    def exception(self, timeout: float | None = None) -> BaseException | None:
        error = super().exception(timeout)
        if self._stopped:
            raise CancelledError()
        return error

    def mark_stopped(self) -> None:
        """For the executor: finish a running job as cancelled, a transition that `Future` does not have."""
        self._stopped = True
        self.set_exception(CancelledError())


class WorkerExecutor(Executor):
    """Runs one job at a time, first come, first served, in a child process that is started when needed.

    All methods may be called from any thread.

    Args:
        initializer: called in every new child before its first job; must be picklable.
        nice: lowers the priority of the child, so that the server stays responsive. On Windows a positive
            value means "below normal", 10 and more mean "idle".
        idle_seconds: a child without a job for this time is ended; None keeps it.
    """

    def __init__(
        self,
        *,
        initializer: Callable[[], None] | None = None,
        nice: int = 5,
        idle_seconds: float | None = None,
    ) -> None:
        self._initializer = None if initializer is None else pack_call(initializer, (), {})
        self._nice = nice
        self._idle_seconds = idle_seconds
        self._changed = threading.Condition()
        # `_changed` guards all of the following.
        self._waiting: deque[JobFuture[Any]] = deque()
        self._current: JobFuture[Any] | None = None
        self._child: WorkerProcess | None = None
        self._warm_up_wanted = False
        self._start_failed = False
        self._closed = False
        self._thread: threading.Thread | None = None

    @property
    def pid(self) -> int | None:
        """The process id of the child; None while there is none."""
        with self._changed:
            return self._child.process.pid if self._child is not None and self._child.is_alive() else None

    def warm_up(self) -> None:
        """Start the child and run the initializer in it, in the background, unless that is done already.

        A failure is logged as a warning; the next job then tries again.
        """
        with self._changed:
            if not self._closed and not self._start_failed:
                self._warm_up_wanted = True
                self._wake()

    def submit(  # type: ignore[override]  # `on_progress` is additional
        self, fn: Callable[..., T], /, *args: Any, on_progress: OnProgress | None = None, **kwargs: Any
    ) -> JobFuture[T]:
        """Run `fn(*args, **kwargs, progress=...)` in the child; returns the future of its result.

        `fn` must be a module's function. Its calls of `progress(fraction, text)` become calls of
        `on_progress` in the server, in order, in a thread of the executor. `on_progress` has to be short; its
        exceptions are logged. Results and exceptions are pickled, and a result must not contain objects of
        torch.

        The future raises the exception of `fn`, with the remote traceback as its cause; `JobFailed` for an
        exception that cannot be rebuilt in the server (for example because its module is not loaded);
        `WorkerDied` when the process died.

        Raises:
            TypeError: `fn` or an argument cannot be pickled.
            RuntimeError: the executor is shut down.
        """
        try:
            call = pack_call(fn, args, kwargs)
        except Exception as error:  # PicklingError, TypeError, AttributeError, RecursionError, ...
            name = getattr(fn, "__qualname__", repr(fn))
            raise TypeError(f"the job {name} or one of its arguments cannot be pickled: {error}") from error
        future = JobFuture[T](self, call, on_progress)
        with self._changed:
            if self._closed:
                raise RuntimeError("cannot schedule new futures after shutdown")
            self._waiting.append(future)
            self._wake()
        return future

    def cancel(self, future: Future[Any]) -> bool:
        """The same as `future.cancel()`."""
        return future.cancel()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Kill the child and cancel all jobs, the running one included, with any `cancel_futures`.

        A server that has to stop cannot wait for the end of a training.
        """
        with self._changed:
            self._closed = True
            child, current, thread = self._child, self._current, self._thread
            self._current = None
            waiting = list(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
        if child is not None:
            child.kill()
        if current is not None:
            current.mark_stopped()
        for future in waiting:
            if future.cancel():
                future.set_running_or_notify_cancel()
        if wait and thread is not None and thread is not threading.current_thread():
            thread.join()

    def stop(self, future: JobFuture[Any]) -> bool:
        """Kill the child that runs `future` and finish it as cancelled. False when it is not running."""
        with self._changed:
            if self._current is not future:
                return False
            self._current = None
            child = self._child
        if child is not None:
            child.kill()
        future.mark_stopped()
        return True

    def _wake(self) -> None:
        """Notify the thread, which is started at the first call. The caller holds the lock."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="worker-executor", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _work(self) -> None:
        """The thread that waits for the child. Only this thread reaps a child."""
        while True:
            with self._changed:
                idle_child = self._child
                in_time = self._changed.wait_for(
                    lambda: self._closed or self._warm_up_wanted or self._waiting,
                    None if idle_child is None else self._idle_seconds,
                )
                self._warm_up_wanted = False
                if self._closed:
                    break
            if not in_time and idle_child is not None:
                idle_child.kill()
                self._reap(idle_child)
                continue
            child: WorkerProcess | WorkerDied
            try:
                child = self._ready_child()
            except WorkerDied as error:
                child = error
            with self._changed:
                # Not earlier: cancelling a job during the warm-up must not kill the child.
                future = self._waiting.popleft() if self._waiting else None
                if future is not None and not future.set_running_or_notify_cancel():
                    continue
                self._current = future
            if future is not None:
                self._finish(future, child if isinstance(child, WorkerDied) else self._run(future, child))
            elif isinstance(child, WorkerDied) and not self._closed:
                logger.warning("%s", child)
        with self._changed:
            last_child, self._child = self._child, None
        if last_child is not None:
            last_child.kill()
            last_child.reap()

    def _run(self, future: JobFuture[Any], child: WorkerProcess) -> Returned | Raised | WorkerDied:
        """Run the job of `future` in the child, or in a new child when this one died before the job started.

        A cancellation kills the child, which ends the exchange of messages; the return value is then ignored.
        """
        last_attempt = False
        while True:
            started = False
            try:
                child.send(Run(future._call))
                while True:
                    match child.receive():
                        case Started():
                            started = True
                        case Progress(fraction, text):
                            self._report(future, fraction, text)
                        case Returned() | Raised() as outcome:
                            return outcome
                        case other:
                            raise EOFError(f"unexpected {other}")
            except (EOFError, OSError):
                died = self._reap(child)
            if started or last_attempt or self._current is not future:
                return died
            last_attempt = True
            try:
                child = self._ready_child()
            except WorkerDied as error:
                return error
            with self._changed:
                if self._current is not future:  # cancelled while the new child started, which was not killed
                    return died

    def _report(self, future: JobFuture[Any], fraction: float, text: str) -> None:
        if future.on_progress is None or self._current is not future:
            return
        try:
            future.on_progress(fraction, text)
        except Exception:  # noqa: BLE001  (the job goes on)
            logger.exception("on_progress raised")

    def _finish(self, future: JobFuture[Any], outcome: Returned | Raised | WorkerDied) -> None:
        """Set the result of the future, unless a cancellation has finished it in the meantime."""
        with self._changed:
            if self._current is not future:
                return
            self._current = None
        match outcome:
            case Returned(packed):
                try:
                    result = ResultUnpickler(packed, importing=True).load()
                except Exception as error:  # noqa: BLE001  (pickle reports in many ways)
                    reason = f"{type(error).__name__}: {error}"
                    future.set_exception(JobFailed(f"the job's result cannot be read: {reason}"))
                else:
                    future.set_result(result)
            case Raised():
                future.set_exception(rebuilt(outcome))
            case WorkerDied():
                future.set_exception(outcome)

    def _ready_child(self) -> WorkerProcess:
        """The child, ready for a job; a new one when there is none. Raises WorkerDied."""
        with self._changed:
            child = self._child
        if child is not None:
            if child.is_alive():
                return child
            logger.warning("Between two jobs: %s", self._reap(child))
        try:
            child = WorkerProcess(self._nice)
        except OSError as error:
            raise self._start_failure(str(error)) from error
        with self._changed:
            self._child = child
            closed = self._closed
        if closed:  # `shutdown` may have run before this child existed
            child.kill()
        try:
            child.send(SetUp(self._nice, logger.getEffectiveLevel(), self._initializer))
            response = child.receive()
        except (EOFError, OSError):
            died = self._reap(child)
            raise self._start_failure(str(died), died.exit_code, died.last_lines) from None
        if isinstance(response, Ready):
            self._start_failed = False
            return child
        child.kill()
        self._reap(child)
        if isinstance(response, Raised):
            raise self._start_failure(response.summary) from RemoteTraceback(response.traceback)
        raise self._start_failure(f"unexpected {response}")

    def _start_failure(
        self, why: str, exit_code: int | None = None, last_lines: tuple[str, ...] = ()
    ) -> WorkerDied:
        self._start_failed = True
        return WorkerDied(f"The worker process did not become ready: {why}", exit_code, last_lines)

    def _reap(self, child: WorkerProcess) -> WorkerDied:
        with self._changed:
            if self._child is child:
                self._child = None
        return child.reap()


class ResultUnpickler(pickle.Unpickler):
    """Unpickles results and exceptions without importing modules that the server must not load."""

    def __init__(self, data: bytes, *, importing: bool) -> None:
        super().__init__(io.BytesIO(data))
        self._importing = importing

    def find_class(self, module: str, name: str) -> Any:
        loaded = module in sys.modules
        if not loaded and (not self._importing or module.partition(".")[0] in FORBIDDEN_IMPORTS):
            raise pickle.UnpicklingError(f"{module}.{name} is not for the server to import")
        return super().find_class(module, name)


def rebuilt(raised: Raised) -> Exception:
    """The exception that a job raised, or a `JobFailed` when its class is not loaded in the server."""
    error: object = None
    if raised.exception is not None:
        try:
            error = ResultUnpickler(raised.exception, importing=False).load()
        except Exception:  # noqa: BLE001  (for example a constructor with other parameters)
            error = None
    if not isinstance(error, Exception):
        error = JobFailed(raised.summary)
    error.__cause__ = RemoteTraceback(raised.traceback)
    return error
