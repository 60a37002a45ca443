"""The list of a session, the address and the count to the next training."""

from __future__ import annotations

import httpx

from tests.support.harness import TRAINING_KEY
from tests.support.labeling import LabelingUser, photograph
from tests.support.portal import Portal

CROPS = [(number * 9, number * 5, 400 + number * 9, 300 + number * 5) for number in range(6)]


def queue_of(user: LabelingUser) -> dict[str, object]:
    """The labeling queue when its features are computed."""
    url = f"{user.portal.server.endpoint}/_emulator/projects/{user.project}/labelingQueue"
    while True:
        response = httpx.get(url, headers={"Training-Key": TRAINING_KEY}, trust_env=False, timeout=60)
        if response.status_code != 202:
            return dict(response.json())


def test_untagged_images_come_in_the_order_of_the_queue(portal: Portal) -> None:
    user = LabelingUser(portal)
    user.add_tags("cup", "cat")
    user.add_images(
        *(photograph("coffee.png", crop=crop) for crop in CROPS),
        photograph("chelsea.png"),
        photograph("rocket.jpg"),
    )
    queue = queue_of(user)
    images = queue["images"]
    assert isinstance(images, list)
    user.open(order="queue")
    more = queue["labelsToNextTraining"]
    user.page.get_by_text(f"{more} more to the next training").wait_for()
    visited = []
    for number in range(2, len(images) + 1):
        user.press("d")
        user.position(f"{number} of {len(images)}")
        visited.append(user.page.url.split("image=")[1].split("&")[0])
    assert visited == [each["id"] for each in images[1:]]


def test_labels_count_down_to_the_next_training(portal: Portal) -> None:
    user = LabelingUser(portal)
    user.add_tags("cup")
    user.add_images(*(photograph("coffee.png", crop=crop) for crop in CROPS))
    more = queue_of(user)["labelsToNextTraining"]
    assert isinstance(more, int)
    user.open(order="queue")
    user.page.get_by_text(f"{more} more to the next training").wait_for()
    user.press("1", "n", "Enter")
    user.page.get_by_text(f"{more - 1} more to the next training").wait_for()


def test_the_address_opens_the_job_and_the_back_button_returns(portal: Portal) -> None:
    user = LabelingUser(portal)
    (tag, _) = user.add_tags("cup", "cat")
    tagged = user.add_images(*(photograph("coffee.png", crop=crop) for crop in CROPS[:3]))
    for image in tagged:
        user.add_boxes(image, tag, (0.1, 0.1, 0.5, 0.5))
    user.add_images(photograph("chelsea.png"))
    user.open(tagged[1], status="tagged", tags=tag, tag=tag, mode="clicks")
    user.position("2 of 3")
    user.page.get_by_role("option", name="cup, box 1 of 1").wait_for()
    user.press("Escape", "ArrowRight")
    user.position("3 of 3")
    user.page.go_back()
    user.position("2 of 3")
    assert user.page.get_by_role("option", name="cup", exact=False).first.get_attribute("aria-selected")
    user.page.reload()
    user.position("2 of 3")


def test_a_project_without_images_says_so(portal: Portal) -> None:
    user = LabelingUser(portal)
    portal.open(f"projects/{user.project}/label")
    portal.page.get_by_role("heading", name="No image is left to label").wait_for()
    portal.page.get_by_role("link", name="Add images").wait_for()
    portal.check_accessibility()
