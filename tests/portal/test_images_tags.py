"""The tags beside the grid: creating, changing, ordering, merging and deleting them."""

from __future__ import annotations

from tests.support.portal import Portal
from tests.support.portal_images import open_images, project_with, says, wait_for_text
from tests.support.portal_projects import DETECTION, photo_project


def test_tags_are_created_changed_and_deleted_with_undo(portal: Portal) -> None:
    trainer = portal.trainer
    project, tags = project_with(trainer, ("cat",), per_tag=2)
    page = open_images(portal, project)
    page.get_by_role("button", name="New tag").click()
    page.get_by_label("Name").fill("no animal")
    page.get_by_label("Description").fill("Nothing to see")
    page.get_by_role("combobox", name="Type").click()
    page.get_by_role("option", name="Negative").click()
    portal.check_accessibility()
    page.get_by_role("button", name="Create tag").click()
    page.get_by_role("button", name="no animal negative").wait_for()
    created = next(tag for tag in trainer.get_tags(project) if tag.name == "no animal")
    assert (created.description, created.type) == ("Nothing to see", "Negative")

    page.get_by_role("button", name="Actions of cat").click()
    page.get_by_role("menuitem", name="Edit, rename or merge").click()
    page.get_by_label("Name").fill("tiger")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="tiger").first.wait_for()
    assert trainer.get_tag(project, tags["cat"]).name == "tiger"
    page.get_by_role("dialog").wait_for(state="hidden")
    page.keyboard.press("Control+z")
    says(page, "Undone: Changed tag")
    assert trainer.get_tag(project, tags["cat"]).name == "cat"

    page.get_by_role("button", name="Actions of cat").click()
    page.get_by_role("menuitem", name="Delete").click()
    says(page, "Deleted tag")
    assert trainer.get_tagged_image_count(project) == 0
    page.get_by_role("button", name="Undo").click()
    says(page, "Undone: Deleted tag")
    assert [tag.image_count for tag in trainer.get_tags(project) if tag.name == "cat"] == [2]


def test_the_order_of_tags_gives_their_keys_which_can_be_changed(portal: Portal) -> None:
    trainer = portal.trainer
    project, tags = project_with(trainer, ("ant", "bee"), per_tag=1, untagged=1)
    page = open_images(portal, project)
    page.get_by_role("button", name="Actions of bee").click()
    page.get_by_role("menuitem", name="Move up").click()
    page.keyboard.press("Escape")
    page.get_by_role("menu").wait_for(state="hidden")
    page.reload()
    page.locator("[data-image]").first.wait_for()
    # A deleted tag comes back to its place.
    page.get_by_role("button", name="Actions of bee").click()
    page.get_by_role("menuitem", name="Delete").click()
    says(page, "Deleted tag")
    page.get_by_role("button", name="Actions of bee").wait_for(state="detached")
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Actions of bee").wait_for()
    page.locator("[data-image]").first.wait_for()
    page.keyboard.press("Home")
    page.keyboard.press("1")
    says(page, "Tagged 1 image with '\u2068bee\u2069'")
    assert trainer.get_tag(project, tags["bee"]).image_count == 2

    page.keyboard.press("Shift+?")
    page.get_by_role("button", name="Change the key of Tag the selection: tag 2", exact=True).click()
    for press, used in (
        ("Shift+Digit1", "Shift + 1 is the key of 'Untag the selection: tag 1'"),
        ("g", "G is the key of 'Go to projects'"),
    ):
        page.keyboard.press(press)
        page.get_by_role("alert").get_by_text(used).wait_for()
    page.keyboard.press("q")
    page.get_by_text("Press a key").wait_for(state="hidden")
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="hidden")
    # The panel of tags shows the key, and the key acts.
    assert page.get_by_role("button", name="ant Q", exact=False).count() == 1
    page.keyboard.press("Home")
    page.keyboard.press("q")
    says(page, "Tagged 1 image with '\u2068ant\u2069'")


