"""What a training needs: packages, tags and images.

A training that cannot succeed is refused when it is requested, not failed later.
"""

from collections.abc import Sequence

from sqlalchemy import case, func
from sqlmodel import Session, col, select

from emulator.core.errors import ServiceError
from emulator.core.labels.regions import holds_regions
from emulator.core.rules import domains
from emulator.core.rules.limits import (
    BOXED_IMAGES_PER_TAG_MINIMUM,
    GOOD_IMAGES_MINIMUM,
    IMAGES_PER_TAG_MINIMUM,
    TAGS_MINIMUM,
)
from emulator.core.test_kit.trainers import Trainer
from emulator.store.tables import Image, ImageTag, Project, Region, Tag


def check(
    session: Session,
    project: Project,
    tags: Sequence[Tag],
    trainer: Trainer = "real",
    *,
    is_elsewhere: bool = False,
) -> None:
    """Raises ServiceError if a training of the project's workspace on `tags` cannot succeed.

    is_elsewhere: whether another machine trains, so that the packages of this one do not matter.
    """
    from emulator.vision.training.packages import missing_packages  # recipes: 8 ms of the start

    if holds_regions(project):
        _check_regions(session, tags)
    elif domains.get(project.domain_id).detects_anomalies:
        _check_good_images(session, project, tags)
    else:
        _check_images(session, project, tags)
    missing = missing_packages(project.domain_id) if trainer == "real" and not is_elsewhere else None
    if missing:
        hint = "For tests, the instant trainer needs none of them: --trainer instant."
        raise ServiceError("BadRequestNotSupported", f"{missing} {hint}")


def _check_good_images(session: Session, project: Project, tags: Sequence[Tag]) -> None:
    """Anomaly detection is trained on the images of one tag; see `dataset.classification_dataset`."""
    code = _refusal_of(project)
    good = [tag for tag in tags if tag.type != "Negative"]
    if len(good) != 1:
        have = "there is none" if not good else f"there are {len(good)}"
        raise ServiceError(
            code,
            f"Anomaly detection is trained on one Regular tag, that of images of good parts, but {have}. "
            "Choose it with selectedTags, and give images of defects the Negative tag or none.",
        )
    if good[0].image_count < GOOD_IMAGES_MINIMUM:
        raise ServiceError(
            code,
            f"Not enough images of good parts for training: at least {GOOD_IMAGES_MINIMUM} are needed, "
            f"'{good[0].name}' has {good[0].image_count}.",
        )
    for negative in (tag for tag in tags if tag.type == "Negative"):
        _check_negative_is_alone(session, project, tags, negative)


def _refusal_of(project: Project) -> str:
    """The error code of a project whose tags or images do not suffice."""
    kind = "MultiClass" if project.classification_type == "Multiclass" else "MultiLabel"
    return f"BadRequest{kind}ClassificationTrainingValidationFailed"


def _check_images(session: Session, project: Project, tags: Sequence[Tag]) -> None:
    is_multiclass = project.classification_type == "Multiclass"
    code = _refusal_of(project)
    # A Negative tag without images teaches nothing; `dataset.trained_tags` leaves it out too.
    tags = [tag for tag in tags if tag.type != "Negative" or tag.image_count > 0]
    if len(tags) < TAGS_MINIMUM or all(tag.type == "Negative" for tag in tags):
        raise ServiceError(code, f"Not enough tags for training: at least {TAGS_MINIMUM} are needed.")
    for tag in tags:
        if tag.image_count < IMAGES_PER_TAG_MINIMUM:
            raise ServiceError(
                code,
                "Not enough images per tag for training: "
                f"at least {IMAGES_PER_TAG_MINIMUM} images for every tag are needed, "
                f"'{tag.name}' has {tag.image_count}.",
            )
    if is_multiclass:
        _check_one_tag_per_image(session, project, tags, code)
    for negative in (tag for tag in tags if tag.type == "Negative"):
        _check_negative_is_alone(session, project, tags, negative)


def _check_one_tag_per_image(session: Session, project: Project, tags: Sequence[Tag], code: str) -> None:
    found = _images_with_two(session, project, tags)
    if found:
        raise ServiceError(
            code,
            f"{_images(len(found))} more than one of the tags, but each image of a Multiclass project has "
            f"exactly one; for example the image {found[0]}.",
        )


def _check_negative_is_alone(session: Session, project: Project, tags: Sequence[Tag], negative: Tag) -> None:
    """The requests that tag images and change tags refuse this; archives of projects can contain it."""
    found = _images_with_two(session, project, tags, and_tag=negative)
    if found:
        raise ServiceError(
            "BadRequestNegativeAndRegularTagOnSameImage",
            f"{_images(len(found))} the Negative tag '{negative.name}' beside another tag; "
            f"for example the image {found[0]}.",
        )


def _images(count: int) -> str:
    return "1 image has" if count == 1 else f"{count} images have"


def _images_with_two(
    session: Session, project: Project, tags: Sequence[Tag], and_tag: Tag | None = None
) -> Sequence[str]:
    """Images of the workspace that have at least two of `tags`, one of them `and_tag`: ids, oldest first."""
    query = (
        select(Image.id)
        .join(ImageTag, col(ImageTag.image_number) == Image.number)
        .where(
            Image.project_id == project.id,
            col(Image.removed).is_(None),
            # Those with one tag, usually all, are not counted one by one.
            Image.tag_count > 1,
            col(ImageTag.removed).is_(None),
            col(ImageTag.tag_id).in_([tag.id for tag in tags]),
        )
        .group_by(col(Image.number))
        .having(func.count() > 1)
        .order_by(col(Image.number))
    )
    if and_tag is not None:
        query = query.having(func.max(case((col(ImageTag.tag_id) == and_tag.id, 1), else_=0)) == 1)
    return session.exec(query).all()


def _check_regions(session: Session, tags: Sequence[Tag]) -> None:
    """Each tag needs images with regions of it; images with the tag alone do not count."""
    if any(tag.type == "Negative" for tag in tags):
        raise ServiceError(
            "BadRequestDetectionTrainingNotAllowNegativeTag",
            "Object detection projects are not trained with a Negative tag.",
        )
    chosen = (col(Region.tag_id).in_([tag.id for tag in tags]), col(Region.removed).is_(None))
    images = func.count(func.distinct(Region.image_number))
    code = "BadRequestDetectionTrainingValidationFailed"
    if (session.scalar(select(images).where(*chosen)) or 0) < BOXED_IMAGES_PER_TAG_MINIMUM:
        raise ServiceError(code, "Not enough images for training")
    counted = session.execute(select(Region.tag_id, images).where(*chosen).group_by(col(Region.tag_id)))
    by_tag = dict(counted.all())
    for tag in tags:
        if by_tag.get(tag.id, 0) < BOXED_IMAGES_PER_TAG_MINIMUM:
            raise ServiceError(
                code,
                "Not enough images per tag for training: "
                f"at least {BOXED_IMAGES_PER_TAG_MINIMUM} images with regions of every tag are needed, "
                f"'{tag.name}' has {by_tag.get(tag.id, 0)}.",
            )
