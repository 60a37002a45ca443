"""Executing trainings: failures and their reasons."""

from typing import Any

import pytest

from emulator.vision.training.errors import TrainingFailed
from emulator.worker.executor import WorkerDied
from tests.support.harness import Service


def outcome(service: Service, iteration: str) -> tuple[str, str | None]:
    shown = service.get(iteration)
    assert "trainedAt" not in shown or shown["status"] == "Completed"
    return shown["status"], shown["trainingErrorDetails"]


def test_a_training_that_cannot_give_a_model_fails_with_its_reason(service: Service) -> None:
    project, _, _ = service.trainable()
    service.worker.failures = [TrainingFailed("None of the images could be read.")]
    iteration = service.train(project)
    assert outcome(service, iteration) == ("Failed", "None of the images could be read.")
    assert "trainingErrorDetails" not in service.get(iteration, version="v3.3")
    assert service.refused("GET", f"{iteration}/performance")[1] == "BadRequestIterationIsNotTrained"
    assert service.rows("SELECT count(*) FROM job") == [(0,)]
    assert len(service.blobs()) == 10


def test_an_unexpected_error_fails_the_training(service: Service, caplog: Any) -> None:
    project, _, _ = service.trainable()
    service.worker.failures = [ZeroDivisionError("division by zero")]
    assert outcome(service, service.train(project)) == (
        "Failed",
        "The emulator could not train: division by zero. The log of the emulator tells more; train again.",
    )
    assert "division by zero" in caplog.text


@pytest.mark.parametrize(
    ("error", "words"),
    [(MemoryError(), "not enough memory to train. Close other programs"), (KeyError(), "KeyError")],
)
def test_an_error_without_a_message_gets_one(service: Service, error: Exception, words: str) -> None:
    project, _, _ = service.trainable()
    service.worker.failures = [error]
    status, reason = outcome(service, service.train(project))
    assert status == "Failed"
    assert words in reason


def test_a_worker_that_dies_is_tried_again(service: Service) -> None:
    project, _, _ = service.trainable()
    service.worker.failures = [WorkerDied("killed"), WorkerDied("killed")]
    assert outcome(service, service.train(project)) == ("Completed", None)
    assert len(service.worker.jobs) == 3


def test_a_worker_that_dies_three_times_fails_the_training(service: Service) -> None:
    project, _, _ = service.trainable()
    service.worker.failures = [WorkerDied("The worker process was killed by SIGKILL")] * 3
    status, reason = outcome(service, service.train(project))
    assert status == "Failed"
    assert reason.startswith("The training process ended 3 times: The worker process was killed by SIGKILL.")
    assert "more memory, and train again" in reason
    assert service.get(service.train(project))["status"] == "Completed"
