"""The queue of advanced trainings: independence of the other queue, cancellation, restarts."""

from collections.abc import Iterator
from typing import Any

import pytest

from emulator.core.iterations import manage as iterations
from emulator.store.tables import JobKind
from emulator.worker.executor import WorkerDied
from tests.support.fakes import FakeWorker
from tests.support.harness import Service, wait_until

ADVANCED = {"trainingType": "Advanced", "reservedBudgetInHours": "1"}


@pytest.fixture
def advanced(service: Service) -> Iterator[FakeWorker]:
    """The worker of advanced trainings, whose jobs wait; the threads of both queues run."""
    service.context.advanced_worker = worker = FakeWorker(held=True)
    service.runner(JobKind.TRAINING).start()
    service.runner(JobKind.ADVANCED_TRAINING).start()
    yield worker
    worker.held = False


def begin(service: Service, worker: FakeWorker, **project: str) -> str:
    """The path of an iteration whose advanced training has begun."""
    path, _, _ = service.trainable(**project)
    iteration = service.post(f"{path}/train", params=ADVANCED)
    wait_until(lambda: worker.waiting, "the training to begin")
    return f"{path}/iterations/{iteration['id']}"


def train_quickly(service: Service, project: str) -> str:
    path = f"{project}/iterations/{service.post(f'{project}/train')['id']}"
    wait_until(lambda: service.get(path)["status"] == "Completed", "the quick training")
    return path


def status(service: Service, iteration: str) -> str:
    return str(service.get(iteration)["status"])


def test_quick_trainings_and_exports_do_not_wait_for_an_advanced_one(
    service: Service, advanced: FakeWorker
) -> None:
    service.runner(JobKind.EXPORT).start()
    long_one = begin(service, advanced)
    other, _, _ = service.trainable(domainId="0732100f-1a38-4e49-a514-c9b44c697ab5")
    quick = train_quickly(service, other)
    service.post(f"{quick}/export", params={"platform": "ONNX"})
    wait_until(lambda: service.get(f"{quick}/export")[0]["status"] == "Done", "the export")
    assert status(service, long_one) == "Training"
    assert [job["function"] for job in service.worker.jobs] == ["train_classifier"]
    advanced.release()
    wait_until(lambda: status(service, long_one) == "Completed", "the advanced training")
    assert [job["function"] for job in advanced.jobs] == ["train_advanced_classifier"]


def test_an_advanced_training_does_not_wait_for_a_quick_one(service: Service, advanced: FakeWorker) -> None:
    service.worker.held, advanced.held = True, False
    quick, _, _ = service.trainable()
    service.post(f"{quick}/train")
    wait_until(lambda: service.worker.waiting, "the quick training to begin")
    other, _, _ = service.trainable()
    iteration = f"{other}/iterations/{service.post(f'{other}/train', params=ADVANCED)['id']}"
    wait_until(lambda: status(service, iteration) == "Completed", "the advanced training")
    assert service.get(f"{quick}/iterations")[0]["status"] == "Training"
    service.worker.release()


def test_advanced_trainings_come_one_after_the_other(service: Service, advanced: FakeWorker) -> None:
    first = begin(service, advanced)
    project, _, _ = service.trainable()
    second = f"{project}/iterations/{service.post(f'{project}/train', params=ADVANCED)['id']}"
    advanced.held = False
    assert len(advanced.jobs) == 1
    advanced.release()
    for iteration in (first, second):
        wait_until(lambda iteration=iteration: status(service, iteration) == "Completed", iteration)
    assert len(advanced.jobs) == 2


@pytest.mark.parametrize("what", ["iteration", "project", "everything"])
def test_deleting_stops_an_advanced_training_and_no_other(
    service: Service, advanced: FakeWorker, what: str
) -> None:
    iteration = begin(service, advanced)
    service.worker.held = True
    other, _, _ = service.trainable()
    service.post(f"{other}/train")
    wait_until(lambda: service.worker.waiting, "the quick training to begin")
    advanced.held = service.worker.held = False
    if what == "everything":
        service.request("POST", "/_emulator/reset")
    else:
        service.delete(iteration if what == "iteration" else iteration.partition("/iterations")[0])
    assert advanced.waiting[0].cancelled()
    assert service.worker.waiting[0].cancelled() == (what == "everything")
    again, _, _ = service.trainable()
    path = f"{again}/iterations/{service.post(f'{again}/train', params=ADVANCED)['id']}"
    wait_until(lambda: status(service, path) == "Completed", "the next training")
    if what != "everything":
        service.worker.release()
        wait_until(lambda: service.get(f"{other}/iterations")[0]["status"] == "Completed", "the quick one")
    assert service.blobs() == service.referenced_blobs()


