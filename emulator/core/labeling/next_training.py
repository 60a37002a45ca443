"""How many labels are worth the next training.

Before the first training: as many as it needs, the minimum of images of every tag. Later: a fifth of the
images that the last one had, since the error of a classifier falls roughly with a power of the number of
images, so that a few more change nothing that could be measured, but no more than there are untagged; and the
minimum of tags that are new.
"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, func
from sqlmodel import Session, col, select

from emulator.core.labels.regions import holds_regions
from emulator.core.lookup import workspace_tags
from emulator.core.revisions.views import View
from emulator.core.rules import domains
from emulator.core.rules.limits import (
    BOXED_IMAGES_PER_TAG_MINIMUM,
    GOOD_IMAGES_MINIMUM,
    IMAGES_PER_TAG_MINIMUM,
    TAGS_MINIMUM,
)
from emulator.store.tables import Image, ImageTag, Iteration, IterationStatus, Project, Region, Tag

_GROWTH = 5


@dataclass(frozen=True)
class NextTraining:
    """In images with tags, or with regions in detection projects.

    labeled_since: since the last training. needed: labels until the next training is worth it; 0 when it is.
    of_tags: images of each tag of the workspace by its id.
    """

    labeled_since: int
    needed: int
    of_tags: dict[str, int]


def next_training(session: Session, project: Project) -> NextTraining:
    labels = Region if holds_regions(project) else ImageTag
    last = session.exec(
        select(Iteration)
        .where(Iteration.project_id == project.id, Iteration.status == IterationStatus.COMPLETED)
        .order_by(col(Iteration.number).desc())
        .limit(1)
    ).first()
    revision = last.revision if last else -1
    counted = select(func.count(func.distinct(col(labels.image_number)))).join(
        Image, col(Image.number) == col(labels.image_number)
    )
    in_workspace = counted.where(*View(project).images, col(labels.removed).is_(None))
    since = session.scalar(in_workspace.where(col(labels.born) > revision)) or 0
    tags = workspace_tags(session, project.id)
    of_tags = _images_of_tags(session, tags, labels)
    missing = _missing(project, tags, of_tags)
    if last is None:
        return NextTraining(since, missing, of_tags)
    trained = View(project, revision)
    before = session.scalar(counted.where(*trained.images, trained.holds(labels)))
    wanted = max(1, -(-(before or 0) // _GROWTH)) - since
    return NextTraining(since, max(missing, min(wanted, untagged_count(session, project)), 0), of_tags)


def untagged_count(session: Session, project: Project) -> int:
    """The number of `untagged_images`."""
    return session.scalar(select(func.count()).select_from(Image).where(*untagged_images(project))) or 0


def untagged_images(project: Project) -> tuple[ColumnElement[bool], ...]:
    """The conditions of the images of the workspace without labels, which the queue lists."""
    return (
        col(Image.project_id) == project.id,
        col(Image.removed).is_(None),
        col(Image.tag_count) == 0,
    )


def _images_of_tags(
    session: Session, tags: dict[str, Tag], labels: type[ImageTag] | type[Region]
) -> dict[str, int]:
    counted = session.execute(
        select(labels.tag_id, func.count(func.distinct(col(labels.image_number))))
        .where(col(labels.tag_id).in_(tags), col(labels.removed).is_(None))
        .group_by(col(labels.tag_id))
    )
    counts: dict[str, int] = dict(counted.all())
    return dict.fromkeys(tags, 0) | counts


def _missing(project: Project, known: dict[str, Tag], of_tags: dict[str, int]) -> int:
    """Images that tags lack to the minimum of a training."""
    minimum, fewest = IMAGES_PER_TAG_MINIMUM, TAGS_MINIMUM
    detects_anomalies = domains.get(project.domain_id).detects_anomalies
    if detects_anomalies:
        minimum, fewest = GOOD_IMAGES_MINIMUM, 1
    if holds_regions(project):
        minimum, fewest = BOXED_IMAGES_PER_TAG_MINIMUM, 1
    # As in a training, a Negative tag without images does not count.
    negative_counts = not detects_anomalies
    tags = [
        tag for tag in known.values() if tag.type != "Negative" or (negative_counts and tag.image_count > 0)
    ]
    return sum(max(0, minimum - of_tags[tag.id]) for tag in tags) + max(0, fewest - len(tags)) * minimum
