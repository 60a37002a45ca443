"""The main job through the official Python SDK, as in Microsoft's quickstart, and related operations."""

from __future__ import annotations

import io
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from azure.cognitiveservices.vision.customvision.training.models import (
    CustomVisionErrorException,
    ImageFileCreateBatch,
    ImageFileCreateEntry,
    ImageTagCreateEntry,
    ImageUrlCreateBatch,
    ImageUrlCreateEntry,
)
from PIL import Image

from tests.sdk.conftest import SERVED_PICTURES, UNSEEN, FileServer
from tests.sdk.live import TAGS, Emulator, picture, wait_until_trained
from tests.support.harness import RESOURCE_ID

EACH = 6
PUBLISHED = "sky or grass"


@dataclass(frozen=True)
class Job:
    """A project whose first iteration is trained and published. images: ids, by the name of the tag."""

    trainer: Any
    predictor: Any
    project: Any
    tags: dict[str, Any]
    summary: Any
    images: dict[str, list[str]]
    iteration: Any


@pytest.fixture(scope="module")
def job(emulator: Emulator) -> Job:
    trainer, predictor = emulator.trainer(), emulator.predictor()
    project, tags = new_project(trainer, "The main job")
    summary = trainer.create_images_from_files(project.id, batch(tags))
    images = {
        name: [item.image.id for item in summary.images if has(item, tag)] for name, tag in tags.items()
    }
    iteration = wait_until_trained(trainer, project.id, trainer.train_project(project.id))
    assert trainer.publish_iteration(project.id, iteration.id, PUBLISHED, RESOURCE_ID) is True
    return Job(trainer, predictor, project, tags, summary, images, iteration)


def new_project(trainer: Any, name: str) -> tuple[Any, dict[str, Any]]:
    project = trainer.create_project(name, classification_type="Multiclass")
    return project, {tag: trainer.create_tag(project.id, tag) for tag in TAGS}


def batch(tags: dict[str, Any], numbers: Sequence[int] = range(EACH)) -> ImageFileCreateBatch:
    return ImageFileCreateBatch(
        images=[
            ImageFileCreateEntry(
                name=f"{name}_{number}.jpg", contents=picture(name, number), tag_ids=[tag.id]
            )
            for name, tag in tags.items()
            for number in numbers
        ]
    )


def has(item: Any, tag: Any) -> bool:
    return tag.id in [on_image.tag_id for on_image in item.image.tags]


def fetched(uri: str) -> bytes:
    with urllib.request.urlopen(uri, timeout=10) as response:
        data: bytes = response.read()
        return data


# --- projects and tags --------------------------------------------------------------------------------------


def test_a_project_has_the_requested_properties(job: Job) -> None:
    project = job.trainer.get_project(job.project.id)
    assert (project.name, project.description, project.status) == ("The main job", "", "Succeeded")
    assert project.settings.classification_type == "Multiclass"
    domain = job.trainer.get_domain(project.settings.domain_id)
    assert (domain.name, domain.type) == ("General", "Classification")
    assert project.created.tzinfo is not None
    assert project.created == job.project.created < project.last_modified
    assert Image.open(io.BytesIO(fetched(project.thumbnail_uri))).format == "JPEG"
    assert job.project.id in [item.id for item in job.trainer.get_projects()]


def test_a_project_is_changed_and_deleted(job: Job) -> None:
    project = job.trainer.create_project("First name", description="what for")
    assert project.settings.classification_type == "Multilabel"
    project.name = "Second name"
    project.settings.classification_type = "Multiclass"
    changed = job.trainer.update_project(project.id, project)
    assert (changed.name, changed.description) == ("Second name", "what for")
    assert job.trainer.get_project(project.id).settings.classification_type == "Multiclass"
    assert job.trainer.delete_project(project.id) is None
    assert project.id not in [item.id for item in job.trainer.get_projects()]


