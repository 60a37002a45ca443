"""Restoring deleted images with their tags, regions and metadata: undoing a deletion."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlmodel import Session, col, select

from emulator.core import deletions, lookup, quotas
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.labels.image_tags import attach, tagging_problem
from emulator.core.labels.restore import RestoreStatus, restore_region
from emulator.core.revisions import revisions
from emulator.core.rules.limits import IMAGE_IDS_PER_QUERY
from emulator.core.rules.validation import check_batch_size
from emulator.store.tables import Deletion, Image, Project, Tag, moment


class RestoredImage(NamedTuple):
    """The result for one image. image_id: of the workspace; None when it was not restored.

    It differs from `requested_id` when an iteration was trained without the image in the meantime, as an
    image is in all iterations from its creation to its deletion, or when its bytes were uploaded again.
    """

    requested_id: str
    status: RestoreStatus
    image_id: str | None = None


def restore(context: Context, project_id: str, image_ids: Sequence[str]) -> list[RestoredImage]:
    """Restore images that were deleted within the last hour, one result for each id.

    They get the tags and regions that they had, except those of tags that were deleted. Raises ServiceError.
    """
    if not image_ids:
        raise ServiceError("BadRequestInvalidIds", "The request must name the images to restore.")
    check_batch_size("The request names", len(image_ids), "images", IMAGE_IDS_PER_QUERY)
    ids = list(dict.fromkeys(image_ids))
    with context.database.write() as session:
        project = lookup.project(session, project_id)
        found = _Restoring(context, session, project, ids)
        results = [found.restore(image_id) for image_id in ids]
        if found.touched:
            session.flush()
            touched = {image.number or 0 for image in found.touched}
            revisions.next_revision(context, project, touched)
            session.add(project)
    return results


class _Restoring:
    """The restoring of several images in one transaction."""

    def __init__(self, context: Context, session: Session, project: Project, ids: Sequence[str]) -> None:
        self._context = context
        self._session = session
        self._project = project
        self._kept = deletions.kept(context, session, deletions.IMAGE, project.id, ids)
        self._rows = self._images(col(Image.id).in_(ids), by="id")
        blobs = [deletion.blob for deletion in self._kept.values()]
        here = (col(Image.blob).in_(blobs), col(Image.removed).is_(None))
        self._here = self._images(*here, by="blob")
        self._tags = lookup.workspace_tags(session, project.id)
        self._frozen = revisions.newest_frozen_revision(session, project.id)
        self.touched: list[Image] = []

    def _images(self, *which: Any, by: str) -> dict[str, Image]:
        rows = self._session.exec(select(Image).where(Image.project_id == self._project.id, *which))
        return {getattr(row, by): row for row in rows}

    def restore(self, image_id: str) -> RestoredImage:
        row, deletion = self._rows.get(image_id), self._kept.get(image_id)
        if row is not None and row.removed is None:
            return RestoredImage(image_id, "Present", image_id)
        if deletion is None or deletion.blob is None or not self._context.blobs.exists(deletion.blob):
            return RestoredImage(image_id, "NotFound")
        same = self._here.get(deletion.blob)
        if same is not None:
            return RestoredImage(image_id, "Present", same.id)
        if not quotas.has_room_for_image(self._context, self._project):
            return RestoredImage(image_id, "LimitExceeded")
        image = self._image(image_id, row, deletion, deletion.content)
        self._project.image_count += 1
        self._label(image, deletion.content)
        self._here[deletion.blob] = image
        self.touched.append(image)
        self._session.delete(deletion)
        return RestoredImage(image_id, "Restored", image.id)

    def _image(
        self, image_id: str, row: Image | None, deletion: Deletion, content: Mapping[str, Any]
    ) -> Image:
        if row is not None and row.removed is not None and row.removed > self._frozen:
            row.removed, row.tag_count = None, 0
            self._session.add(row)
            return row
        image = Image(
            # An iteration that was trained in between must not get an image that it was not trained on.
            id=image_id if row is None else self._context.ids.new(),
            number=content["number"] if row is None else None,
            project_id=self._project.id,
            blob=deletion.blob or "",
            size=content["size"],
            width=content["width"],
            height=content["height"],
            created=moment(content["created"]),
            metadata_=content["metadata"],
            born=self._project.revision + 1,
        )
        self._session.add(image)
        self._session.flush()  # its tags refer to its number
        return image

    def _label(self, image: Image, content: Mapping[str, Any]) -> None:
        """Add the tags and regions that the image had. Rules that have changed since are respected."""
        present: list[Tag] = []
        revision = self._project.revision + 1
        for tag_id, created in content["tags"]:
            tag = self._tags.get(tag_id)
            if tag is None or tagging_problem(self._project, present, [tag]) is not None:
                continue
            row = attach(self._context, self._session, self._project, image, tag, revision)
            row.created = moment(created)
            present.append(tag)
        ids = {tag.id for tag in present}
        for tag_id, *region in content["regions"]:
            if tag_id in ids:
                restore_region(self._context, self._session, image, tag_id, region, revision, self._frozen)
