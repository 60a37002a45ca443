"""A live server is killed: nothing that it confirmed is lost, and trainings end."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import Serve
from tests.support.harness import (
    PREDICTION_KEY,
    RESOURCE_ID,
    add_orphan,
    blob_content,
    blobs_in,
    database_rows,
    files_body,
    is_database_intact,
    referenced_blobs,
    wait_until,
)
from tests.support.images import picture, pictures
from tests.support.live_server import LiveServer

pytestmark = pytest.mark.slow
posix_only = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals: run it on Linux or macOS")
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc: run it on Linux")

UPLOADERS = 4
PREDICTORS = 8


def workers_of(server: LiveServer) -> set[int]:
    """The worker processes, found through the threads of the server."""
    found: set[int] = set()
    for task in Path(f"/proc/{server.pid}/task").iterdir():
        with suppress(OSError):
            found |= {int(pid) for pid in (task / "children").read_text().split()}
    return found


def worker_of(server: LiveServer) -> int:
    """The id of the only worker process; 0 without one."""
    return next(iter(workers_of(server)), 0)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def kill_amid(server: LiveServer, run: Callable[[int], None], clients: int, enough: threading.Event) -> None:
    """Kill the server when clients have done enough. run: the requests of a client, given its number."""
    with ThreadPoolExecutor(clients) as threads:
        jobs = [threads.submit(run, number) for number in range(clients)]
        assert enough.wait(60)
        server.kill()
        for job in jobs:
            job.result()


def upload_until_killed(server: LiveServer, project: str, tag: str) -> dict[str, bytes]:
    """Kill the server during uploads of several clients; returns the images that it confirmed."""
    confirmed: dict[str, bytes] = {}
    enough = threading.Event()

    def upload(uploader: int) -> None:
        with server.new_client() as client, suppress(httpx.TransportError):
            for batch in range(1000):
                data = pictures(3, start=100_000 * uploader + 3 * batch)
                response = client.post(f"{project}/images/files", json=files_body(data, [tag]))
                for item, content in zip(response.json()["images"], data, strict=True):
                    assert item["status"] == "OK"
                    confirmed[item["image"]["id"]] = content
                if len(confirmed) > 40:
                    enough.set()

    kill_amid(server, upload, UPLOADERS, enough)
    return confirmed


def test_confirmed_images_survive_a_kill_during_uploads(serve: Serve) -> None:
    server = serve()
    project = server.project()
    tag = server.post(f"{project}/tags", params={"name": "a"})["id"]
    confirmed = upload_until_killed(server, project, tag)
    assert is_database_intact(server.data)
    assert referenced_blobs(server.data) <= blobs_in(server.data)

    add_orphan(server.data)  # a kill does not leave one every time

    again = serve()
    count = again.get(f"{project}/images/count")
    assert count >= len(confirmed)
    assert (
        again.get(f"{project}/images/tagged/count")
        == again.get(f"{project}/tags/{tag}")["imageCount"]
        == count
    )
    ids = list(confirmed)
    shown: dict[str, Any] = {}
    for start in range(0, len(ids), 100):
        parameters = {"imageIds": ",".join(ids[start : start + 100])}
        shown |= {image["id"]: image for image in again.get(f"{project}/images/id", params=parameters)}
    assert set(shown) == set(confirmed)
    for image_id, content in confirmed.items():
        name = hashlib.sha256(content).hexdigest()
        assert blob_content(again.data, name) == content
        assert [item["tagId"] for item in shown[image_id]["tags"]] == [tag]
    fetched = again.client.get(shown[ids[-1]]["originalImageUri"])
    assert fetched.status_code == 200
    # Blobs of unconfirmed requests are removed.
    wait_until(
        lambda: (
            {name for name in blobs_in(again.data) if not name.startswith(".")}
            == referenced_blobs(again.data)
        ),
        "the sweeping",
    )


def train(server: LiveServer, project: str) -> str:
    return str(server.post(f"{project}/train", params={"forceTrain": "true"})["id"])


def attempts(server: LiveServer) -> int:
    rows = database_rows(server.data, "SELECT attempts FROM job")
    return rows[0][0] if rows else 0


def wait_for_attempt(server: LiveServer, number: int) -> None:
    wait_until(lambda: attempts(server) == number, f"attempt {number} of the training")


def test_a_training_survives_a_kill_of_the_server(serve: Serve) -> None:
    server = serve()
    project = server.trainable()
    iteration = train(server, project)
    wait_for_attempt(server, 1)
    server.kill()
    assert database_rows(server.data, "SELECT status FROM iteration") == [("Training",)]
    again = serve()
    done = again.wait_for_training(project, iteration)
    assert (done["status"], done["trainingErrorDetails"]) == ("Completed", None)
    assert blobs_in(again.data) == referenced_blobs(again.data)
    parameters = {"publishName": "a", "predictionId": RESOURCE_ID}
    assert again.post(f"{project}/iterations/{iteration}/publish", params=parameters) is True
    url = f"{again.endpoint}/customvision/v3.1/prediction/{project[10:]}/classify/iterations/a/image"
    headers = {"Prediction-Key": PREDICTION_KEY, "Content-Type": "application/octet-stream"}
    predicted = again.client.post(url, content=picture(99), headers=headers).json()
    assert predicted["predictions"][0]["tagName"] == "red"


def test_a_training_that_kills_the_server_again_and_again_fails_with_its_reason(serve: Serve) -> None:
    server = serve()
    project = server.trainable()
    iteration = train(server, project)
    for number in (1, 2, 3):
        wait_for_attempt(server, number)
        server.kill()
        server = serve()
    done = server.wait_for_training(project, iteration)
    assert done["status"] == "Failed"
    assert "interrupted 3 times" in done["trainingErrorDetails"]
    assert server.wait_for_training(project, train(server, project))["status"] == "Completed"


@linux_only
def test_a_killed_worker_is_replaced_and_the_training_tried_again(live: LiveServer) -> None:
    project = live.trainable()
    iteration = train(live, project)
    wait_for_attempt(live, 1)
    worker = wait_until(lambda: worker_of(live), "the worker")
    os.kill(worker, signal.SIGKILL)
    done = live.wait_for_training(project, iteration)
    assert (done["status"], done["trainingErrorDetails"]) == ("Completed", None)
    assert worker_of(live) not in (0, worker)
    assert not is_running(worker)


@linux_only
def test_a_worker_that_is_killed_again_and_again_fails_the_training_with_its_reason(live: LiveServer) -> None:
    project = live.trainable()
    iteration = train(live, project)
    wait_for_attempt(live, 1)
    while live.get(f"{project}/iterations/{iteration}")["status"] == "Training":
        for worker in workers_of(live):
            with suppress(ProcessLookupError):  # it has just ended by itself
                os.kill(worker, signal.SIGKILL)
    failed = live.get(f"{project}/iterations/{iteration}")
    assert failed["status"] == "Failed"
    assert "ended 3 times" in failed["trainingErrorDetails"]
    assert "SIGKILL; the machine may have run out of memory" in failed["trainingErrorDetails"]
    assert live.wait_for_training(project, train(live, project))["status"] == "Completed"


@linux_only
def test_a_quick_training_overtakes_an_advanced_one(live: LiveServer) -> None:
    """The process of the advanced training is stopped at the same time, so that it ends later."""
    slow = live.trainable()
    quick_worker = wait_until(lambda: worker_of(live), "the worker, which the first image warms up")
    parameters = {"trainingType": "Advanced", "reservedBudgetInHours": "1"}
    iteration = live.post(f"{slow}/train", params=parameters)["id"]
    (advanced_worker,) = wait_until(lambda: workers_of(live) - {quick_worker}, "the second worker")
    os.kill(advanced_worker, signal.SIGSTOP)
    try:
        quick = live.trainable()
        assert live.wait_for_training(quick, train(live, quick))["status"] == "Completed"
        assert live.get(f"{slow}/iterations/{iteration}")["status"] == "Training"
        assert live.client.delete(f"{slow}/iterations/{iteration}").status_code == 204
        assert is_running(quick_worker)
    finally:
        os.kill(advanced_worker, signal.SIGCONT)
    live.kill()
    wait_until(lambda: not is_running(quick_worker) and not is_running(advanced_worker), "their end")


@linux_only
def test_the_worker_dies_with_its_server(live: LiveServer) -> None:
    project = live.trainable()
    worker = wait_until(lambda: worker_of(live), "the worker, which the first image warms up")
    train(live, project)
    wait_for_attempt(live, 1)
    live.kill()
    wait_until(lambda: not is_running(worker), "the end of the worker")


@posix_only
def test_sigterm_during_a_training_and_the_training_goes_on_afterwards(serve: Serve) -> None:
    server = serve()
    project = server.trainable()
    iteration = train(server, project)
    wait_for_attempt(server, 1)
    assert server.terminate() == 0
    assert database_rows(server.data, "SELECT status FROM iteration") == [("Training",)]
    assert server.log().strip() == ""
    again = serve()
    assert again.wait_for_training(project, iteration)["status"] == "Completed"
    assert again.terminate() == 0
    assert not (again.data / "emulator.pid").exists()


def test_the_server_responds_while_it_trains(live: LiveServer) -> None:
    project = live.trainable()
    train(live, project)
    wait_for_attempt(live, 1)
    assert live.get(f"{project}/images/count") == 12
    assert live.get(f"{project}/iterations")[0]["status"] == "Training"


@pytest.mark.parametrize("deleted", [[], pytest.param(["emulator.lock"], marks=posix_only)], ids=str)
def test_two_programs_on_one_data_folder(live: LiveServer, deleted: list[str]) -> None:
    project = live.project()
    for name in deleted:
        (live.data / name).unlink()
    command = [sys.executable, "-m", "emulator", "serve", "--port", "0", "--data", str(live.data)]
    second = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert second.returncode == 1
    assert second.stdout == ""
    assert len(second.stderr.strip().splitlines()) == 1
    assert str(live.data) in second.stderr
    assert f"process {live.pid}" in second.stderr
    assert live.get(project)["name"] == "live"


def test_a_folder_is_free_again_after_a_kill(serve: Serve) -> None:
    serve().kill()
    assert serve().get("/projects") == []


def predict_until_killed(server: LiveServer, address: str, count: int) -> dict[str, bytes]:
    """Kill the server during predictions of several clients; returns the images that it confirmed, by id."""
    confirmed: dict[str, bytes] = {}
    enough = threading.Event()

    def predict(client_number: int) -> None:
        headers = {"Prediction-Key": PREDICTION_KEY, "Content-Type": "application/octet-stream"}
        client = httpx.Client(base_url=server.endpoint, headers=headers, trust_env=False)
        with client, suppress(httpx.TransportError):
            for number in range(1000):
                data = picture(10_000 * client_number + number)
                confirmed[client.post(address, content=data).json()["id"]] = data
                if len(confirmed) > count:
                    enough.set()

    kill_amid(server, predict, PREDICTORS, enough)
    return confirmed


def test_confirmed_predictions_survive_kills(serve: Serve) -> None:
    server = serve("--trainer", "instant")
    project = server.project()
    for name, colour in (("a", "red"), ("b", "blue")):
        tag = server.post(f"{project}/tags", params={"name": name})["id"]
        images = [picture(number, colour) for number in range(5)]
        server.post(f"{project}/images/files", json=files_body(images, [tag]))
    iteration = f"{project}/iterations/{train(server, project)}"
    wait_until(lambda: server.get(iteration)["status"] == "Completed", "the training")
    server.post(f"{iteration}/publish", params={"publishName": "now", "predictionId": RESOURCE_ID})
    address = (
        f"/customvision/v3.1/prediction{project.removeprefix('/projects')}/classify/iterations/now/image"
    )
    confirmed: dict[str, bytes] = {}
    for _ in range(3):
        confirmed |= predict_until_killed(server, address, 20)
        assert is_database_intact(server.data)
        assert referenced_blobs(server.data) <= blobs_in(server.data)
        server = serve("--trainer", "instant")
    stored = dict(database_rows(server.data, "SELECT id, blob FROM stored_prediction"))
    assert {
        name: hashlib.sha256(data).hexdigest() for name, data in confirmed.items()
    }.items() <= stored.items()
