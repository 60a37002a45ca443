"""QuickTestImage, QuickTestImageUrl."""

from typing import Annotated

from emulator.api import responses
from emulator.api.dependencies import Emulator, ImageUrl, ProjectId, RequestId, UploadedImage
from emulator.api.parameters import OfIteration, flag
from emulator.api.routing import OperationRouter
from emulator.contract import responses as shapes
from emulator.core.predictions import predict as predictions

router = OperationRouter()

_Store = Annotated[bool, flag("store", True)]


@router.operation("QuickTestImage")
def quick_test_image(
    emulator: Emulator,
    prediction_id: RequestId,
    image: UploadedImage,
    store: _Store,
    project_id: ProjectId,
    iteration_id: OfIteration,
) -> shapes.ImagePrediction:
    result = predictions.quick_test(emulator, prediction_id, project_id, iteration_id, image, store=store)
    return responses.image_prediction(result)


@router.operation("QuickTestImageUrl")
def quick_test_image_url(
    emulator: Emulator,
    prediction_id: RequestId,
    image: ImageUrl,
    project_id: ProjectId,
    iteration_id: OfIteration,
    store: _Store,
) -> shapes.ImagePrediction:
    result = predictions.quick_test(emulator, prediction_id, project_id, iteration_id, image, store=store)
    return responses.image_prediction(result)
