"""Two iterations compared on a test set."""

from tests.core.test_sets.conftest import Held
from tests.support.harness import NOWHERE, refusal
from tests.support.images import pictures


def test_iterations_are_compared_on_a_test_set(tested: Held) -> None:
    service, sets = tested.service, tested.sets
    path = sets.create()
    sets.add(path, pictures(4, "red", start=50), tagNames=["red"])
    sets.add(path, pictures(4, "grey", start=50), tagNames=["red"])
    sets.add(path, pictures(4, "grey", start=60), tagNames=["blue"])
    service.images(tested.project, pictures(20, "grey", start=100), tested.red)
    second = service.train(tested.project)
    sets.evaluate(path, tested.iteration, second)
    rights = []
    for iteration in (tested.iteration, second):
        images = sets.result(path, iteration, "/images", take=256)["images"]
        rights.append({image["id"] for image in images if image["isRight"]})
    before, after = rights
    assert before != after
    with_first = {"with": tested.iteration.rsplit("/", 1)[1]}
    found = sets.result(path, second, "/comparison", **with_first)
    assert found["testSetId"] == path.removeprefix("/")
    assert (found["imageCount"], found["onlyImageCount"], found["relabeledImageCount"]) == (12, 0, 0)
    assert (found["rightImageCount"], found["otherRightImageCount"]) == (len(after), len(before))
    for change, expected in (("Gained", after - before), ("Lost", before - after)):
        images = sets.result(path, second, "/comparison/images", change=change, **with_first)
        assert {image["id"] for image in images["images"]} == expected
        assert images["imageCount"] == found[f"{change.lower()}ImageCount"] == len(expected)
        for image in images["images"]:
            assert image["name"]
            assert len(image["predictions"]) == len(image["otherPredictions"]) == 2
    for name in ("precision", "recall", "averagePrecision"):
        assert found["figures"][name] == sets.result(path, second)[name]
        assert found["otherFigures"][name] == sets.result(path, tested.iteration)[name]


def test_changed_labels_of_a_test_set_are_not_compared(tested: Held) -> None:
    service, sets = tested.service, tested.sets
    path = sets.create()
    sets.add(path, pictures(2, "red", start=50), tagNames=["red"])
    (image, _) = sets.add(path, pictures(2, "blue", start=50), tagNames=["red"])
    sets.evaluate(path, tested.iteration)
    sets.send("DELETE", f"{path}/images", params={"imageIds": image["image"]["id"]})
    sets.add(path, pictures(1, "blue", start=50), tagNames=["blue"])
    sets.add(path, pictures(1, "blue", start=80), tagNames=["blue"])
    service.images(tested.project, pictures(1, "grey"), tested.red)
    second = service.train(tested.project)
    sets.evaluate(path, second)
    found = sets.result(path, second, "/comparison", **{"with": tested.iteration.rsplit("/", 1)[1]})
    assert (found["imageCount"], found["relabeledImageCount"], found["onlyImageCount"]) == (3, 1, 1)


def test_both_iterations_must_be_evaluated(tested: Held) -> None:
    service, sets = tested.service, tested.sets
    path = sets.create()
    sets.add(path, pictures(2, "red", start=50), tagNames=["red"])
    sets.evaluate(path, tested.iteration)
    service.images(tested.project, pictures(1, "grey"), tested.red)
    second = service.train(tested.project).rsplit("/", 1)[1]
    one = f"{path}/evaluations/{tested.iteration.rsplit('/', 1)[1]}/comparison"
    for other, expected in ((second, "NotFound"), (NOWHERE, "NotFoundIteration")):
        assert refusal(sets.send("GET", one, params={"with": other}))[:2] == (404, expected)