def test_tags_are_counted_changed_and_deleted(job: Job) -> None:
    counts = {tag.name: (tag.image_count, tag.type) for tag in job.trainer.get_tags(job.project.id)}
    assert counts == dict.fromkeys(TAGS, (EACH, "Regular"))
    project, tags = new_project(job.trainer, "Tags")
    tag = tags["Meadow"]
    tag.name, tag.description = "Grass", "green"
    job.trainer.update_tag(project.id, tag.id, tag)
    read = job.trainer.get_tag(project.id, tag.id)
    assert (read.name, read.description, read.type) == ("Grass", "green", "Regular")
    assert job.trainer.create_tag(project.id, "Neither", type="Negative").type == "Negative"
    job.trainer.delete_tag(project.id, tag.id)
    assert {item.name for item in job.trainer.get_tags(project.id)} == {"Dusk", "Neither"}


# --- three ways to upload -----------------------------------------------------------------------------------


def test_files_are_uploaded_in_a_batch(job: Job) -> None:
    assert job.summary.is_batch_successful is True
    assert {item.status for item in job.summary.images} == {"OK"}
    expected = [f"{name}_{number}.jpg" for name in TAGS for number in range(EACH)]
    assert [item.source_url for item in job.summary.images] == expected
    image = job.summary.images[0].image
    assert (image.width, image.height) == (320, 240)
    assert image.created.tzinfo is None
    assert image.tags[0].tag_name is None, "the service omits names of tags in responses to uploads"


def test_a_file_object_and_bytes_are_uploaded_as_they_are(job: Job, tmp_path: Path) -> None:
    project, tags = new_project(job.trainer, "From data")
    path = tmp_path / "in a file.jpg"
    path.write_bytes(picture("Meadow", 0))
    with path.open("rb") as file:
        by_file = job.trainer.create_images_from_data(project.id, file, [tags["Meadow"].id])
    by_bytes = job.trainer.create_images_from_data(project.id, picture("Dusk", 0), [tags["Dusk"].id])
    assert [item.status for summary in (by_file, by_bytes) for item in summary.images] == ["OK", "OK"]
    assert by_file.images[0].source_url == '"in a file.jpg"'
    assert by_bytes.images[0].source_url is None
    assert job.trainer.get_tagged_image_count(project.id) == 2


def test_images_are_fetched_from_urls(job: Job, file_server: FileServer) -> None:
    project, tags = new_project(job.trainer, "From URLs")
    urls = [file_server.url(f"Meadow/{number}.jpg") for number in range(SERVED_PICTURES)]
    entries = [ImageUrlCreateEntry(url=url) for url in urls]
    summary = job.trainer.create_images_from_urls(
        project.id, ImageUrlCreateBatch(images=entries, tag_ids=[tags["Meadow"].id])
    )
    assert summary.is_batch_successful is True
    assert [item.source_url for item in summary.images] == urls
    assert job.trainer.get_tag(project.id, tags["Meadow"].id).image_count == SERVED_PICTURES

    missing = file_server.url("nothing_here.jpg")
    raw = job.trainer.create_images_from_urls(
        project.id, ImageUrlCreateBatch(images=[ImageUrlCreateEntry(url=missing)]), raw=True
    )
    assert raw.response.status_code == 207
    [failed] = raw.output.images
    assert (failed.source_url, failed.status, failed.image) == (missing, "ErrorSource", None)


def test_metadata_of_a_batch_is_on_every_image(job: Job) -> None:
    project, tags = new_project(job.trainer, "Metadata")
    files = batch(tags, range(1))
    files.metadata = {"camera": "left"}
    job.trainer.create_images_from_files(project.id, files)
    assert [image.metadata for image in job.trainer.get_images(project.id)] == [{"camera": "left"}] * 2


# --- lists, counts, tags on images, deletion ----------------------------------------------------------------


