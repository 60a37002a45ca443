"""What goes wrong is said in a sentence where it happened, what was typed stays, and nothing is half done."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from playwright.sync_api import expect

from tests.portal.conftest import OpenPortal
from tests.support.harness import RESOURCE_ID, TRAINING_KEY
from tests.support.images import picture
from tests.support.live_server import LiveServer
from tests.support.portal import Portal
from tests.support.portal_images import open_images, project_with, says, tile
from tests.support.portal_projects import photo_project, train

if TYPE_CHECKING:
    from playwright.sync_api import Route

FOLDER = "input[webkitdirectory]"
# What the page says about a status, also where the response has no message.
SENTENCES = {
    404: "It does not exist any more",
    413: "That is too large for one request",
    429: "Try again in 7 s",
    500: "The details are in its log",
    503: "The emulator is busy or shutting down",
    507: "The disk of the emulator is full",
}


def test_refusals_are_sentences_and_what_was_typed_stays(portal: Portal) -> None:
    project, _ = project_with(portal.trainer, untagged=1)
    page = open_images(portal, project)
    portal.expects("status of")
    statuses = list(SENTENCES)

    def refuse(route: Route) -> None:
        if route.request.method != "POST" or not statuses:
            route.fallback()
            return
        headers = {"Retry-After": "7"} if statuses[0] == 429 else {}
        route.fulfill(status=statuses[0], headers=headers, content_type="application/json", body="{}")

    page.route("**/tags?*", refuse)
    page.get_by_role("button", name="New tag").click()
    dialog = page.get_by_role("dialog", name="New tag")
    dialog.get_by_label("Name").fill("typed")
    create = dialog.get_by_role("button", name="Create tag")
    for sentence in SENTENCES.values():
        create.click()
        expect(page.get_by_text(sentence).last).to_be_visible()
        expect(dialog.get_by_label("Name")).to_have_value("typed")
        assert portal.trainer.get_tags(project) == []
        statuses.pop(0)
    portal.check_accessibility()
    create.click()
    expect(dialog).to_be_hidden()
    assert [tag.name for tag in portal.trainer.get_tags(project)] == ["typed"]


def test_a_slow_response_is_waited_for_and_sent_once(portal: Portal) -> None:
    page = portal.open("projects?q=slow")
    page.get_by_role("button", name="New project").first.click()
    dialog = page.get_by_role("dialog", name="New project")
    dialog.get_by_role("textbox", name="Name").fill("Slow one")
    held: list[Route] = []
    sent: list[str] = []
    address = re.compile(r"/training/projects\?")
    page.on("request", lambda request: sent.append(request.url) if address.search(request.url) else None)
    page.route(address, lambda route: held.append(route))
    create = dialog.get_by_role("button", name="Create project")
    with page.expect_request(address):
        create.click()
    expect(create).to_have_attribute("data-loading", "true")
    dialog.get_by_role("textbox", name="Name").press("Enter")
    while not held:  # the handler runs while a response of the browser is awaited
        page.evaluate("0")
    held[0].continue_()
    page.wait_for_url("**/images")
    assert len(sent) == 1
    assert len([one for one in portal.trainer.get_projects() if one.name == "Slow one"]) == 1


def test_5000_files_at_once_are_listed_uploaded_and_cancelled(portal: Portal, tmp_path: Path) -> None:
    project = portal.trainer.create_project("many").id
    bitmap = bytearray(picture(1, format="BMP", size=(2, 2)))
    for number in range(5000):
        bitmap[-6:-2] = number.to_bytes(4, "little")
        (tmp_path / f"{number}.bmp").write_bytes(bitmap)
    page = portal.open(f"projects/{project}/images")
    requests: list[Route] = []
    is_cancelled = False

    def send(route: Route) -> None:
        """Let three through until the upload is cancelled, which could be complete before."""
        requests.append(route)
        if is_cancelled or len(requests) <= 3:
            route.continue_()

    page.route(re.compile(r"/images/files(\?|$)"), send)
    page.get_by_role("button", name="Add images").first.click()
    page.locator(FOLDER).set_input_files(tmp_path)
    page.get_by_role("button", name="Upload 5,000 images").wait_for()
    assert page.locator("[role=dialog] *").count() < 500
    portal.check_accessibility()
    assert portal.trainer.get_image_count(project) == 0
    page.get_by_role("button", name="Upload 5,000 images").click()
    panel = page.get_by_role("region", name="Upload")
    expect(page.get_by_test_id("upload-state")).to_have_text(re.compile("Uploading, [1-9]"))
    panel.get_by_role("button", name="Cancel").click()
    is_cancelled = True
    for route in requests[3:]:
        route.continue_()
    expect(page.get_by_test_id("upload-state")).to_have_text(re.compile("Cancelled"))
    said = page.get_by_test_id("upload-state").inner_text()
    count = int(re.findall(r"([\d,]+) images? uploaded", said)[0].replace(",", ""))
    assert 0 < count < 5000
    assert portal.trainer.get_image_count(project) == count


def test_an_iteration_deleted_while_its_page_is_open(portal: Portal) -> None:
    project = photo_project(portal.trainer, "Soon without")
    second = train(portal.trainer, project.id)
    page = portal.open(f"projects/{project.id}/results/{second}")
    portal.expects("status of 404", "status of 400")
    portal.trainer.delete_iteration(project.id, second)
    page.get_by_role("button", name="Publish").click()
    dialog = page.get_by_role("dialog", name="Publish the iteration")
    dialog.get_by_role("textbox", name="Name").fill("typed")
    dialog.get_by_role("button", name="Publish").click()
    page.get_by_text("This iteration does not exist").or_(
        dialog.get_by_text(re.compile("not exist|not found|deleted", re.IGNORECASE))
    ).first.wait_for()
    page.goto(f"/portal/projects/{project.id}/results/{second}")
    page.get_by_text("This iteration does not exist").wait_for()
    assert [one.id for one in portal.trainer.get_iterations(project.id)] == [project.iteration_id]


def test_two_tabs_of_one_project(portal: Portal) -> None:
    """What one tab changes is in the other as soon as a person is there, and both can undo their own."""
    trainer = portal.trainer
    project, _ = project_with(trainer, ("cat", "dog"), per_tag=1, untagged=2)
    first = open_images(portal, project, "?status=untagged")
    second = portal.new_tab(f"projects/{project}/images?status=untagged")
    expect(second.get_by_test_id("image-count")).to_have_text("2 images")
    first.bring_to_front()
    first.keyboard.press("Home")
    first.keyboard.press("1")
    says(first, "Tagged 1 image")
    second.bring_to_front()
    # A browser without a window does not say so itself, and what was read in the last 2 s is not read again.
    second.wait_for_function(
        """() => {
          document.dispatchEvent(new Event("visibilitychange", {bubbles: true}));
          return document.querySelector("[data-testid=image-count]")?.textContent === "1 image";
        }""",
        polling=200,
    )
    tile(second, 0).wait_for()
    second.keyboard.press("Home")
    second.keyboard.press("2")
    says(second, "Tagged 1 image")
    counts = {tag.name: tag.image_count for tag in trainer.get_tags(project)}
    assert counts == {"cat": 2, "dog": 2}
    second.keyboard.press("Control+z")
    says(second, "Undone: Tagged 1 image")
    assert {tag.name: tag.image_count for tag in trainer.get_tags(project)} == {"cat": 2, "dog": 1}


@pytest.mark.parametrize("year", [2001, 2099])
def test_a_wrong_clock_of_the_browser(portal: Portal, year: int) -> None:
    project = photo_project(portal.trainer, f"Clock of {year}")
    portal.trainer.publish_iteration(project.id, project.iteration_id, "live", RESOURCE_ID)
    portal.predictor.classify_image(project.id, "live", picture(3))
    page = portal.page
    page.clock.set_fixed_time(f"{year}-06-01T12:00:00Z")
    # With a fixed time, timers go on as usual.
    for path in ("predictions", "train"):
        page.goto(f"/portal/projects/{project.id}/{path}")
        moment = page.locator("time").first
        moment.wait_for()
        text = moment.inner_text()
        assert text == "just now" or text.endswith((" seconds ago", " minute ago", " minutes ago")), text
    page.goto(f"/portal/projects/{project.id}/images")
    image = page.locator("[data-image] img").first
    image.wait_for()
    page.wait_for_function("() => document.querySelector('[data-image] img')?.naturalWidth > 0")


def test_a_clock_of_the_server_that_jumps(open_portal: OpenPortal, tmp_path: Path) -> None:
    server = LiveServer(tmp_path / "data", "--trainer", "instant")
    portal = open_portal(server)
    portal.expects("console error: .*status of 403")  # links of thumbnails that expire before they are used
    project = photo_project(portal.trainer, "Clock of the server", trained=False)
    page = open_images(portal, project.id)
    headers = {"Training-Key": TRAINING_KEY}
    ten_years = {"seconds": 10 * 365 * 24 * 3600}
    url = f"{server.endpoint}/_emulator/clock/advance"
    httpx.post(url, json=ten_years, headers=headers, trust_env=False).raise_for_status()
    # Session and links of images were made ten years ago; the page goes on.
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Image")
    dialog.locator("img").first.wait_for()
    page.wait_for_function("() => document.querySelector('[role=dialog] img')?.naturalWidth > 0")
    page.reload()
    page.wait_for_function("() => document.querySelector('[role=dialog] img')?.naturalWidth > 0")
    portal.context.close()
    server.terminate()
