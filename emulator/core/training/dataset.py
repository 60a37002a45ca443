"""The dataset of a training: images, tags and regions of the revision of the iteration."""

import logging
from collections.abc import Sequence
from operator import attrgetter
from typing import TYPE_CHECKING

from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from emulator.core.context import Context
from emulator.core.iterations.evaluation import is_detector
from emulator.core.revisions.views import View, open_view
from emulator.core.rules import domains
from emulator.store.blobs import BlobDamaged
from emulator.store.tables import Image, ImageTag, Iteration, IterationStatus, Region, Tag

if TYPE_CHECKING:
    from emulator.vision.boxes.box import TaggedBox
    from emulator.vision.classification.dataset import ClassificationDataset
    from emulator.vision.detection.dataset import DetectionDataset

_log = logging.getLogger(__name__)
# `dataclasses.astuple` copies each value, and takes twenty times as long.
_ORDER = attrgetter("tag_index", "left", "top", "width", "height")


def trained_tags(session: Session, iteration: Iteration) -> list[Tag]:
    """The tags that the iteration is trained on, in the order of the model's outputs.

    These are all tags, or the selected ones, without a Negative tag that has no images. Anomaly detection has
    the Negative tag in any case.
    They are sorted by name, not by id, since the model may depend on the order, but must not depend on ids,
    which are random.
    """
    view = open_view(session, iteration.project_id, iteration.id)
    tags = session.exec(select(Tag).where(Tag.project_id == iteration.project_id, view.holds(Tag)))
    selected = iteration.selected_tags
    if _detects_anomalies(iteration):
        trained = [tag for tag in tags if not selected or tag.id in selected or tag.type == "Negative"]
        return sorted(trained, key=lambda tag: tag.name)
    chosen = (tag for tag in tags if not selected or tag.id in selected)
    trained = [tag for tag in chosen if tag.type != "Negative" or _has_images(session, view, tag)]
    return sorted(trained, key=lambda tag: tag.name)


def _detects_anomalies(iteration: Iteration) -> bool:
    domain = domains.find(iteration.domain_id or "")
    return domain is not None and domain.detects_anomalies


def _has_images(session: Session, view: View, tag: Tag) -> bool:
    tagged = (
        select(ImageTag.image_number)
        .join(Image, col(Image.number) == ImageTag.image_number)
        .where(ImageTag.tag_id == tag.id, view.holds(ImageTag), view.holds(Image))
    )
    return session.exec(tagged).first() is not None


def classification_dataset(
    context: Context, session: Session, iteration: Iteration, tags: Sequence[Tag]
) -> "ClassificationDataset":
    """Images with any of `tags` (`trained_tags`), labelled with those tags.

    For anomaly detection, images with other tags alone are anomalies.
    """
    from emulator.vision.classification.dataset import ClassificationDataset, LabelledImage

    index = {tag.id: position for position, tag in enumerate(tags)}
    view = open_view(session, iteration.project_id, iteration.id)
    rows = session.execute(
        select(Image.blob, ImageTag.tag_id)
        .join(ImageTag, col(ImageTag.image_number) == Image.number)
        .where(Image.project_id == iteration.project_id, view.holds(Image), view.holds(ImageTag))
        .order_by(col(Image.number))
    )
    negative = next((position for position, tag in enumerate(tags) if tag.type == "Negative"), None)
    of_others = negative if _detects_anomalies(iteration) else None
    labels: dict[str, set[int]] = {}
    for blob, tag_id in rows:
        position = index.get(tag_id, of_others)
        if position is not None:
            labels.setdefault(blob, set()).add(position)
    if of_others is not None:
        labels = {blob: found - {of_others} or found for blob, found in labels.items()}
    return ClassificationDataset(
        images=tuple(
            LabelledImage(str(context.blobs.path(blob)), blob, tuple(sorted(of_image)))
            for blob, of_image in labels.items()
        ),
        tags=tuple(tag.name for tag in tags),
        multilabel=iteration.classification_type == "Multilabel",
        negative=negative,
        held_out=_held_out_elsewhere(context, session, iteration.project_id),
    )


def detection_dataset(
    context: Context, session: Session, iteration: Iteration, tags: Sequence[Tag]
) -> "DetectionDataset":
    """Images that have regions, with the regions of `tags` (`trained_tags`).

    An image that only has regions of other tags was labelled, so it is an example of background. An image
    without any region, tagged or not, may not have been labelled yet, and is left out.
    """
    from emulator.vision.detection.dataset import BoxedImage, DetectionDataset

    index = {tag.id: position for position, tag in enumerate(tags)}
    view = open_view(session, iteration.project_id, iteration.id)
    rows = session.execute(
        select_columns(
            col(Image.blob),
            col(Region.tag_id),
            col(Region.left),
            col(Region.top),
            col(Region.width),
            col(Region.height),
        )
        .join(Region, col(Region.image_number) == col(Image.number))
        .where(col(Image.project_id) == iteration.project_id, view.holds(Image), view.holds(Region))
        .order_by(col(Image.number))
    )
    boxes: dict[str, list[TaggedBox]] = {}
    for blob, tag_id, *box in rows:
        of_image = boxes.setdefault(blob, [])
        if tag_id in index:
            of_image.append(_inside(index[tag_id], *box))
    return DetectionDataset(
        images=tuple(
            BoxedImage(str(context.blobs.path(blob)), blob, tuple(sorted(of_image, key=_ORDER)))
            for blob, of_image in boxes.items()
        ),
        tags=tuple(tag.name for tag in tags),
        held_out=_held_out_elsewhere(context, session, iteration.project_id),
    )


def _held_out_elsewhere(context: Context, session: Session, project_id: str) -> frozenset[str]:
    """The blobs of the images by which the service evaluated the last iteration that was pulled from it.

    A training of the project holds them out too, so that both iterations can be compared on them
    (`core.insight.leave_report`). Empty without such an iteration.
    """
    pulled = select(Iteration).where(
        Iteration.project_id == project_id,
        col(Iteration.is_pulled),
        Iteration.status == IterationStatus.COMPLETED,
        col(Iteration.evaluation_blob).is_not(None),
    )
    last = session.exec(pulled.order_by(col(Iteration.number).desc())).first()
    if last is None or last.evaluation_blob is None:
        return frozenset()
    try:
        kept = context.evaluations.get(last.evaluation_blob, last.id, of_detector=is_detector(last))
    except (FileNotFoundError, BlobDamaged) as error:
        _log.warning("The evaluation of the pulled iteration %s cannot be read: %s", last.id, error)
        return frozenset()
    return frozenset(kept.indexes)


def _inside(tag_index: int, left: float, top: float, width: float, height: float) -> "TaggedBox":
    """The box, clipped to the image, whose edges it may exceed by rounding."""
    from emulator.vision.boxes.box import TaggedBox

    return TaggedBox(tag_index, left, top, min(width, 1 - left), min(height, 1 - top))
