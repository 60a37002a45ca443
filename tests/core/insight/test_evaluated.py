"""Requests for insight that are refused: values, tags, ids, iterations, keys."""

from tests.support.exported_models import classifier_zip
from tests.support.harness import NOWHERE, PREDICTION_KEY, Service, expect, refusal
from tests.support.insight import CELL, PATHS, Insight


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


def test_tags_that_the_iteration_does_not_have(classified: Insight) -> None:
    unknown = [
        ("confusionMatrix/images", {"actual": NOWHERE, "predicted": "none"}),
        ("confusionMatrix/images/count", {"tagId": NOWHERE, "outcome": "TrueNegative"}),
        ("precisionRecallCurve", {"tagIds": NOWHERE}),
        ("calibrationCurve", {"tagIds": NOWHERE}),
    ]
    for what, parameters in unknown:
        assert refusal(classified.send(what, **parameters))[:2] == (404, "NotFoundTag"), (what, parameters)


def test_malformed_ids(classified: Insight) -> None:
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
