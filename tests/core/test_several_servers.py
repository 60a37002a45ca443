"""What a server has in memory, beside another server of the same database."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlmodel import select

from emulator.core import blob_checks
from emulator.core.jobs.history import EndStatus, JobDescription
from emulator.core.revisions import revisions
from emulator.store import batches, shared_state
from emulator.store.database import DatabaseRefused, LeaseLost, StoreUnreachable
from emulator.store.postgresql import PostgresqlDatabase
from emulator.store.shared_postgresql import SharedPostgresqlDatabase
from emulator.store.tables import Job, JobKind, Project
from tests.support.harness import NOWHERE, PATIENCE_SECONDS, Service, expect, wait_until
from tests.support.images import picture, pictures
from tests.support.object_stores import HOW_TO_GET_OBSTORE
from tests.support.postgresql import HOW_TO_GET_PSYCOPG, execute, server
from tests.support.predicting import found
from tests.support.resources import PATH, first_keys
from tests.support.several import Servers, running_servers

pytest.importorskip("psycopg", reason=HOW_TO_GET_PSYCOPG)
pytest.importorskip("obstore", reason=HOW_TO_GET_OBSTORE)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    yield from running_servers(tmp_path)


def database_of(service: Service) -> SharedPostgresqlDatabase:
    assert isinstance(service.context.database, SharedPostgresqlDatabase)
    return service.context.database


def test_lists_of_images_follow_the_changes_of_the_other_server(servers: Servers) -> None:
    first, second = servers
    project = first.project()
    tag = first.tag(project, "a")
    for number, one in enumerate((first, second, first, second)):
        one.images(project, [picture(number)], tag)
        for listing in servers:
            images = listing.get(f"{project}/images/tagged", params={"tagIds": tag})
            assert len(images) == number + 1


def test_a_change_that_failed_is_not_taken_for_that_of_the_other_server(servers: Servers) -> None:
    first, second = servers
    project = first.project()
    tag = first.tag(project, "a")
    (image,) = first.images(project, pictures(1))
    assert second.get(f"{project}/images/tagged", params={"tagIds": tag}) == []
    with pytest.raises(RuntimeError), database_of(second).write() as session:
        row = session.exec(select(Project)).one()
        revisions.next_revision(second.context, row, touched=())
        raise RuntimeError
    first.post(f"{project}/images/tags", json={"tags": [{"imageId": image, "tagId": tag}]})
    assert len(second.get(f"{project}/images/tagged", params={"tagIds": tag})) == 1


def test_stored_predictions_of_the_other_server_are_found_by_tag(servers: Servers) -> None:
    first, second = servers
    project, _, _ = first.trainable()
    address = first.publish(first.train(project))
    tag = first.get(f"{project}/tags")[0]["id"]
    body = {"tags": [{"id": tag, "minThreshold": 0.0, "maxThreshold": 1.0}]}
    for number in range(4):
        expect(servers[number % 2].predict(address, picture(number)))
        assert len(found(first, project, **body)) == number + 1
        assert len(found(second, project, **body)) == number + 1


def test_a_publication_is_answered_by_the_other_server_at_once(servers: Servers) -> None:
    first, second = servers
    project, _, _ = first.trainable()
    address = first.publish(first.train(project))
    assert expect(second.predict(address, picture()))["predictions"]
    iteration = expect(second.predict(address, picture()))["iteration"]
    first.delete(f"{project}/iterations/{iteration}/publish")
    assert second.predict(address, picture()).status_code == 404


def test_a_blob_that_the_other_server_has_deleted_is_stored_again(servers: Servers) -> None:
    first, second = servers
    project = first.project()
    (image,) = second.images(project, pictures(1))
    first.delete(f"{project}/images", params={"imageIds": image})
    first.context.blobs.delete(next(iter(second.context.blobs.names())))
    second.images(project, pictures(1))
    (listed,) = first.get(f"{project}/images")
    assert first.follow(listed["originalImageUri"]).status_code == 200


def test_the_ended_jobs_of_a_resource_are_kept_whatever_those_of_others(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_state, "_ENDS_KEPT", 2)
    first, second = servers
    for number, resource in enumerate(("line-1", "default", "default", "default")):
        job = JobDescription(str(number), "training", first.clock.now(), NOWHERE, "p", resource=resource)
        first.context.job_history.ended(job, EndStatus.COMPLETED)
    assert [one.job.id for one in second.context.job_history.latest()] == ["3", "2", "0"]


def test_a_training_that_another_server_executes_is_not_begun(servers: Servers) -> None:
    first, second = servers
    project, _, _ = first.trainable()
    iteration = first.post(f"{project}/train", params={"forceTrain": "true"})["id"]
    claimed = first.runner(JobKind.TRAINING).claim()
    assert claimed is not None
    assert second.runner(JobKind.TRAINING).claim() is None
    # The lease expires.
    execute(str(first.settings.database), "UPDATE emulator_lease SET expires = now() - interval '1 hour'")
    wait_for_return(first)
    second.finish_trainings()
    assert second.get(f"{project}/iterations/{iteration}")["status"] == "Completed"
    model = rows_of(first, "SELECT model_blob FROM iteration")
    first.runner(JobKind.TRAINING)._execute(*claimed)
    assert rows_of(first, "SELECT model_blob FROM iteration") == model


def wait_for_return(service: Service) -> None:
    """Leases count in the first seconds of the database, too: end this time."""
    definition = "SELECT pg_get_viewdef('emulator_leased')"
    ((view,),) = execute(str(service.settings.database), definition)
    shorter = view.replace("'00:00:10'", "'-1 day'")
    execute(str(service.settings.database), f"CREATE OR REPLACE VIEW emulator_leased AS {shorter}")


def rows_of(service: Service, query: str) -> list[tuple[object, ...]]:
    return execute(str(service.settings.database), query)


def test_a_transaction_without_the_lease_of_its_job_is_refused(servers: Servers) -> None:
    first, second = servers
    project, _, _ = first.trainable()
    first.post(f"{project}/train", params={"forceTrain": "true"})
    with database_of(first).write() as session:
        job = session.exec(select(Job)).one()
        token = database_of(first).shared.claim(session, job.id, subject="", begun=0)
    with database_of(second).write() as session:
        database_of(second).shared.claim(session, job.id, subject="", begun=0)
    with (
        pytest.raises(LeaseLost, match="is executed by another server"),
        database_of(first).fenced(job.id, token),
        database_of(first).write(),
    ):
        pass
    with database_of(first).write():  # not fenced
        pass


def test_servers_exclude_others_that_would_not_wait(servers: Servers) -> None:
    with pytest.raises(DatabaseRefused, match="is in use by custom-vision-emulator"):
        PostgresqlDatabase(str(servers.first.settings.database))


def test_a_key_that_was_replaced_is_refused_by_the_other_server_at_once(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = servers
    keys = first_keys(first, "line")
    path = "/customvision/v3.3/training/projects"

    def is_accepted() -> bool:
        return second.request("GET", path, key=keys.training).status_code == 200

    wait_until(is_accepted, "the new key")

    def is_away(_topic: str, _message: str = "") -> None:
        raise StoreUnreachable("away")

    # The server is cut off right after the commit.
    monkeypatch.setattr(database_of(first).shared, "announce", is_away)
    expect(first.request("POST", f"{PATH}/line/keys/training/1/rotate"))
    wait_until(lambda: not is_accepted(), "the end of the key")


def test_a_notification_whose_server_lost_the_database_is_sent_later(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = servers
    project = first.project().rpartition("/")[2]
    with database_of(first).write() as session:
        now = first.clock.now()
        details = {"type": "Training", "iteration": "i", "status": "Completed", "due": 0}
        session.add(
            Job(id="job", kind=JobKind.NOTIFICATION, created=now, project_id=project, details=details)
        )
    sender = first.runner(JobKind.NOTIFICATION)
    attempts = []

    def is_away(job_id: str) -> None:
        attempts.append(job_id)
        raise StoreUnreachable("away")

    monkeypatch.setattr(sender, "_send", is_away)
    sender.run_waiting()
    assert attempts == ["job"]
    assert second.runner(JobKind.NOTIFICATION)._claims("job")


def test_a_database_of_an_earlier_version_gets_the_tables_that_it_lacks() -> None:
    url = server().new_database()
    SharedPostgresqlDatabase(url).close()
    for name in ("session", "ticket", "attempt", "response", "server", "data_set"):
        execute(url, f"DROP TABLE emulator_{name}")
    database = SharedPostgresqlDatabase(url)
    try:
        database.shared.sessions.add("token", keys="k", key_hash="", idle=60, most=1)
        assert database.shared.sessions.find("token", keys="k", idle=60) == ""
        assert database.shared.responses.claim("target", "token")
    finally:
        database.close()
        server().drop(url)


def test_servers_of_another_schema_of_the_database_are_not_heard() -> None:
    url = server().new_database("")
    for name in ("one", "other"):
        execute(url, f"CREATE SCHEMA {name}")
    one, other = (
        SharedPostgresqlDatabase(f"{url}&options=-csearch_path%3D{name}") for name in ("one", "other")
    )
    heard = threading.Event()
    messages: list[str] = []
    other.shared.listen("probe", messages.append)
    other.shared.listen("last", lambda _message: heard.set())
    try:
        wait_until(lambda: one.listener.is_listening and other.listener.is_listening, "both servers")
        for number in range(3):
            with one.write() as session:
                session.add(Job(id=str(number), kind=JobKind.FAILED_IMPORT, created=EPOCH))
        one.shared.announce("probe")
        other.shared.announce("last")
        assert heard.wait(PATIENCE_SECONDS)
        assert (one.commits, other.commits, messages) == (3, 0, [])
    finally:
        one.close()
        other.close()
        server().drop(url)


def test_a_long_look_for_blobs_shows_that_the_server_is_at_work(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = servers
    monkeypatch.setattr(batches, "_BATCH_SIZE", 2)
    (present,) = first.blobs() if first.images(first.project(), pictures(1)) else ()
    names = [present, *(str(number) * 64 for number in range(4))]
    statements: list[str] = []
    with database_of(first).write() as session:
        connection = session.connection()
        event.listen(connection, "before_cursor_execute", lambda *given: statements.append(given[2]))
        assert list(blob_checks.missing(first.context, session, names)) == names[1:]
        assert statements == ["SELECT 1"] * 3
