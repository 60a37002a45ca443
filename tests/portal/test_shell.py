"""The frame around all pages: addresses that lead into it, and its accessibility."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from tests.support.harness import wait_until
from tests.support.images import picture
from tests.support.portal import Portal

if TYPE_CHECKING:
    from playwright.sync_api import Route


@pytest.mark.parametrize("path", ["projects", "emulator"])
def test_an_address_opens_its_page(portal: Portal, path: str) -> None:
    page = portal.open(path)
    assert page.url == f"{portal.server.endpoint}/portal/{path}"
    assert page.get_by_role("main").inner_text()
    page.reload()
    portal.settle()
    assert page.url == f"{portal.server.endpoint}/portal/{path}"


def test_the_root_leads_browsers_to_the_projects(portal: Portal) -> None:
    portal.page.goto(portal.server.endpoint)
    portal.page.wait_for_url("**/portal/projects")


def test_the_portal_works_below_a_prefix_that_a_proxy_removes(portal: Portal) -> None:
    project = portal.trainer.create_project("below a prefix")
    portal.trainer.create_images_from_data(project.id, picture(1))
    requested = []

    def without_prefix(route: Route) -> None:
        path = route.request.url.removeprefix(portal.server.endpoint)
        requested.append(path)
        route.continue_(url=portal.server.endpoint + path.removeprefix("/vision"))

    portal.page.route(f"{portal.server.endpoint}/**", without_prefix)
    page = portal.page
    page.goto(f"/vision/portal/projects/{project.id}/images")
    image = page.get_by_role("main").locator("img").first
    image.wait_for()
    wait_until(lambda: image.evaluate("image => image.naturalWidth") > 0, "the image")
    page.get_by_role("link", name="All projects").click()
    page.wait_for_url("**/vision/portal/projects")
    page.get_by_text("below a prefix").wait_for()
    page.goto("about:blank")  # its pages would report a project that is deleted
    portal.trainer.delete_project(project.id)
    assert [path for path in requested if not path.startswith("/vision/")] == []


def test_an_address_that_is_no_page_says_so(portal: Portal) -> None:
    page = portal.open("nothing-like-this")
    page.get_by_text("There is no such page").wait_for()
    portal.check_accessibility()


def test_the_projects_are_accessible(portal: Portal) -> None:
    portal.open("projects")
    portal.check_accessibility()


def test_every_file_is_sent_compressed(portal: Portal) -> None:
    """Chromium accepts Brotli from this machine."""
    encodings: dict[str, str | None] = {}
    portal.page.on("response", lambda one: encodings.setdefault(one.url, one.headers.get("content-encoding")))
    portal.open("projects")
    assets = {url: encoding for url, encoding in encodings.items() if "/assets/" in url}
    with httpx.Client(headers={"Accept-Encoding": ""}, trust_env=False) as client:
        large = [url for url in assets if len(client.get(url).content) > 1024]
    assert large
    assert [url for url in large if encodings[url] != "br"] == []


def test_the_first_view_loads_little_javascript(portal: Portal) -> None:
    """At most 250 KB, compressed, of which the page of the projects is a part."""
    sizes: dict[str, int] = {}
    portal.page.on(
        "response",
        lambda one: (
            sizes.update({one.url: int(one.headers["content-length"])}) if one.url.endswith(".js") else None
        ),
    )
    portal.open("projects")
    assert sizes
    assert sum(sizes.values()) <= 250_000, sizes


def test_the_keys_of_every_page_act_also_where_a_closed_dialog_is_kept(portal: Portal) -> None:
    """The form of a new project stays in the document, with what was typed."""
    page = portal.open("projects")
    dialog = page.get_by_role("dialog")
    for path in ("projects", "emulator"):
        portal.open(path)
        page.keyboard.press("Shift+?")
        dialog.get_by_role("heading", name="Keys", exact=True).wait_for()
        page.keyboard.press("Escape")
        dialog.wait_for(state="hidden")
        page.keyboard.press("Control+k")
        page.get_by_label("Command or project").fill("new project")
        page.keyboard.press("Enter")
        page.get_by_role("dialog", name="New project").get_by_label("Name").fill(path)
        page.keyboard.press("Shift+?")  # a letter of the name
        assert page.get_by_label("Name").input_value() == f"{path}?"
        page.keyboard.press("Escape")
        dialog.wait_for(state="hidden")


def test_the_palette_has_every_page_and_the_main_steps(portal: Portal) -> None:
    project = portal.trainer.create_project("palette")
    page = portal.open(f"projects/{project.id}/images")
    pages = page.get_by_role("navigation", name="Project").get_by_role("link").all_inner_texts()
    page.keyboard.press("Control+k")
    field = page.get_by_label("Command or project")
    steps = ["comparison", "emulator", "publish", "new project", "dark colors", "palette"]
    for words in [*pages, *steps]:
        field.fill(words.removesuffix("ing"))
        page.get_by_role("dialog").get_by_role("button").first.wait_for()
    field.fill("add images")
    page.keyboard.press("Enter")
    page.get_by_role("dialog", name="Add images").wait_for()
    assert "dialog=add" in page.url
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="hidden")
    assert "dialog" not in page.url


def test_a_key_in_use_is_refused_beside_its_action(portal: Portal) -> None:
    page = portal.open("projects")
    page.keyboard.press("Shift+?")
    dialog = page.get_by_role("dialog", name="Keys")
    row = dialog.get_by_role("row").filter(has_text="Skip the image")
    row.get_by_role("button").click()
    page.keyboard.press("d")
    refusal = row.get_by_role("alert")
    refusal.get_by_text("D is the key of").wait_for()
    assert refusal.evaluate(
        """element => {
          const {left, top} = element.getBoundingClientRect();
          return element.contains(document.elementFromPoint(left + 4, top + 4));
        }"""
    )
    page.keyboard.press("j")
    row.get_by_text("J", exact=True).wait_for()
