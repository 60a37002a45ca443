"""Waiting for events of the worker process, without sleeping."""

import logging
import queue

from emulator.worker.executor import JobFuture, WorkerExecutor
from tests.worker import job_functions as jobs

PATIENCE = 300  # seconds after which a waiting test fails


class Reports:
    """An `on_progress` that can be waited for."""

    def __init__(self) -> None:
        self.queue: queue.Queue[tuple[float, str]] = queue.Queue()

    def __call__(self, fraction: float, text: str) -> None:
        self.queue.put((fraction, text))

    def next(self) -> tuple[float, str]:
        return self.queue.get(timeout=PATIENCE)


class Records(logging.Handler):
    """A log handler whose records can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: queue.Queue[logging.LogRecord] = queue.Queue()

    def emit(self, record: logging.LogRecord) -> None:
        self.queue.put(record)

    def wait_for(self, text: str) -> logging.LogRecord:
        while True:
            record = self.queue.get(timeout=PATIENCE)
            if text in record.getMessage():
                return record


def start_endless_job(worker: WorkerExecutor) -> JobFuture[None]:
    reports = Reports()
    future = worker.submit(jobs.never_end, on_progress=reports)
    assert reports.next() == (0.0, "running")
    return future