@pytest.mark.parametrize("kind", ["Regular", "Advanced"])
def test_an_iteration_that_is_deleted_just_before_its_training_begins(service: Service, kind: str) -> None:
    """Deleted after its job is claimed and before it is submitted. Otherwise, it could run for hours."""
    project, _, _ = service.trainable()
    really_submit = service.worker.submit

    def submit(*arguments: Any, **keywords: Any) -> Any:
        iteration_id = service.get(f"{project}/iterations")[0]["id"]
        iterations.delete(service.context, project.rpartition("/")[2], iteration_id)
        return really_submit(*arguments, **keywords)

    service.post(f"{project}/train", params={**ADVANCED, "trainingType": kind})
    service.worker.submit = submit  # type: ignore[method-assign]
    service.worker.held = True
    service.runner(JobKind.ADVANCED_TRAINING if kind == "Advanced" else JobKind.TRAINING).start()
    wait_until(lambda: service.worker.waiting and service.worker.waiting[0].cancelled(), "its end")
    service.worker.submit = really_submit  # type: ignore[method-assign]
    service.worker.held = False
    other, _, _ = service.trainable()
    service.post(f"{other}/train", params={**ADVANCED, "trainingType": kind})
    wait_until(lambda: service.get(f"{other}/iterations")[0]["status"] == "Completed", "the next training")


def test_an_advanced_training_survives_a_restart(service: Service, advanced: FakeWorker) -> None:
    iteration = begin(service, advanced)
    advanced.held = False
    service.restart()
    assert advanced.waiting[0].cancelled()
    assert status(service, iteration) == "Training"
    service.runner(JobKind.ADVANCED_TRAINING).start()
    wait_until(lambda: status(service, iteration) == "Completed", "the training")
    assert service.worker.jobs[-1]["function"] == "train_advanced_classifier"


def test_three_interruptions_fail_an_advanced_training_with_advice(service: Service) -> None:
    project, _, _ = service.trainable()
    service.post(f"{project}/train", params=ADVANCED)
    for _ in range(3):
        service.runner(JobKind.ADVANCED_TRAINING).claim()  # and then the process dies
        service.restart()
    service.finish_trainings()
    (iteration,) = service.get(f"{project}/iterations")
    assert iteration["status"] == "Failed"
    assert iteration["trainingErrorDetails"] == (
        "The training was interrupted 3 times by the end of the emulator. "
        "Train again, and let the emulator run until the training has ended."
    )
    assert service.worker.jobs == []


def test_an_advanced_worker_that_dies_is_tried_again_and_then_given_up(service: Service) -> None:
    project, _, _ = service.trainable()
    service.worker.failures = [WorkerDied("killed")] * 2
    assert status(service, service.train(project, params=ADVANCED)) == "Completed"
    service.worker.failures = [WorkerDied("killed")] * 3
    more = {**ADVANCED, "forceTrain": "true"}
    assert status(service, service.train(project, params=more)) == "Failed"


def test_advanced_trainings_take_the_processors_that_others_leave(service: Service) -> None:
    assert service.parts.advanced_worker._nice > service.parts.worker._nice
    assert service.parts.advanced_worker._nice > service.parts.export_worker._nice


def test_images_warm_up_the_process_of_quick_trainings_alone(service: Service) -> None:
    quick, slow = FakeWorker(), FakeWorker()
    service.context.worker, service.context.advanced_worker = quick, slow
    service.train(service.trainable()[0])
    assert (quick.warm_ups > 0, slow.warm_ups, slow.jobs) == (True, 0, [])
    assert service.parts.advanced_worker._idle_seconds is not None
