"""Evaluations on test sets: figures from the predictions of quick tests, and what happens around them."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from emulator.core.test_sets import results, tables
from emulator.store.tables import JobKind
from tests.core.test_sets.conftest import Held
from tests.support.damage import change_blob
from tests.support.detection import detection_project, marked_images, upload
from tests.support.exported_models import classifier_zip
from tests.support.harness import NOWHERE, Service, expect, refusal
from tests.support.images import picture, pictures
from tests.support.scripting import scripted
from tests.support.test_sets import Sets, by_name

# Of the third tag, which the iteration of `tested` does not have.
UNTRAINED = "green"


@pytest.fixture
def mixed(tested: Held) -> str:
    """A test set with images that are mislabeled, or have a tag that the iteration does not have."""
    tested.service.tag(tested.project, UNTRAINED)
    path = tested.sets.create("mixed")
    tested.sets.add(path, pictures(5, "red", start=50), tagNames=["red"])
    tested.sets.add(path, pictures(4, "blue", start=50), tagNames=["blue"])
    tested.sets.add(path, pictures(2, "red", start=60), tagNames=["blue"])
    tested.sets.add(path, pictures(1, "green", start=50), tagNames=[UNTRAINED])
    tested.sets.add(path, pictures(1, "grey", start=50))
    tested.sets.evaluate(path, tested.iteration)
    return path


def quick_tests(tested: Held, path: str) -> list[tuple[list[str], dict[str, float]]]:
    """The tags of each image of a test set, and its probabilities by quick tests of the service."""
    found = []
    for image in tested.sets.get(f"{path}/images", take=256):
        ((blob,),) = tested.service.rows(f"SELECT blob FROM test_image WHERE id = '{image['id']}'")
        data = tested.service.context.blobs.read(blob)
        answer = expect(
            tested.service.send(
                "POST",
                f"{tested.project}/quicktest/image",
                params={"iterationId": tested.iteration.rsplit("/", 1)[1]},
                content=data,
                headers={"Content-Type": "application/octet-stream"},
            )
        )
        probabilities = {item["tagName"]: item["probability"] for item in answer["predictions"]}
        found.append(([tag["tagName"] for tag in image["tags"]], probabilities))
    return found


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.0])
def test_figures_follow_from_the_predictions_of_quick_tests(
    tested: Held, mixed: str, threshold: float
) -> None:
    predictions = quick_tests(tested, mixed)
    result = tested.sets.result(mixed, tested.iteration, threshold=threshold)
    rights = predicted_count = actual_count = 0
    for name in ("red", "blue", UNTRAINED):
        predicted = [scores.get(name, -1) >= threshold for _, scores in predictions]
        actual = [name in tags for tags, _ in predictions]
        right = sum(one and other for one, other in zip(predicted, actual, strict=True))
        tag = by_name(result["perTag"])[name]
        assert tag["precision"] == pytest.approx(right / max(1, sum(predicted))), name
        assert tag["recall"] == pytest.approx(right / max(1, sum(actual))), name
        assert (tag["count"], tag["isTrained"]) == (sum(actual), name != UNTRAINED)
        assert (tag["truePositives"], tag["falsePositives"]) == (right, sum(predicted) - right)
        assert tag["falseNegatives"] == sum(actual) - right
        rights, predicted_count = rights + right, predicted_count + sum(predicted)
        actual_count += sum(actual)
    assert result["precision"] == pytest.approx(rights / predicted_count)
    assert result["recall"] == pytest.approx(rights / actual_count)
    assert sum(sum(row) for row in result["counts"]) == result["imageCount"] == 13


def test_average_precision_agrees_with_scikit_learn(tested: Held, mixed: str) -> None:
    from sklearn.metrics import average_precision_score

    predictions = quick_tests(tested, mixed)
    result = tested.sets.result(mixed, tested.iteration)
    expected = {
        name: average_precision_score(
            [name in tags for tags, _ in predictions], [scores[name] for _, scores in predictions]
        )
        for name in ("red", "blue")
    }
    found = by_name(result["perTag"])
    for name, area in expected.items():
        assert found[name]["averagePrecision"] == pytest.approx(area, abs=1e-6)
    assert found[UNTRAINED]["averagePrecision"] == 0
    assert result["averagePrecision"] == pytest.approx(sum(expected.values()) / 3, abs=1e-6)


def test_the_matrix_and_its_images(tested: Held, mixed: str) -> None:
    result = tested.sets.result(mixed, tested.iteration)
    assert result["type"] == "Multiclass"
    names = [tag["name"] for tag in result["tags"]] + ["none"]
    ids = {tag["name"]: tag["id"] for tag in result["tags"]} | {"none": "none"}
    for row, actual in enumerate(names):
        for column, predicted in enumerate(names):
            found = tested.sets.result(
                mixed, tested.iteration, "/images", actual=ids[actual], predicted=ids[predicted]
            )
            assert found["imageCount"] == len(found["images"]) == result["counts"][row][column]
            for image in found["images"]:
                tags = [tag["tagName"] for tag in image["tags"]] or ["none"]
                assert tags == [actual]
                assert image["isRight"] == (actual == predicted)
    assert result["counts"][names.index("blue")][names.index("red")] == 2
    assert sum(result["counts"][names.index(UNTRAINED)]) == 1


def test_wrong_images_are_first(tested: Held, mixed: str) -> None:
    everything = tested.sets.result(mixed, tested.iteration, "/images")
    rights = [image["isRight"] for image in everything["images"]]
    assert rights == sorted(rights)
    (summary,) = tested.sets.get(f"{mixed}/evaluations")
    assert rights.count(False) == summary["wrongImageCount"] > 0
    wrong = tested.sets.result(mixed, tested.iteration, "/images", show="Wrong", take=1, skip=1)
    assert wrong["imageCount"] == rights.count(False)
    assert wrong["images"] == everything["images"][1:2]
    right = tested.sets.result(mixed, tested.iteration, "/images", show="right")
    assert right["images"] == everything["images"][rights.count(False) :]
    missing = [1 - _probability_of_its_tag(image) for image in everything["images"] if image["tags"]]
    wrong_count = sum(not image["isRight"] and bool(image["tags"]) for image in everything["images"])
    assert missing[:wrong_count] == sorted(missing[:wrong_count], reverse=True)


def _probability_of_its_tag(image: dict[str, Any]) -> float:
    (tag,) = image["tags"]
    found = {item["tagId"]: item["probability"] for item in image["predictions"]}
    return float(found.get(tag["tagId"], 0))


def test_predictions_are_those_of_the_model_alone(tested: Held, mixed: str) -> None:
    """The tag that the iteration does not have is not predicted."""
    found = tested.sets.result(mixed, tested.iteration, "/images", threshold=0)
    for image in found["images"]:
        assert {item["tagName"] for item in image["predictions"]} == {"red", "blue"}


def test_several_iterations_of_several_kinds_are_evaluated(tested: Held) -> None:
    service, sets = tested.service, tested.sets
    path = sets.create()
    sets.add(path, pictures(3, "red", start=50), tagNames=["red"])
    sets.add(path, pictures(3, "blue", start=50), tagNames=["blue"])
    service.images(tested.project, pictures(1, "red", start=90), tested.red)
    expect(service.request("PUT", f"/_emulator{tested.project}/trainer", json={"trainer": "instant"}))
    instant = service.train(tested.project)
    project_id = tested.project.rsplit("/", 1)[1]
    imported = expect(
        service.request("POST", "/_emulator/models", params={"project": project_id}, content=classifier_zip())
    )
    third = f"{tested.project}/iterations/{imported['iterationId']}"
    evaluations = sets.evaluate(path, third, instant, tested.iteration)
    assert [item["iterationId"] for item in evaluations] == [
        one.rsplit("/", 1)[1] for one in (tested.iteration, instant, third)
    ]
    assert [item["imageCount"] for item in evaluations] == [6, 6, 6]
    assert evaluations[1]["recall"] == 1
    tags = by_name(sets.result(path, third)["perTag"])
    assert {name: tag["count"] for name, tag in tags.items() if tag["isTrained"]}.items() >= {
        "red": 3
    }.items()
    assert evaluations[2]["trainedImageCount"] == 0


def test_a_multilabel_project(service: Service) -> None:
    project = service.project(classificationType="Multilabel")
    red, odd, blue = (service.tag(project, name) for name in ("red", "odd", "blue"))
    service.images(project, pictures(6, "red"), red)
    service.images(project, pictures(6, "blue"), blue)
    service.images(project, pictures(5, "red", start=20), red, odd)
    iteration = service.train(project)
    sets = Sets(service, project)
    path = sets.create()
    sets.add(path, pictures(3, "red", start=50), tagNames=["red", "odd"])
    sets.add(path, pictures(3, "blue", start=50), tagNames=["blue"])
    sets.evaluate(path, iteration)
    result = sets.result(path, iteration)
    assert (result["type"], result["counts"]) == ("Multilabel", None)
    found = by_name(result["perTag"])
    for outcome, name in (("TruePositive", "truePositives"), ("FalseNegative", "falseNegatives")):
        images = sets.result(path, iteration, "/images", tagId=odd, outcome=outcome)
        assert images["imageCount"] == found["odd"][name]
    wrong = sets.result(path, iteration, "/images", show="Wrong")["images"]
    for image in wrong:
        predicted = {item["tagId"] for item in image["predictions"] if item["probability"] >= 0.5}
        assert predicted != {tag["tagId"] for tag in image["tags"]}
    cell = {"actual": red, "predicted": odd}
    refused = sets.send("GET", f"{path}/evaluations/{iteration.rsplit('/', 1)[1]}/images", params=cell)
    assert refusal(refused)[0] == 400


def test_a_detection_project(service: Service) -> None:
    """The stand-in finds the mean box of each tag in any image."""
    project = detection_project(service)
    here, there = service.tag(project, "here"), service.tag(project, "there")
    marked_images(service, project, pictures(15, "red"), here)
    box = {"left": 0.25, "top": 0.5, "width": 0.125, "height": 0.25}
    entries = [{"tagId": there, "left": 0.7, "top": 0.1, "width": 0.2, "height": 0.2}]
    expect(upload(service, project, pictures(15, "blue"), *[entries for _ in range(15)]))
    iteration = service.train(project)
    sets = Sets(service, project)
    path = sets.create()
    sets.add(path, pictures(2, "red", start=50), regions=[{"tagName": "here", **box}])
    # The intersection is 3/5 of the union.
    sets.add(path, pictures(1, "red", start=55), regions=[{"tagName": "here", **box, "left": 0.28125}])
    sets.add(path, [picture(60)])
    evaluations = sets.evaluate(path, iteration)
    assert evaluations[0]["recall"] == 1
    result = sets.result(path, iteration, threshold=0.5)
    found = by_name(result["perTag"])
    assert (found["here"]["truePositives"], found["here"]["falseNegatives"]) == (3, 0)
    assert (found["here"]["falsePositives"], found["there"]["falsePositives"]) == (1, 4)
    assert (result["type"], result["overlapThreshold"]) == ("ObjectDetection", pytest.approx(0.3))
    images = sets.result(path, iteration, "/images", actual="none", predicted=there)
    assert images["imageCount"] == 4
    for image in images["images"]:
        (match,) = image["matches"]
        assert match["object"] is None
        assert match["prediction"]["tagName"] == "there"
    # The image without an object has two wrong boxes, the others one.
    worst = sets.result(path, iteration, "/images", show="Wrong")["images"][0]
    assert worst["tags"] == []
    for overlap, found_count in ((0.55, 3), (0.65, 2)):
        apart = sets.result(path, iteration, overlapThreshold=overlap)
        assert by_name(apart["perTag"])["here"]["truePositives"] == found_count


def test_an_evaluation_is_stale_after_a_change(tested: Held, mixed: str) -> None:
    sets = tested.sets
    before = sets.result(mixed, tested.iteration)
    assert (before["isStale"], before["revision"]) == (False, 5)
    (added,) = sets.add(mixed, [picture(99)], tagNames=["red"])
    after = sets.result(mixed, tested.iteration)
    assert after == before | {"isStale": True}
    (again,) = sets.evaluate(mixed, tested.iteration)
    assert (again["isStale"], again["revision"], again["imageCount"]) == (False, 6, 14)
    sets.send("DELETE", f"{mixed}/images", params={"imageIds": added["image"]["id"]})
    assert sets.result(mixed, tested.iteration)["isStale"]
    # The deleted image is not listed.
    assert sets.result(mixed, tested.iteration, "/images", take=256)["imageCount"] == 13
    assert tested.service.blobs() == tested.service.referenced_blobs()


def test_a_current_evaluation_is_not_repeated(tested: Held, mixed: str) -> None:
    (found,) = tested.sets.request(mixed, tested.iteration)
    assert found["status"] == "Completed"
    assert tested.service.rows("SELECT count(*) FROM job") == [(0,)]


def test_figures_stay_while_an_evaluation_is_repeated(tested: Held, mixed: str) -> None:
    before = tested.sets.result(mixed, tested.iteration)
    tested.sets.add(mixed, [picture(99)], tagNames=["red"])
    (waiting,) = tested.sets.request(mixed, tested.iteration, tested.iteration)
    assert (waiting["status"], waiting["progress"], waiting["isStale"]) == ("Waiting", 0, True)
    assert waiting["precision"] == before["precision"]
    assert tested.service.rows("SELECT count(*) FROM job") == [(1,)]


def test_without_a_result_there_are_no_figures(tested: Held) -> None:
    sets = tested.sets
    path = sets.create()
    sets.add(path, [picture(50)], tagNames=["red"])
    sets.request(path, tested.iteration)
    result = sets.result(path, tested.iteration)
    assert (result["precision"], result["type"], result["perTag"], result["evaluated"]) == (
        None,
        None,
        [],
        None,
    )
    refused = sets.send("GET", f"{path}/evaluations/{tested.iteration.rsplit('/', 1)[1]}/images")
    assert refusal(refused)[:2] == (404, "NotFound")
    table = sets.send("GET", f"{path}/evaluations.csv").text
    assert len(table.splitlines()) == 1


def test_requests_that_are_refused(tested: Held) -> None:
    sets = tested.sets
    path = sets.create()

    def refused(*ids: str) -> tuple[int, str]:
        return refusal(sets.send("POST", f"{path}/evaluations", json={"iterationIds": list(ids)}))[:2]

    trained = tested.iteration.rsplit("/", 1)[1]
    assert refused(trained) == (400, "BadRequest")  # no images
    sets.add(path, [picture(50)], tagNames=["red"])
    assert refused() == (400, "BadRequest")
    assert refused(NOWHERE) == (404, "NotFoundIteration")
    assert refused(*[trained] * 65) == (400, "BadRequestExceededBatchSize")
    assert refused("no id")[0] == 400
    tested.service.images(tested.project, [picture(70)], tested.red)
    training = tested.service.post(f"{tested.project}/train")["id"]
    assert refused(trained, training) == (400, "BadRequestIterationIsNotTrained")
    assert sets.get(f"{path}/evaluations") == []
    assert refusal(sets.send("GET", f"{path}/evaluations/{trained}"))[:2] == (404, "NotFound")
    assert refusal(sets.send("GET", f"{path}/evaluations", params={"threshold": 2}))[0] == 400


def test_a_deleted_evaluation_ends(tested: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    sets = tested.sets
    path = sets.create()
    sets.add(path, pictures(5, "red", start=50), tagNames=["red"])
    sets.request(path, tested.iteration)
    runner = tested.service.runner(JobKind.EVALUATION)
    progress = []
    score = runner._work._score

    def delete_at_third(task: Any, image: Any) -> Any:
        progress.append(sets.result(path, tested.iteration)["progress"] if len(progress) < 3 else None)
        if len(progress) == 3:
            evaluation = f"{path}/evaluations/{tested.iteration.rsplit('/', 1)[1]}"
            assert sets.send("DELETE", evaluation).status_code == 204
        return score(task, image)

    monkeypatch.setattr(runner._work, "_score", delete_at_third)
    sets.run_waiting()
    assert progress == [0, pytest.approx(0.2), pytest.approx(0.4)]
    assert sets.get(f"{path}/evaluations") == []
    assert tested.service.blobs() == tested.service.referenced_blobs()


def test_an_evaluation_that_is_deleted_at_its_end_is_no_completed_job(
    tested: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    sets = tested.sets
    path = sets.create()
    sets.add(path, pictures(1, "red", start=50), tagNames=["red"])
    sets.request(path, tested.iteration)
    work = tested.service.runner(JobKind.EVALUATION)._work
    execute = work.execute

    def delete_after(task: Any, folder: Path) -> Any:
        result = execute(task, folder)
        sets.send("DELETE", f"{path}/evaluations/{tested.iteration.rsplit('/', 1)[1]}")
        return result

    monkeypatch.setattr(work, "execute", delete_after)
    sets.run_waiting()
    jobs = expect(tested.service.request("GET", "/_emulator/jobs"))["jobs"]
    assert [job["kind"] for job in jobs] == ["training"]


def test_an_interrupted_evaluation_goes_on_after_the_next_start(tested: Held) -> None:
    sets = tested.sets
    path = sets.create()
    sets.add(path, pictures(2, "red", start=50), tagNames=["red"])
    sets.request(path, tested.iteration)
    runner = tested.service.runner(JobKind.EVALUATION)
    runner.stop()
    runner._run_next()
    assert [item["status"] for item in sets.get(f"{path}/evaluations")] == ["Waiting"]
    tested.service.restart()
    sets.run_waiting()
    assert [item["status"] for item in sets.get(f"{path}/evaluations")] == ["Completed"]


def test_a_failure_has_its_reason(tested: Held) -> None:
    sets = tested.sets
    path = sets.create()
    sets.add(path, [picture(50)], tagNames=["red"])
    sets.request(path, tested.iteration)
    ((blob,),) = tested.service.rows("SELECT blob FROM test_image")
    change_blob(tested.service.settings.data, blob, lambda path: path.write_bytes(b"damaged"))
    sets.run_waiting()
    (found,) = sets.get(f"{path}/evaluations")
    assert (found["status"], found["precision"]) == ("Failed", None)
    assert "Upload the original to the test set again" in found["failure"]
    sets.add(path, [picture(50)], tagNames=["red"])  # which replaces the bytes
    sets.evaluate(path, tested.iteration)


def test_images_of_the_training_are_counted(tested: Held) -> None:
    sets, service = tested.sets, tested.service
    path = sets.create()
    sets.add(path, [*pictures(2, "red"), picture(50), picture(51)], tagNames=["red"])
    service.images(tested.project, [picture(51)], tested.red)
    second = service.train(tested.project)
    service.images(tested.project, [picture(50)])  # no training used it
    counts = [item["trainedImageCount"] for item in sets.evaluate(path, tested.iteration, second)]
    assert counts == [2, 3]


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("Camera 2", "Camera 2 figures.csv"),
        ("a/b:\n..", "a_b__ figures.csv"),
        (" . ", "test set figures.csv"),
        ("לילה 🐈", "לילה 🐈 figures.csv"),
        ("n" * 256, f"{'n' * 60} figures.csv"),
    ],
)
def test_the_file_of_a_table_has_the_name_of_the_test_set(name: str, file: str) -> None:
    assert tables.file_name(name, "Figures") == file


def test_the_table_has_the_figures(tested: Held, mixed: str) -> None:
    response = tested.sets.send("GET", f"{mixed}/evaluations.csv", params={"threshold": 0.6})
    assert response.headers["content-type"].startswith("text/csv")
    disposition = response.headers["content-disposition"]
    assert disposition.endswith('filename="test-set-figures.csv"')
    assert "%20figures.csv" in disposition
    rows = list(csv.DictReader(io.StringIO(response.text)))
    result = tested.sets.result(mixed, tested.iteration, threshold=0.6)
    assert [row["tagName"] for row in rows] == ["", *(tag["tagName"] for tag in result["perTag"])]
    for row, figures in zip(rows, [result, *result["perTag"]], strict=True):
        for name in ("precision", "recall", "averagePrecision"):
            assert float(row[name]) == pytest.approx(figures[name], abs=1e-6)
        assert (row["threshold"], row["imageCount"], row["isStale"]) == ("0.6", "13", "false")
        assert row["iterationName"] == "Iteration 1"


def test_the_table_of_images(tested: Held, mixed: str) -> None:
    tested.service.send("PATCH", tested.iteration, json={"name": 'a "name", with commas'})
    response = tested.sets.send("GET", f"{mixed}/evaluations.csv", params={"content": "images"})
    rows = list(csv.DictReader(io.StringIO(response.text)))
    images = tested.sets.result(mixed, tested.iteration, "/images", take=256)["images"]
    assert [row["imageId"] for row in rows] == [image["id"] for image in images]
    for row, image in zip(rows, images, strict=True):
        predicted = [item["tagName"] for item in image["predictions"] if item["probability"] >= 0.5]
        assert row["predictedTags"] == "; ".join(predicted)
        assert row["isRight"] == str(image["isRight"]).lower()
        assert row["iterationName"] == 'a "name", with commas'
        assert row["imageName"] == image["name"]


def test_a_table_summarizes_each_evaluation_once(
    tested: Held, mixed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    summarized = []

    def summary(*arguments: Any) -> results.Summary:
        summarized.append(made(*arguments))
        return summarized[-1]

    made = results._summary
    monkeypatch.setattr(results, "_summary", summary)
    tested.sets.send("GET", f"{mixed}/evaluations.csv")
    assert len(summarized) == 1


def test_scripted_predictions_do_not_replace_the_model(tested: Held) -> None:
    """A test set tells how good a model is; what a test has set for predictions is no part of it."""
    path = tested.sets.create()
    tested.sets.add(path, pictures(3, "red", start=50), tagNames=["red"])
    scripted(tested.service, {"tagName": "blue", "probability": 1.0})
    (found,) = tested.sets.evaluate(path, tested.iteration)
    assert found["recall"] == 1
