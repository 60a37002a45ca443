"""Health and reset."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from emulator.store.database import StorageFull
from emulator.store.tables import JobKind
from tests.support.harness import (
    PREDICTION_KEY,
    Service,
    expect,
    files_body,
    running_service,
    training_path,
    wait_until,
)
from tests.support.images import picture, pictures
from tests.support.postgresql import execute
from tests.support.several import running_servers

RESET = "/_emulator/reset"
NAMES = ("database", "disk", "trainings", "exports", "imports", "notifications", "evaluations")


@pytest.fixture
def started(service: Service) -> Service:
    """The service with the threads that carry out jobs, as in a live server."""
    for thread in service.context.jobs.runners:
        thread.start()
    return service


def test_live_needs_nothing(service: Service) -> None:
    assert expect(service.request("GET", "/_emulator/health/live", key=None)) == {"status": "live"}


def test_ready(started: Service) -> None:
    response = expect(started.request("GET", "/_emulator/health/ready", key=None))
    assert response == {"status": "ready", "checks": dict.fromkeys(NAMES, "ok")}


def test_not_ready_says_why(service: Service) -> None:
    response = expect(service.request("GET", "/_emulator/health/ready", key=None), 503)
    assert response["status"] == "not ready"
    for name in ("trainings", "exports", "imports", "notifications", "evaluations"):
        assert "not running" in response["checks"][name]
    assert response["checks"]["database"] == "ok"


@pytest.mark.sqlite
def test_not_ready_when_the_database_is_broken(started: Service) -> None:
    started.context.database.close()
    path = started.settings.data / "emulator.sqlite"
    path.write_bytes(b"broken " * 1000)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    response = expect(started.request("GET", "/_emulator/health/ready", key=None), 503)
    assert response["checks"]["database"].startswith("cannot be read")


def test_not_ready_when_the_disk_is_nearly_full(started: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _path: SimpleNamespace(free=5 * 2**20))
    response = expect(started.request("GET", "/_emulator/health/ready", key=None), 503)
    assert response["checks"]["disk"] == "the disk of the data folder has 5 MB left"


@pytest.mark.parametrize("key", [None, "wrong", PREDICTION_KEY])
def test_reset_needs_a_training_key(service: Service, key: str | None) -> None:
    service.project()
    assert service.request("POST", RESET, key=key).status_code == 401
    assert len(service.get("/projects")) == 1


def test_reset_forgets_everything(service: Service) -> None:
    project, _, _ = service.trainable()
    address = service.publish(service.train(project))
    expect(service.predict(address, picture(50)))
    uri = service.get(f"{project}/images")[0]["originalImageUri"]
    response = service.request("POST", RESET)
    assert (response.status_code, response.content) == (204, b"")
    assert service.get("/projects") == []
    assert service.send("GET", project).status_code == 404
    assert service.predict(address, picture(50)).status_code == 404
    assert service.follow(uri).status_code == 404
    assert service.blobs() == set()
    assert all(
        service.rows(f"SELECT count(*) FROM {table}") == [(0,)]
        for table in ("project", "tag", "image", "image_tag", "iteration", "job", "stored_prediction")
    )


def test_a_reset_that_fails_loses_nothing(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    project, _, _ = service.trainable()

    def no_room() -> None:
        raise StorageFull("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(service.context.database, "clear", no_room)
        assert service.request("POST", RESET).status_code == 507
    assert service.get(f"{project}/images/count") == 10
    assert len(service.blobs()) == 10
    assert service.get(service.train(project))["status"] == "Completed"


def test_after_a_reset_all_goes_on(service: Service) -> None:
    before, _, _ = service.trainable()
    service.train(before)
    service.request("POST", RESET)
    project, red, _ = service.trainable()
    address = service.publish(service.train(project))
    assert expect(service.predict(address, picture(60)))["predictions"][0]["tagId"] == red
    assert service.blobs() == service.referenced_blobs()


def test_reset_stops_a_training(service: Service) -> None:
    project, _, _ = service.trainable()
    service.post(f"{project}/train")
    service.worker.held = True
    service.runner(JobKind.TRAINING).start()
    wait_until(lambda: service.worker.waiting, "the training to begin")
    service.request("POST", RESET)
    assert service.worker.waiting[0].cancelled()
    service.worker.held = False
    again, _, _ = service.trainable()
    iteration = service.post(f"{again}/train")
    wait_until(
        lambda: service.get(f"{again}/iterations/{iteration['id']}")["status"] == "Completed",
        "the training after the reset",
    )


def test_reset_while_images_arrive_leaves_nothing_half_there(service: Service) -> None:
    for start in range(0, 500, 100):
        project = service.project()
        uploads = [
            (
                "POST",
                training_path(f"{project}/images/files"),
                {"json": files_body(pictures(4, start=start + number * 4))},
            )
            for number in range(6)
        ]
        *responses, reset = service.together(*uploads, ("POST", RESET, {}))
        assert reset.status_code == 204
        assert {response.status_code for response in responses} <= {200, 404}, [
            response.text for response in responses
        ]
        assert service.blobs() == service.referenced_blobs()


# --- several servers ----------------------------------------------------------------------------------------


def options_check(service: Service) -> str:
    return str(service.request("GET", "/_emulator/health/ready", key=None).json()["checks"]["options"])


def test_options_that_differ_between_servers_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for servers in running_servers(tmp_path):
        first, second = servers
        assert [options_check(one) for one in servers] == ["ok", "ok"]
        assert "differ" not in caplog.text
        settings = first.settings
        more = {"database": settings.database, "blobs": settings.blobs, "tier": "s0", "seed": 7}
        for third in running_service(tmp_path / "third", **more, training_keys=("secret", "secret")):
            assert options_check(third).startswith("differ from those of another server: ")
            assert options_check(third).endswith(": --seed, --tier, --training-key")
            assert options_check(second) == options_check(first) == options_check(third)
            assert "The options of this server differ" in caplog.text
            assert "secret" not in str(execute(str(settings.database), "SELECT * FROM emulator_server"))
        assert options_check(second) == "ok"


def test_servers_that_were_killed_do_not_count(tmp_path: Path) -> None:
    for servers in running_servers(tmp_path):
        url = str(servers.first.settings.database)
        execute(url, "INSERT INTO emulator_server VALUES ('killed', 'host:1', '{}', now(), now())")
        assert options_check(servers.first).startswith("differ from those of another server: --")
        execute(url, "UPDATE emulator_server SET seen = seen - interval '1 hour' WHERE server = 'killed'")
        assert options_check(servers.first) == "ok"
