"""A job on a worker: the function that Dask calls in a thread of the worker's process."""

import logging
import os
import shutil
import socket
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from emulator import __version__
from emulator.cluster.exchange import FORGOTTEN_SECONDS, Exchange, folder_of, pieces_token
from emulator.cluster.messages import PROGRESS, ClusterFailed, Order
from emulator.cluster.packing import pack
from emulator.cluster.pieces import call_with_pieces
from emulator.cluster.setting import Setting, call_with_setting
from emulator.store.database import BlobsUnreachable
from emulator.store.object_blobs import ObjectBlobStore, open_objects
from emulator.worker.executor import JobFuture, WorkerExecutor
from emulator.worker.messages import Raised, Returned, raised

# The worker looks this often whether its result is still wanted.
CHECK_SECONDS = 2.0
# A training is often followed by another one.
_IDLE_SECONDS = 300
_FETCHES = 16
# A copy of a blob that no job has used for this time is deleted.
_KEPT_SECONDS = 7 * 24 * 3600
# A job is given up when this number of workers have ended while they carried it out.
RUNS = 2
_log = logging.getLogger(__name__)


class Place:
    """What a process needs to carry out jobs, one at a time.

    folder: for copies of images, features, and unfinished files; several processes may share it. store: the
    URL of the object store where this machine sees it elsewhere than the server; None to use the server's.
    """

    def __init__(self, folder: Path, store: str | None = None) -> None:
        self.folder = folder
        self.store = store
        self.executor = WorkerExecutor(idle_seconds=_IDLE_SECONDS)
        # Set when the process ends, or has lost the scheduler.
        self.ending = threading.Event()

    def close(self) -> None:
        """End the running job, if there is one."""
        self.ending.set()
        self.executor.shutdown()


_place: Place | None = None
_place_lock = threading.Lock()


def set_place(place: Place | None) -> None:
    """Choose the place of this process; None for a new one, in the folder of Dask's worker."""
    global _place
    with _place_lock:
        _place = place


def _current_place(folder: str) -> Place:
    global _place
    with _place_lock:
        if _place is None:
            _place = Place(Path(folder) / "custom-vision-emulator")
        return _place


def run_job(order: tuple[Any, ...]) -> Returned | Raised:
    """Carry out an `Order`; the result is packed by `packing`, with its files in the object store.

    It raises no exception: Dask would need its class at the client.
    """
    from distributed import get_worker

    worker = get_worker()

    def report(fraction: float, step: str) -> None:
        worker.log_event(topic, (PROGRESS, token, fraction, step))

    try:
        # The message of another version may have other fields.
        version, token, _, topic = order[:4]
        if version != __version__:
            raise ClusterFailed(
                f"The worker {worker.name} is of version {__version__}, and the server of {version}."
            )
        run = Run(
            _current_place(worker.local_directory),
            Order(*order),
            f"{worker.name} on {socket.gethostname()}",
            _seldom(report),
            addresses=(worker.scheduler.address, worker.address),
            is_cancelled=partial(_is_cancelled, worker, worker.get_current_task()),
        )
        return run.result()
    except BaseException as error:  # noqa: BLE001  (the server gets it)
        return raised(error)


def _is_cancelled(worker: Any, key: str) -> bool:
    """Whether the scheduler has cancelled a task that this worker executes, which Dask itself does not end.

    It does so as soon as the connection of the task's client ends, however the client's process ended.
    """
    task = worker.state.tasks.get(key)
    return task is not None and task.state == "cancelled"


def _seldom(report: Callable[[float, str], None]) -> Callable[[float, str], None]:
    """Leave out reports that people would not see."""
    last: tuple[int, str] = (-1, "")

    def noted(fraction: float, step: str) -> None:
        nonlocal last
        if (int(fraction * 100), step) != last:
            last = (int(fraction * 100), step)
            report(fraction, step)

    return noted


