"""The server's side of the cluster: a worker of `emulator.core.jobs` that submits jobs to the scheduler.

A job waits here while the scheduler is away or restarts, and is then submitted again: its workers have ended
with the scheduler. Dask gives the job of a worker that was killed to another one; `exchange` counts that.
"""

import logging
import re
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from emulator import __version__
from emulator.cluster.connection import Connection, OnProgress
from emulator.cluster.exchange import RENEW_SECONDS, Exchange
from emulator.cluster.messages import GPU, ClusterFailed, Order, job_resource
from emulator.cluster.packing import Packed, pack, unpack
from emulator.cluster.run import run_job
from emulator.durable_files import write_atomically
from emulator.store.blobs import blob_path
from emulator.store.database import BlobsUnreachable, full_disk_noticed
from emulator.worker.executor import JobFuture, rebuilt
from emulator.worker.messages import Raised, Returned

_LOOK_SECONDS = 1.0
_RESULT_SECONDS = 60.0
_SECONDS_TO_STOP = 5.0
# In the data folder.
_OWNER_FILE = "cluster-id"
_OWNER = re.compile(r"[0-9a-f]{32}-")
_log = logging.getLogger(__name__)


class ClusterExecutor(Executor):
    """Gives jobs to a Dask cluster. All methods may be called from any thread.

    Args:
        address: of the scheduler.
        store: the URL of the object store with the blobs, or of the data folder.
        folder: the data folder.
        sent: folders in it that a job gets if its call has their path.
        jobs: how many jobs of a kind are submitted at the same time.
    """

    def __init__(self, address: str, store: str, folder: Path, *, sent: tuple[str, ...], jobs: int) -> None:
        self.jobs = jobs
        self.connection = Connection(address)
        self._store = store
        self._process = uuid.uuid4().hex
        self._folder = folder
        self._sent = sent
        self._lock = threading.Lock()
        self._running: dict[JobFuture[Any], threading.Thread] = {}
        self._closed = False

    def start(self) -> None:
        """Connect to the scheduler, in a thread. The store is open."""
        self.connection.start()
        threading.Thread(target=self._delete_left, name="old files of the cluster", daemon=True).start()

    @cached_property
    def _exchange(self) -> Exchange:
        """Not before the store is open, which creates the folder of its objects."""
        return Exchange(self._store)

    @cached_property
    def _owner(self) -> str:
        """The beginning of the tokens of this data folder's server."""
        path = self._folder / _OWNER_FILE
        with suppress(FileNotFoundError, UnicodeDecodeError):
            # The beginning of all tokens, as an empty file has it, would be that of other servers, too.
            if _OWNER.fullmatch(found := path.read_text(encoding="ascii")):
                return found
        write_atomically(path, f"{uuid.uuid4().hex}-".encode())
        return path.read_text(encoding="ascii")

    def new_token(self) -> str:
        return f"{self._owner}{self._process}-{uuid.uuid4().hex}"

    def problem(self) -> str | None:
        """Why jobs wait, as the end of a sentence; None when a worker can take one."""
        return self.connection.problem()

    def warm_up(self) -> None:
        """The workers keep their processes for a while by themselves."""

    def submit(  # type: ignore[override]  # `on_progress` is additional
        self,
        fn: Callable[..., Any],
        /,
        *args: Any,
        on_progress: OnProgress | None = None,
        uses_gpu: bool = False,
        **kwargs: Any,
    ) -> JobFuture[Any]:
        """As `WorkerExecutor.submit`, on a worker of the cluster.

        uses_gpu: take a worker with a GPU, if there is one. The paths of the data folder in arguments and
        result are those of the worker there. The future raises also ClusterFailed and BlobsUnreachable; when
        it is cancelled, the job ends within seconds.
        """
        try:
            call = pack((fn, args, kwargs), self._folder)
        except Exception as error:  # PicklingError, TypeError, AttributeError, RecursionError, ...
            raise TypeError(f"the job {fn!r} or one of its arguments cannot be pickled: {error}") from error
        future = JobFuture[Any](self, b"", on_progress)
        job = _ClusterJob(self, future, call, uses_gpu)
        with self._lock:
            if self._closed:
                raise RuntimeError("cannot schedule new futures after shutdown")
            future.set_running_or_notify_cancel()
            thread = threading.Thread(target=job.carry_out, name="cluster job", daemon=True)
            self._running[future] = thread
        thread.start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Cancel all jobs and leave the scheduler."""
        with self._lock:
            self._closed = True
            running = dict(self._running)
        for future in running:
            future.cancel()
        latest = time.monotonic() + _SECONDS_TO_STOP
        if wait:
            for thread in running.values():
                thread.join(timeout=max(0.0, latest - time.monotonic()))
        self.connection.close()

    def stop(self, future: JobFuture[Any]) -> bool:
        with self._lock:
            if self._running.pop(future, None) is None:
                return False
        future.mark_stopped()
        return True

    def is_running(self, future: JobFuture[Any]) -> bool:
        return future in self._running

    def finish(self, future: JobFuture[Any], result: Any = None, error: BaseException | None = None) -> None:
        """Set the result of a future, unless a cancellation has finished it in the meantime."""
        with self._lock:
            if self._running.pop(future, None) is None:
                return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

    def send(self, token: str, call: Packed) -> Order:
        """Store what a worker needs for a call, beside the blobs. Raises BlobsUnreachable."""
        self._exchange.want(token)
        files = [
            path.relative_to(self._folder).as_posix()
            for name in self._sent
            if name in call.files
            for path in sorted((self._folder / name).rglob("*"))
            if path.is_file()
        ]
        self._exchange.send(token, "in", self._folder, files)
        return Order(
            version=__version__,
            token=token,
            store=self._exchange.address,
            topic=self.connection.topic,
            call=call.content,
            blobs=call.blobs,
        )

    def renew(self, token: str) -> None:
        with suppress(BlobsUnreachable):
            self._exchange.want(token)

    def forget(self, token: str) -> None:
        """Delete what belongs to a submission; a worker that carries it out stops."""
        try:
            self._exchange.delete(token)
        except BlobsUnreachable as error:  # the wish is not renewed any more
            _log.warning("%s", error)

    def result_of(self, token: str, returned: Returned) -> Any:
        """The result of a job, with its files in the data folder. Raises BlobsUnreachable, StorageFull."""
        with full_disk_noticed():
            self._exchange.receive(token, "out", lambda path: self._folder / path)
        return unpack(
            returned.result,
            lambda name: blob_path(self._folder, name),
            lambda path: self._folder / path,
        )

    def _delete_left(self) -> None:
        """End the jobs of an earlier process that was killed: no other one has the data folder."""
        with suppress(BlobsUnreachable):
            self._exchange.delete_left(self._owner, f"{self._owner}{self._process}")


class _ClusterJob:
    """A job of the executor, carried out by a thread that waits for the cluster."""

    def __init__(
        self, executor: ClusterExecutor, future: JobFuture[Any], call: Packed, uses_gpu: bool
    ) -> None:
        self._executor = executor
        self._future = future
        self._call = call
        self._uses_gpu = uses_gpu
        self._begun = False

    def carry_out(self) -> None:
        executor, future = self._executor, self._future
        try:
            while executor.is_running(future):
                client = executor.connection.client(_LOOK_SECONDS)
                if client is None:
                    self._say_why_it_waits()
                elif self._submit(client):
                    return
        except Exception as error:  # noqa: BLE001  (who waits for the job gets it)
            executor.finish(future, error=error)

    def _submit(self, client: Any) -> bool:
        """Submit the job and wait; False when it has to be submitted again."""
        executor, token = self._executor, self._executor.new_token()
        self._begun = False
        executor.connection.listen(token, self._note)
        try:
            order = executor.send(token, self._call)
            try:
                task = self._task(client, order)
            except Exception as error:  # noqa: BLE001  (the connection was just lost)
                _log.warning("A job could not be submitted: %s", error)
                time.sleep(_LOOK_SECONDS)
                return False
            try:
                return self._wait(task, token) and self._finish(task, token)
            finally:
                with suppress(Exception):  # the scheduler may be away
                    task.cancel()
        finally:
            executor.connection.listen(token, None)
            executor.forget(token)

    def _task(self, client: Any, order: Order) -> Any:
        resources = {job_resource(): 1}
        if self._uses_gpu and self._executor.connection.has_gpu():
            resources[GPU] = 1
        return client.submit(
            run_job,
            tuple(order),
            key=f"custom-vision-emulator-{order.token}",
            resources=resources,
            pure=False,
        )

    def _wait(self, task: Any, token: str) -> bool:
        """Whether the task has ended; False when the job was cancelled, or the scheduler was lost."""
        renewed = time.monotonic()
        ended = threading.Event()
        task.add_done_callback(lambda _: ended.set())
        while not ended.wait(_LOOK_SECONDS) and task.status == "pending":
            if not self._executor.is_running(self._future):
                return False
            if time.monotonic() - renewed > RENEW_SECONDS:
                self._executor.renew(token)
                renewed = time.monotonic()
            if not self._begun:
                self._say_why_it_waits()
        return task.status in ("finished", "error")

    def _finish(self, task: Any, token: str) -> bool:
        """Take the result of a task that has ended; False when the job has to be submitted again."""
        if task.status == "error":
            self._executor.finish(self._future, error=_explained(task.exception()))
            return True
        try:
            outcome = task.result(timeout=_RESULT_SECONDS)
        except Exception as lost:  # noqa: BLE001  (the scheduler or the worker ended just now)
            _log.warning("The result of a job was lost: %s", lost)
            return False
        match outcome:
            case Returned():
                self._executor.finish(self._future, self._executor.result_of(token, outcome))
            case Raised():
                error = rebuilt(outcome)
                if isinstance(
                    error, CancelledError
                ):  # the worker ended in order, or took this server for dead
                    return False
                self._executor.finish(self._future, error=error)
            case other:
                raise ClusterFailed(f"A worker returned {type(other).__name__}.")
        return True

    def _say_why_it_waits(self) -> None:
        problem = self._executor.problem()
        self._report(0.0, "Waiting for a free worker" if problem is None else f"Waiting: {problem}")

    def _note(self, fraction: float, step: str) -> None:
        self._begun = True
        self._report(fraction, step)

    def _report(self, fraction: float, step: str) -> None:
        on_progress = self._future.on_progress
        if on_progress is None or not self._executor.is_running(self._future):
            return
        try:
            on_progress(fraction, step)
        except Exception:  # noqa: BLE001  (the job goes on)
            _log.exception("on_progress raised")


def _explained(error: BaseException | None) -> BaseException:
    """The error of a task that returned nothing."""
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):
        return ClusterFailed("Workers of the cluster ended while they carried out the job.")
    return ClusterFailed(f"The cluster could not carry out the job: {type(error).__name__}: {error}")
