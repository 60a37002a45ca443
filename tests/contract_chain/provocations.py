"""For every error code that can happen here: a request that is answered with it.

Each provocation gets an empty service and returns the answer that must carry the code. `messages` holds the
texts of the service that are known.
"""

import base64
from collections.abc import Callable
from typing import Any

import httpx

from emulator.core import limits
from emulator.core.quotas import TIERS
from tests.support import detection
from tests.support.exported_models import classifier_zip, detector_zip
from tests.support.harness import NOWHERE, PREDICTION_KEY, RESOURCE_ID, Service, files_body
from tests.support.images import picture, pictures

Provocation = Callable[[Service], httpx.Response]

PROVOCATIONS: dict[str, Provocation] = {}
MESSAGES: dict[str, str] = {}
CONTROL_CHARACTER = "\x07"
COMPACT = "0732100f-1a38-4e49-a514-c9b44c697ab5"
ADULT = "45badf75-3591-4f26-a705-45678d3e9f5f"
SHELVES = "3780a898-81c3-4516-81ae-3a139614e1f3"


def provokes(code: str, message: str | None = None) -> Callable[[Provocation], Provocation]:
    """Enter a function as the provocation of `code`. message: a regular expression for the whole text."""

    def enter(function: Provocation) -> Provocation:
        assert code not in PROVOCATIONS, code
        PROVOCATIONS[code] = function
        if message is not None:
            MESSAGES[code] = message
        return function

    return enter


def _new_project(service: Service, **parameters: Any) -> httpx.Response:
    return service.send("POST", "/projects", params={"name": "new", **parameters})


def _change(service: Service, path: str, **body: Any) -> httpx.Response:
    return service.send("PATCH", path, json=body)


def _new_tag(service: Service, project: str, **parameters: str) -> httpx.Response:
    return service.send("POST", f"{project}/tags", params={"name": "new", **parameters})


def _trained(service: Service) -> tuple[str, str]:
    """The paths of a project and of its iteration."""
    project, _, _ = service.trainable()
    return project, service.train(project)


def _being_trained(service: Service) -> tuple[str, str]:
    project, _, _ = service.trainable()
    iteration = service.post(f"{project}/train")["id"]
    return project, f"{project}/iterations/{iteration}"


def _publish(service: Service, iteration: str, **parameters: str) -> httpx.Response:
    given = {"publishName": "published", "predictionId": RESOURCE_ID, **parameters}
    return service.send("POST", f"{iteration}/publish", params=given)


def _predict(service: Service, data: bytes) -> httpx.Response:
    _, iteration = _trained(service)
    return service.predict(service.publish(iteration), data)


def _query(service: Service, **body: Any) -> httpx.Response:
    return service.send("POST", f"{service.project()}/predictions/query", json=body)


def _limited(service: Service, **numbers: int) -> None:
    """A tier with limits that a test can reach."""
    service.context.tier = TIERS["f0"].__class__(**(vars(TIERS["f0"]) | {"calls_per_second": {}} | numbers))


# --- requests as such ---------------------------------------------------------------------------------------


@provokes("BadRequest")
def no_number(service: Service) -> httpx.Response:
    return service.send("GET", f"{service.project()}/images", params={"take": "many"})


@provokes("BadRequestNotSupported", r"Invalid project type for operation\.")
def detecting_with_a_classifier(service: Service) -> httpx.Response:
    _, iteration = _trained(service)
    return service.predict(service.publish(iteration).replace("/classify/", "/detect/"), picture())


@provokes("BadRequestExceededBatchSize")
def too_large_a_batch(service: Service) -> httpx.Response:
    body = files_body([picture()] * (limits.IMAGES_PER_BATCH + 1))
    return service.send("POST", f"{service.project()}/images/files", json=body)


@provokes("BadRequestInvalidIds")
def an_id_that_is_none(service: Service) -> httpx.Response:
    return service.send("GET", f"{service.project()}/images", params={"tagIds": "x"})


@provokes("BadRequestRequiredParamIsNull")
def no_name(service: Service) -> httpx.Response:
    return service.send("POST", "/projects")


@provokes("UnsupportedMediaType")
def a_form_that_says_it_is_json(service: Service) -> httpx.Response:
    headers = {"Content-Type": "application/json"}
    return service.send("POST", f"{service.project()}/images", content=picture(), headers=headers)


# --- projects -----------------------------------------------------------------------------------------------


@provokes("BadRequestProjectName")
def a_name_of_a_project(service: Service) -> httpx.Response:
    return _new_project(service, name=CONTROL_CHARACTER)


