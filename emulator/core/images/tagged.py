"""Images with the tags and regions that they have in a view."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlmodel import Session, col, select

from emulator.core.labels import regions
from emulator.core.labels.regions import RegionOnImage
from emulator.core.revisions.views import View
from emulator.store.batches import batches
from emulator.store.tables import Image, ImageTag, Tag


@dataclass(frozen=True)
class TagOnImage:
    tag_id: str
    tag_name: str
    created: datetime


@dataclass(frozen=True)
class TaggedImage:
    """An image with the tags and regions that it has in a view."""

    image: Image
    tags: list[TagOnImage]
    regions: list[RegionOnImage] = field(default_factory=list)


def with_tags(session: Session, view: View, images: Sequence[Image]) -> list[TaggedImage]:
    """The images, each with its tags and regions in the view."""
    tags: dict[int, list[TagOnImage]] = {}
    numbers = [image.number for image in images]
    for batch in batches(numbers):
        rows = session.execute(
            select(ImageTag.image_number, ImageTag.tag_id, Tag.name, ImageTag.created)
            .join(Tag, col(Tag.id) == ImageTag.tag_id)
            .where(col(ImageTag.image_number).in_(batch), view.holds(ImageTag))
            .order_by(col(ImageTag.number))
        )
        for number, *tag in rows:
            tags.setdefault(number, []).append(TagOnImage(*tag))
    boxed = regions.on_images(session, view, [number or 0 for number in numbers])
    return [
        TaggedImage(image, tags.get(image.number or 0, []), boxed.get(image.number or 0, []))
        for image in images
    ]
