"""Fixtures for the tests of the worker process."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.worker.executor import WorkerExecutor
from tests.worker import job_functions as jobs
from tests.worker.waiting import Records


@pytest.fixture(autouse=True)
def _jobs_can_be_imported_by_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """The child finds the module of the jobs through `sys.path`."""
    depth = jobs.__name__.count(".")
    monkeypatch.syspath_prepend(str(Path(jobs.__file__).resolve().parents[depth]))


@pytest.fixture
def worker() -> Iterator[WorkerExecutor]:
    executor = WorkerExecutor()
    yield executor
    executor.shutdown()


@pytest.fixture
def records() -> Iterator[Records]:
    logger, handler = logging.getLogger("emulator.worker"), Records()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)