@provokes("BadRequestProjectDescription")
def a_description_of_a_project(service: Service) -> httpx.Response:
    return _new_project(service, description=CONTROL_CHARACTER)


@provokes("BadRequestProjectUnknownDomain")
def an_unknown_domain_of_a_project(service: Service) -> httpx.Response:
    return _new_project(service, domainId=NOWHERE)


@provokes("BadRequestProjectUnknownClassification")
def an_unknown_classification(service: Service) -> httpx.Response:
    return _new_project(service, classificationType="Multi")


@provokes("BadRequestProjectUnsupportedDomainTypeChange")
def detection_in_place_of_classification(service: Service) -> httpx.Response:
    return _change(service, service.project(), settings={"domainId": detection.GENERAL})


@provokes("BadRequestProjectUnsupportedExportPlatform")
def an_unknown_platform_of_a_project(service: Service) -> httpx.Response:
    return _new_project(service, targetExportPlatforms="Abacus")


@provokes("BadRequestProjectImagePreprocessingSettings")
def an_unknown_augmentation(service: Service) -> httpx.Response:
    settings = {"imageProcessingSettings": {"augmentationMethods": {"melting": True}}}
    return _change(service, service.project(), settings=settings)


@provokes("BadRequestExceedProjectLimit")
def a_project_too_many(service: Service) -> httpx.Response:
    _limited(service, projects=1)
    service.project()
    return _new_project(service)


@provokes("NotFoundProject")
def no_project(service: Service) -> httpx.Response:
    return service.send("GET", f"/projects/{NOWHERE}")


@provokes("NotFoundDomain")
def no_domain(service: Service) -> httpx.Response:
    return service.send("GET", f"/domains/{NOWHERE}")


@provokes("BadRequestInvalidImportToken", "Invalid Token")
def no_token(service: Service) -> httpx.Response:
    return service.send("POST", "/projects/import", params={"token": "x"})


@provokes("BadRequestExportWhileTraining")
def exporting_what_is_trained(service: Service) -> httpx.Response:
    project, _ = _being_trained(service)
    return service.send("GET", f"{project}/export")


@provokes("BadRequestWorkspaceCannotBeModified")
def a_tag_for_what_is_imported(service: Service) -> httpx.Response:
    token = service.get(f"{service.project()}/export")["token"]
    copy = service.post("/projects/import", params={"token": token})
    return _new_tag(service, f"/projects/{copy['id']}")


@provokes("BadRequestExceededQuota")
def importing_too_many_images(service: Service) -> httpx.Response:
    project = service.project()
    service.images(project, pictures(2))
    token = service.get(f"{project}/export")["token"]
    _limited(service, images_per_project=1)
    return service.send("POST", "/projects/import", params={"token": token})


@provokes("BadRequestInvalidArtifactUri")
def an_artifact_elsewhere(service: Service) -> httpx.Response:
    return service.send("GET", f"{service.project()}/artifacts", params={"path": "/etc/passwd"})


# --- tags ---------------------------------------------------------------------------------------------------


@provokes("BadRequestTagName")
def a_name_of_a_tag(service: Service) -> httpx.Response:
    return _new_tag(service, service.project(), name=CONTROL_CHARACTER)


@provokes("BadRequestTagNameNotUnique")
def a_name_twice(service: Service) -> httpx.Response:
    project = service.project()
    service.tag(project, "new")
    return _new_tag(service, project)


@provokes("BadRequestTagDescription")
def a_description_of_a_tag(service: Service) -> httpx.Response:
    return _new_tag(service, service.project(), description=CONTROL_CHARACTER)


@provokes("BadRequestTagType")
def an_unknown_type_of_tag(service: Service) -> httpx.Response:
    return _new_tag(service, service.project(), type="Irregular")


@provokes("BadRequestMultipleNegativeTag")
def two_negative_tags(service: Service) -> httpx.Response:
    project = service.project()
    service.tag(project, "none", "Negative")
    return _new_tag(service, project, type="Negative")


@provokes("BadRequestMultipleGeneralProductTag")
def two_tags_of_all_products(service: Service) -> httpx.Response:
    project = service.project(domainId=SHELVES)
    service.tag(project, "any", "GeneralProduct")
    return _new_tag(service, project, type="GeneralProduct")


@provokes("BadRequestExceedTagPerProjectLimit")
def a_tag_too_many(service: Service) -> httpx.Response:
    _limited(service, tags_per_project=1)
    project = service.project()
    service.tag(project, "first")
    return _new_tag(service, project)


