"""The images that a cell of the confusion matrix, or an outcome of a tag, counts."""

from itertools import product
from typing import Any

from emulator.core.insight.images import OUTCOMES
from tests.support.harness import NOWHERE, expect, refusal
from tests.support.importing import imported
from tests.support.insight import CELL, Insight


def test_every_image_is_in_one_cell(classified: Insight) -> None:
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


def test_images_of_outcomes(each_kind: Insight) -> None:
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


def test_deleted_images(classified: Insight) -> None:
    service, blue = classified.service, classified.tags["blue"]
    cell = {"actual": blue, "predicted": blue}
    before = [image["id"] for image in classified.images(**cell)]
    service.delete(f"{classified.project}/images", params={"allImages": "true"})
    assert [image["id"] for image in classified.images(**cell)] == before
    service.delete(f"{classified.project}/images", params={"imageIds": before[0], "allIterations": "true"})
    assert [image["id"] for image in classified.images(**cell)] == before[1:]
    # The deleted image still counts in the evaluation.
    assert classified.get("confusionMatrix")["imageCount"] == 28


def test_the_images_can_be_fetched(detected: Insight) -> None:
    image = detected.images(tagId=detected.tags["here"], outcome="TruePositive")[0]
    for name in ("imageUri", "thumbnailUri"):
        assert detected.service.follow(image[name]).status_code == 200
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


def test_all_images_are_listed_without_a_cell(each_kind: Insight) -> None:
    matrix = each_kind.get("confusionMatrix")
    images = each_kind.images()
    assert len({image["id"] for image in images}) == len(images) == matrix["imageCount"]
    assert each_kind.get("confusionMatrix/images/count") == matrix["imageCount"]
    if matrix["type"] == "Multiclass":
        right = [[tag["tagId"] for tag in image["tags"]] == [best_of(image)] for image in images]
        assert right == sorted(right)
        assert sum(right) == sum(tag["truePositives"] for tag in matrix["perTag"])


def best_of(image: dict[str, Any]) -> str:
    best = image["predictions"][0]
    return best["tagId"] if best["probability"] >= 0.5 else "none"


def test_either_a_cell_or_an_outcome_must_be_given(classified: Insight) -> None:
    both = {**CELL, "tagId": NOWHERE, "outcome": "TruePositive"}
    for parameters in ({"actual": "none"}, {"tagId": NOWHERE}, both):
        for what in ("confusionMatrix/images", "confusionMatrix/images/count"):
            refused = refusal(classified.send(what, **parameters))
            assert refused[:2] == (400, "BadRequestRequiredParamIsNull"), (what, parameters)
