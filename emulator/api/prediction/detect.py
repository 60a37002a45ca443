"""DetectImage, DetectImageUrl, and each of them with NoStore."""

from emulator.api import responses
from emulator.api.dependencies import (
    Emulator,
    ImageUrl,
    ProjectId,
    PublishedName,
    RequestId,
    UploadedImage,
)
from emulator.api.parameters import Application
from emulator.api.routing import OperationRouter
from emulator.contract import responses as shapes
from emulator.core.predictions import predict as predictions

router = OperationRouter()

_TYPE = "ObjectDetection"


@router.operation("DetectImage")
def detect_image(
    emulator: Emulator,
    prediction_id: RequestId,
    image: UploadedImage,
    project_id: ProjectId,
    name: PublishedName,
    application: Application,
) -> shapes.ImagePrediction:
    result = predictions.predict(
        emulator, prediction_id, project_id, name, image, type=_TYPE, store=True, application=application
    )
    return responses.image_prediction(result)


@router.operation("DetectImageWithNoStore")
def detect_image_with_no_store(
    emulator: Emulator,
    prediction_id: RequestId,
    image: UploadedImage,
    project_id: ProjectId,
    name: PublishedName,
    application: Application,
) -> shapes.ImagePrediction:
    result = predictions.predict(
        emulator, prediction_id, project_id, name, image, type=_TYPE, store=False, application=application
    )
    return responses.image_prediction(result)


@router.operation("DetectImageUrl")
def detect_image_url(
    emulator: Emulator,
    prediction_id: RequestId,
    image: ImageUrl,
    project_id: ProjectId,
    name: PublishedName,
    application: Application,
) -> shapes.ImagePrediction:
    result = predictions.predict(
        emulator, prediction_id, project_id, name, image, type=_TYPE, store=True, application=application
    )
    return responses.image_prediction(result)


@router.operation("DetectImageUrlWithNoStore")
def detect_image_url_with_no_store(
    emulator: Emulator,
    prediction_id: RequestId,
    image: ImageUrl,
    project_id: ProjectId,
    name: PublishedName,
    application: Application,
) -> shapes.ImagePrediction:
    result = predictions.predict(
        emulator, prediction_id, project_id, name, image, type=_TYPE, store=False, application=application
    )
    return responses.image_prediction(result)
