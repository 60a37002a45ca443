"""The labeling page for screen readers, without colors, and with hostile names."""

from __future__ import annotations

from tests.support.labeling import CLASSIFICATION, LabelingUser, photograph
from tests.support.portal import Portal


def test_axe_finds_nothing_while_boxes_are_edited(portal: Portal) -> None:
    user = LabelingUser(portal)
    user.add_tags("cat", "cup")
    (image,) = user.add_images(photograph("coffee.png"))
    user.open(image)
    user.press("1")
    user.drag((50, 50), (150, 150))
    user.press("p")
    user.canvas.get_by_title("Accept").wait_for()
    user.is_saved()
    portal.check_accessibility()
    user.press("Escape", "t")
    portal.check_accessibility()


def test_axe_finds_nothing_while_tags_are_chosen(portal: Portal) -> None:
    user = LabelingUser(portal, CLASSIFICATION, classification_type="Multilabel")
    user.add_tags("cat", "cup")
    (image,) = user.add_images(photograph("coffee.png"))
    user.open(image)
    user.press("1")
    user.is_saved()
    portal.check_accessibility()


def test_a_screen_reader_reads_the_boxes(portal: Portal) -> None:
    user = LabelingUser(portal)
    (tag,) = user.add_tags("cup")
    (image,) = user.add_images(photograph("coffee.png"))
    user.add_boxes(image, tag, (0.2, 0.2, 0.25, 0.5))
    user.open(image)
    name = "cup, box 1 of 1, at 120, 80, 150 by 200 pixels"
    user.canvas.focus()
    user.press("Tab")
    user.selects(name)
    active = user.canvas.get_attribute("aria-activedescendant")
    assert user.page.locator(f"#{active}").get_attribute("aria-label") == name
    user.page.get_by_role("status").filter(has_text=name).wait_for(state="attached")
    user.press("Escape")
    user.page.get_by_role("button", name=name).focus()
    user.selects(name)


def test_names_of_tags_are_shown_as_text(portal: Portal) -> None:
    user = LabelingUser(portal)
    names = ["<img src=x onerror=alert(1)>", "\u05d7\u05ea\u05d5\u05dc", "\U0001f408 cat", "m" * 250]
    (image,) = user.add_images(photograph("coffee.png"))
    for number, tag in enumerate(user.add_tags(*names)):
        user.add_boxes(image, tag, (number / 5, 0.3, 0.1, 0.4))
    user.open(image)
    user.page.get_by_role("heading", name="Boxes (4)").wait_for()
    for name in names:
        user.page.get_by_role("option", name=f"{name}, box").wait_for(state="attached")
    assert user.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