def test_images_are_listed_page_by_page(job: Job) -> None:
    newest = [image.id for image in job.trainer.get_tagged_images(job.project.id)]
    assert sorted(newest) == sorted(job.images[TAGS[0]] + job.images[TAGS[1]])
    oldest = [image.id for image in job.trainer.get_tagged_images(job.project.id, order_by="Oldest")]
    assert oldest == newest[::-1]
    pages = [
        image.id
        for skip in range(0, 2 * EACH + 5, 5)
        for image in job.trainer.get_images(job.project.id, tagging_status="Tagged", take=5, skip=skip)
    ]
    assert pages == newest
    of_tag = job.trainer.get_tagged_images(job.project.id, tag_ids=[job.tags["Dusk"].id])
    assert {image.id for image in of_tag} == set(job.images["Dusk"])
    assert {on_image.tag_name for image in of_tag for on_image in image.tags} == {"Dusk"}


def test_images_are_counted(job: Job) -> None:
    trainer, project_id = job.trainer, job.project.id
    assert trainer.get_image_count(project_id) == 2 * EACH
    assert trainer.get_tagged_image_count(project_id) == 2 * EACH
    assert trainer.get_tagged_image_count(project_id, tag_ids=[job.tags["Dusk"].id]) == EACH
    assert trainer.get_untagged_image_count(project_id) == 0
    assert trainer.get_untagged_images(project_id) == []


def test_images_are_found_by_id(job: Job) -> None:
    wanted = [job.images["Dusk"][2], job.images["Meadow"][1]]
    found = job.trainer.get_images_by_ids(job.project.id, image_ids=wanted)
    assert {image.id for image in found} == set(wanted)
    assert found == sorted(found, key=lambda image: image.created)


def test_image_uris_need_no_key(job: Job) -> None:
    image = job.trainer.get_images_by_ids(job.project.id, image_ids=[job.images["Meadow"][0]])[0]
    assert image.resized_image_uri == image.original_image_uri
    with Image.open(io.BytesIO(fetched(image.original_image_uri))) as whole:
        assert whole.size == (image.width, image.height)
    with Image.open(io.BytesIO(fetched(image.thumbnail_uri))) as thumbnail:
        assert max(thumbnail.size) < image.width


def test_tags_are_put_on_images_and_taken_off(job: Job) -> None:
    trainer = job.trainer
    project = trainer.create_project("Tagging", classification_type="Multilabel")
    tag, other = (trainer.create_tag(project.id, name).id for name in TAGS)
    image = trainer.create_images_from_data(project.id, picture("Meadow", 0)).images[0].image.id
    assert trainer.get_untagged_image_count(project.id) == 1
    entries = [ImageTagCreateEntry(image_id=image, tag_id=tag_id) for tag_id in (tag, other)]
    first = trainer.create_image_tags(project.id, entries[:1])
    assert ([entry.tag_id for entry in first.created], first.duplicated, first.exceeded) == ([tag], [], [])
    again = trainer.create_image_tags(project.id, entries)
    assert [entry.tag_id for entry in again.created] == [other]
    assert [entry.tag_id for entry in again.duplicated] == [tag]
    trainer.delete_image_tags(project.id, [image], [tag])
    [read] = trainer.get_tagged_images(project.id)
    assert [on_image.tag_id for on_image in read.tags] == [other]
    trainer.delete_image_tags(project.id, [image], [other])
    assert [item.id for item in trainer.get_untagged_images(project.id)] == [image]


def test_images_are_deleted(job: Job) -> None:
    project, tags = new_project(job.trainer, "Deletion")
    summary = job.trainer.create_images_from_files(project.id, batch(tags, range(3)))
    gone, *_ = [item.image.id for item in summary.images]
    assert job.trainer.delete_images(project.id, image_ids=[gone]) is None
    assert job.trainer.get_image_count(project.id) == 5
    assert job.trainer.get_images_by_ids(project.id, image_ids=[gone]) == []
    everything = job.trainer.delete_images(project.id, all_images=True, all_iterations=True, raw=True)
    assert everything.response.status_code == 202
    assert job.trainer.get_image_count(project.id) == 0
    assert {tag.image_count for tag in job.trainer.get_tags(project.id)} == {0}


