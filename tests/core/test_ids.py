"""Ids from a seed: the same ones for the same requests, and none that is stored already."""

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from emulator.core.ids import Ids, SeededIds
from emulator.store.tables import JobKind
from tests.support import harness
from tests.support.harness import Service, expect, test_settings
from tests.support.images import picture, pictures
from tests.support.importing import run_imports, start_import

Start = Callable[..., Service]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts services with ids from a seed, by default each on its own data folder."""
    services: list[Service] = []

    def start_one(data: Path | None = None, seed: int = 7) -> Service:
        monkeypatch.setattr(harness, "seeded_ids", lambda _clock: SeededIds(seed))
        folder = data or tmp_path / f"data {len(services)}"
        services.append(Service(test_settings(folder)))
        return services[-1]

    yield start_one
    for service in services:
        service.end()


def created(service: Service, *, polls: int = 0) -> list[str]:
    """The ids of what a flow of requests creates. polls: how many other requests are between them."""

    def poll() -> None:
        for _ in range(polls):
            service.get("/projects")
            service.request("GET", "/_emulator/health/live", key=None)
            service.send("GET", "/nowhere")

    project, red, blue = service.trainable()
    poll()
    iteration = service.train(project)
    poll()
    address = service.publish(iteration)
    prediction = expect(service.predict(address, picture(70)))["id"]
    poll()
    images = [image["id"] for image in service.get(f"{project}/images")]
    return [project, red, blue, iteration, prediction, *images]


def test_random_ids_differ() -> None:
    ids = Ids()
    assert len({ids.new(), ids.internal(), ids.branch("x").new(), Ids().new()}) == 4


def test_ids_have_the_form_of_random_ones() -> None:
    ids = SeededIds(1)
    for one in (ids.new(), ids.internal(), ids.branch("x").new()):
        assert (uuid.UUID(one).version, uuid.UUID(one).variant) == (4, uuid.RFC_4122)


def test_seeds_and_kinds_have_ids_of_their_own() -> None:
    ids, same, other = SeededIds(1), SeededIds(1), SeededIds(2)
    all_ids = {ids.new(), ids.internal(), ids.branch("x").new(), ids.branch("y").new(), other.new()}
    assert len(all_ids) == 5
    assert {same.new(), same.internal(), same.branch("x").new()} < all_ids


def test_threads_never_get_the_same_id() -> None:
    ids = SeededIds(1)
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: ids.new(), range(2000)))
    same = SeededIds(1)
    assert sorted(made) == sorted(same.new() for _ in range(2000))


def test_the_same_requests_get_the_same_ids(start: Start) -> None:
    first = created(start())
    assert created(start(), polls=3) == first
    assert not set(created(start(seed=8))) & set(first)


def test_a_reset_begins_anew(start: Start) -> None:
    service = start()
    first = created(service)
    service.request("POST", "/_emulator/reset")
    assert created(service, polls=1) == first


def test_a_restart_on_the_same_data_gives_new_ids(start: Start) -> None:
    service = start()
    first = created(service)
    service.restart()
    second = created_again(service)
    assert not set(second) & set(first)
    service.restart()
    assert not set(created_again(service)) & {*first, *second}


def created_again(service: Service) -> list[str]:
    project = service.project(f"project {len(service.get('/projects'))}")
    return [project, service.tag(project, "tag"), *service.images(project, [picture(1)])]


def test_a_restart_on_an_empty_store_begins_anew(start: Start) -> None:
    service = start()
    first = created(service)
    service.request("POST", "/_emulator/reset")
    service.restart()
    assert created(service) == first


def test_the_same_ids_follow_each_restore_of_a_snapshot(start: Start) -> None:
    service = start()
    first = created(service)
    assert service.request("PUT", "/_emulator/snapshots/base").status_code == 201
    seen = []
    for _ in range(2):
        assert service.request("POST", "/_emulator/snapshots/base/restore").is_success
        seen.append(created_again(service))
    assert seen[0] == seen[1]
    assert not set(seen[0]) & set(first)


def test_a_prediction_has_the_id_of_its_request(start: Start) -> None:
    service = start()
    project, _, _ = service.trainable()
    response = service.predict(service.publish(service.train(project)), picture(70))
    assert response.headers["apim-request-id"] == response.json()["id"]


def test_imports_have_the_same_ids_whatever_is_created_meanwhile(start: Start) -> None:
    def imported(service: Service, *, meanwhile: bool) -> Any:
        project, _, _ = service.trainable()
        copy = start_import(service, service.get(f"{project}/export")["token"])
        if meanwhile:
            service.project("other")
        run_imports(service)
        return service.get(f"{copy}/tags"), [image["id"] for image in service.get(f"{copy}/images")]

    assert imported(start(), meanwhile=False) == imported(start(), meanwhile=True)


def test_notifications_take_no_ids_from_those_of_clients(start: Start) -> None:
    def after_a_training(service: Service, queue: str) -> str:
        project, _, _ = service.trainable()
        if queue:
            with service.context.database.write() as session:
                from emulator.store.tables import Project

                row = session.get(Project, project.rpartition("/")[2])
                assert row is not None
                row.notification_queue_uri = queue
        service.train(project)
        assert bool(service.rows(f"SELECT id FROM job WHERE kind = '{JobKind.NOTIFICATION}'")) == bool(queue)
        return service.tag(project, "next")

    assert after_a_training(start(), "") == after_a_training(start(), "https://queue.test/q?sig=x")


def test_batches_of_concurrent_clients_have_distinct_ids(start: Start) -> None:
    service = start()
    project = service.project()
    batches = [
        (
            "POST",
            harness.training_path(f"{project}/images/files"),
            {"json": harness.files_body(pictures(5, c))},
        )
        for c in ("red", "blue", "green", "grey")
    ]
    responses = service.together(*batches)
    made = [item["image"]["id"] for response in responses for item in response.json()["images"]]
    assert len(set(made)) == 20
