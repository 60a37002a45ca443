"""What fails every test of this package: pages that are broken on purpose make it fail."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.support.hands import Keyboard
from tests.support.live_server import LiveServer
from tests.support.portal import Portal

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

# What a page does wrong, and what the test says about it.
FAULTS = {
    "console error": ("console.error('broken')", "console error: broken"),
    "warning": ("console.warn('doubtful')", "console warning: doubtful"),
    "exception": ("queueMicrotask(() => { throw new Error('broken') })", "uncaught: .*broken"),
    "rejection": ("void Promise.reject(new Error('broken'))", "uncaught: .*broken"),
    "missing file": ("fetch('/portal/assets/missing.js')", "status of 404"),
    "other origin": ("fetch('http://127.0.0.1:9/').catch(() => 0)", "policy violation: connect-src"),
    "image of another origin": ("new Image().src = 'http://127.0.0.1:9/a.png'", "policy violation: img-src"),
    "inline script": (
        "document.body.append(Object.assign(document.createElement('script'), {textContent: '1'}))",
        "policy violation: script-src",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_page_fails_its_test(
    browser: Browser, portal_server: LiveServer, shared_context: BrowserContext, fault: str
) -> None:
    script, message = FAULTS[fault]
    portal = Portal(browser, portal_server, shared=shared_context)
    page = portal.open("nothing-like-this")
    with (
        page.expect_event("console") if "uncaught" not in message else portal.context.expect_event("weberror")
    ):
        page.evaluate(f"() => {{ {script} }}")
    with pytest.raises(AssertionError, match=message):
        portal.close()


def test_a_navigation_to_another_origin_fails_its_test(
    browser: Browser, portal_server: LiveServer, shared_context: BrowserContext
) -> None:
    portal = Portal(browser, portal_server, shared=shared_context)
    portal.page.route("http://127.0.0.1:9/**", lambda route: route.fulfill(body="elsewhere"))
    portal.page.goto("http://127.0.0.1:9/")
    with pytest.raises(AssertionError, match=r"request to another origin: http://127\.0\.0\.1:9/"):
        portal.close()


def test_the_problems_of_new_tabs_count_and_end_with_their_test(
    browser: Browser, portal_server: LiveServer, shared_context: BrowserContext
) -> None:
    first = Portal(browser, portal_server, shared=shared_context)
    tab = first.new_tab("nothing-like-this")
    with tab.expect_event("console"):
        tab.evaluate("localStorage.left = 1; console.error('broken')")
    with pytest.raises(AssertionError, match="broken"):
        first.close()
    second = Portal(browser, portal_server, shared=shared_context)
    second.open("nothing-like-this")
    assert second.page.evaluate("localStorage.left ?? null") is None
    second.close()


def test_every_page_of_this_package_is_watched() -> None:
    """Contexts are only made by `Portal`, which notes their problems."""
    folder = Path(__file__).parent
    assert not [
        path.name
        for path in folder.rglob("*.py")
        if re.search(r"\.new_context\(|launch\(|browser\.new_page\(", path.read_text("utf-8"))
        and path != Path(__file__)
    ]


def test_inaccessible_pages_are_found_in_the_scheme_that_has_the_fault(portal: Portal) -> None:
    page = portal.open("nothing-like-this")
    style = "light-dark(#000, #444)"
    page.evaluate(f"document.querySelector('main h2').style.color = '{style}'")
    with pytest.raises(AssertionError, match=r"^dark: color-contrast: [^\n]*$"):
        portal.check_accessibility()
    page.evaluate("document.querySelector('main').append(document.createElement('button'))")
    with pytest.raises(AssertionError, match="light: button-name"):
        portal.check_accessibility()


def test_the_keyboard_finds_what_it_cannot_reach_or_see(portal: Portal) -> None:
    page = portal.page
    keyboard = Keyboard(page)
    portal.open("nothing-like-this")
    page.evaluate(
        """() => {
          const add = (name, style, tabIndex = 0) => document.querySelector("main").append(
            Object.assign(document.createElement("button"), {textContent: name, style, tabIndex}));
          add("plain", "");
          add("unmarked", "outline: none; box-shadow: none");
          add("far", "position: fixed; left: -500px");
          add("no stop", "", -1);
        }"""
    )
    for name in ("plain", "unmarked", "far"):
        keyboard.reach(page.get_by_role("button", name=name))
    assert [reason.split(":")[0] for reason in keyboard.hidden] == ["no mark of the focus", "out of sight"]
    with pytest.raises(AssertionError, match="not reached by Tab"):
        keyboard.reach(page.get_by_role("button", name="no stop"))
    portal.expects("a pointer was used")
    with page.expect_event("console"):
        page.get_by_role("button", name="plain").click()
    expect(page.get_by_role("button", name="plain")).to_be_focused()
    assert any("a pointer was used" in problem for problem in portal.problems)
