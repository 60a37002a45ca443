"""Training: preconditions, numbering, progress, failures."""

from typing import Any

import pytest

from emulator.store.tables import JobKind
from emulator.vision.training.errors import TrainingFailed
from emulator.worker.executor import WorkerDied
from tests.support.harness import NOWHERE, Service, wait_until
from tests.support.images import picture, pictures

COMPACT = "0732100f-1a38-4e49-a514-c9b44c697ab5"


def refused(service: Service, project: str, **more: Any) -> tuple[str, str]:
    status, code, message = service.refused("POST", f"{project}/train", **more)
    assert status in (400, 404)
    return code, message


# --- what must hold -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type", "code"),
    [
        ("Multiclass", "BadRequestMultiClassClassificationTrainingValidationFailed"),
        ("Multilabel", "BadRequestMultiLabelClassificationTrainingValidationFailed"),
    ],
)
def test_two_tags_of_five_images_are_needed(service: Service, type: str, code: str) -> None:
    project = service.project(classificationType=type)
    assert refused(service, project)[0] == code
    red = service.tag(project, "red")
    service.images(project, pictures(5), red)
    assert refused(service, project) == (code, "Not enough tags for training: at least 2 are needed.")
    blue = service.tag(project, "blue")
    service.images(project, pictures(4, "blue"), blue)
    assert refused(service, project)[0] == code
    assert "'blue' has 4" in refused(service, project)[1]
    assert "'blue' has 4" in refused(service, project, params={"forceTrain": "true"})[1]
    service.images(project, pictures(1, "blue", start=9), blue)
    assert service.get(service.train(project))["status"] == "Completed"


def test_one_tag_beside_a_negative_one_is_enough(service: Service) -> None:
    project = service.project()
    service.images(project, pictures(5), service.tag(project, "red"))
    service.images(project, pictures(5, "blue"), service.tag(project, "none", "Negative"))
    assert service.get(service.train(project))["status"] == "Completed"
    assert service.worker.jobs[0]["dataset"].negative is not None


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        (
            {"trainingType": "Advanced"},
            "BadRequestReservedBudgetInHoursNotEnoughForAdvancedTraining",
        ),
        (
            {"trainingType": "Advanced", "reservedBudgetInHours": "0"},
            "BadRequestReservedBudgetInHoursNotEnoughForAdvancedTraining",
        ),
        ({"trainingType": "Advanced", "reservedBudgetInHours": str(2**40)}, "BadRequest"),
        ({"trainingType": "Hasty"}, "BadRequest"),
        ({"reservedBudgetInHours": "x"}, "BadRequest"),
        ({"reservedBudgetInHours": "-1"}, "BadRequest"),
        ({"forceTrain": "maybe"}, "BadRequest"),
        ({"notificationEmailAddress": "nobody"}, "BadRequestInvalidEmailAddress"),
    ],
)
def test_parameters_that_are_refused(service: Service, parameters: dict[str, str], code: str) -> None:
    project, _, _ = service.trainable()
    assert refused(service, project, params=parameters)[0] == code
    assert service.get(f"{project}/iterations") == []


def test_what_clients_always_send(service: Service) -> None:
    project, _, _ = service.trainable()
    parameters = {
        "reservedBudgetInHours": "0",
        "forceTrain": "False",
        "notificationEmailAddress": "a@b.example",
    }
    headers = {"Content-Type": "application/json; charset=utf-8"}
    assert service.post(f"{project}/train", params=parameters, headers=headers)["status"] == "Training"


def test_nothing_changed(service: Service) -> None:
    project, red, _ = service.trainable()
    service.train(project)
    expected = ("BadRequestTrainingNotNeeded", "Nothing changed since last training")
    assert refused(service, project) == expected
    # What is no change to what is learned.
    service.upload(project, pictures(5), red)
    service.send("PATCH", project, json={"description": "new"})
    assert refused(service, project) == expected
    forced = service.train(project, params={"forceTrain": "true"})
    assert service.get(forced)["name"] == "Iteration 2"


def test_what_makes_a_training_needed(service: Service) -> None:
    project, red, _ = service.trainable()
    (image,) = service.images(project, pictures(1, "grey"))
    pair = {"imageId": image, "tagId": red}
    service.train(project)
    for change in (
        lambda: service.images(project, pictures(1, start=20), red),
        lambda: service.post(f"{project}/images/tags", json={"tags": [pair]}),
        lambda: service.delete(f"{project}/images/tags", params={"imageIds": image, "tagIds": red}),
        lambda: service.delete(f"{project}/images", params={"imageIds": image}),
        lambda: service.send("PATCH", project, json={"settings": {"domainId": COMPACT}}),
        lambda: service.send("PATCH", project, json={"settings": {"classificationType": "Multilabel"}}),
    ):
        assert refused(service, project)[0] == "BadRequestTrainingNotNeeded"
        change()
        service.train(project)
    assert len(service.get(f"{project}/iterations")) == 7


