"""The grid of training images: it shows what the SDK lists; selection, tagging, deleting, undo."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.support.images import pictures
from tests.support.portal import Portal
from tests.support.portal_images import (
    open_images,
    project_with,
    says,
    shown_ids,
    tile,
    wait_for_ids,
    wait_for_text,
)

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

PROPERTIES = re.compile(r"/images/id\?")


def _count(page: Page, text: str) -> None:
    wait_for_text(page.get_by_test_id("image-count"), text)


def _selected(page: Page, text: str) -> None:
    wait_for_text(page.get_by_test_id("selected-count"), text)


def test_the_grid_lists_what_the_sdk_lists(portal: Portal) -> None:
    trainer = portal.trainer
    project, tags = project_with(trainer, ("cat", "dog"), per_tag=4, untagged=3)
    page = open_images(portal, project)
    _count(page, f"{trainer.get_image_count(project)} images")
    wait_for_text(page.get_by_test_id("count-Tagged"), str(trainer.get_tagged_image_count(project)))
    wait_for_text(page.get_by_test_id("count-Untagged"), str(trainer.get_untagged_image_count(project)))
    wait_for_ids(page, [image.id for image in trainer.get_images(project)])
    grid = page.get_by_role("grid")
    columns = int(grid.get_attribute("aria-colcount") or 0)
    assert int(grid.get_attribute("aria-rowcount") or 0) == -(-11 // columns)
    newest = trainer.get_images(project, tagging_status="Tagged")[0]
    tile_of_it = page.locator(f"[data-image='{newest.id}']")
    assert newest.tags[0].tag_name in (tile_of_it.get_attribute("aria-label") or "")
    counts = page.get_by_test_id("tag-count").all_inner_texts()
    assert [int(text) for text in counts] == [tag.image_count for tag in _by_name(trainer.get_tags(project))]

    page.get_by_label("Untagged", exact=True).check()
    _count(page, "3 images")
    assert "status=untagged" in page.url
    wait_for_ids(page, [image.id for image in trainer.get_images(project, tagging_status="Untagged")])

    page.get_by_role("button", name="cat").first.click()
    _count(page, "4 images")
    page.get_by_role("combobox", name="Order").click()
    page.get_by_role("option", name="Oldest first").click()
    page.wait_for_url("**order=oldest**")
    portal.settle()
    listed = trainer.get_images(project, tag_ids=[tags["cat"]], order_by="Oldest")
    wait_for_ids(page, [image.id for image in listed])

    page.reload()
    tile(page, 3).wait_for()
    wait_for_ids(page, [image.id for image in listed])
    page.go_back()
    page.go_back()
    _count(page, "3 images")


def _by_name(tags: list[object]) -> list[object]:
    return sorted(tags, key=lambda tag: tag.name)  # type: ignore[attr-defined]


def test_images_are_found_by_metadata(portal: Portal) -> None:
    trainer = portal.trainer
    project, _ = project_with(trainer, untagged=4)
    first = trainer.get_images(project)[0]
    trainer.update_image_metadata(project, [first.id], {"shop": "north's"})
    page = open_images(portal, project)
    page.get_by_label("Search for tags or metadata").fill("shop=north's")
    page.keyboard.press("Enter")
    _count(page, "1 image")
    wait_for_ids(page, [first.id])
    page.get_by_label("Do not filter by metadata").click()
    _count(page, "4 images")


def test_images_are_tagged_by_keys_alone(portal: Portal) -> None:
    trainer = portal.trainer
    project, tags = project_with(trainer, ("cat", "dog"), per_tag=1, untagged=5)
    page = open_images(portal, project)
    ids = [image.id for image in trainer.get_images(project)]

    page.keyboard.press("ArrowRight")  # shows the focus, at the first image
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    _selected(page, "3 selected")
    page.keyboard.press("1")
    says(page, "Tagged 3 images")
    assert {image.id for image in trainer.get_images(project, tag_ids=[tags["cat"]])} >= set(ids[1:4])
    page.keyboard.press("2")
    says(page, "Tagged 3 images with '\u2068dog\u2069'")
    page.keyboard.press("Shift+Digit1")
    says(page, "Untagged 3 images")
    dogs = trainer.get_images(project, tag_ids=[tags["dog"]])
    assert {image.id for image in dogs} >= set(ids[1:4])
    assert not set(ids[1:4]) & {image.id for image in trainer.get_images(project, tag_ids=[tags["cat"]])}

    for _ in range(3):
        page.keyboard.press("Control+z")
    says(page, "Undone: Tagged 3 images with '\u2068cat\u2069'")
    assert trainer.get_untagged_image_count(project) == 5
    page.keyboard.press("Escape")
    # Without a selection, keys are about the focused image.
    page.keyboard.press("Home")
    page.keyboard.press("2")
    says(page, "Tagged 1 image")
    assert trainer.get_images_by_ids(project, [ids[0]])[0].tags[0].tag_id == tags["dog"]
    page.keyboard.press("ArrowRight")
    page.keyboard.press("t")
    page.get_by_placeholder("Search, or a new name").fill("bird")
    page.keyboard.press("Enter")
    says(page, "Tagged 1 image with '\u2068bird\u2069'")
    assert [tag.tag_name for tag in trainer.get_images_by_ids(project, [ids[1]])[0].tags] == ["bird"]


def test_untagged_images_are_tagged_by_keys_without_skipping_any(portal: Portal) -> None:
    trainer = portal.trainer
    project, tags = project_with(trainer, ("cat", "dog"), per_tag=0, untagged=8)
    page = open_images(portal, project, "?status=untagged")
    ids = shown_ids(page)
    page.keyboard.press("ArrowRight")
    for number, tag in enumerate(("1", "2", "1")):
        page.keyboard.press("Space")
        page.keyboard.press("Shift+ArrowRight")
        _selected(page, "2 selected")
        page.keyboard.press(tag)
        _count(page, f"{6 - 2 * number} images")
        # The next image, which has the focus.
        page.locator(f"[data-image='{ids[2 * number + 2]}']:focus").wait_for()
    assert {image.id for image in trainer.get_images(project, tag_ids=[tags["dog"]])} == set(ids[2:4])
    assert {image.id for image in trainer.get_untagged_images(project)} == set(ids[6:])


def test_a_multiclass_project_replaces_the_tag(portal: Portal) -> None:
    trainer = portal.trainer
    project, tags = project_with(trainer, ("cat", "dog"), per_tag=2, kind="Multiclass")
    page = open_images(portal, project)
    page.keyboard.press("Control+a")
    _selected(page, "4 selected")
    page.keyboard.press("1")
    says(page, "Tagged 2 images")
    assert trainer.get_tagged_image_count(project, tag_ids=[tags["cat"]]) == 4
    assert trainer.get_tagged_image_count(project, tag_ids=[tags["dog"]]) == 0
    page.keyboard.press("Control+z")
    says(page, "Undone")
    assert trainer.get_tagged_image_count(project, tag_ids=[tags["dog"]]) == 2
    portal.settle()

    # Images that match later are not among those that were selected.
    trainer.create_images_from_data(project, pictures(5)[4])
    assert trainer.get_image_count(project) == 5
    page.keyboard.press("Delete")
    says(page, "Deleted 4 images")
    _count(page, "1 image")


def test_all_matching_images_are_tagged_and_deleted_also_those_not_loaded(portal: Portal) -> None:
    trainer = portal.trainer
    project, tags = project_with(trainer, ("cat",), per_tag=1, untagged=300)
    page = open_images(portal, project, "?status=untagged")
    page.keyboard.press("Control+a")
    _selected(page, "300 selected")
    tile(page, 0).locator("[data-check]").click()
    _selected(page, "299 selected")
    page.get_by_role("button", name="Tag", exact=True).click()
    page.keyboard.type("cat")
    page.keyboard.press("Enter")
    says(page, "Tagged 299 images")
    assert trainer.get_tagged_image_count(project, tag_ids=[tags["cat"]]) == 300
    _count(page, "1 image")

    page.goto(page.url.split("?")[0])
    tile(page, 0).wait_for()
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    page.get_by_text("No images yet").wait_for()
    assert trainer.get_image_count(project) == 0
    page.get_by_role("button", name="Undo").click()
    tile(page, 0).wait_for()
    says(page, "Undone: Deleted 301 images")
    assert trainer.get_image_count(project) == 301
    assert trainer.get_tagged_image_count(project, tag_ids=[tags["cat"]]) == 300


def test_ranges_are_selected_by_mouse_and_the_end_is_near(portal: Portal) -> None:
    project, _ = project_with(portal.trainer, untagged=400)
    page = open_images(portal, project)
    requested: list[str] = []
    page.on("request", lambda one: requested.append(one.url) if "/images?" in one.url else None)
    tile(page, 0).locator("[data-check]").click()
    page.get_by_test_id("image-grid").evaluate("grid => grid.scrollTop = grid.scrollHeight")
    tile(page, 399).wait_for()
    assert not any("skip=128" in url for url in requested), "pages between are not loaded"
    tile(page, 399).click(modifiers=["Shift"])
    _selected(page, "400 selected")
    nodes = page.get_by_role("grid").evaluate("grid => grid.querySelectorAll('*').length")
    assert nodes <= 1000
    page.get_by_role("button", name="Select none").click()
    _count(page, "400 images")


def test_an_image_is_opened_tagged_and_left_by_keys(portal: Portal) -> None:
    trainer = portal.trainer
    project, tags = project_with(trainer, ("cat", "dog"), per_tag=1, untagged=3)
    ids = [image.id for image in trainer.get_images(project)]
    page = open_images(portal, project)
    held: list[Route] = []
    is_holding = False

    def hold(route: Route) -> None:
        if is_holding:
            held.append(route)
        else:
            route.continue_()

    # Chromium may never report a request that begins while interception is switched on.
    page.route(PROPERTIES, hold)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    with page.expect_response(PROPERTIES):
        page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Image")
    dialog.get_by_text("Image 2 of 5").wait_for()
    assert f"image={ids[1]}" in page.url
    # Keys are about the image in the address, also while its properties are read.
    is_holding = True
    with page.expect_request(PROPERTIES):
        page.keyboard.press("ArrowRight")
        dialog.get_by_text("Image 3 of 5").wait_for()
    page.keyboard.press("1")
    page.keyboard.press("1")
    page.keyboard.press("2")
    is_holding = False
    for route in held:
        route.continue_()
    says(page, "Tagged 1 image with '\u2068dog\u2069'")
    assert [tag.tag_id for tag in trainer.get_images_by_ids(project, [ids[2]])[0].tags] == [tags["dog"]]
    stored = trainer.get_images_by_ids(project, [ids[2]])[0]
    dialog.get_by_text(f"{stored.width} \u00d7 {stored.height} pixels").wait_for()
    portal.check_accessibility()
    page.keyboard.press("Delete")
    dialog.get_by_text("Image 3 of 4").wait_for()
    assert not trainer.get_images_by_ids(project, [ids[2]])
    page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")
    assert "image=" not in page.url
    page.keyboard.press("Control+z")
    _count(page, "5 images")


@pytest.mark.parametrize("width", [1280, 640])
def test_the_page_is_accessible(portal: Portal, width: int) -> None:
    project, _ = project_with(portal.trainer, ("cat", "dog"), per_tag=2, untagged=1)
    page = open_images(portal, project)
    page.set_viewport_size({"width": width, "height": 900})
    portal.check_accessibility()
    page.keyboard.press("Home")
    page.keyboard.press("Space")
    _selected(page, "1 selected")
    portal.check_accessibility()


def test_an_empty_project_says_what_to_do(portal: Portal) -> None:
    project = portal.trainer.create_project("empty").id
    page = portal.open(f"projects/{project}/images")
    page.get_by_text("No images yet").wait_for()
    portal.check_accessibility()


def test_boxes_are_drawn_on_thumbnails(portal: Portal) -> None:
    from azure.cognitiveservices.vision.customvision.training.models import (
        ImageFileCreateBatch,
        ImageFileCreateEntry,
        Region,
    )

    from emulator.testing.images import scene

    trainer = portal.trainer
    domain = next(each for each in trainer.get_domains() if each.type == "ObjectDetection")
    project = trainer.create_project("boxes", domain_id=domain.id).id
    tag = trainer.create_tag(project, "red").id
    boxes = [Region(tag_id=tag, left=0.25, top=0.5, width=0.5, height=0.25)]
    entry = ImageFileCreateEntry(name="a.png", contents=scene("red", size=(160, 120)).data, regions=boxes)
    trainer.create_images_from_files(project, ImageFileCreateBatch(images=[entry]))
    page = open_images(portal, project)
    assert page.locator("[data-image] svg path").get_attribute("d") == "M40 60H120V90H40Z"
    image_id = shown_ids(page)[0]
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/label?image={image_id}**")


def test_two_windows_and_a_deleted_project(portal: Portal) -> None:
    trainer = portal.trainer
    project, _ = project_with(trainer, ("cat",), per_tag=2)
    page = open_images(portal, project)
    trainer.delete_project(project)
    portal.expects("status of 404", "status of 400")
    page.keyboard.press("Home")
    page.keyboard.press("Delete")
    page.get_by_text("This project does not exist").first.wait_for()
