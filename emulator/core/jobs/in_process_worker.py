"""A worker without a process of its own, for jobs of milliseconds."""

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import Any


class InProcessWorker:
    """Calls functions in threads of this process. A `Worker` (`worker_protocol`).

    A cancelled job ends at its next report of progress.
    """

    def warm_up(self) -> None:
        """Nothing has to be started."""

    def submit(
        self,
        fn: Callable[..., Any],
        /,
        *args: Any,
        on_progress: Callable[[float, str], None] = lambda fraction, step: None,
        **kwargs: Any,
    ) -> "Future[Any]":
        """Call a function in a new thread."""
        future = _CancellableFuture()

        def progress(fraction: float, step: str) -> None:
            if future.is_cancelled:
                raise CancelledError
            on_progress(fraction, step)

        def run() -> None:
            try:
                result = fn(*args, progress=progress, **kwargs)
            except BaseException as error:  # noqa: BLE001  (the caller of `result` gets it)
                future.set_exception(error)
            else:
                future.set_result(result)

        threading.Thread(target=run, name="in-process job", daemon=True).start()
        return future


class _CancellableFuture(Future[Any]):
    """A future whose job can be cancelled while it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.is_cancelled = False

    def cancel(self) -> bool:
        self.is_cancelled = True
        return True
