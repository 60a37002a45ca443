"""Reading images by the path of their signed URI, whole or as thumbnails."""

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import select

from emulator.core.context import Context
from emulator.core.scored_rows import expiry
from emulator.core.signed_uris import check, format_guid
from emulator.store.references import raise_if_missing
from emulator.store.tables import Image, StoredPrediction

THUMBNAIL_LONGEST_SIDE = 256
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
        row: Image | StoredPrediction | None
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
            ).first()
    if row is None:
        return None
    from emulator.vision.imaging.decode import STORED_LONGEST_SIDE, ImageRejected, to_jpeg

    longest = THUMBNAIL_LONGEST_SIDE if path.is_thumbnail else STORED_LONGEST_SIDE
    try:
        data = context.blobs.read(row.blob)
    except FileNotFoundError:
        raise_if_missing(context.database, row.blob)
        return None  # deleted between the look-up and now
    # Images are accepted only if they can be encoded. An earlier version accepted some that cannot.
    with suppress(ImageRejected):
        data = to_jpeg(data, longest)
    return StoredImage(data, _media_type(data), row.created)


def _media_type(data: bytes) -> str:
    kinds = {b"\xff\xd8": "image/jpeg", b"\x89P": "image/png", b"GI": "image/gif", b"BM": "image/bmp"}
    return kinds.get(data[:2], "application/octet-stream")