@provokes("NotFoundTag")
def no_tag(service: Service) -> httpx.Response:
    return service.send("GET", f"{service.project()}/tags/{NOWHERE}")


# --- images, their tags, regions and metadata ---------------------------------------------------------------


@provokes("BadRequestImageBatch", "No valid image files")
def a_batch_without_images(service: Service) -> httpx.Response:
    body = {"images": [{"name": "a", "contents": base64.b64encode(b"no picture").decode()}]}
    return service.send("POST", f"{service.project()}/images/files", json=body)


@provokes("BadRequestImageStream")
def a_form_without_end(service: Service) -> httpx.Response:
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    return service.send("POST", f"{service.project()}/images", content=b"--b\r\n", headers=headers)


@provokes("BadRequestImageTags")
def no_tags_for_images(service: Service) -> httpx.Response:
    return service.send("POST", f"{service.project()}/images/tags", json={"tags": []})


@provokes("BadRequestNegativeAndRegularTagOnSameImage")
def a_negative_tag_beside_another(service: Service) -> httpx.Response:
    project = service.project()
    regular, negative = service.tag(project, "red"), service.tag(project, "none", "Negative")
    (image,) = service.images(project, pictures(1), regular)
    pair = {"imageId": image, "tagId": negative}
    return service.send("POST", f"{project}/images/tags", json={"tags": [pair]})


@provokes("BadRequestImageRegions", "Duplicate image regions")
def one_region_twice(service: Service) -> httpx.Response:
    project = detection.detection_project(service)
    tag = service.tag(project, "fork")
    (image,) = service.images(project, pictures(1))
    twice = {"regions": [detection.on(image, tag)] * 2}
    return service.send("POST", f"{project}/images/regions", json=twice)


@provokes("BadRequestImageMetadataKey")
def a_key_too_long(service: Service) -> httpx.Response:
    project = service.project()
    (image,) = service.images(project, pictures(1))
    pairs = {"x" * (limits.METADATA_KEY_LENGTH + 1): "y"}
    return service.send("POST", f"{project}/images/metadata", params={"imageIds": image}, json=pairs)


@provokes("BadRequestImageMetadataValue")
def a_value_too_long(service: Service) -> httpx.Response:
    project = service.project()
    (image,) = service.images(project, pictures(1))
    pairs = {"x": "y" * (limits.METADATA_VALUE_LENGTH + 1)}
    return service.send("POST", f"{project}/images/metadata", params={"imageIds": image}, json=pairs)


@provokes("NotFoundImage")
def proposals_for_no_image(service: Service) -> httpx.Response:
    return service.send("POST", f"{service.project()}/images/{NOWHERE}/regionproposals")


@provokes("ErrorRegionProposal")
def proposals_without_a_model(service: Service) -> httpx.Response:
    project = service.project()
    (image,) = service.images(project, pictures(1))
    service.worker.failures.append(RuntimeError("no model"))
    return service.send("POST", f"{project}/images/{image}/regionproposals")


# --- training and iterations --------------------------------------------------------------------------------


@provokes("BadRequestTrainingNotNeeded", "Nothing changed since last training")
def training_again(service: Service) -> httpx.Response:
    project, _ = _trained(service)
    return service.send("POST", f"{project}/train")


@provokes("BadRequestTrainingAlreadyInProgress")
def training_what_is_trained(service: Service) -> httpx.Response:
    project, _ = _being_trained(service)
    return service.send("POST", f"{project}/train")


@provokes("BadRequestMultiClassClassificationTrainingValidationFailed")
def too_few_images_of_a_tag(service: Service) -> httpx.Response:
    return service.send("POST", f"{service.project(classificationType='Multiclass')}/train")


@provokes("BadRequestMultiLabelClassificationTrainingValidationFailed")
def too_few_images_of_tags(service: Service) -> httpx.Response:
    return service.send("POST", f"{service.project(classificationType='Multilabel')}/train")


@provokes("BadRequestDetectionTrainingValidationFailed", "Not enough images for training")
def too_few_regions(service: Service) -> httpx.Response:
    return service.send("POST", f"{detection.detection_project(service)}/train")


@provokes("BadRequestDetectionTrainingNotAllowNegativeTag")
def detection_with_a_negative_tag(service: Service) -> httpx.Response:
    # Detection projects get no such tag; one that a classification project has stays when it is changed.
    project = detection.detection_project(service)
    service.tag(project, "none")
    with service.context.database.write() as session:
        session.connection().exec_driver_sql("UPDATE tag SET type = 'Negative'")
    return service.send("POST", f"{project}/train")


