"""Trainings under a plan: what polls show, and that all operations agree with it."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from emulator.core.choreography import choreography
from emulator.vision.training.errors import TrainingFailed
from tests.support.choreographing import (
    begin_training,
    held,
    plan,
    start_runners,
    statuses,
    wait_until_executed,
)
from tests.support.harness import RESOURCE_ID, Service, training_path, wait_until

ADVANCED = {"trainingType": "Advanced", "reservedBudgetInHours": "1"}
FAILURE = {"code": "BadRequestTrainingValidationFailed", "message": "Too few images."}
DETAILS = "BadRequestTrainingValidationFailed: Too few images."


@pytest.fixture(autouse=True)
def runners(service: Service) -> Iterator[None]:
    start_runners(service)
    yield
    service.worker.held = False


@pytest.mark.parametrize("parameters", [{}, ADVANCED], ids=["regular", "advanced"])
def test_the_last_poll_shows_the_end_and_those_before_it_the_states(
    service: Service, parameters: dict[str, str]
) -> None:
    project, _, _ = service.trainable()
    plan(service, training={"polls": 4, "states": ["Staging", "Queued", "Training"]})
    made = service.post(f"{project}/train", params=parameters)
    assert (made["status"], made["domainId"], made["trainingTimeInMinutes"]) == ("Staging", None, 0)
    iteration = f"{project}/iterations/{made['id']}"
    wait_until_executed(service)
    assert statuses(service, iteration, 5) == ["Staging", "Queued", "Training", "Completed", "Completed"]
    assert held(service) == []
    assert "trainedAt" in service.get(iteration)


def test_an_end_at_once_is_there_when_the_request_is_answered(service: Service) -> None:
    project, _, _ = service.trainable()
    plan(service, training={"complete": "atOnce"})
    made = service.post(f"{project}/train")
    assert made["status"] == "Training"
    service.publish(f"{project}/iterations/{made['id']}")


def test_lists_of_iterations_are_polls_too(service: Service) -> None:
    project, _, _ = service.trainable()
    plan(service, training={"polls": 3})
    iteration = begin_training(service, project)
    assert [item["status"] for item in service.get(f"{project}/iterations")] == ["Training"]
    assert service.get(iteration)["status"] == "Training"
    assert [item["status"] for item in service.get(f"{project}/iterations")] == ["Completed"]


def test_only_reads_of_the_iteration_are_polls(service: Service) -> None:
    project, red, _ = service.trainable()
    other, _, _ = service.trainable()
    plan(service, training={"polls": 2})
    iteration = begin_training(service, project)
    another = begin_training(service, other)
    assert service.get(another)["status"] == "Training"
    for path in (project, "/projects", f"{project}/tags", f"{project}/images", f"{project}/tags/{red}"):
        service.get(path)
    service.send("PATCH", iteration, json={"name": "renamed"})
    assert service.send("GET", iteration.replace(project, other)).status_code == 404
    service.request("GET", "/_emulator/choreography")
    assert [job["polls"] for job in held(service)] == [0, 1]
    assert statuses(service, iteration, 2) == ["Training", "Completed"]
    assert service.get(another)["status"] == "Completed"


def test_polls_at_the_same_time_count_one_by_one(service: Service) -> None:
    project, _, _ = service.trainable()
    plan(service, training={"polls": 20})
    iteration = begin_training(service, project)
    path = training_path(iteration)
    responses = service.together(*(("GET", path, {}) for _ in range(19)))
    assert {response.json()["status"] for response in responses} == {"Training"}
    assert service.get(iteration)["status"] == "Completed"


def test_polls_at_the_same_time_end_a_training_once(service: Service) -> None:
    project, _, _ = service.trainable()
    plan(service, training={"polls": 2})
    iteration = begin_training(service, project)
    wait_until_executed(service)
    responses = service.together(*(("GET", training_path(iteration), {}) for _ in range(12)))
    assert [response.json()["status"] for response in responses].count("Training") <= 1
    assert held(service) == []


def test_a_held_training_is_unfinished_for_every_operation(service: Service) -> None:
    project, _, _ = service.trainable()
    plan(service, training={"polls": 50, "states": ["Queued", "Training"]})
    iteration = begin_training(service, project)
    wait_until_executed(service)
    assert service.refused("POST", f"{project}/train", params={"forceTrain": "true"})[1] == (
        "BadRequestTrainingAlreadyInProgress"
    )
    not_trained = (400, "BadRequestIterationIsNotTrained", "Iteration is not trained: its status is Queued.")
    target = {"publishName": "name", "predictionId": RESOURCE_ID}
    assert service.refused("POST", f"{iteration}/publish", params=target) == not_trained
    assert service.refused("POST", f"{iteration}/export", params={"platform": "ONNX"}) == not_trained
    assert service.refused("GET", f"{iteration}/performance")[1] == "BadRequestIterationIsNotTrained"
    assert service.refused("GET", f"{project}/export")[1] == "BadRequestExportWhileTraining"
    assert service.get(iteration)["exportable"] is False
    assert service.blobs() == {row[0] for row in service.rows("SELECT blob FROM image")}


@pytest.mark.parametrize("advance", ["advance_by", "source"])
def test_seconds_are_those_of_the_emulator_s_clock(service: Service, advance: str) -> None:
    project, _, _ = service.trainable()
    plan(service, training={"seconds": 30, "states": ["Queued", "Training"]})
    iteration = begin_training(service, project)
    wait_until_executed(service)

    def after(seconds: float) -> Any:
        if advance == "source":  # time that passes
            service.clock.advance(seconds=seconds)
        else:
            service.context.clock.advance_by(timedelta(seconds=seconds))
        return service.get(iteration)["status"]

    assert [after(seconds) for seconds in (0, 14, 2, 13, 2)] == [
        "Queued",
        "Queued",
        "Training",
        "Training",
        "Completed",
    ]


def test_an_advanced_clock_ends_trainings_without_a_poll(service: Service) -> None:
    project, _, _ = service.trainable()
    plan(service, training={"seconds": 3600})
    iteration = begin_training(service, project)
    service.context.clock.change(frozen=True)
    service.context.clock.advance_by(timedelta(seconds=3601))
    service.publish(iteration)
    assert held(service) == []


def test_a_time_that_cannot_be_checked_does_not_end_the_thread(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    project, _, _ = service.trainable()
    plan(service, training={"seconds": 3600})
    really_update, calls = service.context.choreography._update, []

    def update(job: Any) -> None:
        calls.append(job)
        if len(calls) == 1:
            raise ZeroDivisionError("division by zero")
        really_update(job)

    monkeypatch.setattr(service.context.choreography, "_update", update)
    begin_training(service, project)
    wait_until(lambda: "cannot be checked" in caplog.text, "the thread")
    service.clock.advance(seconds=3601)
    service.context.choreography._wake.set()
    wait_until(lambda: not held(service), "the end of the training")


def test_seconds_begin_again_when_the_clock_returns_to_real_time(service: Service) -> None:
    service.context.clock.advance_by(timedelta(days=300))
    project, _, _ = service.trainable()
    plan(service, training={"seconds": 60})
    iteration = begin_training(service, project)
    service.context.clock.restore()
    assert service.get(iteration)["status"] == "Training"
    service.clock.advance(seconds=61)
    assert service.get(iteration)["status"] == "Completed"


@pytest.mark.parametrize("complete", [{}, {"polls": 3}, {"seconds": 1}], ids=["at once", "polls", "seconds"])
def test_a_planned_failure_trains_nothing(service: Service, complete: dict[str, Any]) -> None:
    project, _, _ = service.trainable()
    plan(service, training={**complete, "failure": FAILURE})
    iteration = begin_training(service, project)
    if "polls" in complete:
        assert statuses(service, iteration, 2) == ["Training"] * 2
    if "seconds" in complete:
        assert service.get(iteration)["status"] == "Training"
        service.clock.advance(seconds=2)
    shown = service.get(iteration)
    assert (shown["status"], shown["trainingErrorDetails"]) == ("Failed", DETAILS)
    assert "trainedAt" not in shown
    assert service.worker.jobs == []
    assert service.rows("SELECT count(*) FROM job") == [(0,)]
    service.request("DELETE", "/_emulator/choreography")
    assert service.get(begin_training(service, project))["status"] in ("Training", "Completed")


def test_a_training_that_really_fails_shows_it_at_its_time(service: Service) -> None:
    project, _, _ = service.trainable()
    service.worker.failures = [TrainingFailed("None of the images could be read.")]
    plan(service, training={"polls": 2})
    iteration = begin_training(service, project)
    wait_until_executed(service)
    assert service.get(iteration)["status"] == "Training"
    shown = service.get(iteration)
    assert (shown["status"], shown["trainingErrorDetails"]) == ("Failed", "None of the images could be read.")


def test_a_training_that_takes_longer_ends_as_soon_as_it_is_done(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choreography, "PATIENCE_SECONDS", 0.05)
    service.worker.held = True
    project, _, _ = service.trainable()
    plan(service, training={"polls": 2})
    iteration = begin_training(service, project)
    wait_until(lambda: service.worker.waiting, "the training to begin")
    assert statuses(service, iteration, 3) == ["Training"] * 3
    service.worker.release()
    wait_until(lambda: service.get(iteration)["status"] == "Completed", "its end")
    wait_until(lambda: held(service) == [], "the end of the hold, which follows that of the training")


def test_the_poll_that_is_due_waits_for_a_short_training(service: Service) -> None:
    service.worker.held = True
    project, _, _ = service.trainable()
    plan(service, training={"polls": 1})
    iteration = begin_training(service, project)
    wait_until(lambda: service.worker.waiting, "the training to begin")

    class Waited:
        """An event; what it waits for happens during the wait."""

        def wait(self, seconds: float) -> None:
            assert seconds == choreography.PATIENCE_SECONDS
            service.worker.release()
            really.wait(60)

        def set(self) -> None:
            really.set()

    (job,) = service.context.choreography.held()
    really, job.ended = job.ended, Waited()  # type: ignore[assignment]
    assert service.get(iteration)["status"] == "Completed"


def test_held_trainings_do_not_hold_others(service: Service) -> None:
    held_one, _, _ = service.trainable()
    failing, _, _ = service.trainable()
    free, _, _ = service.trainable()
    plan(service, held_one, training={"polls": 9000})
    plan(service, failing, training={"polls": 9000, "failure": FAILURE})
    paths = [begin_training(service, project) for project in (held_one, failing, free)]
    wait_until(lambda: service.get(paths[2])["status"] == "Completed", "the free one")
    assert [service.get(path)["status"] for path in paths] == ["Training", "Training", "Completed"]


def test_a_running_training_of_another_project_does_not_delay_a_planned_failure(service: Service) -> None:
    service.worker.held = True
    busy, _, _ = service.trainable()
    failing, _, _ = service.trainable()
    service.post(f"{busy}/train")
    wait_until(lambda: service.worker.waiting, "the training to begin")
    plan(service, failing, training={"polls": 1, "failure": FAILURE})
    assert service.get(begin_training(service, failing))["status"] == "Failed"
    service.worker.release()


def test_the_plan_of_a_project_precedes_that_of_all(service: Service) -> None:
    first, _, _ = service.trainable()
    second, _, _ = service.trainable()
    plan(service, training={"failure": FAILURE})
    plan(service, first, training={"polls": 1}, export={"polls": 2})
    assert service.get(begin_training(service, first))["status"] == "Completed"
    assert service.get(begin_training(service, second))["status"] == "Failed"
    plan(service, first)
    assert service.get(begin_training(service, first, params={"forceTrain": "true"}))["status"] == "Failed"


def test_a_plan_applies_to_later_requests(service: Service) -> None:
    project, _, _ = service.trainable()
    plan(service, training={"polls": 2})
    iteration = begin_training(service, project)
    plan(service, training={"failure": FAILURE})
    assert statuses(service, iteration, 2) == ["Training", "Completed"]
