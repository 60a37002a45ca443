"""The instant trainer in the server: no worker, its own queue, and all that follows a training."""

from typing import Any

import pytest

from emulator.core.iterations import manage as iterations
from emulator.store.tables import JobKind
from tests.support.damage import change_blob, flip_a_bit, last_blob
from tests.support.detection import GENERAL, marked_images
from tests.support.fakes import hide_package
from tests.support.harness import COMPACT, Service, wait_until
from tests.support.images import picture, pictures
from tests.support.importing import Elsewhere, imported

ADVANCED = {"trainingType": "Advanced", "reservedBudgetInHours": "1"}


@pytest.fixture
def instant(service: Service) -> Service:
    """An emulator whose default trainer is the instant one."""
    service.context.trainers.default = "instant"
    return service


def best(response: Any) -> tuple[str, float]:
    first = response.json()["predictions"][0]
    return first["tagName"], first["probability"]


@pytest.mark.parametrize("parameters", [{}, ADVANCED])
def test_a_training_needs_no_worker_whether_regular_or_advanced(
    instant: Service, parameters: dict[str, str]
) -> None:
    project, _, _ = instant.trainable()
    iteration = instant.train(project, params=parameters)
    shown = instant.get(iteration)
    assert shown["status"] == "Completed"
    assert shown["trainingType"] == parameters.get("trainingType", "Regular")
    assert (instant.worker.jobs, instant.worker.warm_ups) == ([], 0)
    address = instant.publish(iteration)
    assert best(instant.predict(address, picture(2, "blue"))) == ("blue", pytest.approx(1, abs=0.05))
    assert best(instant.predict(address, picture(77, "red")))[0] == "red"


def test_trainings_of_single_projects(service: Service) -> None:
    project, _, _ = service.trainable()
    other, _, _ = service.trainable(name="other")
    service.context.trainers.choose(project.rpartition("/")[2], "instant")
    service.train(project)
    assert service.worker.jobs == []
    service.train(other)
    assert len(service.worker.jobs) == 1


def test_a_running_real_training_does_not_delay_an_instant_one(service: Service) -> None:
    slow, _, _ = service.trainable()
    quick, _, _ = service.trainable(name="quick")
    service.context.trainers.choose(quick.rpartition("/")[2], "instant")
    service.worker.held = True
    for kind in (JobKind.TRAINING, JobKind.INSTANT_TRAINING):
        service.runner(kind).start()
    begun = service.post(f"{slow}/train")["id"]
    wait_until(lambda: service.worker.waiting, "the real training to begin")
    path = f"{quick}/iterations/{service.post(f'{quick}/train')['id']}"
    wait_until(lambda: service.get(path)["status"] == "Completed", "the instant training")
    assert service.get(f"{slow}/iterations/{begun}")["status"] == "Training"
    service.worker.held = False


