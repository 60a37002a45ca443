"""The map of images: places of the API, a lasso and keys that select, and tags for the selection."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.support.harness import TRAINING_KEY, wait_until
from tests.support.portal import Portal
from tests.support.portal_projects import PhotoProject, photo_project

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page


@pytest.fixture
def project(portal: Portal) -> PhotoProject:
    return photo_project(portal.trainer, "Mapped", tags={"astronaut": 12, "chelsea": 14}, trained=False)


def counts(portal: Portal, project: PhotoProject) -> dict[str, int]:
    return {tag.name: tag.image_count for tag in portal.trainer.get_tags(project.id)}


def places_of(portal: Portal, project: PhotoProject) -> list[dict[str, Any]]:
    address = f"{portal.server.endpoint}/_emulator/projects/{project.id}/map"
    response = httpx.get(address, headers={"Training-Key": TRAINING_KEY}, timeout=60, trust_env=False)
    places: list[dict[str, Any]] = response.json()["images"]
    return places


def selected(page: Page, text: str | re.Pattern[str]) -> Locator:
    return page.get_by_role("region", name="Selected images").get_by_text(text)


def test_a_tag_selects_its_images_and_they_are_tagged_with_undo(
    portal: Portal, project: PhotoProject
) -> None:
    page = portal.open(f"projects/{project.id}/map")
    page.get_by_role("button", name="Select 14 images of chelsea").click()
    panel = page.get_by_role("region", name="Selected images")
    selected(page, "14 images selected").wait_for()
    assert panel.get_by_role("listitem").count() == 14
    portal.check_accessibility()
    panel.get_by_label("Tag", exact=True).select_option("astronaut")
    panel.get_by_role("button", name="Tag", exact=True).click()
    wait_until(lambda: counts(portal, project) == {"astronaut": 26, "chelsea": 0}, "the tags")
    page.get_by_role("button", name="Select 26 images of astronaut").wait_for()
    page.keyboard.press("Control+z")
    wait_until(lambda: counts(portal, project) == {"astronaut": 12, "chelsea": 14}, "the undo")


def test_a_lasso_selects_the_images_inside(portal: Portal, project: PhotoProject) -> None:
    places = places_of(portal, project)
    page = portal.open(f"projects/{project.id}/map")
    canvas = page.get_by_role("img", name=re.compile("^Map of 26 images"))
    box = canvas.bounding_box()
    assert box is not None
    side = min(box["width"], box["height"]) - 48
    left, top = box["x"] + (box["width"] - side) / 2, box["y"] + (box["height"] - side) / 2

    def move(x: float, y: float) -> None:
        page.mouse.move(left + x * side, top + y * side, steps=8)

    inside = [place for place in places if 0 <= place["x"] < 0.5]
    assert 0 < len(inside) < 26
    move(0.5, -0.02)
    page.mouse.down()
    for x, y in ((0.5, 1.02), (-0.02, 1.02), (-0.02, -0.02)):
        move(x, y)
    page.mouse.up()
    selected(page, f"{len(inside)} images selected").wait_for()


def test_keys_select_what_is_in_sight(portal: Portal, project: PhotoProject) -> None:
    page = portal.open(f"projects/{project.id}/map")
    page.get_by_role("img", name=re.compile("^Map of")).wait_for()
    page.keyboard.press("v")
    selected(page, "26 images selected").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("region", name="Selected images").wait_for(state="detached")
    box = page.get_by_role("img", name=re.compile("^Map of")).bounding_box()
    assert box is not None
    # Half of the map after two steps of zoom, moved by 60 pixels with each arrow.
    scale = (min(box["width"], box["height"]) - 48) * 1.4**2
    counts_by_arrow = {
        arrow: sum(
            0 <= (place["x"] - 0.5) * scale + box["width"] / 2 + right <= box["width"]
            and 0 <= (place["y"] - 0.5) * scale + box["height"] / 2 + down <= box["height"]
            for place in places_of(portal, project)
        )
        for arrow, right, down in (
            ("ArrowLeft", 240, 0),
            ("ArrowRight", -240, 0),
            ("ArrowUp", 0, 240),
            ("ArrowDown", 0, -240),
        )
    }
    arrow, expected = next((arrow, count) for arrow, count in counts_by_arrow.items() if 0 < count < 26)
    for key in ("+", "+", *[arrow] * 4):
        page.keyboard.press(key)
    page.keyboard.press("v")
    selected(page, re.compile(f"^{expected} images? selected")).wait_for()


def test_the_image_under_the_pointer_is_shown(portal: Portal, project: PhotoProject) -> None:
    page = portal.open(f"projects/{project.id}/map")
    canvas = page.get_by_role("img", name=re.compile("^Map of"))
    box = canvas.bounding_box()
    assert box is not None
    place = places_of(portal, project)[0]
    side = min(box["width"], box["height"]) - 48
    x = box["x"] + (box["width"] - side) / 2 + place["x"] * side
    y = box["y"] + (box["height"] - side) / 2 + place["y"] * side
    page.mouse.move(x - 3, y)
    page.mouse.move(x, y)
    page.locator("bdi", has_text=re.compile("^(astronaut|chelsea)$")).last.wait_for()
    page.locator("img[src*='t-']").first.wait_for()


def test_a_project_without_images_says_so(portal: Portal) -> None:
    project = portal.trainer.create_project("Empty map")
    page = portal.open(f"projects/{project.id}/map")
    page.get_by_text("There are no images yet").wait_for()
    portal.check_accessibility()
