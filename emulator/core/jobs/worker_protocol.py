"""The interface of child processes that do long work."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol


class Worker(Protocol):
    """A child process; `emulator.worker.executor.WorkerExecutor` implements it."""

    def warm_up(self) -> None:
        """Start the process if it is not running, since a job will follow soon."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Call a function in the process."""
