"""The runner of jobs: attempts, restarts, progress, cancellation, the thread."""

import threading
from typing import Any

import pytest

from emulator.core.jobs.job_runner import ATTEMPTS, JobRunner
from emulator.core.jobs.worker_job import WorkerJob
from emulator.core.training.runner import TrainingWork
from emulator.store.database import StoreUnreachable
from emulator.store.tables import JobKind
from tests.support.fakes import FakeWorker
from tests.support.harness import Service, wait_until


def test_three_interruptions_by_the_end_of_the_emulator_fail_the_training(service: Service) -> None:
    project, _, _ = service.trainable()
    service.post(f"{project}/train")
    for _ in range(3):
        service.runner(JobKind.TRAINING).claim()  # and then the process dies
        service.restart()
    service.finish_trainings()
    (iteration,) = service.get(f"{project}/iterations")
    assert iteration["status"] == "Failed"
    assert "interrupted 3 times" in iteration["trainingErrorDetails"]
    assert service.worker.jobs == []


def test_a_training_waits_for_a_store_that_is_away(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    project, _, _ = service.trainable()
    iteration = service.post(f"{project}/train")

    def away(*_arguments: object) -> None:
        raise StoreUnreachable("the server does not respond")

    with monkeypatch.context() as patch:
        patch.setattr(service.context.blobs, "put_file", away)
        for _ in range(ATTEMPTS + 1):
            service.finish_trainings()
    assert service.rows("SELECT attempts FROM job") == [(0,)]
    service.finish_trainings()
    assert service.get(f"{project}/iterations/{iteration['id']}")["status"] == "Completed"


def test_a_training_survives_a_restart(service: Service) -> None:
    project, _, _ = service.trainable()
    service.post(f"{project}/train")
    service.runner(JobKind.TRAINING).claim()
    service.restart()
    service.finish_trainings()
    (iteration,) = service.get(f"{project}/iterations")
    assert (iteration["status"], iteration["trainingErrorDetails"]) == ("Completed", None)


def test_progress_can_be_seen_while_it_trains(service: Service) -> None:
    project, _, _ = service.trainable()
    service.worker.held = True
    service.runner(JobKind.TRAINING).start()
    iteration = service.post(f"{project}/train")
    wait_until(lambda: service.worker.waiting, "the training to begin")
    service.worker.jobs[0]["on_progress"](0.25, "Looking at the images")
    progress = service.runner(JobKind.TRAINING).progress(iteration["id"])
    assert progress[:2] == (0.25, "Looking at the images")
    running = service.get(f"{project}/iterations/{iteration['id']}")
    assert (running["status"], running["domainId"] is None, running["trainingTimeInMinutes"]) == (
        "Training",
        False,
        1,
    )
    service.worker.release()
    wait_until(
        lambda: service.get(f"{project}/iterations/{iteration['id']}")["status"] == "Completed", "its end"
    )
    assert service.runner(JobKind.TRAINING).progress(iteration["id"]) is None


@pytest.mark.parametrize("what", ["iteration", "project"])
def test_deleting_stops_a_training_and_the_next_one_begins(service: Service, what: str) -> None:
    project, _, _ = service.trainable()
    other, _, _ = service.trainable()
    service.worker.held = True
    service.runner(JobKind.TRAINING).start()
    iteration = service.post(f"{project}/train")
    wait_until(lambda: service.worker.waiting, "the training to begin")
    service.worker.held = False
    next_one = service.post(f"{other}/train")
    service.delete(f"{project}/iterations/{iteration['id']}" if what == "iteration" else project)
    assert service.worker.waiting[0].cancelled()
    wait_until(
        lambda: service.get(f"{other}/iterations/{next_one['id']}")["status"] == "Completed",
        "the next training",
    )
    assert service.blobs() == service.referenced_blobs()


def test_stopping_leaves_a_training_for_the_next_start(service: Service) -> None:
    project, _, _ = service.trainable()
    service.worker.held = True
    service.runner(JobKind.TRAINING).start()
    service.post(f"{project}/train")
    wait_until(lambda: service.worker.waiting, "the training to begin")
    service.worker.held = False
    service.restart()
    assert service.get(f"{project}/iterations")[0]["status"] == "Training"
    service.runner(JobKind.TRAINING).start()
    wait_until(lambda: service.get(f"{project}/iterations")[0]["status"] == "Completed", "the training")


def test_a_runner_removes_only_its_own_unfinished_files(service: Service) -> None:
    """Each runner removes its own when it starts; another one may be running already."""
    kept = service.runner(JobKind.ADVANCED_TRAINING).folder / "half done"
    kept.mkdir(parents=True)
    service.runner(JobKind.TRAINING).start()
    assert kept.exists()
    service.runner(JobKind.ADVANCED_TRAINING).start()
    assert not kept.exists()


def test_a_runner_whose_thread_has_ended_is_not_ready(service: Service) -> None:
    for runs in (
        service.runner(JobKind.TRAINING),
        service.runner(JobKind.EXPORT),
        service.runner(JobKind.IMPORT),
        service.runner(JobKind.NOTIFICATION),
        service.runner(JobKind.EVALUATION),
        service.runner(JobKind.DATA_SET),
    ):
        runs.start()
    answer = service.request("GET", "/_emulator/health/ready")
    assert answer.status_code == 503
    assert answer.json()["checks"]["trainings"] == (
        "the thread that carries out advanced trainings is not running"
    )
    service.runner(JobKind.ADVANCED_TRAINING).start()
    service.runner(JobKind.INSTANT_TRAINING).start()
    assert service.request("GET", "/_emulator/health/ready").status_code == 200


class OneByOne(FakeWorker):
    """Its lists are in the same order, whatever the number of threads that submit."""

    def submit(self, *arguments: Any, **more: Any) -> Any:
        with _submitting:
            return super().submit(*arguments, **more)


_submitting = threading.Lock()


def test_several_jobs_are_executed_at_the_same_time(service: Service) -> None:
    context, control = service.context, WorkerJob(service.context.database, service.context.jobs.changes)
    runner = JobRunner(
        context.database,
        JobKind.TRAINING,
        TrainingWork(context, JobKind.TRAINING, control),
        control,
        name="trainings",
        folder=context.folder / "training",
        seconds_to_stop=5,
        holds=context.choreography,
        history=context.job_history,
        at_once=2,
    )
    context.jobs.register(runner)
    runner.start()
    projects = [service.trainable()[0] for _ in range(3)]
    # Two threads submit in any order.
    service.context.worker = worker = OneByOne(held=True)
    first, second, third = (f"{path}/iterations/{service.post(f'{path}/train')['id']}" for path in projects)
    wait_until(lambda: len(worker.waiting) == 2, "two trainings to begin")
    assert service.rows("SELECT attempts FROM job ORDER BY created") == [(1,), (1,), (0,)]
    service.delete(first)
    assert sorted(future.cancelled() for future in worker.waiting[:2]) == [False, True]
    wait_until(lambda: len(worker.waiting) == 3, "the third training to begin")
    for job, future in zip(worker.jobs, worker.waiting, strict=True):
        if not future.cancelled():
            future.set_result(job["train"](job["dataset"], job["output"]))
    for iteration in (second, third):
        wait_until(lambda path=iteration: service.get(path)["status"] == "Completed", "the trainings")
    runner.stop()
    assert not runner.is_alive
