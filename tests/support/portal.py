"""The portal in Chromium, with the real application behind it.

A test fails when a page writes an error to the console, throws one, violates the content security policy or
sends a request to another origin. What a test causes on purpose is named with `Portal.expects`.

The fixtures are in `tests/portal/conftest.py`. No test of that package uses the fixture `service`:
Playwright's event loop runs in the thread of the tests until the last one of the package has ended.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from emulator.portal import static_files
from tests.support.browser import chromium
from tests.support.harness import PATIENCE_SECONDS, PREDICTION_KEY, TRAINING_KEY
from tests.support.live_server import LiveServer

if TYPE_CHECKING:
    from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient
    from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, WebError

WIDTH, HEIGHT = 1280, 800
OPTIONS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-sync",
    "--no-first-run",
)
# WCAG 2.2 at the levels A and AA.
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
_VIOLATIONS = """async rules => {
  const options = {runOnly: {type: "tag", values: rules}, resultTypes: ["violations"]};
  return (await axe.run(document, options)).violations;
}"""
_HAS_SCHEME = """async scheme => {
  for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame);
  return document.documentElement.dataset.mantineColorScheme === scheme;
}"""
# Noted by the page itself, since a violation of a policy need not be in the console.
_NOTE_VIOLATIONS = """
  document.addEventListener("securitypolicyviolation", event =>
    console.error(`policy violation: ${event.effectiveDirective} ${event.blockedURI}`));
"""
# Messages with a button are closed after some seconds, which a busy machine may need between two steps: they
# stay. No other timer of the portal has this time.
_NOTICE_TIMES = Path(__file__).parents[2] / "portal" / "src" / "components" / "noticeTimes.ts"
_SHOWN_MS = re.compile(r"^export const BUTTON_SHOWN_MS = (\d+);$", re.MULTILINE)
_KEEP_MESSAGES = """
  const setTimeoutOfBrowser = window.setTimeout;
  window.setTimeout = (act, delay, ...more) =>
    setTimeoutOfBrowser(act, delay === SHOWN_MS ? 2 ** 31 - 1 : delay, ...more);
"""
# Requests without a response yet. One that waits for a change of jobs is none: it lasts as long as the job.
_COUNT_REQUESTS = """
  window.openRequests = 0;
  const fetchOfBrowser = window.fetch;
  window.fetch = async (...request) => {
    const waits = String(request[0]?.url ?? request[0]).includes("timeoutSeconds=");
    if (!waits) window.openRequests++;
    try {
      return await fetchOfBrowser(...request);
    } finally {
      if (!waits) window.openRequests--;
    }
  };
"""
# Called once a frame. After a response, the page draws and may send the next request within three frames.
_IS_SETTLED = """() => {
  const isLoading = !document.querySelector("main > *, [role=dialog]") ||
    document.querySelector("main [role=status] > .mantine-Loader-root") ||
    [...document.querySelectorAll("img:not([loading=lazy])")].some(image => !image.complete);
  window.quietFrames = window.openRequests === 0 && !isLoading ? (window.quietFrames ?? 0) + 1 : 0;
  return window.quietFrames > 3;
}"""


def require_portal() -> None:
    """Skip the test where the portal is not built, or what drives a browser is missing."""
    if not (static_files.FOLDER / static_files.INDEX).is_file():
        pytest.skip("the portal is not built: run make portal")
    if importlib.util.find_spec("playwright") is None:
        pytest.skip("playwright is missing: pip install playwright")
    chromium()


@contextmanager
def running_browser() -> Iterator[Browser]:
    require_portal()
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE_SECONDS * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=OPTIONS)
        try:
            yield browser
        finally:
            browser.close()


def new_context(browser: Browser, server: LiveServer, **options: Any) -> BrowserContext:
    """Cookies, storage and cache of one user. options: of Playwright's `new_context`."""
    more = {"viewport": {"width": WIDTH, "height": HEIGHT}, "locale": "en-US", **options}
    # Animations would make axe see colors that are in transition.
    context = browser.new_context(base_url=server.endpoint, reduced_motion="reduce", **more)
    context.set_default_timeout(PATIENCE_SECONDS * 1000)
    keep_messages = _KEEP_MESSAGES.replace("SHOWN_MS", str(_shown_milliseconds()))
    context.add_init_script(_NOTE_VIOLATIONS + keep_messages + _COUNT_REQUESTS)
    return context


@cache
def _shown_milliseconds() -> int:
    """How long the portal shows messages with a button."""
    found = _SHOWN_MS.search(_NOTICE_TIMES.read_text(encoding="utf-8"))
    assert found is not None, f"{_NOTICE_TIMES} has no BUTTON_SHOWN_MS"
    return int(found[1])


