"""Storage of the client: the URIs that are used, and unreachable or refusing storage.

`tests/azurite` tests the requests themselves, with Azure's own programs.
"""

import logging
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from emulator.core.jobs import thread
from emulator.store.tables import JobKind
from tests.support.harness import COMPACT, Service, running_service, wait_until
from tests.support.web_servers import Server, Visit

SIGNED = "?sv=2019-12-12&sig=c2VjcmV0&sp=rw"


class Storage:
    """Responds like Azure storage. status: 0 never responds. sent: method, path and body of each request."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, bytes]] = []
        self.status: dict[str, int] = {}
        self.waiting = threading.Event()
        self.server = Server(self._answer)

    def _answer(self, visit: Visit) -> None:
        head, _, body = visit.request.partition(b"\r\n\r\n")
        while len(body) < int(visit.header("content-length") or 0):
            body += visit.connection.recv(65_536)
        method, path = head.decode().split(" ")[:2]
        name = path.split("/")[1].partition("?")[0]
        status = self.status.get(name, 202 if method == "DELETE" else 201)
        if status == 0:
            self.waiting.set()
            visit.over.wait()
        self.sent.append((method, path.partition("?")[0], body))
        visit.send(f"HTTP/1.1 {status} x\nContent-Length: 0\nx-ms-error-code: Reason")

    def uri(self, name: str) -> str:
        return f"{self.server.url}/{name}{SIGNED}"

    def paths(self) -> list[str]:
        """The paths of the requests since the last call."""
        found = [path for _, path, _ in self.sent]
        self.sent.clear()
        return found


@pytest.fixture
def storage() -> Iterator[Storage]:
    made = Storage()
    yield made
    made.server.close()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    yield from running_service(tmp_path / "data", url_allow=("127.0.0.1",))


def project(service: Service, storage: Storage, container: str = "", queue: str = "") -> str:
    """The path of a trainable project that uses the given storage."""
    made, _, _ = service.trainable(domainId=COMPACT)
    settings = {
        name: storage.uri(uri)
        for name, uri in (("exportModelContainerUri", container), ("notificationQueueUri", queue))
        if uri
    }
    assert service.send("PATCH", made, json={"settings": settings}).status_code == 200
    storage.paths()
    return made


def send(service: Service) -> None:
    service.runner(JobKind.NOTIFICATION).run_waiting()


def waiting(service: Service) -> int:
    [(count,)] = service.rows("SELECT count(*) FROM job WHERE kind = 'notification'")
    return int(count)


def attempts(service: Service) -> int:
    """The most failed attempts of a waiting notification. 0 if none waits."""
    [(count,)] = service.rows("SELECT max(attempts) FROM job WHERE kind = 'notification'")
    return int(count or 0)


# --- which URIs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("https://account.blob.core.windows.net/models", "no managed identity"),
        ("https://account.blob.core.windows.net/models?sv=1&sp=rw", "no managed identity"),
        (f"https://account.blob.core.windows.net/{SIGNED}", "names no container"),
        (f"ftp://account.example/models{SIGNED}", "Only http and https"),
        (f"https://a:b@account.example/models{SIGNED}", "password"),
        (f"https://[::1/models{SIGNED}", "malformed"),
        ("models", "Only http and https"),
        (f"https://account.example/{'x' * 9000}{SIGNED}", "longer than"),
    ],
)
def test_uris_that_no_storage_has(service: Service, uri: str, words: str) -> None:
    body = {"exportModelContainerUri": uri}
    status, code, message = service.refused("POST", "/projects", params={"name": "a"}, json=body)
    assert (status, code) == (400, "BadRequestInvalidUri")
    assert message.startswith("The exportModelContainerUri cannot be used.")
    assert words in message
    assert service.get("/projects") == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [({}, "--url-allow"), ({"url_fetch": "off", "url_allow": ("127.0.0.1",)}, "switched off")],
)
def test_storage_is_reached_under_the_rules_for_image_urls(
    tmp_path: Path, storage: Storage, settings: dict[str, Any], words: str
) -> None:
    for service in running_service(tmp_path, **settings):
        body = {"notificationQueueUri": storage.uri("queue")}
        refused = service.refused("POST", "/projects", params={"name": "a"}, json=body)
        assert refused[:2] == (400, "BadRequestInvalidUri")
        assert words in refused[2]
    assert storage.sent == []


def test_an_unreachable_storage(service: Service) -> None:
    with Server(lambda visit: None) as server:
        body = {"notificationQueueUri": f"{server.url}/queue{SIGNED}"}
    message = service.refused("POST", "/projects", params={"name": "a"}, json=body)[2]
    assert "No connection" in message


def test_a_quota_is_checked_before_the_storage(tmp_path: Path, storage: Storage) -> None:
    for service in running_service(tmp_path, url_allow=("127.0.0.1",), tier="f0"):
        for name in "ab":
            service.project(name)
        body = {"notificationQueueUri": storage.uri("queue")}
        refused = service.refused("POST", "/projects", params={"name": "c"}, json=body)
        assert refused[1] == "BadRequestExceedProjectLimit"
    assert storage.sent == []


def test_a_project_that_is_not_there_is_not_connected(service: Service, storage: Storage) -> None:
    path = f"/projects/{'0' * 8}-0000-4000-8000-{'0' * 12}"
    body = {"settings": {"notificationQueueUri": storage.uri("queue")}}
    assert service.refused("PATCH", path, json=body)[1] == "NotFoundProject"
    assert storage.sent == []


def test_copies_of_projects_are_not_connected(service: Service, storage: Storage) -> None:
    source = project(service, storage, "models", "queue")
    token = service.get(f"{source}/export")["token"]
    copy = service.post("/projects/import", params={"token": token})["id"]
    service.runner(JobKind.IMPORT).run_waiting()
    settings = service.get(f"/projects/{copy}")["settings"]
    assert not {"exportModelContainerUri", "notificationQueueUri"} & set(settings)


# --- while storage is away or refuses -----------------------------------------------------------------------


def test_it_is_tried_again_later_and_later_until_it_works(
    service: Service, storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    made = project(service, storage, queue="queue")
    storage.status = {"queue": 403}
    with caplog.at_level(logging.WARNING):
        service.train(made)
        send(service)
        for pause in (30, 60, 120, 240, 480, 600, 600):
            assert len(storage.paths()) == 1
            service.clock.advance(seconds=pause - 1)
            send(service)
            assert storage.paths() == []
            service.clock.advance(seconds=1)
            send(service)
    assert waiting(service) == 1
    assert len([record for record in caplog.records if "tried again" in record.message]) == 1
    assert "403 (Reason)" in caplog.text
    assert "c2VjcmV0" not in caplog.text
    storage.status = {}
    service.clock.advance(seconds=600)
    send(service)
    assert waiting(service) == 0


def test_a_clock_that_returns_to_real_time_delays_nothing(service: Service, storage: Storage) -> None:
    made = project(service, storage, queue="queue")
    storage.status = {"queue": 500}
    service.context.clock.change(service.clock.time + timedelta(days=30))
    service.train(made)
    send(service)
    storage.status = {}
    service.context.clock.restore()
    send(service)
    assert waiting(service) == 0


def test_after_a_week_it_is_given_up(
    service: Service, storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    made = project(service, storage, queue="queue")
    storage.status = {"queue": 500}
    iteration = service.train(made)
    send(service)
    service.clock.advance(days=7, seconds=1)
    with caplog.at_level(logging.ERROR):
        send(service)
    assert f"Training {iteration.split('/')[-1]} was never taken" in caplog.text
    assert waiting(service) == 0
    assert service.get(iteration)["status"] == "Completed"


def test_unreachable_storage_is_tried_once_a_round_and_does_not_delay_others(
    service: Service, storage: Storage
) -> None:
    bad = service.train(project(service, storage, queue="bad"))
    for platform in ("ONNX", "CoreML"):
        service.export(bad, platform)
    service.train(project(service, storage, queue="good"))
    storage.paths()
    storage.status = {"bad": 503}
    send(service)
    assert storage.paths() == ["/bad/messages", "/good/messages"]
    assert waiting(service) == 3


def test_a_copy_that_was_taken_is_not_sent_again(service: Service, storage: Storage) -> None:
    iteration = service.train(project(service, storage, "models", "queue"))
    send(service)
    storage.paths()
    storage.status = {"queue": 500}
    service.export(iteration, "ONNX")
    send(service)
    copy, message = storage.paths()
    assert (copy.split("/")[1], message) == ("models", "/queue/messages")
    storage.status = {}
    service.clock.advance(seconds=30)
    send(service)
    assert storage.paths() == ["/queue/messages"]


def test_notifications_that_are_no_longer_wanted_are_not_sent(service: Service, storage: Storage) -> None:
    deleted, ended = (project(service, storage, queue="queue") for _ in range(2))
    storage.status = {"queue": 500}
    for made in (deleted, ended):
        service.train(made)
    assert waiting(service) == 2
    service.delete(deleted)
    assert waiting(service) == 1
    service.send("PATCH", ended, json={"settings": {"notificationQueueUri": ""}})
    send(service)
    assert (waiting(service), storage.paths()) == (0, [])


def test_an_export_that_is_deleted_before_its_copy_is_reported_without_one(
    service: Service, storage: Storage
) -> None:
    iteration = service.train(project(service, storage, "models", "queue"))
    service.export(iteration, "ONNX")
    service.delete(iteration)
    send(service)
    assert storage.paths() == ["/queue/messages"] * 2
    assert waiting(service) == 0


def test_storage_that_does_not_answer_holds_up_nothing(
    service: Service, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = project(service, storage, queue="queue")
    storage.status = {"queue": 0}
    service.runner(JobKind.NOTIFICATION).start()
    iteration = service.train(made)
    assert storage.waiting.wait(60)
    assert service.get(iteration)["status"] == "Completed"
    assert service.export(iteration, "ONNX")["status"] == "Done"
    storage.server.over.set()  # and now it answers, though not as it should
    wait_until(lambda: attempts(service) == 1, "the end of the attempt")


def test_the_thread_sends_new_notifications_and_those_from_before_a_restart(
    service: Service, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thread, "PAUSE_SECONDS", 0.01)
    made = project(service, storage, queue="queue")
    service.train(made)
    assert waiting(service) == 1
    service.restart()
    service.runner(JobKind.NOTIFICATION).start()
    wait_until(lambda: waiting(service) == 0, "the message that was left")
    storage.status = {"queue": 500}
    service.train(made, params={"forceTrain": "true"})
    # the clock may only advance when the attempt is stored: its time decides when the next one is due
    wait_until(lambda: attempts(service) == 1, "the end of the attempt")
    storage.status = {}
    service.clock.advance(minutes=1)
    wait_until(lambda: waiting(service) == 0, "the message")