class Run:
    """One job, or a piece of one.

    name: of the worker, for people. addresses: of the scheduler and of the worker, for jobs with pieces.
    is_cancelled: whether Dask has cancelled the task of this run.
    """

    def __init__(
        self,
        place: Place,
        order: Order,
        name: str,
        report: Callable[[float, str], None],
        *,
        addresses: tuple[str, str] = ("", ""),
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self._place = place
        self._order = order
        self._name = name
        self._report = report
        self._is_cancelled = is_cancelled
        self._id = uuid.uuid4().hex
        self._folder = place.folder / "jobs" / self._id
        self._exchange = Exchange(place.store or order.store)
        self._shared = folder_of(self._exchange.address)
        self._setting = Setting(
            *addresses,
            order=order._replace(call=b"", blobs=[]),
            store=self._exchange.address,
            blobs=self._shared or place.folder,
            folder=self._folder,
            kept=place.folder,
            run=run_job,
        )

    def result(self) -> Returned:
        token = self._order.token
        if self._exchange.wish(token) is None:
            raise ClusterFailed(
                f"The worker {self._name} does not see the images of the server in {self._exchange.address}; "
                "both need the same bucket or folder (--blobs)."
            )
        if self._exchange.begin_run(token, self._id) >= RUNS:
            raise ClusterFailed(f"{RUNS} workers of the cluster ended while they carried out the job.")
        try:
            self._stop_pieces()  # of a worker that was killed
            self._folder.mkdir(parents=True)
            return self._call()
        finally:  # but not when this process is killed
            shutil.rmtree(self._folder, ignore_errors=True)
            with suppress(BlobsUnreachable):
                self._stop_pieces()
                if not self._is_piece:  # it is submitted once, and has begun for as long as it exists
                    self._exchange.end_run(token, self._id)

    @property
    def _is_piece(self) -> bool:
        return bool(self._order.inputs)

    def _stop_pieces(self) -> None:
        if not self._is_piece:
            self._exchange.delete(pieces_token(self._order.token))

    def _call(self) -> Returned:
        self._report(0, "Fetching images")
        setting = self._setting
        self._fetch_blobs()
        for token in (*self._order.inputs, self._order.token):
            self._exchange.receive(token, "in", setting.file)
        function, arguments, keywords = setting.unpacked(self._order.call)
        call = call_with_setting if self._is_piece else call_with_pieces
        future = self._place.executor.submit(
            call, setting, function, *arguments, on_progress=self._report, **keywords
        )
        packed = pack(self._wait(future), self._folder)
        self._exchange.send(self._order.token, "out", self._folder, packed.files)
        return Returned(packed.content)

    def _fetch_blobs(self) -> None:
        """Copy the blobs of the order here; those of a folder stay there.

        One that is missing has no file, as on the server.
        """
        if self._shared is not None:
            return
        folder = self._place.folder
        store = _Copies(open_objects(self._exchange.address), self._exchange.address, folder)
        _delete_old(folder)

        def fetch(name: str) -> None:
            if self._place.ending.is_set():
                raise CancelledError
            with suppress(FileNotFoundError):
                os.utime(store.verified_path(name))

        with ThreadPoolExecutor(_FETCHES, thread_name_prefix="fetch") as threads:
            for number, _ in enumerate(threads.map(fetch, self._order.blobs)):
                if number % 100 == 99:
                    self._report(0, f"Fetching images: {number + 1} of {len(self._order.blobs)}")

    def _wait(self, future: JobFuture[Any]) -> Any:
        """The result of the child process. Raises CancelledError when it is not wanted."""
        wish, changed = "", time.monotonic()
        while True:
            try:
                return future.result(CHECK_SECONDS)
            except NotYet:
                if future.done():  # an error of the job itself
                    raise
            if self._is_cancelled():
                future.cancel()
                continue
            try:
                found = self._exchange.wish(self._order.token)
            except BlobsUnreachable as error:  # the server cannot renew its wish either
                _log.warning("%s", error)
                changed = time.monotonic()
                continue
            if found != wish:
                wish, changed = found or "", time.monotonic()
            if found is None or time.monotonic() - changed > FORGOTTEN_SECONDS:
                future.cancel()


class _Copies(ObjectBlobStore):
    """Copies of blobs of an object store, whose rows are nowhere to be seen."""

    def _require_mark(self) -> None:
        """Workers also read folders without a mark; they write no blobs."""


def _delete_old(folder: Path) -> None:
    oldest = time.time() - _KEPT_SECONDS
    for path in (folder / "blobs").glob("*/*"):
        with suppress(OSError):
            if path.stat().st_mtime < oldest:
                path.unlink()
