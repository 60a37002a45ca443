"""Chromium for the tests of the portal, and a server that they share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.live_server import LiveServer
from tests.support.portal import Portal, new_context, require_portal, running_browser

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

    from tests.conftest import Serve

OpenPortal = Callable[..., Portal]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests of this package. It ends before tests of other packages begin."""
    with running_browser() as browser:
        yield browser


@pytest.fixture(scope="session")
def portal_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """The real application with the instant trainer, for all tests: each makes projects of its own."""
    require_portal()
    folder: Path = tmp_path_factory.mktemp("portal")
    server = LiveServer(folder / "data", "--trainer", "instant")
    yield server
    server.terminate()


@pytest.fixture(scope="package")
def shared_context(browser: Browser, portal_server: LiveServer) -> Iterator[BrowserContext]:
    """A context whose cache has the files of the portal, for the users of the shared server in turn."""
    context = new_context(browser, portal_server)
    yield context
    context.close()


@pytest.fixture
def open_portal(browser: Browser, serve: Serve) -> Iterator[OpenPortal]:
    """Makes users of the portal, each in a browser context of its own.

    Their pages are closed before the servers of `serve` end, which pages would report.
    """
    opened: list[Portal] = []

    def make(server: LiveServer, **context_options: Any) -> Portal:
        opened.append(Portal(browser, server, **context_options))
        return opened[-1]

    yield make
    problems = []
    for portal in opened:
        try:
            portal.close()
        except AssertionError as error:
            problems.append(str(error))
    assert not problems, "\n".join(problems)


@pytest.fixture
def portal(open_portal: OpenPortal, portal_server: LiveServer, shared_context: BrowserContext) -> Portal:
    """A user of the portal on the shared server."""
    return open_portal(portal_server, shared=shared_context)
