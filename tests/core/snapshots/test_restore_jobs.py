"""Jobs and restores: what runs is stopped, and the jobs of a snapshot are executed."""

import threading
from datetime import UTC, datetime
from pathlib import Path

from emulator.app import create_app
from emulator.core.projects import manage as manage_projects
from emulator.core.snapshots import manage
from emulator.store.tables import Job, JobKind
from tests.support.harness import Service, test_settings, wait_until
from tests.support.snapshots import restore, save

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def status(service: Service, iteration: str) -> str:
    return str(service.get(iteration)["status"])


def begin_training(service: Service, project: str) -> str:
    """Begin a training in the thread of its runner; it does not end by itself. The path of its iteration."""
    service.worker.held = True
    before = len(service.worker.waiting)
    iteration = service.post(f"{project}/train")["id"]
    wait_until(lambda: len(service.worker.waiting) > before, "the training to begin")
    return f"{project}/iterations/{iteration}"


def test_a_restore_stops_the_running_training(service: Service) -> None:
    project, _, _ = service.trainable()
    save(service)
    service.runner(JobKind.TRAINING).start()
    iteration = begin_training(service, project)
    restore(service)
    assert service.worker.waiting[0].cancelled()
    service.worker.held = False
    assert service.send("GET", iteration).status_code == 404
    again = service.post(f"{project}/train")["id"]
    wait_until(lambda: status(service, f"{project}/iterations/{again}") == "Completed", "the next training")
    assert service.blobs() == service.referenced_blobs()


def test_a_training_that_waited_when_it_was_saved_runs_after_each_restore(service: Service) -> None:
    project, _, _ = service.trainable()
    iteration = f"{project}/iterations/{service.post(f'{project}/train')['id']}"
    save(service)
    service.finish_trainings()
    assert status(service, iteration) == "Completed"
    service.runner(JobKind.TRAINING).start()
    for _ in range(4):  # more than the attempts of a job
        restore(service)
        wait_until(lambda: status(service, iteration) == "Completed", "the training")
    assert service.rows("SELECT count(*) FROM job") == [(0,)]


def test_a_training_that_ran_when_it_was_saved_starts_again(service: Service) -> None:
    project, _, _ = service.trainable()
    service.runner(JobKind.TRAINING).start()
    iteration = begin_training(service, project)
    save(service)
    assert service.rows("SELECT attempts FROM job") == [(1,)]
    service.worker.held = False
    restore(service)
    wait_until(lambda: status(service, iteration) == "Completed", "the training")
    assert len(service.worker.jobs) == 2


def test_a_training_that_ends_during_the_restore_changes_nothing_in_the_restored_state(
    service: Service,
) -> None:
    """The snapshot has the same iteration, waiting: only its own training may complete it."""
    project, _, _ = service.trainable()
    iteration = f"{project}/iterations/{service.post(f'{project}/train')['id']}"
    save(service)
    runner, database = service.runner(JobKind.TRAINING), service.context.database
    training = threading.Thread(target=runner.run_waiting)
    service.worker.held = True
    training.start()
    wait_until(lambda: service.worker.waiting, "the training to begin")
    with database.exclusively():
        service.worker.release()  # the runner waits until it may write
        service.worker.held = False
        runner.stop()  # it does not claim the restored job
        manage.restore(service.context, "base")
        assert training.is_alive()
    training.join()
    assert status(service, iteration) == "Training"
    service.restart()
    service.finish_trainings()
    assert status(service, iteration) == "Completed"
    assert service.blobs() == service.referenced_blobs()


def test_an_export_that_waited_is_written_after_the_restore(service: Service) -> None:
    iteration = service.exportable()
    service.post(f"{iteration}/export", params={"platform": "ONNX"})
    save(service)
    service.request("POST", "/_emulator/reset")
    restore(service)
    assert [export["status"] for export in service.get(f"{iteration}/export")] == ["Exporting"]
    service.finish_exports()
    assert [export["status"] for export in service.get(f"{iteration}/export")] == ["Done"]


def test_seeded_ids_are_the_same_after_each_restore(tmp_path: Path) -> None:
    app = create_app(test_settings(tmp_path, id_seed=7))
    context = app.state.context
    try:
        project = manage_projects.create(context, "project")
        with context.database.write() as session:
            session.add(Job(id=context.ids.internal(), kind="other", project_id=project.id, created=NOW))
        manage.save(context, "base")
        made = []
        for _ in range(2):
            manage.restore(context, "base")
            made.append((manage_projects.create(context, "new").id, context.ids.internal()))
        assert made[0] == made[1]
        assert made[0][0] != project.id
    finally:
        app.state.parts.close()
