"""The gallery of projects: what it shows, making, importing and deleting projects."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.portal.conftest import OpenPortal
from tests.support.live_server import LiveServer
from tests.support.portal import Portal
from tests.support.portal_projects import (
    ANOMALY_DETECTION,
    DETECTION,
    GENERAL,
    GENERAL_COMPACT,
    RESOURCE,
    photo_project,
)

NAMES = (
    "Fruit 🍎 of the shop",
    "<b>bold</b> & <script>throw 1</script>",
    "\u202eright to left\u202c تفاح",
    "long " + "x" * 251,
)


@pytest.fixture(scope="module")
def empty_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder: Path = tmp_path_factory.mktemp("empty")
    server = LiveServer(folder / "data", "--trainer", "instant")
    yield server
    server.terminate()


def test_the_first_project_is_made_from_the_empty_gallery(
    open_portal: OpenPortal, empty_server: LiveServer
) -> None:
    portal = open_portal(empty_server)
    page = portal.open("projects")
    page.get_by_role("heading", name="No projects yet").wait_for()
    portal.check_accessibility()
    page.get_by_role("button", name="New project").click()
    dialog = page.get_by_role("dialog", name="New project")
    dialog.get_by_role("textbox", name="Name").fill("Bolts")
    dialog.get_by_role("textbox", name="Description").fill("M8, from above")
    dialog.get_by_role("radio", name="Object detection").click()
    dialog.get_by_role("radio", name="General (compact) [S1]").click()
    dialog.get_by_role("radio", name="Vision AI Developer Kit").click()
    portal.check_accessibility()
    dialog.get_by_role("button", name="Create project").click()
    page.wait_for_url("**/images")

    (project,) = portal.trainer.get_projects()
    domain = portal.trainer.get_domain(project.settings.domain_id)
    assert (project.name, project.description) == ("Bolts", "M8, from above")
    assert (domain.type, domain.name) == ("ObjectDetection", "General (compact) [S1]")
    assert project.settings.target_export_platforms == ["VAIDK"]
    assert page.url.endswith(f"/portal/projects/{project.id}/images")


def test_tiles_show_what_the_sdk_responds(portal: Portal) -> None:
    project = photo_project(portal.trainer, "Tile of photographs", tags={"coffee": 3}, trained=False)
    portal.trainer.create_project("Tile of detection", domain_id=DETECTION)
    page = portal.open("projects?q=tile+of")
    tiles = page.get_by_role("main").get_by_role("listitem")
    tiles.nth(1).wait_for()
    assert tiles.count() == 2
    tile = tiles.filter(has_text=project.name)
    images = portal.trainer.get_image_count(project.id)
    tile.get_by_text(f"{images} images").wait_for()
    assert "Multiclass classification" in tile.inner_text()
    assert "0 images" in tiles.filter(has_text="Tile of detection").inner_text()
    assert "Object detection" in tiles.filter(has_text="Tile of detection").inner_text()
    image = tile.locator("img")
    assert image.evaluate("one => one.complete && one.naturalWidth > 0")
    portal.check_accessibility()
    tile.get_by_role("link").first.click()
    page.wait_for_url(f"**/projects/{project.id}/images")


def test_search_and_order_are_in_the_address(portal: Portal) -> None:
    for name in ("Order B", "Order A", "Order C"):
        portal.trainer.create_project(name)
    page = portal.open("projects")
    page.get_by_role("textbox", name="Search projects").fill("order")
    page.get_by_role("combobox", name="Sort projects by").select_option("Name")
    page.wait_for_url("**/projects?q=order&sort=name")
    page.reload()
    links = page.get_by_role("main").get_by_role("listitem").get_by_role("link")
    links.first.wait_for()
    assert [text.splitlines()[0] for text in links.all_inner_texts()] == ["Order A", "Order B", "Order C"]
    page.get_by_role("combobox", name="Sort projects by").select_option("Newest")
    expect(links.first).to_have_text(re.compile("^Order C"))
    page.get_by_role("textbox", name="Search projects").fill("order nothing")
    page.get_by_role("button", name="Show all projects").click()
    links.nth(2).wait_for()


def test_names_are_shown_as_text(portal: Portal) -> None:
    for name in NAMES:
        portal.trainer.create_project(name, description="names")
    page = portal.open("projects?q=names")
    tiles = page.get_by_role("main").get_by_role("listitem")
    tiles.nth(len(NAMES) - 1).wait_for()
    assert tiles.count() == len(NAMES)
    for name in NAMES:
        assert tiles.get_by_text(name, exact=True).count() == 1
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    portal.check_accessibility()


def test_a_refused_name_is_said_at_the_field_and_the_form_stays(portal: Portal) -> None:
    portal.expects("status of 400")
    page = portal.open("projects")
    page.get_by_role("button", name="New project").click()
    dialog = page.get_by_role("dialog")
    name = dialog.get_by_role("textbox", name="Name")
    name.fill("n" * 10_000)
    dialog.get_by_role("textbox", name="Description").fill("kept")
    dialog.get_by_role("button", name="Create project").click()
    dialog.get_by_text("The name of the project has 10000 characters; at most 256 are allowed.").wait_for()
    assert name.get_attribute("aria-invalid") == "true"
    assert name.evaluate("field => field === document.activeElement")
    assert dialog.get_by_role("textbox", name="Description").input_value() == "kept"
    portal.check_accessibility()
    assert all(not project.name.startswith("nnn") for project in portal.trainer.get_projects())


def test_deleting_says_what_is_lost_and_unpublishes(portal: Portal) -> None:
    project = photo_project(portal.trainer, "To be deleted")
    portal.trainer.publish_iteration(project.id, project.iteration_id, "live", RESOURCE)
    page = portal.open("projects?q=to+be+deleted")
    page.get_by_role("button", name="More about To be deleted").click()
    page.get_by_role("menuitem", name="Delete").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("21 images, 3 tags and 1 iteration are deleted with it.").wait_for()
    dialog.get_by_text(re.compile("Programs that predict with .*live.* will get errors.")).wait_for()
    portal.check_accessibility()
    dialog.get_by_role("button", name="Cancel").click()
    assert project.id in [one.id for one in portal.trainer.get_projects()]

    page.get_by_role("button", name="More about To be deleted").click()
    page.get_by_role("menuitem", name="Delete").click()
    dialog.get_by_role("button", name="Unpublish and delete").click()
    page.get_by_text("No matching projects").wait_for()
    assert project.id not in [one.id for one in portal.trainer.get_projects()]


def test_a_project_is_copied_by_its_token(portal: Portal) -> None:
    project = photo_project(portal.trainer, "Original", tags={"rocket": 4}, trained=False)
    token = portal.trainer.export_project(project.id).token
    page = portal.open("projects?q=copied")
    page.get_by_role("button", name="Import").click()
    dialog = page.get_by_role("dialog", name="Import")
    dialog.get_by_role("tab", name="Copy of a project").click()
    dialog.get_by_role("textbox", name="Token").fill(token)
    dialog.get_by_role("textbox", name="Name of the copy").fill("Copied")
    portal.check_accessibility()
    dialog.get_by_role("button", name="Import project").click()
    tile = page.get_by_role("main").get_by_role("listitem").filter(has_text="Copied")
    tile.get_by_text("4 images").wait_for()
    (copy,) = (one for one in portal.trainer.get_projects() if one.name == "Copied")
    assert portal.trainer.get_image_count(copy.id) == 4


def test_a_wrong_token_is_refused_in_words(portal: Portal) -> None:
    portal.expects("status of 400")
    page = portal.open("projects")
    page.get_by_role("button", name="Import").click()
    dialog = page.get_by_role("dialog", name="Import")
    dialog.get_by_role("tab", name="Copy of a project").click()
    dialog.get_by_role("textbox", name="Token").fill("not a token")
    dialog.get_by_role("button", name="Import project").click()
    assert dialog.get_by_role("alert").inner_text().startswith("Invalid Token")
    assert dialog.get_by_role("textbox", name="Token").input_value() == "not a token"


def test_a_file_that_is_no_model_is_refused_in_words(portal: Portal, tmp_path: Path) -> None:
    portal.expects("status of 400")
    broken = tmp_path / "model.zip"
    broken.write_bytes(b"PK\x03\x04 and nothing more")
    page = portal.open("projects")
    page.get_by_role("button", name="Import").click()
    dialog = page.get_by_role("dialog", name="Import")
    dialog.get_by_role("tab", name="Exported model").click()
    dialog.locator("input[type=file]").set_input_files(broken)
    dialog.get_by_role("textbox", name="Project").fill("Imported model")
    portal.check_accessibility()
    dialog.get_by_role("button", name="Import model").click()
    assert dialog.get_by_role("alert").inner_text()
    assert all(project.name != "Imported model" for project in portal.trainer.get_projects())


def test_domains_of_the_dialog_are_those_of_the_sdk(portal: Portal) -> None:
    page = portal.open("projects")
    page.get_by_role("button", name="New project").click()
    dialog = page.get_by_role("dialog", name="New project")
    for task in ("Classification", "Object detection"):
        dialog.get_by_role("radio", name=re.compile(f"^{task}")).click()
        kind = task.title().replace(" ", "")
        listed = {domain.id for domain in portal.trainer.get_domains() if domain.type == kind}
        listed |= {ANOMALY_DETECTION} if kind == "Classification" else set()
        values = dialog.get_by_role("radio").evaluate_all("all => all.map(one => one.value)")
        assert {value for value in values if re.fullmatch(r"[0-9a-f-]{36}", value)} == listed
    assert {GENERAL, GENERAL_COMPACT} <= {domain.id for domain in portal.trainer.get_domains()}