def test_a_failed_training_can_be_repeated(service: Service) -> None:
    project, _, _ = service.trainable()
    service.worker.failures = [TrainingFailed("There was no light.")]
    service.train(project)
    assert service.get(service.train(project))["status"] == "Completed"


def test_selected_tags(service: Service) -> None:
    project, red, blue = service.trainable()
    small = service.tag(project, "small")
    service.images(project, pictures(2, "green"), small)
    assert "'small' has 2" in refused(service, project)[1]
    iteration = service.train(project, json={"selectedTags": [red, blue, red]})
    assert sorted(service.worker.jobs[0]["dataset"].tags) == ["blue", "red"]
    assert len(service.worker.jobs[0]["dataset"].images) == 10
    assert len(service.get(f"{iteration}/performance")["perTagPerformance"]) == 2
    assert refused(service, project, json={"selectedTags": [blue, red]})[0] == "BadRequestTrainingNotNeeded"
    assert refused(service, project, json={"selectedTags": [red]})[0].endswith("TrainingValidationFailed")
    assert refused(service, project, json={"selectedTags": [red, NOWHERE]})[0] == "NotFoundTag"
    assert refused(service, project, json={"selectedTags": ["x"]})[0] == "BadRequestInvalidIds"
    assert refused(service, project, json={"selectedTags": 5})[0] == "BadRequest"
    service.images(project, pictures(3, "green", start=9), small)
    assert service.get(service.train(project))["name"] == "Iteration 2"


@pytest.mark.parametrize("version", ["v3.0", "v3.1"])
def test_bodies_are_not_read_before_3_2(service: Service, version: str) -> None:
    project, _, _ = service.trainable()
    assert service.send("POST", f"{project}/train", version, content=b"no JSON").status_code == 200


def test_already_in_progress(service: Service) -> None:
    project, _, _ = service.trainable()
    service.post(f"{project}/train")
    for parameters in ({}, {"forceTrain": "true"}):
        assert refused(service, project, params=parameters)[0] == "BadRequestTrainingAlreadyInProgress"
    other, _, _ = service.trainable()
    assert service.post(f"{other}/train")["status"] == "Training"


def test_custom_base_model(service: Service) -> None:
    project, _, _ = service.trainable()
    base = service.train(project)
    _, _, project_id, _, iteration_id = base.split("/")
    info = {"projectId": project_id, "iterationId": iteration_id}
    trained = service.train(project, params={"forceTrain": "true"}, json={"customBaseModelInfo": info})
    assert service.get(trained)["customBaseModelInfo"] == info
    service.worker.failures = [TrainingFailed("no")]
    failed = service.train(project, params={"forceTrain": "true"})
    unfit = info | {"iterationId": failed.rpartition("/")[2]}
    force = {"forceTrain": "true"}
    code = refused(service, project, params=force, json={"customBaseModelInfo": unfit})[0]
    assert code == "BadRequestCustomBaseModelIterationStatusNotCompleted"
    compact, _, _ = service.trainable(domainId=COMPACT)
    code = refused(service, compact, json={"customBaseModelInfo": info})[0]
    assert code == "BadRequestCustomBaseModelDomainNotCompatible"
    nowhere = info | {"iterationId": NOWHERE}
    assert refused(service, compact, json={"customBaseModelInfo": nowhere})[0] == "NotFoundIteration"


# --- what the worker is given -------------------------------------------------------------------------------


def test_the_dataset_is_that_of_the_moment_of_the_request(service: Service) -> None:
    project, red, _ = service.trainable()
    service.images(project, pictures(3, "grey"))
    service.post(f"{project}/train")
    service.images(project, pictures(5, "red", start=50), red)
    service.delete(f"{project}/tags/{red}")
    service.finish_trainings()
    job = service.worker.jobs[0]
    tags = [tag["name"] for tag in service.get(f"{project}/tags")]
    assert (sorted(job["dataset"].tags), tags) == (["blue", "red"], ["blue"])
    assert len(job["dataset"].images) == 10
    assert not job["dataset"].multilabel
    assert job["seed"] == 0


def test_nothing_of_the_dataset_depends_on_random_ids(service: Service) -> None:
    for _ in range(4):
        service.train(service.trainable()[0])
    for job in service.worker.jobs:
        assert job["dataset"].tags == ("blue", "red")
        assert [image.labels for image in job["dataset"].images] == [(1,)] * 5 + [(0,)] * 5


# --- iterations ---------------------------------------------------------------------------------------------


def test_numbering_and_times(service: Service) -> None:
    created = service.get(project := service.trainable()[0])["created"]
    service.clock.advance(minutes=1)
    first = service.post(f"{project}/train")
    service.clock.advance(minutes=1)
    service.finish_trainings()
    service.clock.advance(minutes=1)
    second = service.post(f"{project}/train", params={"forceTrain": "true"})
    assert first["created"] == created
    assert second["created"] == first["lastModified"] > created
    done = service.get(f"{project}/iterations/{first['id']}")
    assert done["trainedAt"] == done["lastModified"] > first["lastModified"]
    service.finish_trainings()
    service.delete(f"{project}/iterations/{second['id']}")
    service.delete(f"{project}/iterations/{first['id']}")
    third = service.get(service.train(project))
    assert (first["name"], second["name"], third["name"]) == ("Iteration 1", "Iteration 2", "Iteration 3")


