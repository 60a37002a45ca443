"""Regions: tagged boxes on the images of detection projects.

An image has the tags of its regions: the first region of a tag adds the tag to the image, deleting the last
one removes it. An image may also have a tag without any region.
"""

from collections.abc import Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from emulator.core import lookup, refused_items
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.labels.image_tags import (
    attach,
    check_ids,
    detach,
    present_tags,
    tagging_problem,
    workspace_images,
)
from emulator.core.revisions import revisions
from emulator.core.revisions.views import View
from emulator.core.rules import domains
from emulator.core.rules.limits import REGIONS_PER_BATCH, REGIONS_PER_IMAGE
from emulator.core.rules.region_edges import clipped, edge_problem
from emulator.core.rules.validation import check_batch_size
from emulator.core.scored_rows import suggestion_rows
from emulator.store.batches import batches
from emulator.store.tables import Image, ImageTag, Project, Region, Tag
from emulator.vision.boxes.box import Box


@dataclass(frozen=True)
class _Tagged:
    tag_id: str


# In a dataclass with several bases, the fields of the last one come first: RegionBox(tag_id, left, top, ...).
@dataclass(frozen=True)
class RegionBox(Box, _Tagged):
    """The tag and the box of a region."""

    def rounded(self) -> "RegionBox | None":
        """The box as it is stored, in single precision and clipped to the image; None when it is invalid.

        That is when it is empty, exceeds an edge of the image by more than rounding, or has lengths that are
        not finite.
        """
        horizontal = clipped(self.left, self.width)
        vertical = clipped(self.top, self.height)
        if horizontal is None or vertical is None:
            return None
        return RegionBox(self.tag_id, horizontal[0], vertical[0], horizontal[1], vertical[1])


class RegionOnImage(NamedTuple):
    id: str
    tag_id: str
    tag_name: str
    created: datetime
    left: float
    top: float
    width: float
    height: float

    @property
    def box(self) -> RegionBox:
        return RegionBox(self.tag_id, self.left, self.top, self.width, self.height)


@dataclass
class CreatedRegions:
    """Boxes of one request with the ids of their images, by their result."""

    created: list[tuple[str, RegionOnImage]] = field(default_factory=list)
    duplicated: list[tuple[str, RegionBox]] = field(default_factory=list)
    exceeded: list[tuple[str, RegionBox]] = field(default_factory=list)


def holds_regions(project: Project) -> bool:
    """Whether images of the project can have regions: those of detection projects can."""
    return domains.get(project.domain_id).type == "ObjectDetection"


def check_project(context: Context, project_id: str) -> None:
    """Raises ServiceError unless images of the project can have regions."""
    with context.database.read() as session:
        _check(lookup.project(session, project_id))


def _check(project: Project) -> None:
    if not holds_regions(project):
        raise ServiceError(
            "BadRequestNotSupported",
            "Invalid project type for operation.",
            "Only images of object detection projects have regions.",
        )


def create(context: Context, project_id: str, boxes: Sequence[tuple[str, RegionBox]]) -> CreatedRegions:
    """Add boxes to images, given as pairs (image id, box); the images get the tags of the boxes.

    An unknown id, an invalid box or a repeated one refuses the whole request. A box that its image has
    already is `duplicated`; one that exceeds the number of regions or tags of its image is `exceeded`.
    """
    if not boxes:
        raise ServiceError("BadRequestImageRegions", "No image regions provided")
    check_batch_size("The batch has", len(boxes), "regions", REGIONS_PER_BATCH)
    rounded = []
    for image_id, requested in boxes:
        box = requested.rounded()
        if box is None:
            _note(faults([box for _, box in boxes]))
            raise ServiceError("BadRequestImageRegions", "Illegal region")
        rounded.append((image_id, box))
    if len(set(rounded)) < len(rounded):
        _note(_repeated(rounded))
        raise ServiceError("BadRequestImageRegions", "Duplicate image regions")
    outcome = CreatedRegions()
    with context.database.write() as session:
        project = lookup.project(session, project_id)
        _check(project)
        images = workspace_images(session, project_id, [image_id for image_id, _ in rounded])
        known = lookup.workspace_tags(session, project_id)
        _check_ids(rounded, images, known)
        tags_here = present_tags(session, images.values())
        numbers = [image.number or 0 for image in images.values()]
        boxes_here = {
            number: {region.box for region in found}
            for number, found in on_images(session, View(project), numbers).items()
        }
        revision = project.revision + 1
        for index, (image_id, box) in enumerate(rounded):
            image, tag = images[image_id], known[box.tag_id]
            assert image.number is not None
            present_boxes = boxes_here.setdefault(image.number, set())
            present = tags_here.setdefault(image.number, [])
            is_new_tag = tag.id not in present
            if box in present_boxes:
                outcome.duplicated.append((image_id, box))
                refused_items.note(f"regions[{index}]", image_id, "duplicated: it has this region already")
                continue
            reason = ""
            if len(present_boxes) >= REGIONS_PER_IMAGE:
                reason = f"it has {REGIONS_PER_IMAGE} regions, which is the most"
            elif is_new_tag:
                problem = tagging_problem(project, [known[other] for other in present], [tag])
                reason = "" if problem is None else problem.reason
            if reason:
                outcome.exceeded.append((image_id, box))
                refused_items.note(f"regions[{index}]", image_id, f"exceeded: {reason}")
                continue
            if is_new_tag:
                attach(context, session, project, image, tag, revision)
                present.append(tag.id)
            present_boxes.add(box)
            outcome.created.append((image_id, draw(context, session, image, tag, box, revision)))
        if outcome.created:
            touched = {images[image_id].number or 0 for image_id, _ in outcome.created}
            revisions.next_revision(context, project, touched)
            suggestion_rows.remove_of_images(context, session, touched)
            session.add(project)
    return outcome