def test_a_client_finds_an_instant_training_completed_at_its_first_request(
    instant: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(iterations, "_INSTANT_SECONDS", 60.0)  # a busy machine needs longer
    project, _, _ = instant.trainable()
    instant.runner(JobKind.INSTANT_TRAINING).start()
    iteration = instant.post(f"{project}/train")
    assert iteration["status"] == "Training"
    assert instant.get(f"{project}/iterations/{iteration['id']}")["status"] == "Completed"


def test_features_are_computed_at_the_upload(instant: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    project, _, _ = instant.trainable()

    def fail(data: bytes) -> None:
        raise AssertionError("an image was decoded again")

    monkeypatch.setattr("emulator.vision.instant.train.image_features", fail)
    assert instant.get(instant.train(project))["status"] == "Completed"


def test_images_uploaded_before_are_decoded_by_the_training(service: Service) -> None:
    project, _, _ = service.trainable()
    service.context.trainers.default = "instant"
    assert service.get(service.train(project))["status"] == "Completed"


def test_performance_suggestions_and_quick_tests(instant: Service) -> None:
    project, red, _ = instant.trainable()
    iteration = instant.train(project)
    shown = instant.get(f"{iteration}/performance", params={"threshold": "0.5"})
    assert (shown["precision"], shown["recall"]) == (1.0, 1.0)
    assert len(instant.get(f"{iteration}/performance/images")) == 10 // 5
    (untagged,) = instant.images(project, [picture(50, "red")])
    iteration_id = iteration.rpartition("/")[2]
    (suggested,) = instant.post(
        f"{project}/tagsandregions/suggestions",
        params={"iterationId": iteration_id, "imageIds": untagged},
    )
    assert suggested["predictions"][0]["tagId"] == red
    tested = instant.send(
        "POST",
        f"{project}/quicktest/image",
        params={"iterationId": iteration_id},
        content=picture(51, "blue"),
        headers={"Content-Type": "application/octet-stream"},
    )
    assert best(tested)[0] == "blue"


def test_detectors(instant: Service) -> None:
    project = instant.project("boxes", domainId=GENERAL)
    tag = instant.tag(project, "thing")
    marked_images(instant, project, pictures(15), tag)
    iteration = instant.train(project)
    assert instant.get(iteration)["status"] == "Completed"
    found = instant.predict(instant.publish(iteration, kind="detect"), picture(3)).json()["predictions"]
    assert found[0]["tagName"] == "thing"
    assert found[0]["boundingBox"] == pytest.approx(
        {"left": 0.25, "top": 0.5, "width": 0.125, "height": 0.25}
    )
    assert found[0]["probability"] > 0.95
    assert instant.get(f"{iteration}/performance")["averagePrecision"] == pytest.approx(1)


def test_selected_tags_alone_are_trained(instant: Service) -> None:
    project, red, blue = instant.trainable(classificationType="Multilabel")
    green = instant.tag(project, "green")
    instant.images(project, pictures(5, "green"), green)
    iteration = instant.train(project, json={"selectedTags": [red, blue]})
    address = instant.publish(iteration)
    shown = instant.predict(address, picture(0, "green")).json()["predictions"]
    assert {item["tagName"] for item in shown} == {"red", "blue"}


def test_preconditions_are_those_of_real_trainings(instant: Service) -> None:
    project = instant.project()
    instant.tag(project, "red")
    assert instant.refused("POST", f"{project}/train")[0] == 400
    project, _, _ = instant.trainable(name="again")
    instant.train(project)
    assert instant.refused("POST", f"{project}/train")[1] == "BadRequestTrainingNotNeeded"


def test_a_damaged_image_fails_the_training_with_its_id(instant: Service) -> None:
    project, _, _ = instant.trainable()
    instant.context.instant_features.memory.clear()
    change_blob(instant.settings.data, last_blob(instant, "image")[1], flip_a_bit)
    shown = instant.get(instant.train(project))
    assert shown["status"] == "Failed"
    assert "damaged" in shown["trainingErrorDetails"]


def test_a_deleted_base_model_fails_the_training(instant: Service) -> None:
    project, _, _ = instant.trainable()
    base = instant.train(project)
    info = {"projectId": project.split("/")[2], "iterationId": base.split("/")[4]}
    begun = instant.post(f"{project}/train", json={"customBaseModelInfo": info})
    instant.delete(base)
    instant.finish_trainings()
    shown = instant.get(f"{project}/iterations/{begun['id']}")
    assert shown["status"] == "Failed"
    assert "custom base model is not there any more" in shown["trainingErrorDetails"]


def test_an_instant_base_model_is_refused_by_a_real_training_with_a_reason(tmp_path: Any) -> None:
    from emulator.vision.backbones.base_models import starting_backbone
    from emulator.vision.networks.model_file import INSTANT_MAGIC
    from emulator.vision.training.errors import TrainingFailed

    (tmp_path / "model").write_bytes(INSTANT_MAGIC + b"{}\n")
    with pytest.raises(TrainingFailed, match="instant trainer"):
        starting_backbone(tmp_path / "model")


def test_a_deleted_iteration_leaves_nothing(instant: Service) -> None:
    project, _, _ = instant.trainable()
    begun = instant.post(f"{project}/train")
    iterations.delete(instant.context, project.split("/")[2], begun["id"])
    instant.finish_trainings()
    assert instant.rows("SELECT count(*) FROM job") == [(0,)]
    assert instant.blobs() == instant.referenced_blobs()


def test_a_waiting_training_is_executed_after_a_restart(instant: Service) -> None:
    project, _, _ = instant.trainable()
    begun = instant.post(f"{project}/train")
    instant.restart()  # the default trainer is the real one again
    instant.finish_trainings()
    assert instant.get(f"{project}/iterations/{begun['id']}")["status"] == "Completed"
    assert instant.worker.jobs == []


def test_the_same_images_give_the_same_bytes(instant: Service) -> None:
    project, _, _ = instant.trainable()
    instant.train(project)
    instant.train(project, params={"forceTrain": "true"})
    ((models, evaluations),) = instant.rows(
        "SELECT count(DISTINCT model_blob), count(DISTINCT evaluation_blob) FROM iteration"
    )
    assert (models, evaluations) == (1, 1)


def test_a_copy_of_the_project_has_the_model(target: Service, elsewhere: Elsewhere) -> None:
    source = elsewhere.service
    source.context.trainers.default = "instant"
    project, _, _ = source.trainable()
    iteration = source.train(project)
    copied = imported(target, elsewhere.token(project))
    (shown,) = target.get(f"{copied}/iterations")
    assert shown["status"] == "Completed"
    here = target.publish(f"{copied}/iterations/{shown['id']}")
    there = source.publish(iteration)
    for image in (picture(0, "red"), picture(9, "blue")):
        ours, theirs = target.predict(here, image).json(), source.predict(there, image).json()
        assert [item["probability"] for item in ours["predictions"]] == [
            item["probability"] for item in theirs["predictions"]
        ]


def test_a_reset_returns_to_the_option(instant: Service) -> None:
    project, _, _ = instant.trainable()
    instant.context.trainers.choose(project.rpartition("/")[2], "real")
    instant.request("POST", "/_emulator/reset")
    assert instant.context.trainers.default == "real"
    assert instant.context.trainers.own(project.rpartition("/")[2]) is None


def test_iterations_of_compact_domains_are_exportable(instant: Service) -> None:
    project, _, _ = instant.trainable(domainId=COMPACT)
    assert instant.get(instant.train(project))["exportable"] is True


def test_cancelled_jobs_end_at_their_next_report() -> None:
    from concurrent.futures import CancelledError
    from threading import Event

    from emulator.core.jobs.in_process_worker import InProcessWorker

    begun, go_on = Event(), Event()

    def job(progress: Any) -> str:
        begun.set()
        go_on.wait(10)
        progress(0.5, "half")
        return "not reached"

    future = InProcessWorker().submit(job)
    assert begun.wait(10)
    future.cancel()
    go_on.set()
    with pytest.raises(CancelledError):
        future.result(10)


def test_packages_of_real_trainings_are_not_needed(instant: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    hide_package(monkeypatch, "torch")
    project, _, _ = instant.trainable()
    assert instant.get(instant.train(project))["status"] == "Completed"
    instant.context.trainers.default = "real"
    refused = instant.refused("POST", f"{project}/train", params={"forceTrain": "true"})
    assert refused[:2] == (400, "BadRequestNotSupported")
