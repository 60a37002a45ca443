"""Label hints: images whose labels are probably wrong, and labels that were confirmed."""

from typing import Any

import pytest

from tests.support.detection import create, delete, detection_project, marked_images, on, region, upload
from tests.support.harness import NOWHERE, PREDICTION_KEY, Service, expect, refusal
from tests.support.images import pictures
from tests.support.insight import Insight


def wrong(service: Service, kind: str = "Multiclass") -> tuple[Insight, str]:
    """Red and blue images, and the id of a blue one that is tagged as red."""
    project = service.project(classificationType=kind)
    red, blue = service.tag(project, "red"), service.tag(project, "blue")
    service.images(project, pictures(10, "red"), red)
    *_, image = service.images(project, pictures(10, "blue"), blue)
    service.delete(f"{project}/images/tags", params={"imageIds": image, "tagIds": blue})
    service.post(f"{project}/images/tags", json={"tags": [{"imageId": image, "tagId": red}]})
    return Insight(service, project), image


def hints(insight: Insight, **parameters: Any) -> dict[str, Any]:
    found: dict[str, Any] = insight.get("labelHints", **parameters)
    return found


def keep(insight: Insight, *image_ids: str, method: str = "POST") -> Any:
    path = f"/_emulator{insight.iteration}/labelHints/keep"
    if method == "DELETE":
        return insight.service.request(method, path, params={"imageIds": ",".join(image_ids)})
    return insight.service.request(method, path, json={"imageIds": list(image_ids)})


def retag(insight: Insight, image: str, old: str, new: str) -> None:
    tags = insight.tags
    insight.service.delete(f"{insight.project}/images/tags", params={"imageIds": image, "tagIds": tags[old]})
    insight.service.post(
        f"{insight.project}/images/tags", json={"tags": [{"imageId": image, "tagId": tags[new]}]}
    )


def test_a_wrong_tag_is_the_strongest_hint(service: Service) -> None:
    insight, image = wrong(service)
    found = hints(insight)
    assert (found["iterationId"], found["changedCount"], found["keptCount"]) == (
        insight.iteration.rpartition("/")[2],
        0,
        0,
    )
    first = found["hints"][0]
    assert (first["id"], [tag["tagName"] for tag in first["tags"]]) == (image, ["red"])
    (issue,) = first["issues"]
    assert (issue["reason"], issue["tagName"], issue["proposedTagName"]) == ("WrongTag", "red", "blue")
    probabilities = {item["tagName"]: item["probability"] for item in first["predictions"]}
    assert issue["probability"] == pytest.approx(probabilities["red"], abs=1e-6)
    assert issue["proposedProbability"] == pytest.approx(probabilities["blue"], abs=1e-6)
    assert issue["strength"] == pytest.approx(probabilities["blue"] - probabilities["red"], abs=1e-6)
    assert issue["proposedProbability"] >= issue["usualProbability"]
    strengths = [hint["issues"][0]["strength"] for hint in found["hints"]]
    assert strengths == sorted(strengths, reverse=True)
    assert found["count"] == len(found["hints"])
    assert service.follow(first["thumbnailUri"]).status_code == 200


def test_pages(service: Service) -> None:
    insight, _ = wrong(service)
    whole = hints(insight)
    pages = [hints(insight, take=1, skip=skip) for skip in range(whole["count"] + 1)]
    assert [page["hints"] for page in pages] == [[hint] for hint in whole["hints"]] + [[]]
    assert {page["count"] for page in pages} == {whole["count"]}


def test_corrected_images_are_left_out_until_they_are_as_before(service: Service) -> None:
    insight, image = wrong(service)
    before = hints(insight)
    retag(insight, image, "red", "blue")
    corrected = hints(insight)
    assert image not in [hint["id"] for hint in corrected["hints"]]
    assert (corrected["count"], corrected["changedCount"]) == (before["count"] - 1, 1)
    retag(insight, image, "blue", "red")
    again = hints(insight)
    assert [hint["id"] for hint in again["hints"]] == [hint["id"] for hint in before["hints"]]
    assert again["changedCount"] == 0
    service.delete(f"{insight.project}/images", params={"imageIds": image})
    assert image not in [hint["id"] for hint in hints(insight)["hints"]]
    assert hints(insight)["changedCount"] == 0


def test_confirmed_labels_are_left_out_until_they_change(service: Service) -> None:
    insight, image = wrong(service)
    count = hints(insight)["count"]
    assert keep(insight, image).status_code == 204
    assert keep(insight, image, image).status_code == 204
    kept = hints(insight)
    assert (kept["count"], kept["keptCount"]) == (count - 1, 1)
    # By a later iteration too, and after a restart.
    service.restart()
    later = service.train(insight.project, params={"forceTrain": "true"})
    path = f"/_emulator{later}/labelHints"
    assert expect(service.request("GET", path))["keptCount"] == 1
    # Another label is not confirmed, the same one is again.
    retag(insight, image, "red", "blue")
    assert hints(insight)["keptCount"] == 0
    retag(insight, image, "blue", "red")
    assert hints(insight)["keptCount"] == 1
    assert keep(insight, image, method="DELETE").status_code == 204
    assert keep(insight, image, method="DELETE").status_code == 204
    assert (hints(insight)["count"], hints(insight)["keptCount"]) == (count, 0)