@cache
def _axe() -> str:
    """The script of axe; skips the test where it is missing."""
    if importlib.util.find_spec("axe_playwright_python") is None:
        pytest.skip("axe-playwright-python is missing: pip install axe-playwright-python")
    from axe_playwright_python.base import AXE_SCRIPT

    return str(AXE_SCRIPT)


def trainer_of(server: LiveServer) -> CustomVisionTrainingClient:
    """A client of the official SDK."""
    from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient
    from msrest.authentication import ApiKeyCredentials

    credentials = ApiKeyCredentials(in_headers={"Training-key": TRAINING_KEY})
    return CustomVisionTrainingClient(server.endpoint, credentials)


class Portal:
    """A user of the portal: a browser context with one page, and clients of the official SDK beside it.

    Attributes:
        page: of Playwright; `new_tab` opens another one with the same session.
        problems: what would fail the test at its end.
    """

    def __init__(
        self,
        browser: Browser,
        server: LiveServer,
        shared: BrowserContext | None = None,
        **context_options: Any,
    ) -> None:
        """`shared`: the context of users before, of whom nothing is left but files in the cache."""
        self.server = server
        self.problems: list[str] = []
        self._expected: list[re.Pattern[str]] = []
        self._is_shared = shared is not None
        self.context: BrowserContext = shared or new_context(browser, server, **context_options)
        self._listeners: dict[str, Callable[[Any], None]] = {
            "console": self._note_message,
            "weberror": self._note_error,
            "request": self._note_request,
        }
        for event, listener in self._listeners.items():
            self.context.on(event, listener)  # type: ignore[call-overload]
        self.page: Page = self.context.new_page()
        if shared:
            self.context.clear_cookies()
            storage = {"origin": server.endpoint, "storageTypes": "local_storage"}
            self.context.new_cdp_session(self.page).send("Storage.clearDataForOrigin", storage)

    # --- steps ----------------------------------------------------------------------------------------------

    def open(self, path: str = "", page: Page | None = None) -> Page:
        """Open ``/portal/PATH`` and wait until the page has what it asked for."""
        shown = page or self.page
        shown.goto(f"/portal/{path.lstrip('/')}")
        return self.settle(shown)

    def settle(self, page: Page | None = None) -> Page:
        """Wait until the requests of the page have their responses and are drawn."""
        shown = page or self.page
        shown.evaluate("window.quietFrames = 0")
        shown.wait_for_function(_IS_SETTLED)
        return shown

    def new_tab(self, path: str = "") -> Page:
        return self.open(path, self.context.new_page())

    def expects(self, *patterns: str) -> None:
        """Name messages, requests or errors that the test causes on purpose, as regular expressions."""
        self._expected += map(re.compile, patterns)

    def check_accessibility(self, page: Page | None = None) -> None:
        """Fail for each violation of WCAG 2.2 AA that axe finds, in light and dark."""
        shown = page or self.page
        if not shown.evaluate("'axe' in window"):
            shown.evaluate(_axe())
        found = []
        for scheme in ("light", "dark"):
            shown.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            # The page follows in its own time; axe would see colors of both.
            shown.wait_for_function(_HAS_SCHEME, arg=scheme)
            for violation in shown.evaluate(_VIOLATIONS, _RULES):
                places = [
                    f"{node['target']} {node.get('failureSummary', '')}" for node in violation["nodes"][:5]
                ]
                found.append(f"{scheme}: {violation['id']}: {violation['help']}: {places}")
        assert not found, "\n".join(found)

    # --- the official SDK -----------------------------------------------------------------------------------

    @property
    def trainer(self) -> CustomVisionTrainingClient:
        return trainer_of(self.server)

    @property
    def predictor(self) -> CustomVisionPredictionClient:
        from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient
        from msrest.authentication import ApiKeyCredentials

        credentials = ApiKeyCredentials(in_headers={"Prediction-key": PREDICTION_KEY})
        return CustomVisionPredictionClient(self.server.endpoint, credentials)

    # --- what fails a test ----------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the pages and fail for problems that the test did not expect."""
        if self._is_shared:
            for page in self.context.pages:
                page.close()
            for event, listener in self._listeners.items():
                self.context.remove_listener(event, listener)
        else:
            self.context.close()
        unexpected = [
            problem
            for problem in self.problems
            if not any(pattern.search(problem) for pattern in self._expected)
        ]
        assert not unexpected, "\n".join(unexpected)

    def _note_message(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(f"console {message.type}: {message.text} {message.location.get('url', '')}")

    def _note_error(self, error: WebError) -> None:
        self.problems.append(f"uncaught: {error.error}")

    def _note_request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        is_own = f"{parts.scheme}://{parts.netloc}" == self.server.endpoint
        if not is_own and parts.scheme not in ("data", "blob"):
            self.problems.append(f"request to another origin: {request.url}")
