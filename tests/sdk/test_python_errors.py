"""Errors as the official Python SDK reports them."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import Any

import pytest
from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient
from azure.cognitiveservices.vision.customvision.prediction.models import (
    CustomVisionErrorException as PredictionError,
)
from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient
from azure.cognitiveservices.vision.customvision.training.models import (
    CustomVisionErrorException,
    ImageFileCreateBatch,
    ImageFileCreateEntry,
    ImageUrlCreateBatch,
    ImageUrlCreateEntry,
)
from msrest.authentication import BasicTokenAuthentication

from emulator.settings import DEFAULT_PREDICTION_KEYS, DEFAULT_TRAINING_KEYS
from tests.sdk.live import TAGS, Emulator, picture, wait_until_trained
from tests.sdk.validating import validated
from tests.support.harness import RESOURCE_ID

NO_IMAGE = b"this is text, whatever its name says"
NEEDED = 5


@dataclass(frozen=True)
class Job:
    """A project with `NEEDED` images of each tag and a trained iteration, published as "first"."""

    trainer: Any
    predictor: Any
    project_id: str
    tag_ids: list[str]
    iteration_id: str


@pytest.fixture(scope="module")
def job(emulator: Emulator) -> Job:
    trainer, predictor = emulator.trainer(), emulator.predictor()
    project = trainer.create_project("Errors", classification_type="Multiclass")
    tag_ids = [trainer.create_tag(project.id, tag).id for tag in TAGS]
    for tag, tag_id in zip(TAGS, tag_ids, strict=True):
        for number in range(NEEDED):
            trainer.create_images_from_data(project.id, picture(tag, number), [tag_id])
    iteration = wait_until_trained(trainer, project.id, trainer.train_project(project.id))
    trainer.publish_iteration(project.id, iteration.id, "first", RESOURCE_ID)
    return Job(trainer, predictor, project.id, tag_ids, iteration.id)


def refusal(function: Any, *arguments: Any, **options: Any) -> tuple[int, str, str]:
    """Status, code and message of the error that a call of the SDK raises."""
    with pytest.raises((CustomVisionErrorException, PredictionError)) as raised:
        function(*arguments, **options)
    error: Any = raised.value
    assert error.message == error.error.message == str(error)
    return error.response.status_code, error.error.code, error.message


# --- keys ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["", "wrong", DEFAULT_PREDICTION_KEYS[0]])
def test_a_key_that_does_not_open_training(emulator: Emulator, key: str) -> None:
    with pytest.raises(CustomVisionErrorException) as raised:
        emulator.trainer(key).get_projects()
    # The SDK does not parse the gateway's shape of an error: it shows the reason phrase.
    assert raised.value.message == "Operation returned an invalid status code 'Access Denied'"
    assert raised.value.response.status_code == 401
    assert raised.value.response.json()["error"]["code"] == "401"


def test_a_key_that_does_not_open_prediction(job: Job, emulator: Emulator) -> None:
    with pytest.raises(PredictionError) as raised:
        emulator.predictor("wrong").classify_image(job.project_id, "first", picture("Dusk", 9))
    assert raised.value.message == "Operation returned an invalid status code 'Access Denied'"


def test_an_access_token_is_refused_with_a_message(job: Job, emulator: Emulator) -> None:
    credentials = BasicTokenAuthentication({"access_token": "eyJhbGciOiJub25lIn0.e30.c2ln"})
    message = (
        "Unauthorized. Access token is missing, invalid, audience is incorrect "
        "(https://cognitiveservices.azure.com), or have expired."
    )
    with pytest.raises(CustomVisionErrorException) as raised:
        validated(CustomVisionTrainingClient(emulator.endpoint, credentials)).get_projects()
    assert (raised.value.message, raised.value.response.status_code) == (message, 401)
    predictor = validated(CustomVisionPredictionClient(emulator.endpoint, credentials))
    with pytest.raises(PredictionError) as refused:
        predictor.classify_image(job.project_id, "first", picture("Dusk", 9))
    assert (refused.value.message, refused.value.response.status_code) == (message, 401)


def test_both_keys_of_a_resource_are_as_good(job: Job, emulator: Emulator) -> None:
    for key in DEFAULT_TRAINING_KEYS:
        assert emulator.trainer(key).get_project(job.project_id).name == "Errors"
    for key in DEFAULT_PREDICTION_KEYS:
        assert emulator.predictor(key).classify_image(job.project_id, "first", picture("Dusk", 9)).predictions


# --- uploads ------------------------------------------------------------------------------------------------


def test_a_second_upload_of_the_same_files_is_distinguished(job: Job) -> None:
    """A quickstart that runs twice: the batch is not successful, yet nothing is lost."""
    before = job.trainer.get_image_count(job.project_id)
    entries = [
        ImageFileCreateEntry(name=f"{number}.jpg", contents=picture("Dusk", number)) for number in (0, 1)
    ]
    raw = job.trainer.create_images_from_files(
        job.project_id, ImageFileCreateBatch(images=entries, tag_ids=job.tag_ids[1:]), raw=True
    )
    assert raw.response.status_code == 207
    assert raw.output.is_batch_successful is False
    assert [item.status for item in raw.output.images] == ["OKDuplicate"] * 2
    assert all(item.image.tags[0].tag_id == job.tag_ids[1] for item in raw.output.images)
    assert job.trainer.get_image_count(job.project_id) == before


def test_a_batch_has_a_status_for_each_image(job: Job) -> None:
    project = job.trainer.create_project("Mixed", classification_type="Multiclass")
    tag, other, negative = (
        job.trainer.create_tag(project.id, name, type=kind).id
        for name, kind in (("one", "Regular"), ("two", "Regular"), ("none", "Negative"))
    )
    images = {
        "fine.jpg": (picture("Dusk", 0), [tag]),
        "text.jpg": (NO_IMAGE, [tag]),
        "cut.jpg": (picture("Dusk", 1)[:500], [tag]),
        "unknown tag.jpg": (picture("Dusk", 2), [str(uuid.uuid4())]),
        "both.jpg": (picture("Dusk", 3), [tag, negative]),
    }
    summary = job.trainer.create_images_from_files(
        project.id,
        ImageFileCreateBatch(
            images=[
                ImageFileCreateEntry(name=name, contents=contents, tag_ids=tag_ids)
                for name, (contents, tag_ids) in images.items()
            ]
        ),
    )
    assert summary.is_batch_successful is False
    assert {item.source_url: item.status for item in summary.images} == {
        "fine.jpg": "OK",
        "text.jpg": "ErrorImageFormat",
        "cut.jpg": "ErrorImageFormat",
        "unknown tag.jpg": "ErrorInvalidTag",
        "both.jpg": "ErrorNegativeAndRegularTagOnSameImage",
    }
    assert [item.image is None for item in summary.images] == [False, True, True, True, True]
    assert job.trainer.get_image_count(project.id) == 1
    assert other


def test_batches_with_nothing_in_them(job: Job) -> None:
    entry = ImageFileCreateEntry(name="text.jpg", contents=NO_IMAGE)
    for images in ([], [entry]):
        assert refusal(
            job.trainer.create_images_from_files, job.project_id, ImageFileCreateBatch(images=images)
        ) == (400, "BadRequestImageBatch", "No valid image files")
    assert refusal(job.trainer.create_images_from_urls, job.project_id, ImageUrlCreateBatch(images=[])) == (
        400,
        "BadRequestImageBatch",
        "No image urls provided",
    )
    assert refusal(job.trainer.create_images_from_data, job.project_id, NO_IMAGE)[:2] == (
        400,
        "BadRequestImageBatch",
    )


def test_a_batch_of_more_than_64(job: Job) -> None:
    entries = [ImageFileCreateEntry(name=str(number), contents=b"x") for number in range(65)]
    batch = ImageFileCreateBatch(images=entries)
    status, code, message = refusal(job.trainer.create_images_from_files, job.project_id, batch)
    assert (status, code) == (400, "BadRequestExceededBatchSize")
    assert "65" in message and "64" in message


def test_urls_that_may_not_be_fetched(job: Job, emulator: Emulator) -> None:
    urls = [f"{emulator.endpoint}/", "http://10.1.2.3/private.jpg", "file:///etc/hostname", "no url at all"]
    batch = ImageUrlCreateBatch(images=[ImageUrlCreateEntry(url=url) for url in urls])
    summary = job.trainer.create_images_from_urls(job.project_id, batch)
    assert [(item.source_url, item.status) for item in summary.images] == [
        (url, "ErrorSource") for url in urls
    ]


# --- training and publishing --------------------------------------------------------------------------------


def test_training_again_without_a_change(job: Job) -> None:
    assert refusal(job.trainer.train_project, job.project_id) == (
        400,
        "BadRequestTrainingNotNeeded",
        "Nothing changed since last training",
    )


def test_training_with_too_few_images(job: Job) -> None:
    project = job.trainer.create_project("Too few", classification_type="Multiclass")
    status, code, _ = refusal(job.trainer.train_project, project.id)
    assert (status, code) == (400, "BadRequestMultiClassClassificationTrainingValidationFailed")
    for tag in TAGS:
        tag_id = job.trainer.create_tag(project.id, tag).id
        for number in range(NEEDED - 1):
            job.trainer.create_images_from_data(project.id, picture(tag, number), [tag_id])
    status, code, message = refusal(job.trainer.train_project, project.id)
    assert (status, code) == (400, "BadRequestMultiClassClassificationTrainingValidationFailed")
    assert "Not enough images per tag for training" in message
    assert job.trainer.get_iterations(project.id) == []


def test_publishing_twice(job: Job) -> None:
    expected = (400, "BadRequestIterationIsPublished", "Iteration is already published as: first")
    for name, overwrite in (("first", None), ("second", None), ("first", True)):
        assert (
            refusal(
                job.trainer.publish_iteration,
                job.project_id,
                job.iteration_id,
                name,
                RESOURCE_ID,
                overwrite=overwrite,
            )
            == expected
        )


def test_publishing_to_no_resource(job: Job) -> None:
    status, code, _ = refusal(
        job.trainer.publish_iteration, job.project_id, job.iteration_id, "second", "my-resource"
    )
    assert (status, code) == (400, "BadRequestInvalidPublishTarget")


def test_a_published_iteration_is_not_deleted(job: Job) -> None:
    expected = (400, "BadRequestIterationIsPublished", "Iteration is already published as: first")
    assert refusal(job.trainer.delete_iteration, job.project_id, job.iteration_id) == expected
    assert refusal(job.trainer.delete_project, job.project_id) == expected


# --- predicting ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["second", "First", "a/b", "%2F", "../first", "ünïcode"])
def test_predicting_with_a_name_that_nothing_is_published_under(job: Job, name: str) -> None:
    expected = (404, "NotFoundIteration", "Invalid iteration")
    image = picture("Dusk", 9)
    assert refusal(job.predictor.classify_image, job.project_id, name, image) == expected
    assert refusal(job.predictor.classify_image_url_with_no_store, job.project_id, name, "http://x/y") == (
        expected
    )


def test_predicting_bytes_that_are_not_an_image(job: Job) -> None:
    for call in (job.predictor.classify_image, job.predictor.classify_image_with_no_store):
        status, code, message = refusal(call, job.project_id, "first", NO_IMAGE)
        assert (status, code) == (400, "BadRequestImageFormat")
        assert re.fullmatch("Bad Request Image Format, Uri: [0-9a-f]{32}", message)


def test_predicting_an_image_over_4_mb(job: Job) -> None:
    status, code, _ = refusal(job.predictor.classify_image, job.project_id, "first", bytes(4 * 2**20 + 1))
    assert (status, code) == (400, "BadRequestImageSizeBytes")


def test_predicting_a_url_that_gives_nothing(job: Job, emulator: Emulator) -> None:
    for url in ("http://127.0.0.1:9/x.jpg", f"{emulator.endpoint}/", "file:///etc/hostname", ""):
        status, code, _ = refusal(job.predictor.classify_image_url, job.project_id, "first", url)
        assert (status, code) == (400, "BadRequestImageUrl")


def test_a_quick_test_without_an_iteration(job: Job) -> None:
    assert refusal(job.trainer.quick_test_image, job.project_id, picture("Dusk", 9)) == (
        404,
        "NotFoundProjectDefaultIteration",
        "Project has no default iteration",
    )


# --- ids and names ------------------------------------------------------------------------------------------


def test_ids_that_nothing_has(job: Job) -> None:
    nothing = str(uuid.uuid4())
    trainer = job.trainer
    for code, call, *ids in (
        ("NotFoundProject", trainer.get_project, nothing),
        ("NotFoundProject", trainer.get_tags, nothing),
        ("NotFoundProject", trainer.train_project, nothing),
        ("NotFoundTag", trainer.get_tag, job.project_id, nothing),
        ("NotFoundIteration", trainer.get_iteration, job.project_id, nothing),
        ("NotFoundIteration", trainer.get_iteration_performance, job.project_id, nothing),
        ("NotFoundDomain", trainer.get_domain, nothing),
    ):
        status, found, message = refusal(call, *ids)
        assert (status, found) == (404, code)
        assert message


def test_names_that_are_refused(job: Job) -> None:
    trainer = job.trainer
    for call, code, name in (
        (trainer.create_project, "BadRequestProjectName", "x" * 10_000),
        (trainer.create_project, "BadRequestProjectName", "zero\0byte"),
        (lambda name: trainer.create_tag(job.project_id, name), "BadRequestTagName", "x" * 10_000),
        (lambda name: trainer.create_tag(job.project_id, name), "BadRequestTagNameNotUnique", "Meadow"),
        (
            lambda name: trainer.update_iteration(job.project_id, job.iteration_id, name),
            "BadRequestIterationName",
            "zero\0byte",
        ),
    ):
        status, found, _ = refusal(call, name)
        assert (status, found) == (400, code)


def test_a_second_negative_tag(job: Job) -> None:
    project = job.trainer.create_project("Negative")
    job.trainer.create_tag(project.id, "none", type="Negative")
    status, code, _ = refusal(job.trainer.create_tag, project.id, "nothing", type="Negative")
    assert (status, code) == (400, "BadRequestMultipleNegativeTag")


def test_operations_for_the_other_kind_of_project(job: Job) -> None:
    for call in (job.predictor.detect_image, job.predictor.detect_image_with_no_store):
        status, code, message = refusal(call, job.project_id, "first", picture("Dusk", 9))
        assert (status, code) == (400, "BadRequestNotSupported")
        assert message == "Invalid project type for operation."
