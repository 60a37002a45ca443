"""Confusion matrices of every type of project."""

import pytest

from emulator.core.labels.tags import guid_order
from tests.support.detection import detection_project, marked_images, region, upload
from tests.support.harness import Service, expect, refusal
from tests.support.images import pictures
from tests.support.insight import CELL, Insight, multilabel


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
    # Red images of both tags look alike.
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
    # In every image both tags are detected at the mean of both: one is correct, the other is a duplicate.
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
    # The mean box of "wrong" is elsewhere, so only boxes of "right" overlap this object of "wrong".
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
    # It also counts as a false negative of its own tag.
    assert [one["id"] for one in insight.images(tagId=wrong, outcome="FalseNegative")] == [image["id"]]
