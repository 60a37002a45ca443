"""Counts of a workspace after removals, against counting the remaining rows."""

from itertools import chain, combinations
from typing import Any

import pytest
from sqlmodel import Session, col, select

from emulator.core.revisions import revisions
from emulator.store.tables import Image, Project, Tag
from tests.support.harness import Service
from tests.support.images import pictures


class Undone(Exception):
    """Rolls a transaction back."""


class Counted:
    """A project of five images: with no tag, one tag, two tags; another project that must not change."""

    def __init__(self, service: Service) -> None:
        self.service = service
        other = service.project("other")
        service.images(other, pictures(2), service.tag(other, "a"))
        project = service.project()
        self.id = project.rpartition("/")[2]
        a, b = service.tag(project, "a"), service.tag(project, "b")
        self.tags_of: dict[str, set[str]] = {}
        for number, tags in enumerate(([], [a], [b], [a, b], [a])):
            (image,) = service.images(project, pictures(1, start=number), *tags)
            self.tags_of[image] = set(tags)
        # What is gone already bears nothing that could be taken out once more.
        (gone,) = service.images(project, pictures(1, start=9), a, b)
        service.delete(f"{project}/images", params={"imageIds": gone})
        self.tag_ids = (a, b)

    def counts(self, session: Session) -> dict[str, Any]:
        session.expire_all()
        project = session.get_one(Project, self.id)
        tags = {tag.id: tag.image_count for tag in session.exec(select(Tag).where(Tag.project_id == self.id))}
        return {"images": project.image_count, "tagged": project.tagged_count, **tags}

    def expected(self, leaving: tuple[str, ...]) -> dict[str, Any]:
        left = {image: tags for image, tags in self.tags_of.items() if image not in leaving}
        counts: dict[str, Any] = {"images": len(left), "tagged": sum(map(bool, left.values()))}
        return counts | {tag: sum(tag in tags for tags in left.values()) for tag in self.tag_ids}


@pytest.fixture
def counted(service: Service) -> Counted:
    return Counted(service)


def test_deleted_images_are_subtracted_from_the_counts(counted: Counted) -> None:
    images = list(counted.tags_of)
    for leaving in chain.from_iterable(combinations(images, size) for size in range(len(images) + 1)):
        with pytest.raises(Undone), counted.service.context.database.write() as session:
            project = session.get_one(Project, counted.id)
            here = [
                col(Image.project_id) == counted.id,
                col(Image.removed).is_(None),
                col(Image.id).in_(leaving),
            ]
            revisions.subtract_counts(session, project, here)
            session.flush()
            assert counted.counts(session) == counted.expected(leaving), leaving
            raise Undone


def test_recounting_repairs_any_counts(counted: Counted) -> None:
    with counted.service.context.database.write() as session:
        project = session.get_one(Project, counted.id)
        project.image_count, project.tagged_count = 77, 0
        for tag in session.exec(select(Tag)):
            tag.image_count = -5
        session.flush()
        revisions.recount(session, project)
        session.flush()
        assert counted.counts(session) == counted.expected(())
        others = session.exec(select(Tag.image_count).where(Tag.project_id != counted.id)).all()
    assert others == [-5]
