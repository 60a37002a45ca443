"""Choreography as the polling loops of programs with the official Python SDK notice it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sdk.live import TAGS, Emulator, picture, wait_until_trained
from tests.support.harness import COMPACT, RESOURCE_ID, TRAINING_KEY, wait_until

KEY = {"Training-Key": TRAINING_KEY}


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    server = Emulator(tmp_path_factory.mktemp("data"), "--trainer", "instant")
    yield server
    server.kill()
    assert "Traceback" not in server.log(), server.log()


@pytest.fixture(scope="module")
def project_id(emulator: Emulator) -> str:
    return new_project(emulator)


def new_project(emulator: Emulator) -> str:
    """The id of a project with images of two tags."""
    trainer = emulator.trainer()
    project = trainer.create_project("Choreography", domain_id=COMPACT, classification_type="Multiclass")
    for name in TAGS:
        tag = trainer.create_tag(project.id, name)
        for number in range(5):
            trainer.create_images_from_data(project.id, picture(name, number), [tag.id])
    return str(project.id)


@pytest.fixture(autouse=True)
def no_plans(emulator: Emulator) -> Iterator[None]:
    yield
    response = emulator.client.delete(f"{emulator.endpoint}/_emulator/choreography", headers=KEY)
    assert response.status_code == 204


def plan(emulator: Emulator, **plans: Any) -> None:
    response = emulator.client.put(f"{emulator.endpoint}/_emulator/choreography", json=plans, headers=KEY)
    assert response.status_code == 200, response.text


def seen(read: Callable[[], str], *, until: tuple[str, ...]) -> list[str]:
    """The states that a polling loop sees, in order."""
    states = [read()]
    while states[-1] not in until:
        assert len(states) < 50, states
        states.append(read())
    return states


def test_a_training_an_export_and_an_import_end_at_their_polls(emulator: Emulator, project_id: str) -> None:
    trainer = emulator.trainer()
    plan(
        emulator,
        training={"complete": "afterPolls", "polls": 4, "states": ["Staging", "Queued", "Training"]},
        export={"complete": "afterPolls", "polls": 3},
        **{"import": {"complete": "afterPolls", "polls": 2}},
    )
    iteration = trainer.train_project(project_id, force_train=True)
    assert iteration.status == "Staging"
    assert seen(
        lambda: trainer.get_iteration(project_id, iteration.id).status, until=("Completed", "Failed")
    ) == ["Staging", "Queued", "Training", "Completed"]

    assert trainer.export_iteration(project_id, iteration.id, "ONNX").status == "Exporting"
    assert seen(
        lambda: trainer.get_exports(project_id, iteration.id)[0].status, until=("Done", "Failed")
    ) == ["Exporting", "Exporting", "Done"]

    copy = trainer.import_project(trainer.export_project(project_id).token)
    assert seen(lambda: trainer.get_project(copy.id).status, until=("Succeeded", "Failed")) == [
        "Importing",
        "Succeeded",
    ]


def test_a_training_at_once_can_be_published_without_a_poll(emulator: Emulator, project_id: str) -> None:
    trainer = emulator.trainer()
    plan(emulator, training={"complete": "atOnce"})
    iteration = trainer.train_project(project_id, force_train=True)
    assert iteration.status == "Training"
    assert trainer.publish_iteration(project_id, iteration.id, "at once", RESOURCE_ID) is True
    trainer.unpublish_iteration(project_id, iteration.id)


def test_a_planned_failure_ends_the_loop(emulator: Emulator, project_id: str) -> None:
    trainer = emulator.trainer()
    failure = {"code": "BadRequestTrainingValidationFailed", "message": "Too few images."}
    plan(emulator, training={"polls": 2, "failure": failure})
    iteration = trainer.train_project(project_id, force_train=True)
    assert seen(lambda: trainer.get_iteration(project_id, iteration.id).status, until=("Failed",)) == [
        "Training",
        "Failed",
    ]
    assert trainer.get_iteration(project_id, iteration.id).training_error_details == (
        "BadRequestTrainingValidationFailed: Too few images."
    )


def test_a_training_ends_after_seconds_of_the_clock(emulator: Emulator, project_id: str) -> None:
    trainer = emulator.trainer()
    plan(emulator, training={"seconds": 600})
    iteration = trainer.train_project(project_id, force_train=True)
    assert [trainer.get_iteration(project_id, iteration.id).status for _ in range(3)] == ["Training"] * 3
    advanced = emulator.client.post(
        f"{emulator.endpoint}/_emulator/clock/advance", json={"seconds": 600}, headers=KEY
    )
    assert advanced.is_success
    assert trainer.get_iteration(project_id, iteration.id).status == "Completed"


def test_trainings_end_by_themselves_when_their_seconds_have_passed(
    emulator: Emulator, project_id: str
) -> None:
    """Without a poll: the list of held jobs is none."""
    trainer = emulator.trainer()
    plan(emulator, training={"seconds": 0.2})
    trainer.train_project(project_id, force_train=True)

    def held() -> list[Any]:
        response = emulator.client.get(f"{emulator.endpoint}/_emulator/choreography", headers=KEY)
        return list(response.json()["held"])

    wait_until(lambda: not held(), "the end of the training")
    assert {one.status for one in trainer.get_iterations(project_id)} <= {"Completed", "Failed"}


@pytest.mark.slow
def test_a_real_training_shows_its_end_at_its_poll_or_later(tmp_path: Path) -> None:
    emulator = Emulator(tmp_path)
    try:
        project_id = new_project(emulator)
        trainer = emulator.trainer()
        plan(emulator, training={"polls": 3, "states": ["Queued", "Training"]})
        iteration = trainer.train_project(project_id)
        states = [trainer.get_iteration(project_id, iteration.id).status for _ in range(2)]
        assert states == ["Queued", "Training"]
        trained = wait_until_trained(trainer, project_id, iteration)
        assert trained.training_time_in_minutes >= 1
        plan(emulator, training={"failure": {"code": "ErrorUnknown"}})
        failed = trainer.train_project(project_id, force_train=True)
        assert trainer.get_iteration(project_id, failed.id).status == "Failed"
    finally:
        emulator.kill()
