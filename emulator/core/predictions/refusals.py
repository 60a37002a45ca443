"""Errors for images that cannot be scored. Independent of the store, for the server of exported models."""

from typing import TYPE_CHECKING

from emulator.core.errors import ServiceError
from emulator.core.rules.limits import MEGABYTE

if TYPE_CHECKING:
    from emulator.vision.imaging.decode import ImageRejected


def check_size(data: bytes, limit: int) -> None:
    """Raises ServiceError for an image of more than `limit` bytes."""
    if len(data) > limit:
        raise ServiceError(
            "BadRequestImageSizeBytes",
            f"The image has {len(data)} bytes; at most {limit // MEGABYTE} MB are allowed.",
        )


def refusal(rejected: "ImageRejected", prediction_id: str) -> ServiceError:
    """The error for an image that could not be decoded or exceeds a limit. prediction_id: of the request."""
    if rejected.reason == "dimensions":
        return ServiceError("BadRequestImageDimensions", str(rejected))
    if rejected.reason == "aspect_ratio":
        return ServiceError("BadRequestImageAspectRatio", str(rejected))
    return ServiceError(
        "BadRequestImageFormat", f"Bad Request Image Format, Uri: {prediction_id.replace('-', '')}"
    )
