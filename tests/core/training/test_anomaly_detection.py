"""Projects of the emulator's domain for anomaly detection: one tag of good images suffices."""

from typing import Any

import pytest

from tests.support.harness import ANOMALIES, Service
from tests.support.images import picture, pictures

MULTICLASS = "BadRequestMultiClassClassificationTrainingValidationFailed"


def good_parts(service: Service, count: int = 10, **parameters: str) -> tuple[str, str]:
    """A project with images of one tag: its path and the id of the tag."""
    settings = {"domainId": ANOMALIES, "classificationType": "Multiclass", **parameters}
    project = service.project(**settings)
    good = service.tag(project, "good")
    service.images(project, pictures(count, "green"), good)
    return project, good


def tags(service: Service, project: str) -> dict[str, tuple[str, int]]:
    return {tag["name"]: (tag["type"], tag["imageCount"]) for tag in service.get(f"{project}/tags")}


def refused(service: Service, project: str, **more: Any) -> tuple[str, str]:
    status, code, message = service.refused("POST", f"{project}/train", **more)
    assert status == 400
    return code, message


def trained_labels(service: Service) -> tuple[tuple[str, ...], list[str], int | None]:
    """The tags, the labels of the images and the negative tag of the last training."""
    dataset = service.worker.jobs[-1]["dataset"]
    labels = sorted("+".join(dataset.tags[label] for label in image.labels) for image in dataset.images)
    return dataset.tags, labels, dataset.negative


@pytest.mark.parametrize("classification_type", ["Multiclass", "Multilabel"])
def test_a_tag_of_good_images_suffices_and_predictions_have_a_tag_for_anomalies(
    service: Service, classification_type: str
) -> None:
    project, good = good_parts(service, classificationType=classification_type)
    iteration = service.train(project)
    assert service.get(iteration)["status"] == "Completed"
    assert service.worker.jobs[-1]["function"] == "train_anomaly_detector"
    assert tags(service, project) == {"good": ("Regular", 10), "anomaly": ("Negative", 0)}
    assert trained_labels(service) == (("anomaly", "good"), ["good"] * 10, 0)
    predictions = service.predict(service.publish(iteration), picture(1, "green")).json()["predictions"]
    known = {tag["name"]: tag["id"] for tag in service.get(f"{project}/tags")}
    assert {each["tagName"]: each["tagId"] for each in predictions} == known
    assert known["good"] == good
    figures = service.get(f"{iteration}/performance")
    assert {tag["name"] for tag in figures["perTagPerformance"]} == {"good", "anomaly"}


def test_the_domain_is_that_of_the_emulator_and_not_in_the_list_of_the_service(service: Service) -> None:
    listed = service.get("/domains")
    assert ANOMALIES not in {domain["id"] for domain in listed}
    shown = service.get(f"/domains/{ANOMALIES}")
    assert (shown["name"], shown["type"]) == ("Anomaly detection", "Classification")
    project, _, _ = service.trainable()
    changed = service.send("PATCH", project, json={"settings": {"domainId": ANOMALIES}})
    assert changed.status_code == 200


def test_images_of_the_negative_tag_are_known_anomalies(service: Service) -> None:
    project, _ = good_parts(service)
    defect = service.tag(project, "scratch", type="Negative")
    service.images(project, pictures(2, "red"), defect)
    service.train(project)
    assert tags(service, project) == {"good": ("Regular", 10), "scratch": ("Negative", 2)}
    assert trained_labels(service) == (("good", "scratch"), ["good"] * 10 + ["scratch"] * 2, 1)


def test_with_selected_tags_images_of_other_tags_are_known_anomalies(service: Service) -> None:
    project, good = good_parts(service)
    dent, anomaly = service.tag(project, "dent"), service.tag(project, "anomaly")
    service.images(project, pictures(3, "red"), dent)
    service.images(project, pictures(1, "blue"), anomaly)
    code, message = refused(service, project)
    assert code == MULTICLASS
    assert "one Regular tag" in message and "there are 3" in message and "selectedTags" in message
    assert "anomaly 2" not in tags(service, project)  # nothing of a refused request is stored
    service.train(project, json={"selectedTags": [good]})
    # A tag of the user has the usual name.
    assert tags(service, project)["anomaly 2"] == ("Negative", 0)
    assert trained_labels(service) == (("anomaly 2", "good"), ["anomaly 2"] * 4 + ["good"] * 10, 0)


def test_an_image_that_is_good_and_has_another_tag_is_good(service: Service) -> None:
    project, good = good_parts(service, classificationType="Multilabel")
    night = service.tag(project, "night")
    service.images(project, pictures(1, "grey"), good, night)
    service.train(project, json={"selectedTags": [good]})
    assert trained_labels(service)[1] == ["good"] * 11


def test_too_few_good_images_are_refused(service: Service) -> None:
    project, good = good_parts(service, count=9)
    code, message = refused(service, project)
    assert code == MULTICLASS
    assert message.endswith("at least 10 are needed, 'good' has 9.")
    service.delete(f"{project}/tags/{good}")
    assert "but there is none" in refused(service, project)[1]


def test_it_is_trained_again_only_after_a_change(service: Service) -> None:
    project, good = good_parts(service)
    first = service.train(project)
    assert refused(service, project)[0] == "BadRequestTrainingNotNeeded"
    base = {"projectId": project.rpartition("/")[2], "iterationId": first.rpartition("/")[2]}
    code, message = refused(service, project, json={"customBaseModelInfo": base})
    assert code == "BadRequestCustomBaseModelDomainNotCompatible" and "leave" in message
    service.images(project, pictures(1, "green", start=50), good)
    assert service.get(service.train(project))["status"] == "Completed"


def test_the_instant_trainer_also_needs_good_images_alone(service: Service) -> None:
    service.context.trainers.default = "instant"
    project, _ = good_parts(service)
    address = service.publish(service.train(project))
    best = service.predict(address, picture(3, "green")).json()["predictions"][0]
    assert best["tagName"] == "good"


def test_the_queue_of_untagged_images_asks_for_good_images(service: Service) -> None:
    project, _ = good_parts(service, count=7)
    service.images(project, pictures(5, "blue"))
    queue = service.context
    from emulator.core.labeling.next_training import next_training
    from emulator.core.lookup import project as project_row

    with queue.database.read() as session:
        following = next_training(session, project_row(session, project.rpartition("/")[2]))
    assert following.needed == 3
