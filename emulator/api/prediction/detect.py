"""DetectImage, DetectImageUrl, and each of them with NoStore.

The image is the first parameter, since its errors come before those of the other parameters.
"""

from emulator.api.dependencies import ImageUrl, UploadedImage
from emulator.api.prediction.published import Published
from emulator.api.routing import OperationRouter
from emulator.contract.responses import ImagePrediction

router = OperationRouter()


@router.operation("DetectImage")
def detect_image(image: UploadedImage, iteration: Published) -> ImagePrediction:
    return iteration.predict(image, "ObjectDetection", store=True)


@router.operation("DetectImageWithNoStore")
def detect_image_with_no_store(image: UploadedImage, iteration: Published) -> ImagePrediction:
    return iteration.predict(image, "ObjectDetection", store=False)


@router.operation("DetectImageUrl", work="url")
def detect_image_url(image: ImageUrl, iteration: Published) -> ImagePrediction:
    return iteration.predict(image, "ObjectDetection", store=True)


@router.operation("DetectImageUrlWithNoStore", work="url")
def detect_image_url_with_no_store(image: ImageUrl, iteration: Published) -> ImagePrediction:
    return iteration.predict(image, "ObjectDetection", store=False)
