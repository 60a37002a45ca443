"""ClassifyImage, DetectImage and their siblings; QuickTestImage, QuickTestImageUrl."""

from emulator.api import responses as shapes
from emulator.api.calls import Call, handles
from emulator.api.uploads import single_upload
from emulator.contract import requests
from emulator.contract import responses as models
from emulator.core.errors import ServiceError
from emulator.core.limits import PREDICTION_IMAGE_BYTES, TRAINING_IMAGE_BYTES
from emulator.core.predictions import predict as predictions

_CLASSIFICATION, _DETECTION = "Classification", "ObjectDetection"
_STORE_SINCE = (3, 1)


@handles("ClassifyImage")
def classify_image(call: Call) -> models.ImagePrediction:
    return _predict(call, _CLASSIFICATION, single_upload(call), store=True)


@handles("ClassifyImageWithNoStore")
def classify_image_with_no_store(call: Call) -> models.ImagePrediction:
    return _predict(call, _CLASSIFICATION, single_upload(call), store=False)


@handles("ClassifyImageUrl")
def classify_image_url(call: Call) -> models.ImagePrediction:
    return _predict(call, _CLASSIFICATION, _published_image(call, _CLASSIFICATION), store=True)


@handles("ClassifyImageUrlWithNoStore")
def classify_image_url_with_no_store(call: Call) -> models.ImagePrediction:
    return _predict(call, _CLASSIFICATION, _published_image(call, _CLASSIFICATION), store=False)


@handles("DetectImage")
def detect_image(call: Call) -> models.ImagePrediction:
    return _predict(call, _DETECTION, single_upload(call), store=True)


@handles("DetectImageWithNoStore")
def detect_image_with_no_store(call: Call) -> models.ImagePrediction:
    return _predict(call, _DETECTION, single_upload(call), store=False)


@handles("DetectImageUrl")
def detect_image_url(call: Call) -> models.ImagePrediction:
    return _predict(call, _DETECTION, _published_image(call, _DETECTION), store=True)


@handles("DetectImageUrlWithNoStore")
def detect_image_url_with_no_store(call: Call) -> models.ImagePrediction:
    return _predict(call, _DETECTION, _published_image(call, _DETECTION), store=False)


@handles("QuickTestImage")
def quick_test_image(call: Call) -> models.ImagePrediction:
    return _quick_test(call, single_upload(call))


@handles("QuickTestImageUrl")
def quick_test_image_url(call: Call) -> models.ImagePrediction:
    # Whether the iteration can be tested is known before anything is fetched.
    predictions.trained_iteration(call.context, call.id("projectId"), call.guid("iterationId"))
    return _quick_test(call, _fetched(call, TRAINING_IMAGE_BYTES))


def _predict(call: Call, type: str, data: bytes, *, store: bool) -> models.ImagePrediction:
    result = predictions.predict(
        call.context,
        call.request_id,
        call.id("projectId"),
        call.path["publishedName"],
        data,
        type=type,
        store=store,
        application=call.text("application"),
        limit=PREDICTION_IMAGE_BYTES,
    )
    return shapes.image_prediction(result)


def _quick_test(call: Call, data: bytes) -> models.ImagePrediction:
    store = call.flag("store", True) if call.version.number >= _STORE_SINCE else True
    result = predictions.quick_test(
        call.context,
        call.request_id,
        call.id("projectId"),
        call.guid("iterationId"),
        data,
        store=store,
        limit=TRAINING_IMAGE_BYTES,
    )
    return shapes.image_prediction(result)


def _published_image(call: Call, type: str) -> bytes:
    # Whether anything answers under the name is known before anything is fetched.
    predictions.published(call.context, call.id("projectId"), call.path["publishedName"], type)
    return _fetched(call, PREDICTION_IMAGE_BYTES)


def _fetched(call: Call, limit: int) -> bytes:
    try:
        url = call.parsed(requests.ImageUrl).url
    except requests.Malformed as malformed:
        raise ServiceError("BadRequestImageUrl", str(malformed)) from None
    return predictions.fetch(call.context, url, limit)
