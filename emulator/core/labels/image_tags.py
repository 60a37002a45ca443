"""Tags on images: which combinations are allowed, adding and removing them."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlmodel import Session, col, select

from emulator.core import lookup, refused_items
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.revisions import revisions
from emulator.core.rules import domains
from emulator.core.rules.limits import (
    IMAGE_IDS_PER_UNTAGGING,
    IMAGE_TAGS_PER_BATCH,
    TAGS_PER_BATCH,
    TAGS_PER_IMAGE,
)
from emulator.core.rules.validation import check_batch_size
from emulator.core.scored_rows import suggestion_rows
from emulator.store.tables import Image, ImageTag, Project, Region, Tag


class TaggingProblem(NamedTuple):
    """Why an image cannot have certain tags together.

    status: of an item of an upload. reason: for the log.
    """

    status: str
    reason: str

    @property
    def is_negative_beside_regular(self) -> bool:
        return self.status == "ErrorNegativeAndRegularTagOnSameImage"


def tagging_problem(project: Project, present: Sequence[Tag], added: Sequence[Tag]) -> TaggingProblem | None:
    """Why an image with the tags `present` cannot get those in `added`; None if it can.

    A Negative tag cannot be combined with others; an image of a Multiclass project has at most one tag,
    other images at most 100.
    """
    if not added:
        return None
    tags = [*present, *added]
    if len(tags) > 1 and any(tag.type == "Negative" for tag in tags):
        return TaggingProblem(
            "ErrorNegativeAndRegularTagOnSameImage", "a Negative tag must be the only tag of its image"
        )
    single = (
        project.classification_type == "Multiclass"
        and domains.get(project.domain_id).type == "Classification"
    )
    if len(tags) > (1 if single else TAGS_PER_IMAGE):
        most = "one tag, since the project is Multiclass" if single else f"{TAGS_PER_IMAGE} tags"
        return TaggingProblem(
            "ErrorTagLimitExceed", f"it would have {len(tags)} tags; an image has at most {most}"
        )
    return None


def attach(
    context: Context, session: Session, project: Project, image: Image, tag: Tag, revision: int
) -> ImageTag:
    """Add `tag` to `image`, which is stored already, in the workspace, and update the counts."""
    assert image.number is not None
    row = ImageTag(image_number=image.number, tag_id=tag.id, created=context.clock.now(), born=revision)
    count_added(project, image, tag)
    session.add_all((row, image, tag))
    return row


def count_added(project: Project, image: Image, tag: Tag) -> None:
    """Update the counts of images and tags for a tag that is added to an image."""
    if image.tag_count == 0:
        project.tagged_count += 1
    image.tag_count += 1
    tag.image_count += 1


def detach(
    session: Session, project: Project, image: Image, tag: Tag, row: ImageTag, revision: int, frozen: int
) -> None:
    """Remove `tag` from `image` in the workspace, by its `row`, and update the counts."""
    image.tag_count -= 1
    tag.image_count -= 1
    project.tagged_count -= image.tag_count == 0
    row.removed = revision
    session.add_all((row, image, tag))
    if row.born > frozen:
        session.delete(row)


@dataclass
class TaggedPairs:
    """Pairs of image id and tag id of one request, by their result."""

    created: list[tuple[str, str]] = field(default_factory=list)
    duplicated: list[tuple[str, str]] = field(default_factory=list)
    exceeded: list[tuple[str, str]] = field(default_factory=list)


def create(context: Context, project_id: str, pairs: Sequence[tuple[str, str]]) -> TaggedPairs:
    """Add tags to images, given as pairs (image id, tag id). An unknown id refuses the whole request.

    A pair that exists already is `duplicated`; one that exceeds the number of tags of an image is `exceeded`.
    """
    if not pairs:
        raise ServiceError("BadRequestImageTags", "No image tags provided")
    check_batch_size("The batch has", len(pairs), "image tags", IMAGE_TAGS_PER_BATCH)
    outcome = TaggedPairs()
    with context.database.write() as session:
        project = lookup.project(session, project_id)
        images = workspace_images(session, project_id, [image_id for image_id, _ in pairs])
        known = lookup.workspace_tags(session, project_id)
        check_ids("tags", pairs, images, known)
        present = present_tags(session, images.values())
        revision = project.revision + 1
        for index, (image_id, tag_id) in enumerate(pairs):
            image, tag = images[image_id], known[tag_id]
            assert image.number is not None
            of_image = present.setdefault(image.number, [])
            if tag_id in of_image:
                outcome.duplicated.append((image_id, tag_id))
                refused_items.note(f"tags[{index}]", image_id, f"duplicated: it has the tag {tag_id} already")
                continue
            problem = tagging_problem(project, [known[other] for other in of_image], [tag])
            if problem is None:
                attach(context, session, project, image, tag, revision)
                of_image.append(tag_id)
                outcome.created.append((image_id, tag_id))
            elif problem.is_negative_beside_regular:
                raise ServiceError(
                    "BadRequestNegativeAndRegularTagOnSameImage",
                    "A Negative tag must be alone on its image.",
                )
            else:
                outcome.exceeded.append((image_id, tag_id))
                refused_items.note(f"tags[{index}]", image_id, f"exceeded: {problem.reason}")
        if outcome.created:
            touched = {images[image_id].number or 0 for image_id, _ in outcome.created}
            revisions.next_revision(context, project, touched)
            suggestion_rows.remove_of_images(context, session, touched)
            session.add(project)
    return outcome


def check_ids(
    place: str, pairs: Iterable[tuple[str, str]], images: Container[str], tags: Container[str]
) -> None:
    """Raises ServiceError for the first pair (image id, tag id) with an id that is not in the workspace.

    place: of the pairs in the request, for the log.
    """
    problem = None
    for index, (image_id, tag_id) in enumerate(pairs):
        if image_id not in images:
            error = ServiceError("NotFoundImage", f"Image not found: {image_id}")
        elif tag_id not in tags:
            error = ServiceError("NotFoundTag", f"Tag not found: {tag_id}")
        else:
            continue
        refused_items.note(f"{place}[{index}]", None, error.message)
        problem = problem or error
    if problem is not None:
        raise problem


def delete(context: Context, project_id: str, image_ids: Sequence[str], tag_ids: Sequence[str]) -> None:
    """Remove all of `tag_ids`, with their regions, from all of `image_ids`; missing pairs are ignored."""
    check_batch_size("The request names", len(image_ids), "images", IMAGE_IDS_PER_UNTAGGING)
    check_batch_size("The request names", len(tag_ids), "tags", TAGS_PER_BATCH)
    with context.database.write() as session:
        project = lookup.project(session, project_id)
        images = {image.number: image for image in workspace_images(session, project_id, image_ids).values()}
        rows = session.exec(
            select(ImageTag).where(
                col(ImageTag.image_number).in_(images),
                col(ImageTag.tag_id).in_(tag_ids),
                col(ImageTag.removed).is_(None),
            )
        ).all()
        if not rows:
            return
        revision = revisions.next_revision(context, project, {row.image_number for row in rows})
        frozen = revisions.newest_frozen_revision(session, project_id)
        known = lookup.workspace_tags(session, project_id)
        for row in rows:
            detach(session, project, images[row.image_number], known[row.tag_id], row, revision, frozen)
        regions = (col(Region.image_number).in_(images), col(Region.tag_id).in_(tag_ids))
        revisions.remove_regions(session, regions, revision, frozen)
        session.add(project)


def workspace_images(session: Session, project_id: str, image_ids: Sequence[str]) -> dict[str, Image]:
    """The images of the workspace among `image_ids`, by id."""
    statement = select(Image).where(
        Image.project_id == project_id, col(Image.id).in_(set(image_ids)), col(Image.removed).is_(None)
    )
    return {image.id: image for image in session.exec(statement)}


def present_tags(session: Session, images: Iterable[Image]) -> dict[int, list[str]]:
    """The ids of the tags of images in the workspace, by the images' numbers."""
    numbers = [image.number for image in images]
    rows = session.execute(
        select(ImageTag.image_number, ImageTag.tag_id).where(
            col(ImageTag.image_number).in_(numbers), col(ImageTag.removed).is_(None)
        )
    )
    present: dict[int, list[str]] = {}
    for number, tag_id in rows:
        present.setdefault(number, []).append(tag_id)
    return present
