"""Bodies and responses of the emulator's own API about restoring what was deleted."""

from emulator.contract.requests import Ids, StrictBody
from emulator.contract.wire import Shape


class ImagesToRestore(StrictBody):
    image_ids: Ids


class TagsToRestore(StrictBody):
    tag_ids: Ids


class RestoredImage(Shape):
    requested_id: str
    status: str
    image_id: str | None


class RestoredImages(Shape):
    images: list[RestoredImage]


class RestoredTag(Shape):
    requested_id: str
    status: str
    tag_id: str | None


class RestoredTags(Shape):
    tags: list[RestoredTag]
