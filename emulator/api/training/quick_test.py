"""QuickTestImage, QuickTestImageUrl."""

from typing import Annotated

from fastapi import Depends, Request

from emulator.api import responses
from emulator.api.dependencies import Emulator, ImageUrl, PredictionId, ProjectId, UploadedImage
from emulator.api.parameters import OfIteration, flag, flag_in
from emulator.api.routing import OperationRouter
from emulator.contract import responses as shapes
from emulator.core.errors import ServiceError
from emulator.core.images.sources import ImageSource, NoImage
from emulator.core.predictions import predict as predictions

router = OperationRouter()


async def _image_and_store(request: Request, image: ImageUrl) -> tuple[ImageSource, bool]:
    """The image, and whether to store the prediction.

    An invalid ``store`` is an error only when the image is needed: errors of project, iteration and body
    precede it.
    """
    try:
        return image, flag_in(request, "store", True)
    except ServiceError as error:
        return image if isinstance(image, NoImage) else NoImage(error), False


@router.operation("QuickTestImage")
def quick_test_image(
    emulator: Emulator,
    prediction_id: PredictionId,
    image: UploadedImage,
    store: Annotated[bool, flag("store", True)],
    project_id: ProjectId,
    iteration_id: OfIteration,
) -> shapes.ImagePrediction:
    result = predictions.quick_test(emulator, prediction_id, project_id, iteration_id, image, store=store)
    return responses.image_prediction(result)


@router.operation("QuickTestImageUrl", work="url")
def quick_test_image_url(
    emulator: Emulator,
    prediction_id: PredictionId,
    project_id: ProjectId,
    iteration_id: OfIteration,
    image_and_store: Annotated[tuple[ImageSource, bool], Depends(_image_and_store)],
) -> shapes.ImagePrediction:
    image, store = image_and_store
    result = predictions.quick_test(emulator, prediction_id, project_id, iteration_id, image, store=store)
    return responses.image_prediction(result)
