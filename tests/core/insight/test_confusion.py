"""Confusion matrices, curves, and the images behind each number, for every type of project."""

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from emulator.core.insight.images import OUTCOMES
from emulator.core.labels.tags import guid_order
from tests.support.detection import detection_project, marked_images, region, upload
from tests.support.exported_models import classifier_zip
from tests.support.harness import NOWHERE, PREDICTION_KEY, Service, expect, refusal
from tests.support.images import pictures
from tests.support.importing import imported

PATHS = (
    "confusionMatrix",
    "confusionMatrix/images",
    "confusionMatrix/images/count",
    "precisionRecallCurve",
    "calibrationCurve",
)
CELL = {"actual": "none", "predicted": "none"}


class Insight:
    """A trained iteration of a project, and what is asked about it."""

    def __init__(self, service: Service, project: str) -> None:
        self.service, self.project = service, project
        self.iteration = service.train(project)
        self.tags = {tag["name"]: tag["id"] for tag in service.get(f"{project}/tags")}

    def send(self, what: str, **parameters: Any) -> Any:
        return self.service.request("GET", f"/_emulator{self.iteration}/{what}", params=parameters)

    def get(self, what: str, **parameters: Any) -> Any:
        return expect(self.send(what, **parameters))

    def images(self, **parameters: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get("confusionMatrix/images", **parameters)
        count = self.get("confusionMatrix/images/count", **parameters)
        assert count == len(found)
        return found

    def figures(self, **parameters: Any) -> Any:
        return self.service.get(f"{self.iteration}/performance", params=parameters)


def multiclass(service: Service) -> Insight:
    """Three tags of which one is told from another only in part."""
    project = service.project(classificationType="Multiclass")
    red, blue, mixed = (service.tag(project, name) for name in ("red", "blue", "mixed"))
    service.images(project, pictures(10, "red"), red)
    service.images(project, pictures(10, "blue"), blue)
    service.images(project, pictures(4, "red", start=40) + pictures(4, "green", start=40), mixed)
    return Insight(service, project)


def multilabel(service: Service) -> Insight:
    project = service.project(classificationType="Multilabel")
    red, blue, odd = (service.tag(project, name) for name in ("red", "blue", "odd"))
    service.images(project, pictures(6, "red"), red)
    service.images(project, pictures(6, "blue"), blue)
    service.images(project, pictures(5, "red", start=40), red, odd)
    return Insight(service, project)


def detector(service: Service) -> Insight:
    """The stand-in finds the mean box of both tags in every picture: right for the tag that is there."""
    project = detection_project(service)
    here, there = service.tag(project, "here"), service.tag(project, "there")
    marked_images(service, project, pictures(15, "red"), here)
    for start in (0, 10):
        some = pictures(10 if start == 0 else 5, "blue", start=start)
        expect(upload(service, project, some, *[[region(there, (0.3, 0.55, 0.125, 0.25))] for _ in some]))
    return Insight(service, project)


KINDS = {"Multiclass": multiclass, "Multilabel": multilabel, "ObjectDetection": detector}


@pytest.fixture(params=KINDS)
def each_kind(request: pytest.FixtureRequest, service: Service) -> Insight:
    make: Callable[[Service], Insight] = KINDS[request.param]
    return make(service)


@pytest.fixture
def classified(service: Service) -> Insight:
    return multiclass(service)


@pytest.fixture
def detected(service: Service) -> Insight:
    return detector(service)


# --- the matrix ---------------------------------------------------------------------------------------------


def test_outcomes_give_the_performance_figures(each_kind: Insight) -> None:
    pairs = []
    for threshold in (0, 0.3, 0.5, 0.8, 1):
        outcomes = each_kind.get("confusionMatrix", threshold=threshold)["perTag"]
        figures = each_kind.figures(threshold=threshold)["perTagPerformance"]
        assert [tag["tagId"] for tag in outcomes] == [tag["id"] for tag in figures]
        pairs += zip(outcomes, figures, strict=True)
    for outcomes, figure in pairs:
        right, wrong, missed = (
            outcomes[name] for name in ("truePositives", "falsePositives", "falseNegatives")
        )
        assert right / max(1, right + wrong) == pytest.approx(figure["precision"], abs=1e-6)
        assert right / max(1, right + missed) == pytest.approx(figure["recall"], abs=1e-6)


def test_the_matrix_of_a_classifier(classified: Insight) -> None:
    matrix = classified.get("confusionMatrix")
    assert (matrix["type"], matrix["threshold"], matrix["overlapThreshold"]) == ("Multiclass", 0.5, None)
    assert [tag["id"] for tag in matrix["tags"]] == sorted(classified.tags.values(), key=guid_order)
    counts = {
        (row["name"], column): number
        for row, numbers in zip(matrix["tags"], matrix["counts"], strict=False)
        for column, number in zip([*(tag["name"] for tag in matrix["tags"]), "none"], numbers, strict=True)
    }
    assert sum(number for (tag, _), number in counts.items() if tag == "mixed") == 8
    assert sum(counts.values()) == matrix["imageCount"] == 28
    assert matrix["counts"][-1] == [0, 0, 0, 0]
    assert counts["blue", "blue"] == 10
    # Red ones of both tags look alike.
    assert counts["mixed", "red"] + counts["mixed", "none"] > 0
    for tag in matrix["perTag"]:
        outcomes = ("truePositives", "falsePositives", "falseNegatives", "trueNegatives")
        assert sum(tag[name] for name in outcomes) == 28


def test_where_several_tags_are_possible_there_is_no_matrix(service: Service) -> None:
    labelled = multilabel(service)
    matrix = labelled.get("confusionMatrix")
    assert (matrix["type"], matrix["counts"]) == ("Multilabel", None)
    refused = refusal(labelled.send("confusionMatrix/images", **CELL))
    assert refused[:2] == (400, "BadRequest")
    assert "tagId and outcome" in refused[2]


def test_the_matrix_of_a_detector(detected: Insight) -> None:
    matrix = detected.get("confusionMatrix", threshold=0.5)
    assert (matrix["type"], matrix["overlapThreshold"]) == ("ObjectDetection", pytest.approx(0.3))
    counts = matrix["counts"]
    rows = [tag["name"] for tag in matrix["tags"]]
    here, there = rows.index("here"), rows.index("there")
    # In every picture both tags are found where the mean of both is: one is right, and the other doubles it.
    assert counts[here][here] == counts[there][there] == 15
    assert counts[here][there] == counts[there][here] == 0
    assert counts[-1][here] == counts[-1][there] == 15
    assert [row[-1] for row in counts] == [0, 0, 0]
    apart = detected.get("confusionMatrix", threshold=0.5, overlapThreshold=1)["counts"]
    assert sum(row[-1] for row in apart) == 30 - apart[here][here] - apart[there][there]
    unsure = detected.get("confusionMatrix", threshold=1)["counts"]
    assert [row[-1] for row in unsure] == [15, 15, 0]


def test_a_box_of_another_tag_is_a_confusion(service: Service) -> None:
    project = detection_project(service)
    right, wrong = service.tag(project, "right"), service.tag(project, "wrong")
    marked_images(service, project, pictures(15, "red"), right)
    # Of "wrong" the mean is elsewhere, so only boxes of "right" lie on these few objects of "wrong".
    some = pictures(14, "blue")
    expect(upload(service, project, some, *[[region(wrong, (0.7, 0.05, 0.125, 0.25))] for _ in some]))
    odd = pictures(1, "green")
    (item,) = expect(upload(service, project, odd, [region(wrong)]))["images"]
    insight = Insight(service, project)
    parameters = {"actual": wrong, "predicted": right, "threshold": 0.5}
    (image,) = insight.images(**parameters)
    assert image["id"] == item["image"]["id"]
    (match,) = image["matches"]
    assert match["object"]["tagName"] == "wrong"
    assert match["object"]["boundingBox"] == {"left": 0.25, "top": 0.5, "width": 0.125, "height": 0.25}
    assert match["prediction"]["tagName"] == "right"
    assert match["overlap"] > 0.8
    matrix = insight.get("confusionMatrix", threshold=0.5)
    rows = [tag["id"] for tag in matrix["tags"]]
    assert matrix["counts"][rows.index(wrong)][rows.index(right)] == 1
    # Missed for its own tag, all the same.
    assert [one["id"] for one in insight.images(tagId=wrong, outcome="FalseNegative")] == [image["id"]]


# --- the images behind it -----------------------------------------------------------------------------------


def test_every_image_is_behind_one_cell(classified: Insight) -> None:
    matrix = classified.get("confusionMatrix")
    names = [*(tag["id"] for tag in matrix["tags"]), "none"]
    listed = []
    for row, numbers in zip(names, matrix["counts"], strict=True):
        for column, number in zip(names, numbers, strict=True):
            images = classified.images(actual=row, predicted=column)
            assert len(images) == number
            for image in images:
                assert [tag["tagId"] for tag in image["tags"]] == [row]
                best = image["predictions"][0]
                assert (best["tagId"] if best["probability"] >= 0.5 else "none") == column
            surest = [image["predictions"][0]["probability"] for image in images]
            assert surest == sorted(surest, reverse=True)
            listed += [image["id"] for image in images]
    assert len(listed) == len(set(listed)) == 28


def test_images_behind_outcomes(each_kind: Insight) -> None:
    matrix = each_kind.get("confusionMatrix", threshold=0.4)
    for outcome, tag in product(OUTCOMES, matrix["perTag"]):
        field = outcome[0].lower() + outcome[1:] + "s"
        parameters = {"tagId": tag["tagId"], "outcome": outcome, "threshold": 0.4}
        if tag[field] is None:
            refused = refusal(each_kind.send("confusionMatrix/images", **parameters))
            assert refused[:2] == (400, "BadRequest")
            continue
        images = each_kind.images(**parameters)
        if matrix["type"] == "ObjectDetection":
            matches = [match for image in images for match in image["matches"]]
            assert len(matches) == tag[field]
            continue
        assert len(images) == tag[field]
        for image in images:
            has = tag["tagId"] in [one["tagId"] for one in image["tags"]]
            (probability,) = (
                one["probability"] for one in image["predictions"] if one["tagId"] == tag["tagId"]
            )
            assert outcome == ("True" if has == (probability >= 0.4) else "False") + (
                "Positive" if probability >= 0.4 else "Negative"
            )
            assert "matches" not in image


def test_pages_and_orders(classified: Insight) -> None:
    blue = classified.tags["blue"]
    cell = {"actual": blue, "predicted": blue}
    whole = [image["id"] for image in classified.images(**cell)]
    assert len(whole) == 10
    pages = [
        image["id"]
        for skip in range(0, 12, 4)
        for image in classified.get("confusionMatrix/images", take=4, skip=skip, **cell)
    ]
    assert pages == whole
    newest = classified.images(orderBy="Newest", **cell)
    created = [image["created"] for image in newest]
    assert created == sorted(created, reverse=True)
    oldest = classified.images(orderBy="oldest", **cell)
    assert [image["id"] for image in oldest] == [image["id"] for image in newest][::-1]
    assert {image["fold"] for image in newest} == set(range(5))


def test_images_that_leave(classified: Insight) -> None:
    service, blue = classified.service, classified.tags["blue"]
    cell = {"actual": blue, "predicted": blue}
    before = [image["id"] for image in classified.images(**cell)]
    service.delete(f"{classified.project}/images", params={"allImages": "true"})
    assert [image["id"] for image in classified.images(**cell)] == before
    service.delete(f"{classified.project}/images", params={"imageIds": before[0], "allIterations": "true"})
    assert [image["id"] for image in classified.images(**cell)] == before[1:]
    # It was evaluated all the same.
    assert classified.get("confusionMatrix")["imageCount"] == 28


def test_the_images_can_be_looked_at(detected: Insight) -> None:
    image = detected.images(tagId=detected.tags["here"], outcome="TruePositive")[0]
    for name in ("imageUri", "thumbnailUri"):
        path = image[name].removeprefix("http://emulator.test")
        assert detected.service.request("GET", path, key=None).status_code == 200
    assert image["regions"][0]["tagName"] == "here"


def test_a_copy_of_the_project_has_images_of_its_own(classified: Insight) -> None:
    service = classified.service
    copy = imported(service, service.get(f"{classified.project}/export")["token"])
    (iteration,) = service.get(f"{copy}/iterations")
    tags = {tag["name"]: tag["id"] for tag in service.get(f"{copy}/tags")}
    ours = {"tagId": classified.tags["red"], "outcome": "TruePositive"}
    theirs = {"tagId": tags["red"], "outcome": "TruePositive"}
    before = classified.images(**ours)
    path = f"/_emulator{copy}/iterations/{iteration['id']}/confusionMatrix/images"
    found = expect(service.request("GET", path, params=theirs))
    assert len(found) == len(before) > 0
    assert {image["id"] for image in found}.isdisjoint(image["id"] for image in before)
    assert classified.images(**ours) == before


# --- curves -------------------------------------------------------------------------------------------------


def test_points_of_curves_are_performance_figures(each_kind: Insight) -> None:
    curves = each_kind.get("precisionRecallCurve")
    figures = each_kind.figures()
    assert curves["averagePrecision"] == figures["averagePrecision"]
    assert [tag["tagId"] for tag in curves["perTag"]] == [tag["id"] for tag in figures["perTagPerformance"]]
    for curve, figure in zip(curves["perTag"], figures["perTagPerformance"], strict=True):
        assert curve["averagePrecision"] == figure["averagePrecision"]
        assert curve["averagePrecisionStdDeviation"] >= 0
    for place in (0, len(curves["points"]) // 2, -1):
        point = curves["points"][place]
        at = each_kind.figures(threshold=repr(point["threshold"]))
        assert (at["precision"], at["recall"]) == (point["precision"], point["recall"])
    for number, curve in enumerate(curves["perTag"]):
        point = curve["points"][len(curve["points"]) // 3]
        at = each_kind.figures(threshold=repr(point["threshold"]))["perTagPerformance"][number]
        assert (at["precision"], at["recall"]) == (point["precision"], point["recall"])


def test_curves_of_some_tags_and_of_few_points(classified: Insight) -> None:
    whole = classified.get("precisionRecallCurve")
    red = classified.tags["red"]
    curves = classified.get("precisionRecallCurve", tagIds=red, points=5)
    (of_red,) = curves["perTag"]
    assert of_red["tagId"] == red
    (complete,) = (tag for tag in whole["perTag"] if tag["tagId"] == red)
    assert 2 <= len(of_red["points"]) <= 5
    assert of_red["points"][0] == complete["points"][0]
    assert of_red["points"][-1] == complete["points"][-1]
    assert all(point in complete["points"] for point in of_red["points"])
    assert of_red["averagePrecision"] == complete["averagePrecision"]
    assert curves["averagePrecision"] == whole["averagePrecision"]
    # The area under the whole curve, step by step.
    area, before = 0.0, 0.0
    for point in complete["points"]:
        area += (point["recall"] - before) * point["precision"]
        before = point["recall"]
    assert area == pytest.approx(complete["averagePrecision"], abs=1e-5)


def test_calibration(each_kind: Insight) -> None:
    curve = each_kind.get("calibrationCurve", bins=4)
    kind = each_kind.get("confusionMatrix")["type"]
    tags = 3 if kind == "Multilabel" else 1
    if kind != "ObjectDetection":
        assert curve["count"] == tags * each_kind.get("confusionMatrix")["imageCount"]
    for one in (curve, *curve["perTag"]):
        assert [(item["lower"], item["upper"]) for item in one["bins"]] == [
            (0, 0.25),
            (0.25, 0.5),
            (0.5, 0.75),
            (0.75, 1),
        ]
        assert sum(item["count"] for item in one["bins"]) == one["count"]
        filled = [item for item in one["bins"] if item["count"]]
        assert all(item["lower"] <= item["meanConfidence"] <= item["upper"] for item in filled)
        error = sum(abs(item["meanConfidence"] - item["shareRight"]) * item["count"] for item in filled)
        assert one["expectedCalibrationError"] == pytest.approx(error / one["count"], abs=1e-5)
        empty = [item for item in one["bins"] if not item["count"]]
        assert all((item["meanConfidence"], item["shareRight"]) == (None, None) for item in empty)


# --- what is refused ----------------------------------------------------------------------------------------


def test_values_out_of_their_bounds(classified: Insight) -> None:
    wrong: list[tuple[str, dict[str, str]]] = [
        ("confusionMatrix", {"threshold": "x"}),
        ("confusionMatrix", {"threshold": "1.01"}),
        ("confusionMatrix", {"overlapThreshold": "nan"}),
        ("confusionMatrix/images", {**CELL, "take": "257"}),
        ("confusionMatrix/images", {**CELL, "skip": "-1"}),
        ("confusionMatrix/images", {**CELL, "orderBy": "Size"}),
        ("confusionMatrix/images", {"tagId": NOWHERE, "outcome": "Right"}),
        ("precisionRecallCurve", {"points": "1"}),
        ("precisionRecallCurve", {"points": "1001"}),
        ("precisionRecallCurve", {"overlapThreshold": "-1"}),
        ("calibrationCurve", {"bins": "1"}),
        ("calibrationCurve", {"bins": "101"}),
    ]
    for what, parameters in wrong:
        assert refusal(classified.send(what, **parameters))[:2] == (400, "BadRequest"), (what, parameters)


def test_which_images_has_to_be_said(classified: Insight) -> None:
    both = {**CELL, "tagId": NOWHERE, "outcome": "TruePositive"}
    for parameters in ({}, {"actual": "none"}, {"tagId": NOWHERE}, both):
        for what in ("confusionMatrix/images", "confusionMatrix/images/count"):
            refused = refusal(classified.send(what, **parameters))
            assert refused[:2] == (400, "BadRequestRequiredParamIsNull"), (what, parameters)


def test_tags_that_the_iteration_does_not_know(classified: Insight) -> None:
    unknown = [
        ("confusionMatrix/images", {"actual": NOWHERE, "predicted": "none"}),
        ("confusionMatrix/images/count", {"tagId": NOWHERE, "outcome": "TrueNegative"}),
        ("precisionRecallCurve", {"tagIds": NOWHERE}),
        ("calibrationCurve", {"tagIds": NOWHERE}),
    ]
    for what, parameters in unknown:
        assert refusal(classified.send(what, **parameters))[:2] == (404, "NotFoundTag"), (what, parameters)


def test_ids_that_are_none(classified: Insight) -> None:
    refused = refusal(classified.send("confusionMatrix/images", actual="red", predicted="none"))
    assert refused[:2] == (400, "BadRequestInvalidIds")
    path = classified.iteration.rpartition("/")[0]
    for what in PATHS:
        response = classified.service.request("GET", f"/_emulator{path}/red/{what}")
        assert (response.status_code, "error" in response.json()) == (404, True)


def test_iterations_without_figures(service: Service) -> None:
    project, _, _ = service.trainable()
    training = service.post(f"{project}/train")["id"]
    body = {"content": classifier_zip(), "params": {"project": "imported"}}
    imported = expect(service.request("POST", "/_emulator/models", **body))
    ready_made = f"/projects/{imported['projectId']}/iterations/{imported['iterationId']}"
    expected = {
        f"{project}/iterations/{training}": (400, "BadRequestIterationIsNotTrained"),
        f"{project}/iterations/{NOWHERE}": (404, "NotFoundIteration"),
        f"/projects/{NOWHERE}/iterations/{training}": (404, "NotFoundProject"),
        ready_made: (404, "NotFoundIterationPerformance"),
    }
    for path, refused in expected.items():
        for what in PATHS:
            response = service.request("GET", f"/_emulator{path}/{what}", params=CELL)
            assert refusal(response)[:2] == refused, (path, what)


def test_a_key_is_needed(service: Service) -> None:
    for what in PATHS:
        path = f"/_emulator/projects/{NOWHERE}/iterations/{NOWHERE}/{what}"
        for key in (None, "wrong", PREDICTION_KEY):
            assert service.request("GET", path, key=key).status_code == 401
