"""Errors of predictions, quick tests and stored predictions."""

import errno
from typing import Any
from unittest import mock

import httpx

from emulator.core.rules import limits
from tests.contract_chain.error_cases.registry import raises_code
from tests.contract_chain.error_cases.situations import (
    CONTROL_CHARACTER,
    imported_iteration,
    trained_iteration,
)
from tests.support.damage import change_blob
from tests.support.exported_models import detector_zip
from tests.support.harness import NOWHERE, PREDICTION_KEY, Service
from tests.support.images import picture


def predict(service: Service, data: bytes) -> httpx.Response:
    _, iteration = trained_iteration(service)
    return service.predict(service.publish(iteration), data)


def query_predictions(service: Service, **body: Any) -> httpx.Response:
    return service.send("POST", f"{service.project()}/predictions/query", json=body)


def quick_test(service: Service, iteration: str, data: bytes) -> httpx.Response:
    project, _, iteration_id = iteration.rpartition("/iterations/")
    headers = {"Content-Type": "application/octet-stream"}
    parameters = {"iterationId": iteration_id}
    return service.send(
        "POST", f"{project}/quicktest/image", params=parameters, content=data, headers=headers
    )


@raises_code("NotFoundIteration", "Invalid iteration")
def prediction_with_an_unknown_publish_name(service: Service) -> httpx.Response:
    _, iteration = trained_iteration(service)
    return service.predict(service.publish(iteration) + " not", picture())


@raises_code("NotFoundProjectDefaultIteration", "Project has no default iteration")
def quick_test_without_iterations(service: Service) -> httpx.Response:
    headers = {"Content-Type": "application/octet-stream"}
    return service.send("POST", f"{service.project()}/quicktest/image", content=picture(), headers=headers)


@raises_code("BadRequestImageFormat", "Bad Request Image Format, Uri: [0-9a-f]{32}")
def prediction_of_invalid_image(service: Service) -> httpx.Response:
    return predict(service, b"not an image")


@raises_code("ErrorPredictionServiceUnavailable")
def prediction_without_a_free_file_descriptor(service: Service) -> httpx.Response:
    _, iteration = trained_iteration(service)
    address = service.publish(iteration)
    shortage = OSError(errno.EMFILE, "Too many open files")
    with mock.patch("PIL.PngImagePlugin.PngImageFile", side_effect=shortage):
        return service.predict(address, picture())


@raises_code("BadRequestImageSizeBytes")
def image_file_too_large(service: Service) -> httpx.Response:
    return predict(service, picture() + bytes(limits.PREDICTION_IMAGE_BYTES))


@raises_code("BadRequestImageDimensions")
def image_too_wide(service: Service) -> httpx.Response:
    _, iteration = trained_iteration(service)
    return quick_test(service, iteration, picture(size=(10_241, 1_000)))


@raises_code("BadRequestImageAspectRatio")
def invalid_aspect_ratio(service: Service) -> httpx.Response:
    _, iteration = trained_iteration(service)
    return quick_test(service, iteration, picture(size=(2_600, 100)))


@raises_code("BadRequestImageUrl")
def unreachable_image_url(service: Service) -> httpx.Response:
    _, iteration = trained_iteration(service)
    path = service.publish(iteration) + "/url"
    body = {"url": "http://127.0.0.1:1/a.jpg"}
    return service.request("POST", path, key=None, headers={"Prediction-Key": PREDICTION_KEY}, json=body)


@raises_code("BadRequestPredictionInvalidApplicationName")
def invalid_application_name(service: Service) -> httpx.Response:
    _, iteration = trained_iteration(service)
    return service.predict(service.publish(iteration), picture(), params={"application": CONTROL_CHARACTER})


@raises_code("BadRequestPredictionIdsMissing")
def delete_without_ids(service: Service) -> httpx.Response:
    return service.send("DELETE", f"{service.project()}/predictions", params={"ids": ""})


@raises_code("BadRequestPredictionIdsExceededCount")
def delete_with_too_many_ids(service: Service) -> httpx.Response:
    ids = ",".join([NOWHERE] * 65)
    return service.send("DELETE", f"{service.project()}/predictions", params={"ids": ids})


@raises_code("BadRequestPredictionTagsExceededCount")
def query_with_three_tags(service: Service) -> httpx.Response:
    return query_predictions(service, tags=[{"id": NOWHERE}] * 3)


@raises_code("BadRequestPredictionResultsExceededCount")
def query_for_too_many_results(service: Service) -> httpx.Response:
    return query_predictions(service, maxCount=2**31 - 1)


@raises_code("BadRequestPredictionInvalidQueryParameters")
def query_with_negative_count(service: Service) -> httpx.Response:
    return query_predictions(service, maxCount=-1)


@raises_code("ErrorPrediction", r"The stored bytes of the model of iteration [-0-9a-f]+ are damaged: .*")
def prediction_with_a_replaced_model_file(service: Service) -> httpx.Response:
    path = service.publish(imported_iteration(service))
    (blob,) = service.blobs()
    change_blob(service.settings.data, blob, lambda path: path.write_bytes(detector_zip()))
    return service.predict(path, picture())
