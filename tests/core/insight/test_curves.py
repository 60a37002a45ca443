"""Precision-recall curves and calibration curves."""

import pytest

from tests.support.insight import Insight


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
