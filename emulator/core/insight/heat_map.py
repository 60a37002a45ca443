"""Heat maps: where in an image the model of an iteration finds the reasons for a tag."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlmodel import select

from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.images.sources import FromPrediction, read_image
from emulator.core.insight.evaluated import position_of
from emulator.core.predictions.predict import trained_iteration
from emulator.core.predictions.refusals import check_size
from emulator.core.rules import domains
from emulator.core.rules.limits import TRAINING_IMAGE_BYTES
from emulator.store.references import raise_if_missing
from emulator.store.tables import Image, Iteration

if TYPE_CHECKING:
    from emulator.vision.heat_maps.mapper import HeatMap


@dataclass(frozen=True)
class MappedTag:
    """A heat map for a tag, and the PNG that is laid over the image."""

    iteration: Iteration
    tag_id: str
    tag_name: str
    heat_map: "HeatMap"
    overlay: bytes


def of_upload(
    context: Context, project_id: str, iteration_id: str, data: bytes, tag_id: str | None
) -> MappedTag:
    """The heat map of an image of the request.

    tag_id: None for the tag of anomalies, or else the most probable one.
    """
    iteration = trained_iteration(context, project_id, iteration_id)
    check_size(data, TRAINING_IMAGE_BYTES)
    return _mapped(context, iteration, data, tag_id)


def of_stored(
    context: Context,
    project_id: str,
    iteration_id: str,
    image_id: str | None,
    prediction_id: str | None,
    tag_id: str | None,
) -> MappedTag:
    """The heat map of an image of the workspace or of an iteration, or of a stored prediction."""
    if (image_id is None) == (prediction_id is None):
        raise ServiceError("BadRequest", "Give either imageId or predictionId.")
    iteration = trained_iteration(context, project_id, iteration_id)
    if prediction_id is not None:
        source = FromPrediction(prediction_id)
        data = read_image(context, project_id, source, TRAINING_IMAGE_BYTES)
    else:
        data = _training_image(context, project_id, image_id or "")
    return _mapped(context, iteration, data, tag_id)


def _training_image(context: Context, project_id: str, image_id: str) -> bytes:
    no_image = ServiceError("NotFoundImage", f"Image not found: {image_id}")
    with context.database.read() as session:
        blob = session.exec(
            select(Image.blob).where(Image.project_id == project_id, Image.id == image_id)
        ).first()
    if blob is None:
        raise no_image
    try:
        return context.blobs.read(blob)
    except FileNotFoundError:
        raise_if_missing(context.database, blob)
        # Deleted between the look-up and now.
        raise no_image from None


def _mapped(context: Context, iteration: Iteration, data: bytes, tag_id: str | None) -> MappedTag:
    from emulator.vision.heat_maps.mapper import NoHeatMap
    from emulator.vision.heat_maps.overlay import overlay_png
    from emulator.vision.imaging.decode import ImageRejected

    if domains.get(iteration.domain_id or "").type == "ObjectDetection":
        raise _unsupported("Detectors have no heat maps: their boxes say where the objects are.")
    tags = iteration.model_tags or []
    position = None if tag_id is None else position_of(iteration, tag_id)
    assert iteration.model_blob is not None
    try:
        found = context.models.heat_mapper(iteration.model_blob).heat_map(data, position)
        overlay = overlay_png(found)
    except FileNotFoundError:
        raise_if_missing(context.database, iteration.model_blob)
        # Deleted after the look-up.
        raise ServiceError("NotFoundIteration", "Invalid iteration") from None
    except NoHeatMap as none:
        raise _unsupported(str(none)) from None
    except ImportError as missing:
        raise _unsupported(f"Heat maps need packages of the extra 'export': {missing}.") from missing
    except ImageRejected as rejected:
        raise ServiceError("BadRequestImageFormat", f"The image can't be read: {rejected}") from rejected
    return MappedTag(iteration, tags[found.tag]["id"], tags[found.tag]["name"], found, overlay)


def _unsupported(message: str) -> ServiceError:
    return ServiceError("BadRequestNotSupported", message)