# --- training and what it tells -----------------------------------------------------------------------------


def test_an_iteration_says_how_it_was_trained(job: Job) -> None:
    iteration = job.trainer.get_iteration(job.project.id, job.iteration.id)
    assert [item.id for item in job.trainer.get_iterations(job.project.id)] == [iteration.id]
    assert (iteration.name, iteration.status) == ("Iteration 1", "Completed")
    assert iteration.created == job.project.created
    assert iteration.created < iteration.trained_at < iteration.last_modified, "publishing modifies it"
    assert (iteration.classification_type, iteration.training_type) == ("Multiclass", "Regular")
    assert iteration.domain_id == job.project.settings.domain_id
    assert iteration.training_time_in_minutes == 1
    assert iteration.publish_name == PUBLISHED
    assert iteration.original_publish_resource_id == RESOURCE_ID
    assert iteration.training_error_details is None


def test_performance_at_any_threshold(job: Job) -> None:
    trainer, project_id, iteration_id = job.trainer, job.project.id, job.iteration.id
    figures = trainer.get_iteration_performance(project_id, iteration_id, threshold=0.5)
    # Meadows and skies at dusk are easy to distinguish.
    assert figures.precision == figures.recall == figures.average_precision == 1.0
    order = [tag.id for tag in trainer.get_tags(project_id)]
    assert [item.id for item in figures.per_tag_performance] == order
    assert {item.name for item in figures.per_tag_performance} == set(TAGS)
    strict = trainer.get_iteration_performance(project_id, iteration_id, threshold=1.0)
    assert strict.recall < 1.0, "no probability reaches 1, so nothing is found at that threshold"


def test_performance_image_by_image(job: Job) -> None:
    trainer, project_id, iteration_id = job.trainer, job.project.id, job.iteration.id
    evaluated = trainer.get_image_performances(project_id, iteration_id)
    assert len(evaluated) == trainer.get_image_performance_count(project_id, iteration_id)
    assert len(TAGS) <= len(evaluated) < EACH
    for item in evaluated:
        assert item.predictions[0].tag_name == item.tags[0].tag_name
        assert len(item.predictions) == len(TAGS)
        assert fetched(item.image_uri) and fetched(item.thumbnail_uri)
    tag_id = job.tags["Dusk"].id
    of_tag = trainer.get_image_performances(project_id, iteration_id, tag_ids=[tag_id])
    assert {item.tags[0].tag_name for item in of_tag} == {"Dusk"}
    assert len(of_tag) == trainer.get_image_performance_count(project_id, iteration_id, tag_ids=[tag_id])


def test_an_iteration_keeps_the_images_that_it_was_trained_on(job: Job) -> None:
    trainer = job.trainer
    project, tags = new_project(trainer, "Frozen")
    trainer.create_images_from_files(project.id, batch(tags))
    iteration = wait_until_trained(trainer, project.id, trainer.train_project(project.id))
    gone = trainer.get_images(project.id, take=3)
    trainer.delete_images(project.id, image_ids=[image.id for image in gone])
    assert trainer.get_image_count(project.id) == 2 * EACH - 3
    assert trainer.get_image_count(project.id, iteration_id=iteration.id) == 2 * EACH
    frozen = trainer.get_images(project.id, iteration_id=iteration.id)
    assert {image.id for image in gone} <= {image.id for image in frozen}
    assert fetched(gone[0].original_image_uri)
    assert {tag.image_count for tag in trainer.get_tags(project.id, iteration_id=iteration.id)} == {EACH}


