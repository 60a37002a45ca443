"""Training of detectors: preconditions and data sets."""

from typing import Any

import pytest

from emulator.core.training.dataset import detection_dataset, trained_tags
from emulator.store.tables import Iteration, Tag
from emulator.vision.boxes.box import TaggedBox
from emulator.vision.detection.dataset import DetectionDataset
from emulator.vision.training.errors import TrainingFailed
from tests.support.detection import (
    GENERAL,
    WHOLE,
    create,
    detection_project,
    freeze,
    image,
    marked_images,
    on,
    upload,
)
from tests.support.detection import delete as delete_regions
from tests.support.detection import region as region_of
from tests.support.harness import NOWHERE, Service
from tests.support.images import pictures

INVALID = "BadRequestDetectionTrainingValidationFailed"
TOO_FEW = (INVALID, "Not enough images for training")
TOO_FEW_OF_BLUE = (
    "Not enough images per tag for training: at least 15 images with regions of every tag are needed, "
    "'blue' has 14."
)
TOO_FEW_OF_A_TAG = (INVALID, TOO_FEW_OF_BLUE)


def refused(service: Service, project: str, **more: Any) -> tuple[str, str]:
    status, code, message = service.refused("POST", f"{project}/train", **more)
    assert status in (400, 404)
    return code, message


def is_enough(service: Service, project: str, **more: Any) -> bool:
    """Whether a training is not refused because of missing images."""
    response = service.send("POST", f"{project}/train", **more)
    return response.status_code == 200 or response.json()["code"] not in (INVALID, "NotFoundTag")


def test_an_advanced_training_of_a_detector(service: Service) -> None:
    service.context.training_hour_seconds = 60
    project = detection_project(service)
    marked_images(service, project, pictures(15), service.tag(project, "red"))
    parameters = {"trainingType": "Advanced", "reservedBudgetInHours": "2"}
    iteration = service.get(service.train(project, params=parameters))
    assert (iteration["status"], iteration["trainingType"]) == ("Completed", "Advanced")
    (job,) = service.worker.jobs
    assert (job["function"], job["budget_seconds"]) == ("train_advanced_detector", 120)
    assert len(job["advanced"].resolutions) > 1


# --- what must hold -----------------------------------------------------------------------------------------


def test_fifteen_images_with_regions_are_needed_for_each_tag(service: Service) -> None:
    project = detection_project(service)
    assert refused(service, project) == TOO_FEW
    red = service.tag(project, "red")
    assert refused(service, project) == TOO_FEW
    red_ones = marked_images(service, project, pictures(14), red)
    assert refused(service, project) == TOO_FEW
    # Neither more regions nor an image with the tag but without a region replace a missing image.
    create(service, project, on(red_ones[0], red, WHOLE))
    service.images(project, pictures(1, start=20), red)
    assert refused(service, project) == TOO_FEW
    blue = service.tag(project, "blue")
    blue_ones = marked_images(service, project, pictures(14, "blue"), blue)
    assert refused(service, project) == TOO_FEW_OF_A_TAG
    create(service, project, on(blue_ones[0], red))
    assert refused(service, project) == TOO_FEW_OF_A_TAG
    assert is_enough(service, project, json={"selectedTags": [red]})
    assert refused(service, project, json={"selectedTags": [blue]}) == TOO_FEW
    assert refused(service, project, json={"selectedTags": [NOWHERE]})[0] == "NotFoundTag"
    create(service, project, on(red_ones[0], blue))
    assert is_enough(service, project)
    delete_regions(service, project, image(service, project, blue_ones[1])["regions"][0]["regionId"])
    assert refused(service, project) == TOO_FEW_OF_A_TAG


def test_a_detector_is_trained(service: Service) -> None:
    project = detection_project(service)
    marked_images(service, project, pictures(15), service.tag(project, "red"))
    started = service.post(f"{project}/train")
    assert started["status"] == "Training"
    service.finish_trainings()
    trained = service.get(f"{project}/iterations/{started['id']}")
    assert trained["status"] == "Completed"
    assert trained["domainId"] == GENERAL
    assert trained["trainedAt"] is not None
    assert trained["trainingErrorDetails"] is None
    (job,) = service.worker.jobs
    assert job["dataset"] == dataset_of(service, started["id"])
    assert refused(service, project)[1] == "Nothing changed since last training"
    assert service.blobs() == service.referenced_blobs()


