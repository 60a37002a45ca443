"""The list of jobs in the control API, and cancelling them."""

import threading
from typing import Any

import pytest

from emulator.core.jobs.history import EndStatus, JobDescription
from emulator.store.tables import JobKind, Project
from tests.support.choreographing import plan
from tests.support.harness import COMPACT, NOWHERE, Service, expect, refusal, wait_until
from tests.support.importing import start_import
from tests.support.resources import first_keys

PATH = "/_emulator/jobs"


def jobs(service: Service, **parameters: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = expect(service.request("GET", PATH, params=parameters))["jobs"]
    return found


def cancel(service: Service, job: dict[str, Any]) -> dict[str, Any]:
    cancelled: dict[str, Any] = expect(service.request("POST", f"{PATH}/{job['id']}/cancel"))
    return cancelled


@pytest.fixture
def held(service: Service) -> Service:
    """A service whose trainings run in their thread, and end when the test releases them."""
    service.worker.held = True
    service.runner(JobKind.TRAINING).start()
    return service


def begin(service: Service, project: str) -> dict[str, Any]:
    """The iteration of a training that has begun."""
    count = len(service.worker.waiting)
    iteration: dict[str, Any] = service.post(f"{project}/train")
    wait_until(lambda: len(service.worker.waiting) > count, "the training to begin")
    return iteration


def test_there_are_none_at_first(service: Service) -> None:
    assert expect(service.request("GET", PATH)) == {"version": 0, "jobs": []}


def test_a_training_waits_then_runs_with_progress_then_is_completed(service: Service) -> None:
    project, _, _ = service.trainable()
    service.worker.held = True
    iteration = service.post(f"{project}/train")
    (waiting,) = jobs(service)
    assert (waiting["status"], waiting["stage"], waiting["progress"]) == ("Waiting", "Waiting", None)
    assert (waiting["kind"], waiting["trainingType"]) == ("training", "Regular")
    assert (waiting["projectId"], waiting["projectName"]) == (project.split("/")[2], "project")
    assert (waiting["iterationId"], waiting["iterationName"]) == (iteration["id"], iteration["name"])
    assert (waiting["started"], waiting["ended"], waiting["secondsLeft"]) == (None, None, None)

    service.runner(JobKind.TRAINING).start()
    wait_until(lambda: service.worker.waiting, "the training to begin")
    (starting,) = jobs(service)
    assert (starting["status"], starting["stage"], starting["progress"]) == (
        "Running",
        "Starting the process for it",
        None,
    )
    service.worker.jobs[0]["on_progress"](0.25, "Looking at the images")
    (running,) = jobs(service)
    assert (running["stage"], running["progress"]) == ("Looking at the images", 0.25)
    assert running["started"] >= running["created"]

    service.worker.release()
    # Between the commit of its end and the entry in the history it is in neither list.
    wait_until(lambda: [job for job in jobs(service) if job["ended"]], "its end")
    (ended,) = jobs(service)
    assert (ended["id"], ended["status"], ended["progress"]) == (waiting["id"], "Completed", 1.0)
    assert (ended["stage"], ended["failure"]) == (None, None)
    assert service.get(f"{project}/iterations/{iteration['id']}")["status"] == "Completed"


def test_a_job_says_how_many_are_before_it(service: Service) -> None:
    projects = [service.trainable()[0] for _ in range(3)]
    for project in projects:
        service.post(f"{project}/train")
    assert [job["stage"] for job in jobs(service)] == [
        "Waiting",
        "Waiting for 1 other training",
        "Waiting for 2 other trainings",
    ]
    (last,) = jobs(service, projectId=projects[2].split("/")[2])
    assert last["stage"] == "Waiting for 2 other trainings"


def test_a_failed_training_has_its_reason(service: Service) -> None:
    project, _, _ = service.trainable()
    service.worker.failures.append(RuntimeError("no luck"))
    service.train(project)
    (job,) = jobs(service)
    (iteration,) = service.get(f"{project}/iterations")
    assert (job["status"], job["progress"]) == ("Failed", None)
    assert job["failure"] == iteration["trainingErrorDetails"]
    assert "no luck" in job["failure"]


def test_exports_are_listed_with_platform_and_flavor(service: Service) -> None:
    iteration = service.exportable()
    service.post(f"{iteration}/export", params={"platform": "ONNX", "flavor": "ONNX12"})
    waiting, training = jobs(service)
    assert (waiting["kind"], waiting["platform"], waiting["flavor"]) == ("export", "ONNX", "ONNX12")
    assert (waiting["iterationId"], waiting["status"]) == (iteration.split("/")[-1], "Waiting")
    assert (training["kind"], training["platform"], training["flavor"]) == ("training", None, None)
    service.finish_exports()
    assert [job["status"] for job in jobs(service)] == ["Completed", "Completed"]
    assert jobs(service)[0]["kind"] == "export", "the latest first"


def test_imports_are_listed_with_the_new_project(service: Service) -> None:
    project, _, _ = service.trainable()
    copy = start_import(service, service.get(f"{project}/export")["token"])
    (waiting,) = jobs(service)
    assert (waiting["kind"], waiting["projectId"]) == ("import", copy.split("/")[2])
    assert (waiting["iterationId"], waiting["iterationName"]) == (None, None)
    service.runner(JobKind.IMPORT).run_waiting()
    assert jobs(service)[0]["status"] == "Completed"


def test_jobs_of_deleted_iterations_and_projects_are_not_listed(held: Service) -> None:
    project, _, _ = held.trainable()
    iteration = begin(held, project)
    held.delete(f"{project}/iterations/{iteration['id']}")
    assert jobs(held) == []
    wait_until(lambda: held.worker.waiting[0].cancelled(), "the end of the work")
    other, _, _ = held.trainable()
    begin(held, other)
    held.delete(other)
    assert jobs(held) == []


def test_a_reset_forgets_the_ended_jobs(service: Service) -> None:
    project, _, _ = service.trainable()
    service.train(project)
    assert len(jobs(service)) == 1
    service.request("POST", "/_emulator/reset")
    assert jobs(service) == []


# --- cancelling ---------------------------------------------------------------------------------------------


def test_a_cancelled_training_fails_and_the_next_one_runs(held: Service) -> None:
    project, _, _ = held.trainable()
    other, _, _ = held.trainable()
    iteration = begin(held, project)
    next_one = held.post(f"{other}/train")
    held.worker.held = False
    running, waiting = jobs(held)
    cancelled = cancel(held, running)
    assert (cancelled["id"], cancelled["status"]) == (running["id"], "Cancelled")
    assert cancelled["failure"].startswith("Cancelled: the training was ended by a person after ")
    shown = held.get(f"{project}/iterations/{iteration['id']}")
    assert (shown["status"], shown["trainingErrorDetails"]) == ("Failed", cancelled["failure"])
    assert held.worker.waiting[0].cancelled()
    wait_until(
        lambda: held.get(f"{other}/iterations/{next_one['id']}")["status"] == "Completed", "the next training"
    )
    statuses = {job["id"]: job["status"] for job in jobs(held)}
    assert statuses == {running["id"]: "Cancelled", waiting["id"]: "Completed"}
    assert held.blobs() == held.referenced_blobs()


def test_after_a_cancelled_training_nothing_has_to_change_for_the_next(service: Service) -> None:
    project, _, _ = service.trainable()
    service.post(f"{project}/train")
    cancelled = cancel(service, jobs(service)[0])
    assert cancelled["failure"] == "Cancelled: the training was ended by a person before it began."
    service.finish_trainings()
    assert service.worker.jobs == [], "it was never executed"
    service.train(project)
    assert [one["status"] for one in service.get(f"{project}/iterations")] == ["Failed", "Completed"]


def test_cancelling_one_export_leaves_the_others_of_the_iteration(service: Service) -> None:
    iteration = service.exportable()
    service.exporter.held = True
    service.runner(JobKind.EXPORT).start()
    service.post(f"{iteration}/export", params={"platform": "ONNX"})
    service.post(f"{iteration}/export", params={"platform": "CoreML"})
    wait_until(lambda: service.exporter.waiting, "the first export to begin")
    _, second, _ = jobs(service)
    assert cancel(service, second)["status"] == "Cancelled"
    assert not service.exporter.waiting[0].cancelled()
    service.exporter.release()
    wait_until(lambda: service.get(f"{iteration}/export")[0]["status"] == "Done", "the first export")
    exports = expect(service.request("GET", f"/_emulator{iteration}/exports"))
    assert [one["status"] for one in exports] == ["Done", "Failed"]
    assert exports[1]["failure"].startswith("Cancelled")
    service.exporter.held = False
    service.post(f"{iteration}/export", params={"platform": "CoreML"})  # it can be requested again
    wait_until(lambda: service.get(f"{iteration}/export")[1]["status"] == "Done", "the second export")


def test_a_cancelled_import_leaves_an_empty_project_with_the_reason(service: Service) -> None:
    project, _, _ = service.trainable()
    copy = start_import(service, service.get(f"{project}/export")["token"])
    cancelled = cancel(service, jobs(service)[0])
    service.runner(JobKind.IMPORT).run_waiting()
    assert service.get(copy)["status"] == "Failed"
    (shown,) = expect(service.request("GET", "/_emulator/imports"))
    assert shown["reason"] == cancelled["failure"]
    assert service.get(f"{copy}/images/count") == 0


def test_a_training_that_is_cancelled_as_it_ends_stays_cancelled(held: Service) -> None:
    """The result arrives after the cancellation; it is ignored."""
    project, _, _ = held.trainable()
    iteration = begin(held, project)
    job = held.runner(JobKind.TRAINING)
    control = job._control.cancel_job
    job._control.cancel_job = lambda job_id: None  # the work goes on
    cancel(held, jobs(held)[0])
    job._control.cancel_job = control
    held.worker.release()
    wait_until(lambda: held.context.job_history.started(jobs(held)[0]["id"]) is None, "the end of the work")
    assert held.get(f"{project}/iterations/{iteration['id']}")["status"] == "Failed"
    assert [one["status"] for one in jobs(held)] == ["Cancelled"]
    assert held.blobs() == held.referenced_blobs()


def test_what_has_ended_or_never_was_is_not_cancelled(service: Service) -> None:
    project, _, _ = service.trainable()
    service.train(project)
    (job,) = jobs(service)
    status, code, message = refusal(service.request("POST", f"{PATH}/{job['id']}/cancel"))
    assert (status, code) == (409, "Conflict")
    assert message == "The training has ended already, with status Completed."
    assert refusal(service.request("POST", f"{PATH}/{NOWHERE}/cancel"))[:2] == (404, "NotFound")
    assert service.request("POST", f"{PATH}/nothing/cancel").status_code == 404


# --- choreography -------------------------------------------------------------------------------------------


def test_held_jobs_show_the_progress_of_their_plan_and_listing_is_no_poll(service: Service) -> None:
    project, _, _ = service.trainable()
    plan(service, project, training={"polls": 4, "states": ["Queued", "Training"]})
    iteration = f"{project}/iterations/{service.post(f'{project}/train')['id']}"
    for _ in range(6):
        (job,) = jobs(service)
    assert (job["status"], job["progress"], job["started"]) == ("Waiting", 0.0, None)
    assert job["stage"] == "Queued, held by a choreography until poll 4 of its state (0 until now)"
    for _ in range(3):
        service.get(iteration)
    (job,) = jobs(service)
    assert (job["status"], job["progress"]) == ("Running", 0.75)
    service.finish_trainings()
    assert service.get(iteration)["status"] == "Completed"
    assert jobs(service)[0]["status"] == "Completed"


def test_held_jobs_show_the_time_that_is_left(service: Service) -> None:
    project, _, _ = service.trainable()
    plan(service, project, training={"seconds": 100})
    service.post(f"{project}/train")
    service.clock.advance(seconds=25)
    (job,) = jobs(service)
    assert job["progress"] == pytest.approx(0.25, abs=0.01)
    assert job["secondsLeft"] == pytest.approx(75, abs=1)


def test_a_held_job_can_be_cancelled(service: Service) -> None:
    project, _, _ = service.trainable()
    plan(service, project, training={"polls": 4})
    iteration = f"{project}/iterations/{service.post(f'{project}/train')['id']}"
    service.finish_trainings()  # its end is kept
    assert cancel(service, jobs(service)[0])["status"] == "Cancelled"
    assert service.get(iteration)["status"] == "Failed"
    assert expect(service.request("GET", f"/_emulator{project}/choreography"))["held"] == []
    assert service.blobs() == service.referenced_blobs()


# --- waiting for changes ------------------------------------------------------------------------------------


def test_waiting_ends_with_the_next_change(held: Service) -> None:
    project, _, _ = held.trainable()
    begin(held, project)
    version = expect(held.request("GET", PATH))["version"]
    on_progress = held.worker.jobs[0]["on_progress"]
    changes = held.context.jobs.changes
    added = threading.Event()
    add = changes.add
    changes.add = lambda listener: (add(listener), added.set())[0]  # type: ignore[method-assign]

    def report() -> None:
        assert added.wait(20)
        on_progress(0.5, "Training")

    thread = threading.Thread(target=report)
    thread.start()
    found = expect(held.request("GET", PATH, params={"after": version, "timeoutSeconds": 25}))
    thread.join()
    assert found["version"] > version
    assert found["jobs"][0]["progress"] == 0.5
    assert changes._listeners == []


def test_waiting_for_another_version_ends_at_once_and_for_the_same_after_its_time(service: Service) -> None:
    version = expect(service.request("GET", PATH))["version"]
    assert expect(service.request("GET", PATH, params={"after": version + 9, "timeoutSeconds": 25}))
    found = expect(service.request("GET", PATH, params={"after": version, "timeoutSeconds": 0.1}))
    assert found["version"] == version


@pytest.mark.parametrize(
    "parameters",
    [
        {"after": "x"},
        {"after": "-1"},
        {"timeoutSeconds": "1"},
        {"after": "0", "timeoutSeconds": "26"},
        {"after": "0", "timeoutSeconds": "-1"},
        {"projectId": "x"},
    ],
)
def test_wrong_parameters_are_refused(service: Service, parameters: dict[str, str]) -> None:
    assert service.request("GET", PATH, params=parameters).status_code == 400


def test_an_unknown_project_is_not_found(service: Service) -> None:
    found = refusal(service.request("GET", PATH, params={"projectId": NOWHERE}))
    assert found[:2] == (404, "NotFoundProject")


def test_instant_trainings_are_listed_too(service: Service) -> None:
    project, _, _ = service.trainable(domainId=COMPACT)
    service.request("PUT", f"/_emulator{project}/trainer", json={"trainer": "instant"})
    service.train(project)
    (job,) = jobs(service)
    assert (job["kind"], job["status"]) == ("training", "Completed")


def test_the_list_of_a_resource_is_not_shortened_by_the_jobs_of_others(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emulator.core.status.job_list._MAX_JOBS", 2)
    first, second, third = (service.trainable()[0] for _ in range(3))
    key = first_keys(service, "line-1").training
    with service.context.database.write() as session:
        project = session.get_one(Project, third.rpartition("/")[2])
        project.resource = "line-1"
        session.add(project)
        service.context.resources.note(session)
    for path in (first, second):
        service.post(f"{path}/train")
    iteration = expect(service.send("POST", f"{third}/train", key=key))["id"]
    (theirs,) = expect(service.request("GET", PATH, key=key))["jobs"]
    assert (theirs["iterationId"], theirs["stage"]) == (iteration, "Waiting for 2 other trainings")
    assert len(jobs(service)) == 2


def test_the_ended_jobs_of_a_resource_are_kept_whatever_those_of_others(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emulator.core.jobs.history.CAPACITY", 2)
    history = service.context.job_history
    for number, resource in enumerate(("line-1", "default", "default", "default")):
        job = JobDescription(str(number), "training", service.clock.now(), NOWHERE, "p", resource=resource)
        history.ended(job, EndStatus.COMPLETED)
    assert [one.job.id for one in history.latest()] == ["3", "2", "0"]
