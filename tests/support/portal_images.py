"""Projects with images for the tests of the portal, and steps on its page of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tests.support.images import pictures

if TYPE_CHECKING:
    from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient
    from playwright.sync_api import Locator, Page

    from tests.support.portal import Portal

BATCH = 64


def project_with(
    trainer: CustomVisionTrainingClient,
    tags: Sequence[str] = (),
    per_tag: int = 3,
    untagged: int = 0,
    kind: str = "Multilabel",
) -> tuple[str, dict[str, str]]:
    """A classification project: its id, and the ids of its tags by their names."""
    from azure.cognitiveservices.vision.customvision.training.models import (
        ImageFileCreateBatch,
        ImageFileCreateEntry,
    )

    project: str = trainer.create_project("images", classification_type=kind).id
    ids = {name: trainer.create_tag(project, name).id for name in tags}
    files = pictures(per_tag * len(tags) + untagged)
    entries = [
        ImageFileCreateEntry(
            name=f"{index}.png",
            contents=bytearray(content),
            tag_ids=[ids[tags[index // per_tag]]] if index < per_tag * len(tags) else [],
        )
        for index, content in enumerate(files)
    ]
    for first in range(0, len(entries), BATCH):
        batch = ImageFileCreateBatch(images=entries[first : first + BATCH])
        assert trainer.create_images_from_files(project, batch).is_batch_successful
    return project, ids


def open_images(portal: Portal, project: str, query: str = "") -> Page:
    """Open the page of images and wait until its first image is there."""
    page = portal.open(f"projects/{project}/images{query}")
    page.locator("[data-image]").first.wait_for()
    return page


def shown_ids(page: Page) -> list[str]:
    """The ids of the images in the document, in their order."""
    found: list[str] = page.locator("[data-image]").evaluate_all("all => all.map(one => one.dataset.image)")
    return found


def wait_for_ids(page: Page, ids: Sequence[str]) -> None:
    """Wait until the images of the document have these ids, in this order."""
    from playwright.sync_api import expect

    tiles = page.locator("[data-image]")
    expect(tiles).to_have_count(len(ids))
    for index, image_id in enumerate(ids):
        expect(tiles.nth(index)).to_have_attribute("data-image", image_id)


def tile(page: Page, index: int) -> Locator:
    return page.locator(f"[data-index='{index}'][data-image]")


def wait_for_text(locator: Locator, text: str) -> None:
    """Wait until the text of an element is `text`."""
    from playwright.sync_api import expect

    expect(locator).to_have_text(text)


def says(page: Page, text: str) -> None:
    """Wait for a message: it is shown, and announced to screen readers."""
    page.get_by_text(text).first.wait_for()
