"""A child process that does long work, as the rules use it."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol


class Worker(Protocol):
    """What `emulator.worker.executor.WorkerExecutor` offers to the rules."""

    def warm_up(self) -> None:
        """Start the process, if it is not running: a job will follow soon."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Call a function in the process."""
