"""What is said of an image that cannot be predicted; apart, as the server of exported models has no store."""

from typing import TYPE_CHECKING

from emulator.core.errors import ServiceError
from emulator.core.limits import MEGABYTE

if TYPE_CHECKING:
    from emulator.vision.imaging.decode import ImageRejected


def check_size(data: bytes, limit: int) -> None:
    """Raise ServiceError for an image of more than `limit` bytes."""
    if len(data) > limit:
        raise ServiceError(
            "BadRequestImageSizeBytes",
            f"The image has {len(data)} bytes; at most {limit // MEGABYTE} MB are allowed.",
        )


def refusal(rejected: "ImageRejected", prediction_id: str) -> ServiceError:
    """The error for an image that the prediction of that id could not decode, or must not."""
    if rejected.reason == "dimensions":
        return ServiceError("BadRequestImageDimensions", str(rejected))
    if rejected.reason == "aspect_ratio":
        return ServiceError("BadRequestImageAspectRatio", str(rejected))
    return ServiceError(
        "BadRequestImageFormat", f"Bad Request Image Format, Uri: {prediction_id.replace('-', '')}"
    )
