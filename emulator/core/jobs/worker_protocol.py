"""The interfaces of what does long work: child processes, and a cluster."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol


class Worker(Protocol):
    """A child process; `emulator.worker.executor.WorkerExecutor` implements it."""

    def warm_up(self) -> None:
        """Start the process if it is not running, since a job will follow soon."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Call a function in the process."""


class Cluster(Worker, Protocol):
    """Other machines that carry out trainings and exports; `emulator.cluster.executor` implements it.

    jobs: how many jobs of a kind it gets at a time.
    """

    jobs: int

    def start(self) -> None:
        """Connect, in the background. The store is open."""

    def shutdown(self, wait: bool = True) -> None:
        """Cancel the jobs and end; `wait` for their threads."""

    def problem(self) -> str | None:
        """Why jobs wait, as the end of a sentence; None when a worker can take one."""
