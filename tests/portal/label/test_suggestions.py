"""Suggestions and region proposals become boxes by a key or a click."""

from __future__ import annotations

import pytest

from tests.support.labeling import LabelingUser, Pixels, overlap, photograph
from tests.support.portal import Portal

# Where the object is in each photograph, in pixels.
OBJECTS: dict[str, tuple[str, Pixels]] = {
    "astronaut.png": ("face", (170, 60, 110, 130)),
    "coffee.png": ("cup", (150, 60, 330, 290)),
}
SIZE = 360


def crops(count: int, seed: int) -> list[tuple[str, str, tuple[int, int, int, int], Pixels]]:
    """Photograph, tag, crop, and the box within the crop, for `count` images."""
    found = []
    for number in range(count):
        name = list(OBJECTS)[number % len(OBJECTS)]
        tag, (x, y, width, height) = OBJECTS[name]
        left, top = 20 + (number * 3 + seed) % 60, (number * 2 + seed) % 30
        found.append((name, tag, (left, top, left + 460, top + SIZE), (x - left, y - top, width, height)))
    return found


@pytest.fixture
def user(portal: Portal) -> LabelingUser:
    """Of a project with a trained model."""
    user = LabelingUser(portal)
    tags = dict(zip(("cup", "face"), user.add_tags("cup", "face"), strict=True))
    learned = crops(40, seed=0)
    images = user.add_images(*(photograph(name, crop=crop) for name, _, crop, _ in learned))
    for image, (_, tag, _, (x, y, width, height)) in zip(images, learned, strict=True):
        user.add_boxes(image, tags[tag], (x / 460, y / SIZE, width / 460, height / SIZE))
    user.train()
    return user


def test_40_photographs_are_labeled_by_keys_alone(user: LabelingUser) -> None:
    to_label = crops(40, seed=1)
    images = user.add_images(*(photograph(name, crop=crop) for name, _, crop, _ in to_label))
    user.open(order="oldest")
    for number in range(1, len(images) + 1):
        user.position(f"{number} of 40")
        user.page.get_by_role("button", name="Accept 1 suggestion").wait_for()
        user.press("Space", "Enter")
    user.page.get_by_role("status").filter(has_text="last image").wait_for(state="attached")
    user.is_saved()
    assert user.strokes <= 4 * len(images)
    for image, (_, tag, _, expected) in zip(images, to_label, strict=True):
        (stored,) = user.boxes(image)
        assert stored.tag == tag
        assert overlap(stored.box, expected) > 0.5


def test_the_threshold_hides_suggestions_and_all_of_them_are_accepted_at_once(user: LabelingUser) -> None:
    (image,) = user.add_images(photograph("coffee.png"))
    user.open(image)
    accept = user.page.get_by_role("button", name="Accept 1 suggestion")
    accept.wait_for()
    threshold = user.page.get_by_role("slider")
    threshold.press("End")
    user.page.get_by_role("button", name="No suggestion for this image").wait_for()
    for _ in range(12):
        threshold.press("ArrowLeft")
    accept.wait_for()
    user.canvas.focus()
    user.press("Shift+A")
    user.is_saved()
    assert [each.tag for each in user.boxes(image)] == ["cup"]
    user.open(image)
    user.page.get_by_text("From a probability of 40%").wait_for()
    # What was accepted is not suggested again.
    user.page.get_by_role("button", name="No suggestion for this image").wait_for()


def test_suggestions_for_many_images_sort_them_by_uncertainty(user: LabelingUser) -> None:
    images = user.add_images(*(photograph(name, crop=crop) for name, _, crop, _ in crops(6, seed=2)))
    user.open(order="queue")
    user.page.get_by_role("button", name="All 6", exact=True).click()
    user.page.get_by_role("status").filter(has_text="Suggestions for 6 images").wait_for(state="attached")
    user.page.get_by_label("Order").select_option("Most uncertain first")
    user.position("1 of 6")
    iteration = max(user.portal.trainer.get_iterations(user.project), key=lambda each: each.created).id
    ordered = user.portal.trainer.query_suggested_images(
        user.project, iteration, {"sortBy": "UncertaintyDescending", "maxCount": 10, "threshold": 0}
    )
    assert {each.id for each in ordered.results} == set(images)
    assert f"image={ordered.results[1].id}" in press_and_read(user, "Enter", "2 of 6")


def press_and_read(user: LabelingUser, key: str, position: str) -> str:
    """The address after a key that leads to another image."""
    user.press(key)
    user.position(position)
    return user.page.url


def test_a_region_proposal_becomes_a_box(portal: Portal) -> None:
    user = LabelingUser(portal)
    user.add_tags("cup")
    (image,) = user.add_images(photograph("coffee.png"))
    proposals = user.portal.trainer.get_image_region_proposals(user.project, image).proposals
    assert proposals
    best = max(proposals, key=lambda each: each.confidence).bounding_box
    user.open(image)
    user.press("p")
    user.canvas.get_by_title("Accept").wait_for()
    user.press("Space")
    user.is_saved()
    (stored,) = user.boxes(image)
    expected = (best.left * 600, best.top * 400, best.width * 600, best.height * 400)
    assert stored.tag == "cup"
    assert overlap(stored.box, expected) > 0.98
