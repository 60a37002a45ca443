"""The ends of held jobs: deletions, resets, restarts, removed plans, a full disk, notifications."""

from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from emulator.core.notifications import outbox
from emulator.core.training.runner import TrainingWork
from emulator.store.database import StorageFull
from emulator.store.tables import Job, JobKind, Project
from tests.support.choreographing import (
    begin_training,
    held,
    plan,
    start_runners,
    statuses,
    wait_until_executed,
)
from tests.support.harness import Service, wait_until

FAILURE = {"code": "ErrorUnknown", "message": "Planned."}


def kept_files(service: Service) -> list[Path]:
    """The files of results that wait for their end."""
    folders = (service.settings.data / kind for kind in ("training", "advanced training", "exports"))
    return [path for folder in folders for path in folder.rglob("*") if path.is_file()]


def held_training(service: Service, **more: Any) -> tuple[str, str]:
    """A project and its iteration, whose training is done and not visible yet."""
    start_runners(service)
    project, _, _ = service.trainable()
    plan(service, training={"polls": 3, **more})
    iteration = begin_training(service, project)
    if "failure" not in more:
        wait_until_executed(service)
        assert kept_files(service)
    return project, iteration


@pytest.mark.parametrize("failure", [{}, {"failure": FAILURE}], ids=["held", "failing"])
@pytest.mark.parametrize("what", ["iteration", "project", "everything"])
def test_a_held_training_can_be_deleted(service: Service, what: str, failure: dict[str, Any]) -> None:
    project, iteration = held_training(service, **failure)
    if what == "everything":
        service.request("POST", "/_emulator/reset")
    else:
        service.delete(iteration if what == "iteration" else project)
    assert held(service) == []
    assert kept_files(service) == []
    assert service.rows("SELECT count(*) FROM job") == [(0,)]
    assert service.blobs() == service.referenced_blobs()
    again, _, _ = service.trainable()
    plan(service)
    next_one = begin_training(service, again)
    wait_until(lambda: service.get(next_one)["status"] == "Completed", "the next training")


def test_a_training_that_is_deleted_while_it_runs_keeps_nothing(service: Service) -> None:
    start_runners(service)
    service.worker.held = True
    project, _, _ = service.trainable()
    plan(service, training={"polls": 3})
    iteration = begin_training(service, project)
    wait_until(lambda: service.worker.waiting, "the training to begin")
    service.delete(iteration)
    assert service.worker.waiting[0].cancelled()
    assert held(service) == []
    service.worker.held = False
    again = begin_training(service, project)
    assert statuses(service, again, 3) == ["Training", "Training", "Completed"]


def test_a_reset_forgets_plans(service: Service) -> None:
    project, _, _ = service.trainable()
    plan(service, training={"polls": 3})
    plan(service, project, export={"polls": 3})
    service.request("POST", "/_emulator/reset")
    assert service.request("GET", "/_emulator/choreography").json() == {
        "training": None,
        "export": None,
        "import": None,
        "held": [],
    }
    assert service.context.choreography.in_use is False


def test_the_plan_of_a_deleted_project_is_gone(service: Service) -> None:
    project = service.project()
    plan(service, project, training={"polls": 3})
    service.delete(project)
    assert service.context.choreography.in_use is False


@pytest.mark.parametrize("states", [["Staging"], ["Queued", "Training"]])
def test_after_a_restart_a_held_training_ends_as_usual(service: Service, states: list[str]) -> None:
    _, iteration = held_training(service, states=states)
    service.restart()
    assert kept_files(service) == []
    assert service.get(iteration)["status"] == states[0]
    assert held(service) == []
    start_runners(service)
    wait_until(lambda: service.get(iteration)["status"] == "Completed", "the training")
    assert service.blobs() == service.referenced_blobs()


def test_restarts_while_a_training_is_held_are_no_interruptions(service: Service) -> None:
    _, iteration = held_training(service)
    for _ in range(4):
        wait_until(lambda: service.rows("SELECT attempts FROM job") == [(0,)], "the attempt to be forgotten")
        service.context.choreography.stop(JobKind.TRAINING)
        hold_again(service, iteration)
        service.runner(JobKind.TRAINING).notify()
        wait_until_executed(service)
    assert statuses(service, iteration, 3) == ["Training", "Training", "Completed"]


def hold_again(service: Service, iteration: str) -> None:
    """Hold the only job, as if it had been requested just now."""
    with service.context.database.write() as session:
        job = session.exec(select(Job)).one()
        project_id, iteration_id = iteration.split("/")[2], iteration.split("/")[4]
        service.context.choreography.begin(session, job, "training", iteration_id, project_id)