def test_renaming_to_another_tag_merges_both(portal: Portal) -> None:
    trainer = portal.trainer
    project, tags = project_with(trainer, ("car", "auto"), per_tag=2, kind="Multiclass")
    page = open_images(portal, project)
    page.get_by_role("button", name="Actions of auto").click()
    page.get_by_role("menuitem", name="Edit, rename or merge").click()
    page.get_by_label("Name").fill("Car")
    page.get_by_role("button", name="Merge").click()
    page.get_by_role("button", name="Actions of auto").wait_for(state="detached")
    assert [(tag.id, tag.image_count) for tag in trainer.get_tags(project)] == [(tags["car"], 4)]
    page.keyboard.press("Control+z")
    says(page, "Undone: Merged '\u2068auto\u2069' into '\u2068car\u2069'")
    assert {tag.name: tag.image_count for tag in trainer.get_tags(project)} == {"auto": 2, "car": 2}
    page.keyboard.press("Control+Shift+z")
    says(page, "Redone: Merged '\u2068auto\u2069' into '\u2068car\u2069'")
    assert [(tag.id, tag.image_count) for tag in trainer.get_tags(project)] == [(tags["car"], 4)]


def test_undoing_a_merge_gives_boxes_back_to_their_tags(portal: Portal) -> None:
    from azure.cognitiveservices.vision.customvision.training.models import ImageRegionCreateEntry

    trainer = portal.trainer
    made = photo_project(
        trainer, "Merged boxes", domain=DETECTION, tags={"coffee": 1, "rocket": 2}, trained=False
    )

    def boxes() -> set[tuple[str, str, float]]:
        images = trainer.get_images(made.id)
        return {
            (image.id, box.tag_name, round(box.left, 3)) for image in images for box in image.regions or ()
        }

    # An image with both tags: the boxes of one become those of the other, and only these are taken back.
    both = next(image_id for image_id, name, _ in boxes() if name == "rocket")
    for left, tag in ((0.3, "coffee"), (0.4, "coffee"), (0.4, "rocket")):
        region = ImageRegionCreateEntry(
            image_id=both, tag_id=made.tags[tag], left=left, top=0.2, width=0.5, height=0.6
        )
        trainer.create_image_regions(made.id, [region])
    before = boxes()
    assert len(before) == 6
    page = open_images(portal, made.id)
    page.get_by_role("button", name="Actions of rocket").click()
    page.get_by_role("menuitem", name="Edit, rename or merge").click()
    page.get_by_label("Name").fill("coffee")
    page.get_by_role("button", name="Merge").click()
    page.get_by_role("button", name="Actions of rocket").wait_for(state="detached")
    merged = {(image_id, "coffee", left) for image_id, _, left in before}
    assert boxes() == merged
    assert len(merged) == 5
    page.keyboard.press("Control+z")
    says(page, "Undone: Merged '\u2068rocket\u2069' into '\u2068coffee\u2069'")
    assert boxes() == before


def test_many_tags_and_strange_names_stay_usable(portal: Portal) -> None:
    trainer = portal.trainer
    project, _ = project_with(trainer, untagged=1)
    strange = ["<img src=x onerror=alert(1)>", "🐈‍⬛ cat", "חתול שחור", "long " + "n" * 240]
    for name in [*strange, *(f"tag {number}" for number in range(150))]:
        trainer.create_tag(project, name)
    page = open_images(portal, project)
    wait_for_text(page.get_by_role("heading", name="Tags"), "Tags (154)")
    assert page.get_by_test_id("tag-list").get_by_role("listitem").count() < 60
    page.get_by_label("Search in tags").fill("<img")
    page.get_by_test_id("tag-list").get_by_text(strange[0]).wait_for()
    page.get_by_label("Search in tags").fill("")
    page.keyboard.press("Escape")
    portal.check_accessibility()
    is_wide = "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not page.evaluate(is_wide)