@provokes("BadRequestReservedBudgetInHoursNotEnoughForAdvancedTraining")
def advanced_training_without_a_budget(service: Service) -> httpx.Response:
    project, _, _ = service.trainable()
    return service.send("POST", f"{project}/train", params={"trainingType": "Advanced"})


@provokes("BadRequestDomainNotSupportedForAdvancedTraining")
def advanced_training_in_a_retired_domain(service: Service) -> httpx.Response:
    project, _, _ = service.trainable(domainId=ADULT)
    budget = {"trainingType": "Advanced", "reservedBudgetInHours": "1"}
    return service.send("POST", f"{project}/train", params=budget)


@provokes("BadRequestInvalidEmailAddress")
def mail_to_nobody(service: Service) -> httpx.Response:
    project, _, _ = service.trainable()
    return service.send("POST", f"{project}/train", params={"notificationEmailAddress": "nobody"})


@provokes("BadRequestCustomBaseModelIterationStatusNotCompleted")
def a_base_that_is_being_trained(service: Service) -> httpx.Response:
    base, iteration = _being_trained(service)
    return _train_from(service, base, iteration)


@provokes("BadRequestCustomBaseModelDomainNotCompatible")
def a_base_of_another_domain(service: Service) -> httpx.Response:
    base, iteration = _trained(service)
    return _train_from(service, base, iteration, domainId=COMPACT)


def _train_from(service: Service, base: str, iteration: str, **parameters: str) -> httpx.Response:
    project, _, _ = service.trainable(**parameters)
    ids = {"projectId": base.rpartition("/")[2], "iterationId": iteration.rpartition("/")[2]}
    return service.send("POST", f"{project}/train", json={"customBaseModelInfo": ids})


@provokes("BadRequestExceedIterationPerProjectLimit")
def an_iteration_too_many(service: Service) -> httpx.Response:
    _limited(service, iterations_per_project=1)
    project, _ = _trained(service)
    return service.send("POST", f"{project}/train", params={"forceTrain": "true"})


@provokes("BadRequestIterationName")
def a_name_of_an_iteration(service: Service) -> httpx.Response:
    _, iteration = _trained(service)
    return _change(service, iteration, name="")


@provokes("BadRequestIterationNameNotUnique")
def one_name_for_two_iterations(service: Service) -> httpx.Response:
    project, iteration = _trained(service)
    service.train(project, params={"forceTrain": "true"})
    return _change(service, iteration, name="Iteration 2")


@provokes("NotFoundIteration", "Invalid iteration")
def predicting_with_what_is_not_published(service: Service) -> httpx.Response:
    _, iteration = _trained(service)
    return service.predict(service.publish(iteration) + " not", picture())


@provokes("NotFoundProjectDefaultIteration", "Project has no default iteration")
def a_quick_test_of_nothing(service: Service) -> httpx.Response:
    headers = {"Content-Type": "application/octet-stream"}
    return service.send("POST", f"{service.project()}/quicktest/image", content=picture(), headers=headers)


@provokes("BadRequestIterationIsNotTrained")
def publishing_what_is_not_trained(service: Service) -> httpx.Response:
    _, iteration = _being_trained(service)
    return _publish(service, iteration)


@provokes("BadRequestIterationIsPublished", "Iteration is already published as: published")
def publishing_twice(service: Service) -> httpx.Response:
    _, iteration = _trained(service)
    service.publish(iteration)
    return _publish(service, iteration, publishName="another", overwrite="true")


@provokes("BadRequestInvalidPublishName")
def a_published_name_twice(service: Service) -> httpx.Response:
    project, iteration = _trained(service)
    service.publish(iteration)
    return _publish(service, service.train(project, params={"forceTrain": "true"}))


@provokes("BadRequestInvalidPublishTarget")
def publishing_to_no_resource(service: Service) -> httpx.Response:
    _, iteration = _trained(service)
    return _publish(service, iteration, predictionId="resource")


@provokes("BadRequestIterationNotPublished")
def unpublishing_what_is_not_published(service: Service) -> httpx.Response:
    _, iteration = _trained(service)
    return service.send("DELETE", f"{iteration}/publish")


@provokes("BadRequestExportValidationFailed")
def exporting_what_is_no_compact_domain(service: Service) -> httpx.Response:
    _, iteration = _trained(service)
    return service.send("POST", f"{iteration}/export", params={"platform": "ONNX"})


