"""Fixtures of all suites."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.support.coverage_plugin import WRITE, CoveragePlugin
from tests.support.harness import Service, running_service
from tests.support.live_server import LiveServer

# The same examples on every run and every machine, and no limit on an example's time: machines differ.
settings.register_profile(
    "suite",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("suite")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(WRITE, action="store_true", help="write docs/coverage.md from what this run shows")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(CoveragePlugin(config), "coverage-page")


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


@pytest.fixture
def live(serve: Serve) -> LiveServer:
    return serve()
