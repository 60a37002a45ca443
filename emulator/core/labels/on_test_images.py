"""Labels of images of test sets, when their tag is deleted or restored."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import delete as delete_rows
from sqlalchemy import update as update_rows
from sqlmodel import Session, col, select

from emulator.store.batches import batches
from emulator.store.test_set_tables import TestImage, TestLabel, TestSet


def of_tag(session: Session, tag_id: str) -> list[list[Any]]:
    """The labels of a tag, as `restore` takes them: number of the image, left, top, width, height."""
    labels = session.exec(select(TestLabel).where(TestLabel.tag_id == tag_id).order_by(col(TestLabel.number)))
    return [[label.image_number, label.left, label.top, label.width, label.height] for label in labels]


def remove(session: Session, tag_id: str) -> None:
    """Remove the labels of a tag. Their images stay, and evaluations on their test sets are stale."""
    numbers = select(TestLabel.image_number).where(TestLabel.tag_id == tag_id)
    _count_change(session, numbers)
    session.execute(delete_rows(TestLabel).where(col(TestLabel.tag_id) == tag_id))


def restore(session: Session, tag_id: str, labels: Sequence[Sequence[Any]]) -> None:
    """Add labels of a tag to the images that still exist."""
    for batch in batches(labels):
        numbers = {number for number, *_ in batch}
        here = set(session.exec(select(TestImage.number).where(col(TestImage.number).in_(numbers))))
        for number, left, top, width, height in batch:
            if number in here:
                session.add(
                    TestLabel(
                        image_number=number, tag_id=tag_id, left=left, top=top, width=width, height=height
                    )
                )
        _count_change(session, numbers)


def _count_change(session: Session, image_numbers: "Collection[int] | Any") -> None:
    """Increment the revision of the test sets of these images. image_numbers: or a query of them."""
    changed = select(TestImage.test_set_id).where(col(TestImage.number).in_(image_numbers))
    session.execute(
        update_rows(TestSet).where(col(TestSet.id).in_(changed)).values(revision=TestSet.revision + 1)
    )
