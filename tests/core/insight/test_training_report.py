"""What the training of an iteration tried."""

from tests.support.harness import Service
from tests.support.insight import Insight


def test_every_attempt_is_reported_with_its_figure_and_reason(classified: Insight) -> None:
    report = classified.get("trainingReport")
    assert (report["trainingType"], report["budgetSeconds"]) == ("Regular", None)
    assert report["measure"] == "LogLoss"
    assert report["seconds"] == 1.5
    quick, fine_tuned = report["attempts"]
    assert quick == {
        "name": "quick",
        "outcome": "Finished",
        "isChosen": True,
        "figure": 0.25,
        "imageCount": 10,
        "seconds": 0.25,
        "plan": None,
        "reason": "The head of quick training.",
    }
    assert (fine_tuned["outcome"], fine_tuned["figure"], fine_tuned["isChosen"]) == ("OutOfTime", None, False)
    assert fine_tuned["reason"] == "An epoch takes 60 s."


def test_trainings_that_try_nothing_else_have_no_attempts(detected: Insight) -> None:
    report = detected.get("trainingReport")
    assert report == {
        "trainingType": "Regular",
        "budgetSeconds": None,
        "seconds": None,
        "measure": None,
        "attempts": [],
    }


def test_an_iteration_that_is_not_trained_has_no_report(service: Service) -> None:
    project, _, _ = service.trainable()
    iteration = service.post(f"{project}/train")
    path = f"/_emulator{project}/iterations/{iteration['id']}/trainingReport"
    response = service.request("GET", path)
    assert response.status_code == 400
    assert response.json()["code"] == "BadRequestIterationIsNotTrained"
