"""Reading images by the path of their signed URI, whole or as thumbnails."""

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, select

from emulator.core.context import Context
from emulator.core.scored_rows import expiry
from emulator.core.signed_uris import check, format_guid
from emulator.store.references import raise_if_missing
from emulator.store.tables import Image, StoredPrediction
from emulator.store.test_set_tables import TestImage, TestSet

THUMBNAIL_LONGEST_SIDE = 256
# 5 to 15 KB for a photograph; no difference to a higher quality is visible at this size.
THUMBNAIL_QUALITY = 80
_IMAGE_PATH = re.compile("/i-([0-9a-f]{32})/([it])-([0-9a-f]{32})")
_PREDICTION_PATH = re.compile(
    "/predictionimages/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/([ot])-([0-9a-f]{32})"
)


@dataclass(frozen=True)
class StoredImage:
    """The content of an image file. created: when the image was uploaded, or the prediction made."""

    data: bytes
    media_type: str
    created: datetime


@dataclass(frozen=True)
class ImagePath:
    """The parts of a path; ids with dashes. is_prediction: `id` is that of a stored prediction."""

    project_id: str
    id: str
    is_prediction: bool
    is_thumbnail: bool


def parse_path(path: str) -> ImagePath | None:
    """The parts of `path` (with its leading slash); None when it is not the path of an image."""
    match = _IMAGE_PATH.fullmatch(path)
    if match is not None:
        return ImagePath(
            project_id=format_guid(match[1]),
            id=format_guid(match[3]),
            is_prediction=False,
            is_thumbnail=match[2] == "t",
        )
    match = _PREDICTION_PATH.fullmatch(path)
    if match is not None:
        return ImagePath(
            project_id=match[1],
            id=format_guid(match[3]),
            is_prediction=True,
            is_thumbnail=match[2] == "t",
        )
    return None


def open_signed(context: Context, path: str, signature: str, expires: str) -> StoredImage | None:
    """The image of a signed URI; None when it was deleted. Raises LinkRejected."""
    check(context, path, signature, expires)
    # Other paths have signatures too.
    parsed = parse_path(path)
    return None if parsed is None else read_image(context, parsed)


def read_image(context: Context, path: ImagePath) -> StoredImage | None:
    """The image at a path; None when it does not exist."""
    with context.database.read() as session:
        row: Image | StoredPrediction | TestImage | None
        if path.is_prediction:
            row = session.exec(
                select(StoredPrediction).where(
                    StoredPrediction.id == path.id,
                    StoredPrediction.project_id == path.project_id,
                    StoredPrediction.created >= expiry.oldest_kept(context),
                )
            ).first()
        else:
            row = session.exec(
                select(Image).where(Image.id == path.id, Image.project_id == path.project_id)
            ).first() or _test_image(session, path)
    if row is None:
        return None
    try:
        data = _thumbnail(context, row.blob) if path.is_thumbnail else _whole(context, row.blob)
    except FileNotFoundError:
        raise_if_missing(context.database, row.blob)
        return None  # deleted between the look-up and now
    return StoredImage(data, _media_type(data), row.created)


def _whole(context: Context, blob: str) -> bytes:
    """The image upright, in a format of browsers, within the size that the service stores.

    Raises FileNotFoundError, BlobDamaged.
    """
    from emulator.vision.imaging.decode import STORED_LONGEST_SIDE, ImageRejected, to_jpeg

    data = context.blobs.read(blob)
    # Images are accepted only if they can be encoded. An earlier version accepted some that cannot.
    with suppress(ImageRejected):
        return to_jpeg(data, STORED_LONGEST_SIDE)
    return data


def _thumbnail(context: Context, blob: str) -> bytes:
    """The thumbnail, kept in a file unless the image is one itself. Raises FileNotFoundError, BlobDamaged."""
    kept = context.thumbnails.read(blob)
    if kept is not None:
        return kept
    from emulator.vision.imaging.decode import ImageRejected, to_jpeg

    data = context.blobs.read(blob)
    with suppress(ImageRejected):
        thumbnail = to_jpeg(data, THUMBNAIL_LONGEST_SIDE, quality=THUMBNAIL_QUALITY)
        if thumbnail is not data:
            context.thumbnails.write(blob, thumbnail)
        return thumbnail
    return data


def _test_image(session: Session, path: ImagePath) -> TestImage | None:
    """The image of a test set at a path of an image of the project."""
    row = session.exec(select(TestImage).where(TestImage.id == path.id)).first()
    test_set = None if row is None else session.get(TestSet, row.test_set_id)
    return row if test_set is not None and test_set.project_id == path.project_id else None


def _media_type(data: bytes) -> str:
    kinds = {b"\xff\xd8": "image/jpeg", b"\x89P": "image/png", b"GI": "image/gif", b"BM": "image/bmp"}
    return kinds.get(data[:2], "application/octet-stream")
