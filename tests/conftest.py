"""Fixtures of all suites."""

import gc
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.support import chosen_store
from tests.support.coverage_plugin import WRITE, CoveragePlugin
from tests.support.harness import Service, running_service
from tests.support.live_server import LiveServer
from tests.support.memory_folder import use_memory_folder
from tests.support.patient_http import be_patient

# The same examples on every run and every machine, and no limit on an example's time: machines differ.
settings.register_profile(
    "suite",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("suite")

be_patient()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(WRITE, action="store_true", help="write docs/coverage.md from what this run shows")


_MEMORY_FOLDER = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    reason = chosen_store.reason_against()
    if reason is not None:
        raise pytest.UsageError(reason)
    config.pluginmanager.register(CoveragePlugin(config), "coverage-page")
    if not config.option.basetemp:  # workers have one: a folder in that of the process that started them
        folder = use_memory_folder()
        if folder is not None:
            config.stash[_MEMORY_FOLDER] = folder


def pytest_report_header(config: pytest.Config) -> list[str]:
    folder = config.stash.get(_MEMORY_FOLDER, None)
    lines = [] if folder is None else [f"temporary files: in memory, {folder}; elsewhere with TMPDIR"]
    store = chosen_store.description()
    return lines if store is None else [*lines, store]


def pytest_collection_finish() -> None:
    """Spend less time on the collection of garbage, a sixth of the time of short tests by default.

    Modules and tests stay until the end, so that no collection need look at them.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Free the memory; the folders of failed tests are kept."""
    folder = session.config.stash.get(_MEMORY_FOLDER, None)
    if folder is not None and not session.testsfailed:
        shutil.rmtree(folder, ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Files with slow tests and those with a browser first: the rest keeps all workers busy until the end, and
    # Chromium is started once by each worker.
    long = {item.path for item in items if _takes_long(item)}
    items.sort(key=lambda item: item.path not in long)
    reasons = {}
    if chosen_store.is_postgresql():
        reasons["sqlite"] = "about the database in the data folder"
    if chosen_store.has_objects():
        reasons["files"] = "about files of the data folder that a store of several servers does not have"
    for item in items:
        for marker, reason in reasons.items():
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


def _takes_long(item: pytest.Item) -> bool:
    return item.get_closest_marker("slow") is not None or "browser" in getattr(item, "fixturenames", ())


Serve = Callable[..., LiveServer]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """The application in this process, with a clock, ids and a worker that the test commands."""
    yield from running_service(tmp_path / "data")


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts live servers, by default on one data folder; none outlives the test."""
    servers: list[LiveServer] = []

    def start(*arguments: str, data: Path | None = None, **more: Any) -> LiveServer:
        servers.append(LiveServer(data or tmp_path / "data", *arguments, **more))
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.kill()
    for server in servers:
        chosen_store.free_store_of(server.data)


@pytest.fixture
def live(serve: Serve) -> LiveServer:
    return serve()
