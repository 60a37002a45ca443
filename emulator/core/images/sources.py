"""Where the bytes of an image come from: the request itself, a URL, or a stored prediction."""

from dataclasses import replace
from typing import NamedTuple, TypeAlias

from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.fetching import client as fetching
from emulator.core.images.from_predictions import read_prediction_image
from emulator.core.images.own_uris import read_own_image


class FromUrl(NamedTuple):
    """An image to be fetched from a URL, or read from the store if the URL is the emulator's own."""

    url: str


class FromPrediction(NamedTuple):
    """The image of a stored prediction of the same project."""

    prediction_id: str


class NoImage(NamedTuple):
    """No valid image in the request: `error` is raised when the image is needed."""

    error: ServiceError


ImageSource: TypeAlias = bytes | FromUrl | FromPrediction | NoImage


def read_image(context: Context, project_id: str, source: ImageSource, max_bytes: int) -> bytes:
    """The bytes of an image.

    Args:
        project_id: the project whose stored predictions a source may refer to.
        max_bytes: the size above which an image behind a URL is not fetched to its end.

    Raises:
        ServiceError: there is no image; with code BadRequestImageUrl if it cannot be fetched.
    """
    match source:
        case FromUrl(url):
            own = read_own_image(context, url)
            if own is not None:
                return own
            try:
                return fetching.fetch(url, replace(context.fetch_policy, max_bytes=max_bytes))
            except fetching.FetchRejected as rejected:
                raise ServiceError("BadRequestImageUrl", str(rejected)) from rejected
        case FromPrediction(prediction_id):
            data = read_prediction_image(context, project_id, prediction_id)
            if data is None:
                raise ServiceError("BadRequestPredictionIdsMissing", f"No stored prediction {prediction_id}.")
            return data
        case NoImage(error):
            raise error
        case _:
            return source