@provokes("BadRequestExportAlreadyInProgress", "[0-9a-f-]{36} is already queued for export")
def exporting_twice(service: Service) -> httpx.Response:
    project, _, _ = service.trainable(domainId=COMPACT)
    iteration = service.train(project)
    service.post(f"{iteration}/export", params={"platform": "ONNX"})
    return service.send("POST", f"{iteration}/export", params={"platform": "ONNX"})


@provokes("BadRequestInvalidUri")
def a_container_that_is_none(service: Service) -> httpx.Response:
    return service.send(
        "POST", "/projects", params={"name": "new"}, json={"exportModelContainerUri": "somewhere"}
    )


# --- predictions --------------------------------------------------------------------------------------------


@provokes("BadRequestImageFormat", "Bad Request Image Format, Uri: [0-9a-f]{32}")
def predicting_what_is_no_image(service: Service) -> httpx.Response:
    return _predict(service, b"no picture")


@provokes("BadRequestImageSizeBytes")
def predicting_too_large_an_image(service: Service) -> httpx.Response:
    return _predict(service, picture() + bytes(limits.PREDICTION_IMAGE_BYTES))


@provokes("BadRequestImageDimensions")
def too_many_pixels(service: Service) -> httpx.Response:
    _, iteration = _trained(service)
    return _quick_test(service, iteration, picture(size=(10_241, 1_000)))


@provokes("BadRequestImageAspectRatio")
def too_flat(service: Service) -> httpx.Response:
    _, iteration = _trained(service)
    return _quick_test(service, iteration, picture(size=(2_600, 100)))


def _quick_test(service: Service, iteration: str, data: bytes) -> httpx.Response:
    project, _, iteration_id = iteration.rpartition("/iterations/")
    headers = {"Content-Type": "application/octet-stream"}
    parameters = {"iterationId": iteration_id}
    return service.send(
        "POST", f"{project}/quicktest/image", params=parameters, content=data, headers=headers
    )


@provokes("BadRequestImageUrl")
def predicting_a_url_that_gives_nothing(service: Service) -> httpx.Response:
    _, iteration = _trained(service)
    path = service.publish(iteration) + "/url"
    body = {"url": "http://127.0.0.1:1/a.jpg"}
    return service.request("POST", path, key=None, headers={"Prediction-Key": PREDICTION_KEY}, json=body)


@provokes("BadRequestPredictionInvalidApplicationName")
def a_name_of_an_application(service: Service) -> httpx.Response:
    _, iteration = _trained(service)
    return service.predict(service.publish(iteration), picture(), params={"application": CONTROL_CHARACTER})


@provokes("BadRequestPredictionIdsMissing")
def deleting_no_prediction(service: Service) -> httpx.Response:
    return service.send("DELETE", f"{service.project()}/predictions", params={"ids": ""})


@provokes("BadRequestPredictionIdsExceededCount")
def deleting_too_many_predictions(service: Service) -> httpx.Response:
    ids = ",".join([NOWHERE] * 65)
    return service.send("DELETE", f"{service.project()}/predictions", params={"ids": ids})


@provokes("BadRequestPredictionTagsExceededCount")
def a_query_for_three_tags(service: Service) -> httpx.Response:
    return _query(service, tags=[{"id": NOWHERE}] * 3)


@provokes("BadRequestPredictionResultsExceededCount")
def a_query_for_too_many(service: Service) -> httpx.Response:
    return _query(service, maxCount=2**31 - 1)


@provokes("BadRequestPredictionInvalidQueryParameters")
def a_query_for_less_than_nothing(service: Service) -> httpx.Response:
    return _query(service, maxCount=-1)


def _imported(service: Service) -> str:
    """The path of an iteration that was imported as a model."""
    answer = service.request(
        "POST", "/_emulator/models", params={"project": "imported"}, content=classifier_zip()
    ).json()
    return f"/projects/{answer['projectId']}/iterations/{answer['iterationId']}"


@provokes("NotFoundIterationPerformance")
def performance_of_an_imported_model(service: Service) -> httpx.Response:
    return service.send("GET", f"{_imported(service)}/performance")


@provokes("ErrorPrediction", r"The model cannot be run\. .*")
def predicting_with_a_model_that_became_another(service: Service) -> httpx.Response:
    path = service.publish(_imported(service))
    (blob,) = service.blobs()
    service.context.blobs.path(blob).write_bytes(detector_zip())
    return service.predict(path, picture())


@provokes("ErrorUnknown")
def a_fault_of_the_emulator(service: Service) -> httpx.Response:
    service.context.database.close()
    (service.settings.data / "emulator.sqlite").write_bytes(b"no database")
    return service.send("GET", "/projects")
