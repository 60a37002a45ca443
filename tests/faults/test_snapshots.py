"""Snapshots of a live server: killed amid restores, and restored while other clients work."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import httpx
import pytest

from tests.conftest import Serve
from tests.support.harness import (
    PREDICTION_KEY,
    RESOURCE_ID,
    blobs_in,
    expect,
    files_body,
    referenced_blobs,
    wait_until,
)
from tests.support.images import picture, pictures
from tests.support.live_server import LiveServer

pytestmark = pytest.mark.slow

STUB = "tests.support.stub_trainer_server"
CLIENTS = 4


def snapshot(client: httpx.Client, server: LiveServer, method: str, path: str) -> httpx.Response:
    return client.request(method, f"{server.endpoint}/_emulator/snapshots/{path}")


def seen(client: httpx.Client) -> list[tuple[str, int, set[str]]]:
    """Each project with the number of its images and the names of its tags."""
    found = []
    for project in expect(client.get("/projects")):
        path = f"/projects/{project['id']}"
        count = client.get(f"{path}/images/count")
        tags = client.get(f"{path}/tags")
        found.append((project["name"], expect(count), {tag["name"] for tag in expect(tags)}))
    return found


def two_states(server: LiveServer) -> None:
    """Save the snapshots ``small`` and ``large``, of different projects."""
    for name, images, colour in (("small", 5, "red"), ("large", 50, "blue")):
        server.client.post(f"{server.endpoint}/_emulator/reset")
        project = server.project(name=name)
        tag = server.post(f"{project}/tags", params={"name": name})["id"]
        server.post(f"{project}/images/files", json=files_body(pictures(images, colour), [tag]))
        assert snapshot(server.client, server, "PUT", name).status_code == 201


# A restore takes 5 to 20 ms: the kill comes at its begin, within it and around its end.
@pytest.mark.parametrize("delay", [0.0, 0.004, 0.012])
def test_a_kill_amid_restores_leaves_one_of_the_states(serve: Serve, delay: float) -> None:
    server = serve()
    two_states(server)
    begun = threading.Event()

    def restore_until_killed() -> None:
        with server.new_client() as client, suppress(httpx.TransportError):
            for number in range(10_000):
                assert snapshot(
                    client, server, "POST", f"{('small', 'large')[number % 2]}/restore"
                ).is_success
                begun.set()

    with ThreadPoolExecutor(1) as threads:
        restoring = threads.submit(restore_until_killed)
        assert begun.wait(60)
        threading.Event().wait(delay)
        server.kill()
        restoring.result()
    again = serve()
    assert seen(again.client) in ([("small", 5, {"small"})], [("large", 50, {"large"})])
    assert referenced_blobs(server.data) <= blobs_in(server.data)
    for name, count in (("small", 5), ("large", 50)):
        assert snapshot(again.client, again, "POST", f"{name}/restore").status_code == 200
        assert seen(again.client) == [(name, count, {name})]


def test_clients_see_one_of_the_states_during_restores(serve: Serve) -> None:
    server = serve()
    two_states(server)
    over = threading.Event()

    def read() -> int:
        reads = 0
        with server.new_client() as client:
            while not over.is_set():
                for project in expect(client.get("/projects")):
                    listed = client.get(f"/projects/{project['id']}/images", params={"take": 256})
                    if listed.status_code == 404:  # another state meanwhile
                        continue
                    images = expect(listed)
                    assert len(images) == {"small": 5, "large": 50}[project["name"]]
                    assert {tag["tagName"] for image in images for tag in image["tags"]} == {project["name"]}
                    reads += 1
        return reads

    with ThreadPoolExecutor(CLIENTS) as threads:
        reading = [threads.submit(read) for _ in range(CLIENTS)]
        try:
            for number in range(16):
                name = ("small", "large")[number % 2]
                restored = snapshot(server.client, server, "POST", f"{name}/restore")
                assert (restored.status_code, restored.json()["name"]) == (200, name)
        finally:
            over.set()
        assert sum(job.result() for job in reading) > 0


def test_clients_that_write_train_and_predict_during_restores_get_answers(serve: Serve) -> None:
    """Each request succeeds or names what is gone; nothing refers to a blob that is missing."""
    server = LiveServer(serve().data.with_name("stub"), program=STUB)
    try:
        _work_during_restores(server)
    finally:
        server.kill()


def _work_during_restores(server: LiveServer) -> None:
    project = server.trainable()
    iteration = server.post(f"{project}/train")["id"]
    server.wait_for_training(project, iteration)
    publication = {"publishName": "published", "predictionId": RESOURCE_ID}
    server.post(f"{project}/iterations/{iteration}/publish", params=publication)
    tag = server.get(f"{project}/tags")[0]["id"]
    assert snapshot(server.client, server, "PUT", "base").status_code == 201
    over = threading.Event()
    statuses: list[int] = []

    def work(number: int) -> None:
        address = (
            f"{server.endpoint}/customvision/v3.1/prediction/{project.split('/')[2]}/classify/iterations"
        )
        with server.new_client() as client:
            for batch in range(10_000):
                if over.is_set():
                    return
                data = [picture(1000 * number + 10 * batch + image, "grey") for image in range(3)]
                body: Any = files_body(data, [tag])
                statuses.append(client.post(f"{project}/images/files", json=body).status_code)
                statuses.append(client.post(f"{project}/train").status_code)
                predicted = client.post(
                    f"{address}/published/image", content=data[0], headers={"Prediction-Key": PREDICTION_KEY}
                )
                statuses.append(predicted.status_code)

    with ThreadPoolExecutor(CLIENTS) as threads:
        jobs = [threads.submit(work, number) for number in range(CLIENTS)]
        try:
            for _ in range(12):
                assert snapshot(server.client, server, "POST", "base/restore").status_code == 200
                enough = len(statuses) + 3 * CLIENTS  # each client has made its three requests
                wait_until(lambda enough=enough: len(statuses) >= enough, "requests between two restores")
        finally:
            over.set()
        for job in jobs:
            job.result()
    assert set(statuses) <= {200, 400}  # 400: nothing to train, or a training is running
    assert snapshot(server.client, server, "POST", "base/restore").status_code == 200
    assert server.get(f"{project}/images/count") == 12
    assert referenced_blobs(server.data) == blobs_in(server.data)
