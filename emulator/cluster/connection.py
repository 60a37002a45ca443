"""The connection to the scheduler of a Dask cluster, made again whenever it is lost."""

import logging
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

from emulator import __version__
from emulator.cluster.messages import GPU, PROGRESS, RESOURCE, job_resource

# Between two looks at the scheduler, or two attempts to connect.
_PAUSE_SECONDS = 1.0
_CONNECT_SECONDS = 5
# A scheduler that has not answered for this time is as good as lost.
_SILENT_SECONDS = 15.0
_ABOUT = "custom-vision-emulator cluster-worker"
_log = logging.getLogger(__name__)

OnProgress = Callable[[float, str], object]


class Connection:
    """Looks at the scheduler in a thread, and connects to it. All methods may be called from any thread.

    address: such as tcp://host:8786.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.topic = f"custom-vision-emulator-{uuid.uuid4().hex}"
        self._changed = threading.Condition()
        # `_changed` guards all of the following.
        self._client: Any = None
        self._resources: list[dict[str, float]] = []
        self._answered = time.monotonic()
        self._reason = "it has not answered yet"
        self._listeners: dict[str, OnProgress] = {}
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to connect."""
        with self._changed:
            if self._thread is None and not self._closed.is_set():
                self._thread = threading.Thread(target=self._watch, name="cluster", daemon=True)
                self._thread.start()

    def close(self) -> None:
        self._closed.set()
        if self._thread is not None:
            self._thread.join(timeout=_CONNECT_SECONDS)
        self._leave("the server ends", logging.DEBUG)

    def client(self, seconds: float = 0) -> Any:
        """The client of Dask for the scheduler, waiting for it for some seconds; None while there is none."""
        with self._changed:
            self._changed.wait_for(lambda: self._client is not None or self._closed.is_set(), seconds)
            return self._client

    def problem(self) -> str | None:
        """Why jobs wait, as the end of a sentence; None when a worker can take one."""
        with self._changed:
            if self._client is None:
                return f"the scheduler {self.address} cannot be reached: {self._reason}"
            if time.monotonic() - self._answered > _SILENT_SECONDS:
                return f"the scheduler {self.address} does not answer"
            if any(job_resource() in resources for resources in self._resources):
                return None
            others = {
                name.removeprefix(f"{RESOURCE}-")
                for resources in self._resources
                for name in resources
                if name.startswith(f"{RESOURCE}-")
            }
            if others:
                return (
                    f"the workers of {self.address} are of version {', '.join(sorted(others))}, and this "
                    f"server is of {__version__}"
                )
            if self._resources:
                return (
                    f"none of the {len(self._resources)} workers of {self.address} has the resource "
                    f"{job_resource()}; start workers with: {_ABOUT}"
                )
            return f"{self.address} has no workers; start them with: {_ABOUT} {self.address}"

    def has_gpu(self) -> bool:
        """Whether a worker of this version has a GPU."""
        with self._changed:
            return any(job_resource() in found and GPU in found for found in self._resources)

    def listen(self, token: str, on_progress: OnProgress | None) -> None:
        """Call a function with the progress of a submission; None to stop. It must be short."""
        with self._changed:
            self._listeners.pop(token, None)
            if on_progress is not None:
                self._listeners[token] = on_progress

    def _watch(self) -> None:
        while not self._closed.is_set():
            client = self.client()
            if client is None:
                self._connect()
            elif client.status != "running":
                self._leave("the connection was lost")
                continue
            else:
                self._look(client)
            self._closed.wait(_PAUSE_SECONDS)

    def _connect(self) -> None:
        import dask
        from distributed import Client

        use_our_log()
        dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GB"})
        try:
            client = Client(
                self.address, timeout=_CONNECT_SECONDS, set_as_default=False, name="custom-vision-emulator"
            )
        except Exception as error:  # noqa: BLE001  (OSError, TimeoutError, errors of TLS and of the handshake)
            with self._changed:
                self._reason = reason_of(error)
            return
        client.subscribe_topic(self.topic, self._noted)
        self._look(client)
        with self._changed:
            self._client = client
            self._changed.notify_all()
        _log.info("Connected to the scheduler %s", self.address)

    def _look(self, client: Any) -> None:
        """Ask the scheduler for its workers."""
        try:
            # All of them: versions of 2025 and 2026 give five if nothing is said.
            workers = client.scheduler_info(n_workers=-1)["workers"]
        except Exception as error:  # noqa: BLE001  (the next look finds the state of the client)
            _log.debug("The scheduler did not answer: %s", error)
            return
        with self._changed:
            self._resources = [dict(worker["resources"]) for worker in workers.values()]
            self._answered = time.monotonic()

    def _leave(self, reason: str, level: int = logging.WARNING) -> None:
        with self._changed:
            client, self._client = self._client, None
            self._resources = []
            self._reason = reason
            self._changed.notify_all()
        if client is not None:
            _log.log(level, "Not connected to the scheduler %s: %s", self.address, reason)
            try:
                client.close(timeout=1)
            except Exception as error:  # noqa: BLE001  (the connection is lost already)
                _log.debug("The client did not close: %s", error)

    def _noted(self, event: tuple[float, Any]) -> None:
        _, message = event
        if isinstance(message, (tuple, list)) and len(message) == 4 and message[0] == PROGRESS:
            _, token, fraction, step = message
            with self._changed:
                listener = self._listeners.get(token)
            if listener is not None:
                listener(fraction, step)


def reason_of(error: BaseException) -> str:
    """Why a scheduler could not be reached, in one line."""
    reason = str(error).partition("\n")[0] or type(error).__name__
    if isinstance(error, (OSError, TypeError)):  # timeouts and TLS; TLS without certificates
        return reason
    # Whatever another program sends is read as a message of Dask, with any error.
    return f"what answers there is no scheduler of Dask, or one of another version ({reason})"


def use_our_log() -> None:
    """Dask adds handlers to its loggers; its warnings go to the log of this program instead."""
    for name in ("distributed", "distributed.client", "tornado", "tornado.application"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.CRITICAL if name == "distributed.client" else logging.WARNING)