# --- predictions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("stored", [True, False], ids=["stored", "not stored"])
@pytest.mark.parametrize("source", ["image", "url"])
def test_an_unseen_image_is_classified(
    job: Job, file_server: FileServer, tag: str, stored: bool, source: str
) -> None:
    name = f"classify_image{'_url' if source == 'url' else ''}{'' if stored else '_with_no_store'}"
    given = file_server.url(f"unseen/{tag}.jpg") if source == "url" else picture(tag, UNSEEN)
    raw = getattr(job.predictor, name)(job.project.id, PUBLISHED, given, raw=True)
    result = raw.output
    assert result.id == raw.response.headers["apim-request-id"]
    assert (result.project, result.iteration) == (job.project.id, job.iteration.id)
    assert result.created.tzinfo is not None
    best, other = result.predictions
    assert (best.tag_name, best.tag_id, best.tag_type) == (tag, job.tags[tag].id, "Regular")
    assert best.probability > 0.9
    assert best.probability + other.probability == pytest.approx(1, abs=1e-6)
    assert best.bounding_box is None


def test_the_url_and_the_bytes_of_an_image_score_the_same(job: Job, file_server: FileServer) -> None:
    by_url = job.predictor.classify_image_url(job.project.id, PUBLISHED, file_server.url("unseen/Dusk.jpg"))
    file = io.BytesIO(picture("Dusk", UNSEEN))
    by_data = job.predictor.classify_image(job.project.id, PUBLISHED, file, application="a test")
    assert by_url.predictions == by_data.predictions
    assert by_url.id != by_data.id


@pytest.mark.parametrize("store", [True, False])
def test_a_quick_test_scores_as_a_prediction_does(job: Job, file_server: FileServer, store: bool) -> None:
    trainer, project_id, iteration_id = job.trainer, job.project.id, job.iteration.id
    expected = job.predictor.classify_image_with_no_store(project_id, PUBLISHED, picture("Meadow", UNSEEN))
    by_image = trainer.quick_test_image(
        project_id, picture("Meadow", UNSEEN), iteration_id=iteration_id, store=store
    )
    by_url = trainer.quick_test_image_url(
        project_id, file_server.url("unseen/Meadow.jpg"), iteration_id=iteration_id, store=store
    )
    assert scores(by_image) == scores(by_url) == scores(expected)
    assert by_image.iteration == iteration_id


def scores(result: Any) -> list[tuple[str, float]]:
    return [(item.tag_name, item.probability) for item in result.predictions]


# --- the rest of an iteration's life ------------------------------------------------------------------------


def test_an_iteration_is_renamed_unpublished_and_deleted(job: Job) -> None:
    trainer, predictor = job.trainer, job.predictor
    project, tags = new_project(trainer, "A whole life")
    trainer.create_images_from_files(project.id, batch(tags))
    first = wait_until_trained(trainer, project.id, trainer.train_project(project.id))
    second = wait_until_trained(trainer, project.id, trainer.train_project(project.id, force_train=True))
    assert [item.name for item in trainer.get_iterations(project.id)] == ["Iteration 1", "Iteration 2"]
    assert trainer.update_iteration(project.id, first.id, name="The good one").name == "The good one"

    trainer.publish_iteration(project.id, first.id, "production", RESOURCE_ID)
    assert predictor.classify_image(project.id, "production", picture("Dusk", 7)).iteration == first.id
    trainer.publish_iteration(project.id, second.id, "production", RESOURCE_ID, overwrite=True)
    assert predictor.classify_image(project.id, "production", picture("Dusk", 7)).iteration == second.id
    assert trainer.get_iteration(project.id, first.id).publish_name is None

    trainer.unpublish_iteration(project.id, second.id)
    with pytest.raises(Exception, match="Invalid iteration"):
        predictor.classify_image(project.id, "production", picture("Dusk", 7))
    for iteration in (first, second):
        trainer.delete_iteration(project.id, iteration.id)
    assert trainer.get_iterations(project.id) == []
    trainer.delete_project(project.id)
    with pytest.raises(CustomVisionErrorException) as refused:
        trainer.get_project(project.id)
    assert refused.value.error.code == "NotFoundProject"
