"""Deleted images and tags with their labels, kept for an hour so that a deletion can be undone.

A deletion removes rows, also those of labels, and the bytes of images. What it removes from the workspace is
kept in rows of `store.tables.Deletion`, whose blobs no sweep deletes; `images.restore` and `labels.restore`
make the rows again. Deletions from all iterations are final, and so are those of more than LARGEST objects
or labels at once.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, insert
from sqlalchemy import delete as delete_rows
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, func, select

from emulator.core.context import Context
from emulator.store.tables import Deletion, Image, ImageTag, Region, Tag, microseconds

KEPT = timedelta(hours=1)
# Images of one deletion, or images and regions of one tag.
LARGEST = 20_000
IMAGE, TAG = "image", "tag"


def keep_images(
    context: Context, session: Session, project_id: str, leaving: Sequence[ColumnElement[bool]]
) -> None:
    """Keep the images that fulfil `leaving`, with their tags and regions, before their rows are removed."""
    count = session.scalar(select(func.count()).select_from(Image).where(*leaving)) or 0
    if not count or count > LARGEST:
        return
    images = session.exec(select(Image).where(*leaving)).all()
    numbers = select(Image.number).where(*leaving)
    tags: dict[int, list[Any]] = {}
    rows = session.execute(
        select_columns(col(ImageTag.image_number), col(ImageTag.tag_id), col(ImageTag.created))
        .where(col(ImageTag.image_number).in_(numbers), col(ImageTag.removed).is_(None))
        .order_by(col(ImageTag.number))
    )
    for number, tag_id, created in rows:
        tags.setdefault(number, []).append([tag_id, microseconds(created)])
    regions: dict[int, list[Any]] = {}
    for region in session.exec(
        select(Region)
        .where(col(Region.image_number).in_(numbers), col(Region.removed).is_(None))
        .order_by(col(Region.number))
    ):
        regions.setdefault(region.image_number, []).append([region.tag_id, *_box(region)])
    now = context.clock.reading
    session.execute(
        insert(Deletion),
        [
            {
                "kind": IMAGE,
                "object_id": image.id,
                "project_id": project_id,
                "deleted": now,
                "blob": image.blob,
                "content": {
                    "number": image.number,
                    "size": image.size,
                    "width": image.width,
                    "height": image.height,
                    "created": microseconds(image.created),
                    "metadata": image.metadata_,
                    "tags": tags.get(image.number or 0, []),
                    "regions": regions.get(image.number or 0, []),
                },
            }
            for image in images
        ],
    )


def keep_tag(context: Context, session: Session, tag: Tag, test_labels: Sequence[Sequence[Any]] = ()) -> None:
    """Keep a tag with its images and regions, before their rows are removed.

    test_labels: its labels of test images (`labels.on_test_images.of_tag`).
    """
    if tag.image_count > LARGEST:
        return
    images = session.execute(
        select_columns(col(ImageTag.image_number), col(ImageTag.created))
        .where(col(ImageTag.tag_id) == tag.id, col(ImageTag.removed).is_(None))
        .order_by(col(ImageTag.number))
    )
    regions = session.exec(
        select(Region)
        .where(Region.tag_id == tag.id, col(Region.removed).is_(None))
        .order_by(col(Region.number))
        .limit(LARGEST + 1)
    ).all()
    if len(regions) > LARGEST:
        return
    session.add(
        Deletion(
            kind=TAG,
            object_id=tag.id,
            project_id=tag.project_id,
            deleted=context.clock.reading,
            content={
                "name": tag.name,
                "description": tag.description,
                "type": tag.type,
                "images": [[number, microseconds(created)] for number, created in images],
                "regions": [[region.image_number, *_box(region)] for region in regions],
                "testLabels": list(test_labels),
            },
        )
    )


def _box(region: Region) -> list[Any]:
    box = [region.left, region.top, region.width, region.height]
    return [region.id, *box, microseconds(region.created)]


def kept(
    context: Context, session: Session, kind: str, project_id: str, object_ids: Collection[str]
) -> dict[str, Deletion]:
    """The latest deletion of each of these objects, by its id, if it is kept still."""
    found = session.exec(
        select(Deletion)
        .where(
            Deletion.kind == kind,
            Deletion.project_id == project_id,
            col(Deletion.object_id).in_(object_ids),
            Deletion.deleted >= context.clock.reading - KEPT,
        )
        .order_by(col(Deletion.number))
    )
    return {deletion.object_id: deletion for deletion in found}


def forget(session: Session, project_id: str, image_ids: Collection[str] | None) -> set[str]:
    """Forget deleted images for good, None: all of the project; returns their blobs."""
    which = [col(Deletion.project_id) == project_id, col(Deletion.kind) == IMAGE]
    if image_ids is not None:
        which.append(col(Deletion.object_id).in_(image_ids))
    return _forget(session, which)


def forget_expired(context: Context, session: Session) -> set[str]:
    """Forget what was deleted more than an hour ago; returns the blobs of images.

    Called where images are added or deleted, so that the disk does not fill with what was deleted.
    """
    expired = col(Deletion.deleted) < context.clock.reading - KEPT
    if session.scalar(select(Deletion.number).where(expired).limit(1)) is None:
        return set()
    return _forget(session, [expired])


def blobs_of(session: Session, project_id: str) -> set[str]:
    """The blobs of the deleted images of a project."""
    found = session.exec(select(Deletion.blob).where(Deletion.project_id == project_id))
    return {blob for blob in found if blob}


def _forget(session: Session, which: Sequence[ColumnElement[bool]]) -> set[str]:
    blobs = {blob for blob in session.exec(select(Deletion.blob).where(*which)) if blob}
    session.execute(delete_rows(Deletion).where(*which))
    return blobs
