"""The client of the control API, with a running emulator: each method once, and what it causes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from emulator.testing import EmulatorControl, EmulatorError, EmulatorServer, SampleProject, images


@pytest.fixture(scope="module")
def server() -> Iterator[EmulatorServer]:
    with EmulatorServer() as server:
        yield server


@pytest.fixture
def control(server: EmulatorServer) -> EmulatorControl:
    server.control.reset()
    return server.control


@pytest.fixture
def project(server: EmulatorServer, control: EmulatorControl) -> SampleProject:
    return server.create_project({"red": 5, "blue": 5}, published="colors")


def predictions(server: EmulatorServer, project: SampleProject, image: bytes) -> dict[str, float]:
    """Probabilities by tag name."""
    client = server.prediction_client()
    try:
        result = client.classify_image(project.id, project.published_name, image)
    finally:
        client.close()
    return {one.tag_name: one.probability for one in result.predictions}


def project_names(control: EmulatorControl) -> list[str]:
    return [one["name"] for one in control.client.send("GET", "/customvision/v3.3/training/projects")]


def test_the_trainer_of_all_projects_and_of_one(control: EmulatorControl, project: SampleProject) -> None:
    assert control.trainer.get() == "instant"
    control.trainer.set("real", project.id)
    assert (control.trainer.get(project.id), control.trainer.get()) == ("real", "instant")
    control.trainer.clear(project.id)
    assert control.trainer.get(project.id) == "instant"
    control.trainer.set("real")
    assert control.trainer.get(project.id) == "real"


def test_scripted_predictions(
    server: EmulatorServer, control: EmulatorControl, project: SampleProject
) -> None:
    image = project.image("red")
    script = control.scripts.add({"blue": 0.7, "red": 0.2}, published_name="colors", times=1)
    assert control.scripts.get(script)["remaining"] == 1
    assert not control.scripts.all_used()
    assert predictions(server, project, image) == pytest.approx({"blue": 0.7, "red": 0.2})
    assert control.scripts.all_used()
    assert predictions(server, project, image)["red"] > 0.5
    of_image = control.scripts.add([{"tagName": "blue", "probability": 0.6}], image=image)
    assert predictions(server, project, image)["blue"] == pytest.approx(0.6)
    assert predictions(server, project, project.image("red", 1))["red"] > 0.5
    control.scripts.remove(of_image)
    control.scripts.clear()
    assert predictions(server, project, image)["red"] > 0.5


def test_choreography(server: EmulatorServer, control: EmulatorControl) -> None:
    control.choreography.set(training={"complete": "afterPolls", "polls": 3})
    assert control.choreography.get()["training"]["polls"] == 3
    server.create_project(trained=True)  # which polls
    assert control.requests.count(operation="GetIteration") == 3
    project = server.create_project()
    failure = {"code": "ErrorUnknown", "message": "no luck"}
    control.choreography.set(training={"failure": failure}, project_id=project.id)
    path = f"/customvision/v3.3/training/projects/{project.id}"
    iteration = control.client.send("POST", f"{path}/train")
    while iteration["status"] not in ("Completed", "Failed"):
        iteration = control.client.send("GET", f"{path}/iterations/{iteration['id']}")
    assert iteration["status"] == "Failed"
    control.choreography.clear(project.id)
    control.choreography.clear()
    assert not control.choreography.get().get("training")


def test_faults(control: EmulatorControl) -> None:
    scenario = control.faults.add("GetProjects", {"kind": "status", "status": 503}, {"kind": "pass"})
    with pytest.raises(EmulatorError) as failed:
        project_names(control)
    assert failed.value.status == 503
    assert [step["remaining"] for step in control.faults.get(scenario)["steps"]] == [0, 1]
    assert not control.faults.all_used()
    assert project_names(control) == []
    assert control.faults.all_used()
    control.faults.remove(scenario)
    control.faults.add("*", {"kind": "throttle", "times": 5}, client="somebody else")
    assert project_names(control) == []
    control.faults.clear()
    assert control.faults.all_used()
    with pytest.raises(EmulatorError, match="NoSuchOperation"):
        control.faults.add("NoSuchOperation", {"kind": "pass"})


def test_the_clock(control: EmulatorControl) -> None:
    assert abs(control.clock.now() - datetime.now(UTC)) < timedelta(seconds=60)
    control.clock.freeze("2040-01-31T12:00:00Z")
    assert control.clock.get()["frozen"]
    control.clock.advance(40)
    control.clock.advance(timedelta(seconds=20))
    with pytest.raises(ValueError, match="not JSON compliant"):
        control.clock.advance(float("nan"))
    assert control.clock.now() - datetime(2040, 1, 31, 12, 1, tzinfo=UTC) < timedelta(milliseconds=1)
    control.clock.set(datetime(2041, 1, 1), frozen=True)
    assert control.clock.now() - datetime(2041, 1, 1, tzinfo=UTC) < timedelta(milliseconds=1)
    control.clock.freeze()
    control.clock.reset()
    assert not control.clock.get()["frozen"]
    assert control.clock.now() < datetime(2040, 1, 1, tzinfo=UTC)


def test_snapshots(server: EmulatorServer, control: EmulatorControl, project: SampleProject) -> None:
    control.snapshots.save("trained")
    control.reset()
    assert project_names(control) == []
    control.snapshots.restore("trained")
    assert project_names(control) == [project.name]
    assert predictions(server, project, project.image("red"))["red"] > 0.5
    control.snapshots.upload("copy", control.snapshots.download("trained"))
    assert [one["name"] for one in control.snapshots.list()] == ["copy", "trained"]
    for name in ("copy", "trained"):
        control.snapshots.remove(name)
    assert control.snapshots.list() == []
    with pytest.raises(EmulatorError, match="trained"):
        control.snapshots.restore("trained")


def test_the_request_log(control: EmulatorControl, project: SampleProject) -> None:
    assert control.requests.count(operation="CreateTag") == 2
    assert [one["operation"] for one in control.requests.list(operation="TrainProject")] == ["TrainProject"]
    assert control.requests.count(method="POST", path="/tags", status=200, departed=False) == 2
    assert control.requests.count(operation="CreateTag", at_least=2, timeout_seconds=5) == 2
    assert len(control.requests.list(project=project.id, order="oldest", limit=3)) == 3
    with pytest.raises(EmulatorError, match="did you mean 'CreateTag'"):
        control.requests.count(operation="CreateTags")
    assert "TrainProject" in str(control.requests.usage())
    assert "TrainProject" in control.requests.usage_report()
    control.requests.clear()
    assert control.requests.count() == 0


def test_faults_of_one_project(control: EmulatorControl, project: SampleProject) -> None:
    fault = control.faults.add("GetTags", {"kind": "status", "status": 503}, project_id=project.id)
    assert control.faults.get(fault)["projectId"] == project.id


def test_projects_that_cannot_be_made(server: EmulatorServer, control: EmulatorControl) -> None:
    with pytest.raises(TypeError, match="not the text 'red'"):
        server.create_project("red")
    with pytest.raises(ValueError, match="multilabel is for classification"):
        server.create_project(detection=True, multilabel=True)
    assert project_names(control) == []


def test_a_refused_body_names_the_reason(control: EmulatorControl) -> None:
    with pytest.raises(EmulatorError, match="trainer"):
        control.trainer.set("nonsense")
    with pytest.raises(EmulatorError) as refused:
        control.clock.advance(-1)
    assert refused.value.status == 400


def test_projects_of_every_kind(server: EmulatorServer, control: EmulatorControl) -> None:
    options: dict[str, Any]
    for options in ({"multilabel": True}, {"detection": True}, {"compact": True}):
        project = server.create_project(name=str(options), published="now", **options)
        path = f"/customvision/v3.3/training/projects/{project.id}"
        found = control.client.send("GET", path)
        counts = {tag: len(ids) for tag, ids in project.images.items()}
        assert counts == dict.fromkeys(("red", "blue"), 15 if project.is_detection else 5)
        domain = control.client.send(
            "GET", f"/customvision/v3.3/training/domains/{found['settings']['domainId']}"
        )
        assert domain["exportable"] == ("compact" in options)
        assert domain["type"] == ("ObjectDetection" if project.is_detection else "Classification")
        iteration = control.client.send("GET", f"{path}/iterations/{project.iteration_id}")
        assert (iteration["status"], iteration["publishName"]) == ("Completed", "now")


def test_a_detector_finds_the_objects_of_a_scene(server: EmulatorServer, control: EmulatorControl) -> None:
    project = server.create_project({"circle": 15, "square": 15}, detection=True, published="shapes")
    scene = images.scene("circle", number=0)  # one of the training
    client = server.prediction_client()
    best = client.detect_image(project.id, "shapes", scene.data).predictions[0]
    client.close()
    assert best.tag_name == "circle"
    assert best.bounding_box.left == pytest.approx(scene.boxes[0].left, abs=0.02)
    assert best.bounding_box.top == pytest.approx(scene.boxes[0].top, abs=0.02)


def test_a_training_that_fails_is_an_error(server: EmulatorServer, control: EmulatorControl) -> None:
    with pytest.raises(EmulatorError) as refused:
        server.create_project({"red": 5}, trained=True)
    assert refused.value.status == 400