def test_removing_the_plans_ends_what_they_hold(service: Service) -> None:
    project, iteration = held_training(service)
    other, _, _ = service.trainable()
    plan(service, other, training={"polls": 3, "failure": FAILURE})
    failing = begin_training(service, other)
    assert service.request("DELETE", f"/_emulator{project}/choreography").status_code == 204
    assert service.rows(f"SELECT status FROM iteration WHERE id = '{iteration[-36:]}'") == [("Completed",)]
    assert len(held(service)) == 1
    assert service.request("DELETE", "/_emulator/choreography").status_code == 204
    assert service.get(failing)["status"] == "Failed"
    assert service.context.choreography.in_use is False
    assert kept_files(service) == []


@pytest.mark.parametrize("failure", [{}, {"failure": FAILURE}], ids=["held", "failing"])
def test_an_end_that_finds_no_room_waits_for_the_next_poll(
    service: Service, failure: dict[str, Any], monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    _, iteration = held_training(service, **failure)

    def no_room(*_: Any) -> None:
        raise StorageFull("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(TrainingWork, "complete", no_room)
        patch.setattr(TrainingWork, "fail", no_room)
        assert statuses(service, iteration, 4) == ["Training"] * 4
    assert "The disk is full: the end of the training" in caplog.text
    assert service.get(iteration)["status"] == ("Failed" if failure else "Completed")
    assert held(service) == kept_files(service) == []


def test_a_model_that_finds_no_room_fails_at_its_time(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, iteration = held_training(service)

    def no_room(*_: Any) -> None:
        raise StorageFull("No space left on device")

    monkeypatch.setattr(TrainingWork, "complete", no_room)
    assert statuses(service, iteration, 2) == ["Training"] * 2
    shown = service.get(iteration)
    assert shown["status"] == "Failed"
    assert "disk is full" in shown["trainingErrorDetails"]
    assert kept_files(service) == []


def test_an_end_that_cannot_be_recorded_is_executed_again(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    _, iteration = held_training(service)

    def broken(*_: Any) -> None:
        raise ZeroDivisionError("division by zero")

    with monkeypatch.context() as patch:
        patch.setattr(TrainingWork, "complete", broken)
        patch.setattr(TrainingWork, "fail", broken)
        statuses(service, iteration, 3)
    assert "could not be recorded" in caplog.text
    assert kept_files(service) == []
    service.runner(JobKind.TRAINING).notify()
    wait_until(lambda: service.get(iteration)["status"] == "Completed", "the training")


def test_states_that_find_no_room_stay(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    _, iteration = held_training(service, states=["Queued", "Training"])

    def no_room() -> Any:
        raise StorageFull("database or disk is full")

    service.get(iteration)
    with monkeypatch.context() as patch:
        patch.setattr(service.context.database, "write", no_room)
        assert service.get(iteration)["status"] == "Queued"
    assert "keeps showing Queued" in caplog.text
    assert service.get(iteration)["status"] == "Completed"


def test_a_request_that_is_not_stored_holds_nothing(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, _, _ = service.trainable()
    plan(service, training={"polls": 3})

    def no_room(*_: Any) -> None:
        raise StorageFull("database or disk is full")

    monkeypatch.setattr(service.context.choreography, "begin", _then(service, no_room))
    assert service.send("POST", f"{project}/train").status_code == 507
    assert held(service) == []


def _then(service: Service, fail: Any) -> Any:
    really = service.context.choreography.begin

    def begin(*arguments: Any, **more: Any) -> None:
        really(*arguments, **more)
        fail()

    return begin


def test_notifications_are_sent_at_the_visible_end(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    noted: list[str] = []
    really = outbox.note_training

    def note(context: Any, session: Any, iteration: Any) -> None:
        noted.append(iteration.status)
        really(context, session, iteration)

    monkeypatch.setattr(outbox, "note_training", note)
    project, iteration = held_training(service)
    with service.context.database.write() as session:
        row = session.get_one(Project, project.rpartition("/")[2])
        row.notification_queue_uri = "https://account.queue.core.windows.net/queue"
        session.add(row)
    notified: list[JobKind] = []
    monkeypatch.setattr(service.context.jobs, "notify", notified.append)
    assert statuses(service, iteration, 2) == ["Training"] * 2
    assert noted == []
    assert JobKind.NOTIFICATION not in notified
    service.get(iteration)
    assert noted == ["Completed"]
    assert JobKind.NOTIFICATION in notified
