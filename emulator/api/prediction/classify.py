"""ClassifyImage, ClassifyImageUrl, and each of them with NoStore.

The image is the first parameter, since its errors come before those of the other parameters.
"""

from emulator.api.dependencies import ImageUrl, UploadedImage
from emulator.api.prediction.published import Published
from emulator.api.routing import OperationRouter
from emulator.contract.responses import ImagePrediction

router = OperationRouter()


@router.operation("ClassifyImage")
def classify_image(image: UploadedImage, iteration: Published) -> ImagePrediction:
    return iteration.predict(image, "Classification", store=True)


@router.operation("ClassifyImageWithNoStore")
def classify_image_with_no_store(image: UploadedImage, iteration: Published) -> ImagePrediction:
    return iteration.predict(image, "Classification", store=False)


@router.operation("ClassifyImageUrl", work="url")
def classify_image_url(image: ImageUrl, iteration: Published) -> ImagePrediction:
    return iteration.predict(image, "Classification", store=True)


@router.operation("ClassifyImageUrlWithNoStore", work="url")
def classify_image_url_with_no_store(image: ImageUrl, iteration: Published) -> ImagePrediction:
    return iteration.predict(image, "Classification", store=False)