def test_a_detector_that_cannot_be_trained(service: Service) -> None:
    project = detection_project(service)
    marked_images(service, project, pictures(15), service.tag(project, "red"))
    service.worker.failures.append(TrainingFailed("No image could be read."))
    failed = service.get(service.train(project))
    assert (failed["status"], failed["trainingErrorDetails"]) == ("Failed", "No image could be read.")


def test_a_negative_tag_is_refused(service: Service) -> None:
    project = detection_project(service)
    tag = service.tag(project, "none")
    marked_images(service, project, pictures(15), tag)
    with service.context.database.write() as session:  # no request can make one
        row = session.get(Tag, tag)
        assert row is not None
        row.type = "Negative"
        session.add(row)
    assert refused(service, project)[0] == "BadRequestDetectionTrainingNotAllowNegativeTag"


# --- what a training learns from ----------------------------------------------------------------------------


def dataset_of(service: Service, iteration_id: str) -> DetectionDataset:
    with service.context.database.read() as session:
        iteration = session.get(Iteration, iteration_id)
        assert iteration is not None
        return detection_dataset(service.context, session, iteration, trained_tags(session, iteration))


def test_the_dataset_is_what_the_iteration_shows(service: Service) -> None:
    project = detection_project(service)
    zebra, ant = service.tag(project, "zebra"), service.tag(project, "ant")
    regions = [region_of(zebra, (0.5, 0.5, 0.25, 0.25)), region_of(ant, WHOLE), region_of(ant)]
    items = upload(service, project, pictures(2), regions, [region_of(zebra)]).json()["images"]
    service.images(project, pictures(1, start=5))
    service.images(project, pictures(1, start=6), ant)
    iteration = freeze(service, project)
    # Later changes are not part of it.
    create(service, project, on(items[1]["image"]["id"], ant, WHOLE))
    service.delete(f"{project}/images", params={"imageIds": items[0]["image"]["id"]})
    service.delete(f"{project}/tags/{zebra}")

    found = dataset_of(service, iteration)
    assert found.tags == ("ant", "zebra")
    assert [boxed.boxes for boxed in found.images] == [
        (
            TaggedBox(0, 0.0, 0.0, 1.0, 1.0),
            TaggedBox(0, 0.25, 0.5, 0.125, 0.25),
            TaggedBox(1, 0.5, 0.5, 0.25, 0.25),
        ),
        (TaggedBox(1, 0.25, 0.5, 0.125, 0.25),),
    ]
    data = pictures(2)
    for boxed, content in zip(found.images, data, strict=True):
        assert service.context.blobs.read(boxed.key) == content
        assert boxed.path == str(service.context.blobs.path(boxed.key))


def test_images_of_tags_that_are_not_chosen_are_background(service: Service) -> None:
    project = detection_project(service)
    a, b = service.tag(project, "a"), service.tag(project, "b")
    marked_images(service, project, pictures(1), a)
    marked_images(service, project, pictures(1, "blue"), b)
    iteration_id = freeze(service, project)
    with service.context.database.write() as session:
        iteration = session.get(Iteration, iteration_id)
        assert iteration is not None
        iteration.selected_tags = [b]
        session.add(iteration)
    found = dataset_of(service, iteration_id)
    assert found.tags == ("b",)
    assert [boxed.boxes for boxed in found.images] == [(), (TaggedBox(0, 0.25, 0.5, 0.125, 0.25),)]


@pytest.mark.parametrize("box", [(0.3, 0.7, 0.7, 0.3), (1 / 3, 0.0, 2 / 3, 1.0), (0.9, 0.1, 0.1, 0.9)])
def test_boxes_are_inside_their_image(service: Service, box: Any) -> None:
    project = detection_project(service)
    tag = service.tag(project, "a")
    upload(service, project, pictures(1), [region_of(tag, box)])
    ((only,),) = (boxed.boxes for boxed in dataset_of(service, freeze(service, project)).images)
    assert only.left + only.width <= 1
    assert only.top + only.height <= 1
    assert (only.left, only.top, only.width, only.height) == pytest.approx(box)
