"""The labeling page in a browser: projects of real photographs, and what a person does on the page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import resources
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from PIL import Image

from tests.support.harness import wait_until
from tests.support.portal import Portal

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

DETECTION = "da2e3a8a-40a5-4171-82f4-58522f70fbc1"
CLASSIFICATION = "ee85a74c-405e-4adc-bb47-ffa8ca0c9f31"
_EXIF_ORIENTATION = 0x0112

# Left, top, width and height in pixels of the upright image.
Pixels = tuple[float, float, float, float]


def photograph(
    name: str,
    *,
    crop: tuple[int, int, int, int] | None = None,
    size: tuple[int, int] | None = None,
    orientation: int = 1,
) -> bytes:
    """A photograph that comes with scikit-image, as JPEG. orientation: of its EXIF block, 1 to 8."""
    pytest.importorskip("skimage", reason="scikit-image is missing: pip install scikit-image")
    with Image.open(BytesIO((resources.files("skimage") / "data" / name).read_bytes())) as opened:
        image = opened.convert("RGB")
    image = image.crop(crop) if crop else image
    image = image.resize(size) if size else image
    exif = Image.Exif()
    exif[_EXIF_ORIENTATION] = orientation
    file = BytesIO()
    image.save(file, "JPEG", quality=90, exif=exif)
    return file.getvalue()


class Stored(NamedTuple):
    """A region as the official SDK reads it, in pixels."""

    tag: str
    box: Pixels


class LabelingUser:
    """A person at the labeling page of one project.

    Attributes:
        strokes: how many keys were pressed, a key with its modifiers as one.
    """

    def __init__(
        self, portal: Portal, domain: str = DETECTION, project: str | None = None, **project_options: Any
    ) -> None:
        self.portal = portal
        self.strokes = 0
        self.project = (
            project or portal.trainer.create_project("labeling", domain_id=domain, **project_options).id
        )

    # --- the project ----------------------------------------------------------------------------------------

    def add_tags(self, *names: str) -> list[str]:
        return [self.portal.trainer.create_tag(self.project, name).id for name in names]

    def add_images(self, *images: bytes, tag_ids: Sequence[str] = ()) -> list[str]:
        from azure.cognitiveservices.vision.customvision.training.models import (
            ImageFileCreateBatch,
            ImageFileCreateEntry,
        )

        ids = []
        for start in range(0, len(images), 64):
            entries = [ImageFileCreateEntry(contents=data) for data in images[start : start + 64]]
            batch = ImageFileCreateBatch(images=entries, tag_ids=list(tag_ids))
            summary = self.portal.trainer.create_images_from_files(self.project, batch)
            assert summary.is_batch_successful, [item.status for item in summary.images]
            ids += [
                item.image.id for item in sorted(summary.images, key=lambda item: int(item.source_url or 0))
            ]
        return ids

    def add_boxes(self, image_id: str, tag_id: str, *boxes: Sequence[float]) -> None:
        """Regions at fractions of the image."""
        from azure.cognitiveservices.vision.customvision.training.models import ImageRegionCreateEntry

        sides = ("left", "top", "width", "height")
        entries = [
            ImageRegionCreateEntry(image_id=image_id, tag_id=tag_id, **dict(zip(sides, box, strict=True)))
            for box in boxes
        ]
        for start in range(0, len(entries), 64):
            self.portal.trainer.create_image_regions(self.project, regions=entries[start : start + 64])

    def train(self) -> str:
        iteration = self.portal.trainer.train_project(self.project)
        wait_until(
            lambda: self.portal.trainer.get_iteration(self.project, iteration.id).status == "Completed",
            "the end of the training",
        )
        return str(iteration.id)

    def boxes(self, image_id: str) -> list[Stored]:
        """The regions of an image, from left to right."""
        (image,) = self.portal.trainer.get_images_by_ids(self.project, [image_id])
        found = [
            Stored(
                region.tag_name,
                (
                    region.left * image.width,
                    region.top * image.height,
                    region.width * image.width,
                    region.height * image.height,
                ),
            )
            for region in image.regions or ()
        ]
        return sorted(found, key=lambda each: each.box)

    def tags(self, image_id: str) -> list[str]:
        (image,) = self.portal.trainer.get_images_by_ids(self.project, [image_id])
        return sorted(tag.tag_name for tag in image.tags or ())

    # --- the page -------------------------------------------------------------------------------------------

    @property
    def page(self) -> Page:
        return self.portal.page

    @property
    def canvas(self) -> Locator:
        return self.page.locator("[data-canvas]")

    def open(self, image_id: str | None = None, page: Page | None = None, **parameters: str) -> None:
        query = {"order": "newest", **parameters, **({"image": image_id} if image_id else {})}
        text = "&".join(f"{name}={value}" for name, value in query.items())
        shown = self.portal.open(f"projects/{self.project}/label?{text}", page)
        shown.locator("[data-canvas] img").wait_for()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
            self.strokes += 1

    def is_saved(self) -> None:
        """Wait until the open image is saved."""
        # What the mouse did last is handled by then.
        self.page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        self.page.get_by_test_id("save-state").filter(has_text=re.compile("^Saved$")).wait_for()

    def position(self, text: str) -> None:
        """Wait until the page shows its place in the list, as in "2 of 40"."""
        self.page.get_by_test_id("position").filter(has_text=text).wait_for()

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Where a pixel of the upright image is on the page."""
        # After two frames: on a busy machine, keys and the mouse can be handled after the call that sent it.
        left, top, scale_x, scale_y = self.canvas.locator("img").evaluate(
            """async image => {
              await image.decode();
              await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
              const {left, top, width, height} = image.getBoundingClientRect();
              return [left, top, width / image.naturalWidth, height / image.naturalHeight];
            }"""
        )
        return left + x * scale_x, top + y * scale_y

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Drag from one pixel of the image to another."""
        mouse = self.page.mouse
        mouse.move(*self.point(*start))
        mouse.down()
        mouse.move(*self.point((start[0] + end[0]) / 2, (start[1] + end[1]) / 2))
        mouse.move(*self.point(*end))
        mouse.up()

    def click(self, x: float, y: float) -> None:
        self.page.mouse.click(*self.point(x, y))

    def selects(self, name: str) -> None:
        """Wait until the selected box has `name`, or a name with it, for screen readers."""
        from playwright.sync_api import expect

        box = self.canvas.get_by_role("option", selected=True)
        expect(box).to_have_attribute("aria-label", re.compile(re.escape(name)))


def within(stored: Pixels, expected: Pixels, tolerance: float = 1.0) -> bool:
    """Whether all four edges are at most `tolerance` pixels off."""

    def edges(box: Pixels) -> Pixels:
        return (box[0], box[1], box[0] + box[2], box[1] + box[3])

    return all(
        abs(one - other) <= tolerance for one, other in zip(edges(stored), edges(expected), strict=True)
    )


def overlap(one: Pixels, other: Pixels) -> float:
    """Intersection over union of two boxes, 0 to 1."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / (one[2] * one[3] + other[2] * other[3] - width * height)