def test_confirmations_end_with_their_images(service: Service) -> None:
    insight, image = wrong(service)
    keep(insight, image)
    assert service.rows("SELECT count(*) FROM kept_labels") == [(1,)]
    service.delete(f"{insight.project}/images", params={"imageIds": image, "allIterations": "true"})
    assert service.rows("SELECT count(*) FROM kept_labels") == [(0,)]
    other = hints(insight)["hints"]
    if other:
        keep(insight, other[0]["id"])
    service.delete(insight.project)
    assert service.rows("SELECT count(*) FROM kept_labels") == [(0,)]


def test_multilabel_tags_are_added_and_removed(service: Service) -> None:
    project = service.project(classificationType="Multilabel")
    service.context.trainers.choose(project.rpartition("/")[2], "instant")
    red, blue = service.tag(project, "red"), service.tag(project, "blue")
    service.images(project, pictures(8, "red"), red)
    service.images(project, pictures(8, "blue"), blue)
    (lacking,) = service.images(project, pictures(1, "red", start=90), blue)
    insight = Insight(service, project)
    by_image = {hint["id"]: hint for hint in hints(insight)["hints"]}
    issues = {
        (issue["reason"], issue["tagName"], issue["proposedTagName"]) for issue in by_image[lacking]["issues"]
    }
    assert issues <= {("MissingTag", None, "red"), ("SpuriousTag", "blue", None)}
    assert issues


def test_regions_of_a_detector(service: Service) -> None:
    """The stand-in detects the mean box of both tags in every image."""
    project = detection_project(service)
    here, there = service.tag(project, "here"), service.tag(project, "there")
    images = marked_images(service, project, pictures(15, "red"), here)
    some = pictures(15, "blue")
    boxes = [[region(there, (0.65, 0.1, 0.125, 0.25))] for _ in some]
    expect(upload(service, project, some, *boxes))
    insight = Insight(service, project)
    found = hints(insight, take=256)
    by_image = {hint["id"]: hint for hint in found["hints"]}
    # Each image has the box of the other tag too, and the hint says where.
    issue = by_image[images[0]]["issues"][0]
    assert (issue["reason"], issue["proposedTagName"], issue["regionId"]) == ("MissingRegion", "there", None)
    assert issue["proposedBoundingBox"]["left"] == pytest.approx(0.65, abs=0.02)
    create(service, project, on(images[0], there, (0.65, 0.1, 0.125, 0.25)))
    changed = hints(insight, take=256)
    assert images[0] not in [hint["id"] for hint in changed["hints"]]
    assert changed["changedCount"] == 1
    keep(insight, images[1])
    assert hints(insight)["keptCount"] == 1
    (region_id,) = (one["regionId"] for one in by_image[images[1]]["regions"])
    delete(service, project, region_id)
    assert hints(insight)["keptCount"] == 0


def test_proposals_of_a_deleted_tag_are_left_out(service: Service) -> None:
    insight, image = wrong(service)
    assert image in [hint["id"] for hint in hints(insight)["hints"]]
    service.delete(f"{insight.project}/tags/{insight.tags['blue']}")
    assert image not in [hint["id"] for hint in hints(insight)["hints"]]


def test_what_is_refused(service: Service) -> None:
    insight, image = wrong(service)
    for parameters in ({"take": "257"}, {"skip": "-1"}, {"take": "x"}):
        assert refusal(insight.send("labelHints", **parameters))[:2] == (400, "BadRequest")
    elsewhere = f"/_emulator{insight.project}/iterations/{NOWHERE}/labelHints"
    assert refusal(service.request("GET", elsewhere))[:2] == (404, "NotFoundIteration")
    body = {"imageIds": [image]}
    assert refusal(service.request("POST", f"{elsewhere}/keep", json=body))[:2] == (404, "NotFoundIteration")
    assert refusal(keep(insight, image, NOWHERE))[:2] == (404, "NotFoundImage")
    assert refusal(keep(insight))[:2] == (400, "BadRequestInvalidIds")
    assert refusal(keep(insight, *[NOWHERE] * 257))[0] == 400
    assert refusal(keep(insight, "x"))[0] == 400
    assert refusal(keep(insight, NOWHERE, method="DELETE"))[:2] == (404, "NotFoundImage")
    assert service.rows("SELECT count(*) FROM kept_labels") == [(0,)]
    for key in (None, PREDICTION_KEY):
        path = f"/_emulator{insight.iteration}/labelHints"
        assert service.request("GET", path, key=key).status_code == 401


def test_iterations_without_an_evaluation(service: Service) -> None:
    project, _, _ = service.trainable()
    iteration = service.post(f"{project}/train")["id"]
    path = f"/_emulator{project}/iterations/{iteration}/labelHints"
    assert refusal(service.request("GET", path))[:2] == (400, "BadRequestIterationIsNotTrained")