def test_iterations_are_listed_oldest_first(service: Service) -> None:
    project, _, _ = service.trainable()
    made = [service.train(project, params={"forceTrain": "true"}).rpartition("/")[2] for _ in range(3)]
    assert [item["id"] for item in service.get(f"{project}/iterations")] == made


def test_renaming(service: Service) -> None:
    project, _, _ = service.trainable()
    first, second = (service.train(project, params={"forceTrain": "true"}) for _ in range(2))
    before = service.get(first)
    service.clock.advance(minutes=1)
    renamed = service.send("PATCH", first, json={"name": "Iteration 3", "status": "Failed"}).json()
    assert (renamed["name"], renamed["status"]) == ("Iteration 3", "Completed")
    assert renamed["lastModified"] > before["lastModified"]
    assert renamed["trainedAt"] == before["trainedAt"]
    for body, code in (
        ({"name": "iteration 3"}, "BadRequestIterationNameNotUnique"),
        ({"name": ""}, "BadRequestIterationName"),
        ({}, "BadRequestIterationName"),
        ({"name": "x" * 10_000}, "BadRequestIterationName"),
        ({"name": "\0"}, "BadRequestIterationName"),
    ):
        assert service.refused("PATCH", second, json=body)[:2] == (400, code)
    third = service.train(project, params={"forceTrain": "true"})
    assert service.get(third)["name"] == "Iteration 3 (2)"
    assert (
        service.refused("PATCH", f"{project}/iterations/{NOWHERE}", json={"name": "x"})[1]
        == "NotFoundIteration"
    )


def test_iterations_of_another_project_are_not_there(service: Service) -> None:
    iteration_id = service.train(service.trainable()[0]).rpartition("/")[2]
    other = service.project()
    for method in ("GET", "DELETE"):
        assert service.refused(method, f"{other}/iterations/{iteration_id}")[:2] == (404, "NotFoundIteration")


def test_deleting_an_iteration_deletes_its_model(service: Service) -> None:
    project, _, _ = service.trainable()
    iteration = service.train(project)
    assert len(service.blobs()) == 12
    service.delete(iteration)
    assert service.refused("GET", iteration)[1] == "NotFoundIteration"
    assert len(service.blobs()) == 10


def test_iterations_with_the_same_model_share_its_bytes(service: Service) -> None:
    project, red, _ = service.trainable()
    first, second = (service.train(project, params={"forceTrain": "true"}) for _ in range(2))
    assert len(service.blobs()) == 12
    service.delete(first)
    address = service.publish(second)
    assert service.predict(address, picture(90)).json()["predictions"][0]["tagId"] == red


# --- failures -----------------------------------------------------------------------------------------------


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


def test_an_error_nobody_thought_of_fails_the_training_too(service: Service, caplog: Any) -> None:
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
def test_an_error_without_words_is_told_in_words(service: Service, error: Exception, words: str) -> None:
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


def test_a_change_to_multiclass_with_images_of_two_tags_fails_with_a_reason(service: Service) -> None:
    from emulator.vision.classification import train as classifier

    project, red, blue = service.trainable(classificationType="Multilabel")
    service.images(project, pictures(1, "green"), red, blue)
    service.send("PATCH", project, json={"settings": {"classificationType": "Multiclass"}})
    service.post(f"{project}/train")

    def really_train(future: Any) -> None:
        job = service.worker.jobs[-1]
        try:
            classifier.distinct_images(job["dataset"])
        except TrainingFailed as failure:
            future.set_exception(failure)

    service.worker.finish = really_train  # type: ignore[method-assign]
    service.finish_trainings()
    (iteration,) = service.get(f"{project}/iterations")
    assert iteration["status"] == "Failed"
    assert "2 tags" in iteration["trainingErrorDetails"]


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


def test_a_training_survives_a_restart(service: Service) -> None:
    project, _, _ = service.trainable()
    service.post(f"{project}/train")
    service.runner(JobKind.TRAINING).claim()
    service.restart()
    service.finish_trainings()
    (iteration,) = service.get(f"{project}/iterations")
    assert (iteration["status"], iteration["trainingErrorDetails"]) == ("Completed", None)


# --- with the thread that carries trainings out -------------------------------------------------------------


def test_progress_can_be_seen_while_it_trains(service: Service) -> None:
    project, _, _ = service.trainable()
    service.worker.held = True
    service.runner(JobKind.TRAINING).start()
    iteration = service.post(f"{project}/train")
    wait_until(lambda: service.worker.waiting, "the training to begin")
    service.worker.jobs[0]["on_progress"](0.25, "Looking at the images")
    assert service.runner(JobKind.TRAINING).progress(iteration["id"]) == (0.25, "Looking at the images")
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
