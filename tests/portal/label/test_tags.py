"""Labeling with tags: the projects of classification."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.support.labeling import CLASSIFICATION, LabelingUser, photograph
from tests.support.portal import Portal

if TYPE_CHECKING:
    from playwright.sync_api import Route

CROPS = [(number * 4, number * 3, 400 + number * 4, 300 + number * 3) for number in range(4)]


def test_a_digit_tags_and_goes_on_where_images_have_one_tag(portal: Portal) -> None:
    user = LabelingUser(portal, CLASSIFICATION, classification_type="Multiclass")
    user.add_tags("cat", "cup")
    images = user.add_images(*(photograph("coffee.png", crop=crop) for crop in CROPS))[::-1]
    user.open()
    for number in (1, 2, 3):
        user.position(f"{number} of 4")
        user.press("2")
    user.position("4 of 4")
    user.press("1")
    user.is_saved()
    user.page.get_by_role("status").filter(has_text="last image").wait_for(state="attached")
    assert [user.tags(image) for image in images] == [["cup"], ["cup"], ["cup"], ["cat"]]
    assert user.strokes == 4


def test_keys_pressed_while_an_image_loads_are_about_that_image(portal: Portal) -> None:
    user = LabelingUser(portal, CLASSIFICATION, classification_type="Multiclass")
    user.add_tags("cat", "cup")
    images = user.add_images(*(photograph("coffee.png", crop=crop) for crop in CROPS[:2]))[::-1]
    held: list[Route] = []
    requests = re.compile(r"/images/id\?|/images/untagged\?|/images\?")
    user.page.route(requests, lambda route: held.append(route))
    with user.page.expect_request(requests):
        user.page.goto(f"/portal/projects/{user.project}/label?order=newest")
    user.page.get_by_text("Loading the list of images").wait_for()
    user.press("Enter", "2")  # without a list there is no image
    assert not user.page.get_by_text("last image").count()
    with user.page.expect_request(re.compile(r"/images/id\?")):
        held.pop().continue_()
    user.page.get_by_text("Loading the image").wait_for()
    user.press("2")
    of_the_first, held = held[:], []
    with user.page.expect_request(re.compile(rf"/images/id\?.*{images[1]}")):
        for route in of_the_first:
            route.continue_()
    user.position("2 of 2")
    user.press("1")
    expect(user.page.get_by_test_id("save-state")).to_have_text("Not loaded yet")
    user.page.route(requests, lambda route: route.continue_())
    for route in held:
        route.continue_()
    user.is_saved()
    assert [user.tags(image) for image in images] == [["cup"], ["cat"]]


def test_another_digit_replaces_the_tag_and_undo_returns_it(portal: Portal) -> None:
    user = LabelingUser(portal, CLASSIFICATION, classification_type="Multiclass")
    user.add_tags("cat", "cup")
    (image,) = user.add_images(photograph("chelsea.png"))
    user.open(image)
    user.press("2")
    user.is_saved()
    user.press("1")
    user.is_saved()
    assert user.tags(image) == ["cat"]
    user.press("Control+z")
    user.is_saved()
    user.page.get_by_role("group", name="Image 1 of 1, cup").wait_for()
    assert user.tags(image) == ["cup"]


def test_several_tags_stay_on_the_image_until_enter(portal: Portal) -> None:
    user = LabelingUser(portal, CLASSIFICATION, classification_type="Multilabel")
    user.add_tags("cat", "eyes", "nose")
    second, first = user.add_images(photograph("coffee.png"), photograph("chelsea.png"))
    user.open()
    user.press("1", "3", "2", "3")
    user.position("1 of 2")
    user.press("Enter")
    user.position("2 of 2")
    user.page.get_by_role("status").filter(has_text="Saved, 1 of 2").wait_for(state="attached")
    assert user.tags(first) == ["cat", "eyes"]
    assert user.tags(second) == []
    user.press("a")
    user.position("1 of 2")
    user.page.go_back()
    user.position("2 of 2")


def test_suggested_tags_are_accepted_by_space(portal: Portal) -> None:
    user = LabelingUser(portal, CLASSIFICATION, classification_type="Multiclass")
    names = {"cat": "chelsea.png", "cup": "coffee.png"}
    for name in names:
        (tag,) = user.add_tags(name)
        user.add_images(
            *(photograph(names[name], crop=crop) for crop in [*CROPS, (1, 1, 401, 299)]), tag_ids=[tag]
        )
    new = user.add_images(*(photograph(names[name], crop=(7, 5, 407, 298)) for name in names))[::-1]
    user.train()
    user.open()
    for number in (1, 2):
        user.position(f"{number} of 2")
        user.page.get_by_role("button", name="Accept 1 suggestion").wait_for()
        user.page.get_by_text("The instant trainer made this model").wait_for()
        user.press("Space")
    user.page.get_by_role("status").filter(has_text="last image").wait_for(state="attached")
    user.is_saved()
    assert [user.tags(image) for image in new] == [["cup"], ["cat"]]