def _check_ids(
    boxes: Sequence[tuple[str, RegionBox]], images: dict[str, Image], known: dict[str, Tag]
) -> None:
    if not images:
        raise ServiceError(
            "BadRequestImageRegions", "No image regions provided", "None of the images is in the project."
        )
    check_ids("regions", [(image_id, box.tag_id) for image_id, box in boxes], images, known)


def faults(boxes: Sequence[RegionBox]) -> list[tuple[int, str]]:
    """For the log: invalid boxes, as index and reason; if there are none, boxes that repeat others."""
    found = []
    for index, box in enumerate(boxes):
        if box.rounded() is None:
            problems = (
                edge_problem("left", box.left, "width", box.width),
                edge_problem("top", box.top, "height", box.height),
            )
            found.append((index, ", ".join(filter(None, problems))))
    return found or _repeated([box.rounded() for box in boxes])


def _repeated(rounded: Sequence[Hashable]) -> list[tuple[int, str]]:
    first: dict[Hashable, int] = {}
    found = []
    for index, box in enumerate(rounded):
        if first.setdefault(box, index) != index:
            found.append((index, f"it repeats regions[{first[box]}]"))
    return found


def _note(found: Sequence[tuple[int, str]]) -> None:
    for index, reason in found:
        refused_items.note(f"regions[{index}]", None, reason)


def distinct(boxes: Sequence[RegionBox]) -> list[RegionBox] | None:
    """The boxes in single precision; None when one of them is invalid or repeated."""
    rounded = [box.rounded() for box in boxes]
    legal = [box for box in rounded if box is not None]
    return legal if len(set(legal)) == len(boxes) else None


def draw(
    context: Context, session: Session, image: Image, tag: Tag, box: RegionBox, revision: int
) -> RegionOnImage:
    """Add a rounded box to an image that has its tag, in the workspace."""
    row = Region(
        id=context.ids.new(),
        image=image,
        tag_id=tag.id,
        left=box.left,
        top=box.top,
        width=box.width,
        height=box.height,
        created=context.clock.now(),
        born=revision,
    )
    session.add(row)
    return RegionOnImage(
        id=row.id,
        tag_id=tag.id,
        tag_name=tag.name,
        created=row.created,
        left=box.left,
        top=box.top,
        width=box.width,
        height=box.height,
    )


def delete(context: Context, project_id: str, region_ids: Sequence[str]) -> None:
    """Delete regions; unknown ids are ignored.

    An image that loses the last region of a tag loses the tag.
    """
    check_batch_size("The request names", len(region_ids), "regions", REGIONS_PER_BATCH)
    with context.database.write() as session:
        project = lookup.project(session, project_id)
        found = session.execute(
            select(Region.id, Region.tag_id, Image)
            .join(Image, col(Image.number) == Region.image_number)
            .where(
                Image.project_id == project_id,
                col(Region.id).in_(set(region_ids)),
                col(Region.removed).is_(None),
            )
        ).all()
        if not found:
            return
        revision = revisions.next_revision(context, project, {image.number or 0 for _, _, image in found})
        frozen = revisions.newest_frozen_revision(session, project_id)
        gone = [region_id for region_id, _, _ in found]
        revisions.remove_regions(session, [col(Region.id).in_(gone)], revision, frozen)
        images = {image.number or 0: image for _, _, image in found}
        lost = {(image.number, tag_id) for _, tag_id, image in found} - _pairs(session, images)
        known = lookup.workspace_tags(session, project_id)
        rows = session.exec(
            select(ImageTag).where(col(ImageTag.image_number).in_(images), col(ImageTag.removed).is_(None))
        )
        for row in rows.all():
            if (row.image_number, row.tag_id) in lost:
                image = images[row.image_number]
                detach(session, project, image, known[row.tag_id], row, revision, frozen)
        session.add(project)


def _pairs(session: Session, numbers: Collection[int]) -> set[tuple[int, str]]:
    """Number of the image and id of the tag of each region of the workspace on these images."""
    rows = session.execute(
        select(Region.image_number, Region.tag_id)
        .where(col(Region.image_number).in_(numbers), col(Region.removed).is_(None))
        .distinct()
    )
    return {(number, tag_id) for number, tag_id in rows}


def on_images(session: Session, view: View, numbers: Iterable[int]) -> dict[int, list[RegionOnImage]]:
    """The regions of images in a view, by the images' numbers, in the order of their creation."""
    found: dict[int, list[RegionOnImage]] = {}
    if not holds_regions(view.project):
        return found
    columns: list[Any] = [Region.image_number, Region.id, Region.tag_id, Tag.name, Region.created]
    columns += [Region.left, Region.top, Region.width, Region.height]
    for batch in batches(numbers):
        rows = session.execute(
            select_columns(*columns)
            .join(Tag, col(Tag.id) == Region.tag_id)
            .where(col(Region.image_number).in_(batch), view.holds(Region))
            .order_by(col(Region.number))
        )
        for number, *region in rows:
            found.setdefault(number, []).append(RegionOnImage(*region))
    return found
