"""The rules with the rows on PostgreSQL: one path through everything that is stored, where it is installed.

``make test-team`` runs all tests of the rules on it.
"""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from emulator.app import create_app
from emulator.core import blob_sweep
from emulator.core.snapshots import manage
from emulator.settings import StartRefused
from emulator.store.postgresql import PostgresqlDatabase
from tests.support.harness import (
    Service,
    expect,
    files_body,
    refusal,
    running_service,
    test_settings,
    training_path,
)
from tests.support.images import picture, pictures
from tests.support.object_stores import HOW_TO_GET_OBSTORE, S3Server, folder_address
from tests.support.postgresql import END_AT_COMMIT, HOW_TO_GET_PSYCOPG, execute, server
from tests.support.snapshots import state

pytest.importorskip("psycopg", reason=HOW_TO_GET_PSYCOPG)


@pytest.fixture
def address() -> Iterator[str]:
    url = server().new_database()
    yield url
    server().drop(url)


@pytest.fixture(params=["data folder", "object store", "S3"])
def team(request: pytest.FixtureRequest, tmp_path: Path, address: str) -> Iterator[Service]:
    """A service with its rows on PostgreSQL, and its blobs in the data folder or in an object store."""
    if request.param == "data folder":
        yield from running_service(tmp_path / "team", database=address)
        return
    pytest.importorskip("obstore", reason=HOW_TO_GET_OBSTORE)
    if request.param == "object store":
        yield from running_service(
            tmp_path / "team", database=address, blobs=folder_address(tmp_path / "objects")
        )
        return
    server = S3Server()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in server.variables.items():
            patch.setenv(name, value)
        yield from running_service(tmp_path / "team", database=address, blobs=server.address)
    server.stop()


def test_everything_is_stored_and_is_there_after_a_restart(team: Service, address: str) -> None:
    project, red, _ = team.trainable()
    iteration = team.train(project)
    predicting = team.publish(iteration)
    predicted = expect(team.predict(predicting, picture()))
    assert predicted["predictions"][0]["tagName"] in ("red", "blue")
    stored = team.post(f"{project}/predictions/query", json={"orderBy": "Newest"})["results"]
    assert [one["id"] for one in stored] == [predicted["id"]]
    assert len(team.get(f"{project}/images", params={"tagIds": red, "taggingStatus": "Tagged"})) == 5
    performance = team.get(f"{iteration}/performance", params={"threshold": 0.5})
    before = state(team)
    team.restart()
    assert state(team) == before
    assert team.get(f"{iteration}/performance", params={"threshold": 0.5}) == performance
    assert execute(address, "SELECT count(*) FROM image") == [(10,)]
    assert not (team.settings.data / "emulator.sqlite").exists()


def test_a_snapshot_moves_everything_to_the_data_folder_and_back(
    team: Service, service: Service, tmp_path: Path
) -> None:
    project, _, _ = team.trainable()
    team.publish(team.train(project))
    before = state(team)
    for source, target in ((team, service), (service, team)):
        manage.save(source.context, "moved")
        with manage.open_archive(source.context, "moved") as archive:
            manage.upload(target.context, "moved", archive.read())
        if target is team:
            assert team.request("POST", "/_emulator/reset").is_success
            assert team.get("/projects") == []
        manage.restore(target.context, "moved")
        assert state(target) == before


def test_a_text_that_the_database_cannot_store_is_a_bad_request(team: Service) -> None:
    project, _, _ = team.trainable()
    published = team.publish(team.train(project), "name")
    response = team.predict(published.replace("/name", "/na%00me"), picture())
    assert refusal(response) == (
        400,
        "BadRequest",
        "A text has the character NUL, which the database cannot store.",
    )


def test_file_names_and_metadata_can_have_the_character_nul(team: Service) -> None:
    project, body = team.project(), files_body(pictures(1))
    body["images"][0]["name"] = "a\0b.jpg"
    body["metadata"] = {"key": "a\0b"}
    expect(team.send_unvalidated("POST", training_path(f"{project}/images/files"), json=body))
    (image,) = team.get(f"{project}/images")
    assert image["metadata"] == {"key": "a\0b"}
    for given in ({"name": "a\0b"}, {"name": "name", "description": "a\0b"}):
        refused = team.send_unvalidated("POST", training_path("/projects"), params=given)
        assert refusal(refused)[0] == 400


def test_a_database_that_went_away_is_reported_and_used_when_it_is_back(team: Service, address: str) -> None:
    team.project("before")
    name = address.partition("@/")[2].partition("?")[0]
    server().execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    ended = "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity"
    server().execute(f"{ended} WHERE datname = '{name}'")
    for method in ("GET", "POST"):
        response = team.send_unvalidated(method, training_path("/projects"), params={"name": "new"})
        assert refusal(response)[:2] == (503, "ErrorUnknown")
        assert response.headers["retry-after"] == "1"
    ready = expect(team.send_unvalidated("GET", "/_emulator/health/ready"), 503)
    assert "cannot be reached" in ready["checks"]["database"]
    server().execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    team.project("after")
    assert [project["name"] for project in team.get("/projects")] == ["after", "before"]


def test_a_connection_that_breaks_at_the_commit_is_reported_as_such(address: str, tmp_path: Path) -> None:
    for service in running_service(tmp_path, database=address):
        execute(address, END_AT_COMMIT)
        response = service.send_unvalidated("POST", training_path("/projects"), params={"name": "new"})
        assert refusal(response)[0] == 503
        assert "It may have been stored or not" in refusal(response)[2]
        execute(address, "DROP TRIGGER ends ON project")
        service.project("after")


def test_a_server_whose_database_was_taken_over_is_not_ready(address: str, tmp_path: Path) -> None:
    for service in running_service(tmp_path, database=address):
        name = address.partition("@/")[2].partition("?")[0]
        ended = "SELECT pg_terminate_backend(pid, 60000) FROM pg_locks JOIN pg_stat_activity USING (pid)"
        server().execute(f"{ended} WHERE locktype = 'advisory' AND granted AND datname = '{name}'")
        other = PostgresqlDatabase(address)
        ready = expect(service.send_unvalidated("GET", "/_emulator/health/ready"), 503)
        assert ready["checks"]["database"].startswith("cannot be written: postgresql://")
        assert " is in use by " in ready["checks"]["database"]
        other.close()
        service.project("after")


def test_an_object_store_that_went_away_is_reported_and_used_when_it_is_back(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("obstore", reason=HOW_TO_GET_OBSTORE)
    blobs = folder_address(tmp_path / "objects")
    for service in running_service(tmp_path / "team", database=address, blobs=blobs):
        project, body = service.project(), files_body(pictures(1))

        from obstore.exceptions import GenericError

        def away(*_arguments: object) -> None:
            raise GenericError("the server does not respond")

        with monkeypatch.context() as patch:
            patch.setattr(service.context.blobs, "_objects", SimpleNamespace(get=away, put=away, head=away))
            response = service.send_unvalidated("POST", training_path(f"{project}/images/files"), json=body)
            assert refusal(response)[:2] == (503, "ErrorUnknown")
            ready = expect(service.send_unvalidated("GET", "/_emulator/health/ready"), 503)
            assert ready["checks"]["disk"] == "the object store is out of reach: the server does not respond"
        assert service.get(f"{project}/images") == []
        assert len(service.images(project, pictures(1))) == 1


def test_a_folder_of_blobs_that_is_away_is_not_created_again(address: str, tmp_path: Path) -> None:
    pytest.importorskip("obstore", reason=HOW_TO_GET_OBSTORE)
    share, away = tmp_path / "share", tmp_path / "away"
    for service in running_service(tmp_path / "team", database=address, blobs=folder_address(share)):
        project, body = service.project(), files_body(pictures(1))
        share.rename(away)
        response = service.send_unvalidated("POST", training_path(f"{project}/images/files"), json=body)
        assert refusal(response)[:2] == (503, "ErrorUnknown")
        ready = expect(service.send_unvalidated("GET", "/_emulator/health/ready"), 503)
        assert ready["checks"]["disk"].endswith("lacks the mark of the object store; is it mounted?")
        assert not share.exists()
        away.rename(share)
        assert len(service.images(project, pictures(1))) == 1
        service.context.blobs.check()


def test_the_place_of_missing_blobs_is_the_object_store(
    address: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("obstore", reason=HOW_TO_GET_OBSTORE)
    blobs = folder_address(tmp_path / "share")
    for service in running_service(tmp_path / "team", database=address, blobs=blobs):
        service.images(service.project(), pictures(1))
        (name,) = service.blobs()
        service.context.blobs.delete(name)
        blob_sweep.report_missing(service.context)
    assert f"1 files to which rows of the database refer are missing in {blobs};" in caplog.text


def test_a_folder_of_blobs_is_not_created_by_a_refused_start(address: str, tmp_path: Path) -> None:
    pytest.importorskip("obstore", reason=HOW_TO_GET_OBSTORE)
    for service in running_service(
        tmp_path / "team", database=address, blobs=folder_address(tmp_path / "share")
    ):
        service.images(service.project(), pictures(1))
    other = tmp_path / "other"
    for data in ("team", "another"):
        with pytest.raises(StartRefused, match=f"elsewhere than in {other.as_uri()}"):
            create_app(test_settings(tmp_path / data, database=address, blobs=folder_address(other)))
    assert not other.exists()


def test_an_object_store_that_cannot_be_used_is_a_refused_start(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("obstore", reason=HOW_TO_GET_OBSTORE)
    monkeypatch.setattr("emulator.store.object_blobs._RETRIES", 0)
    for name, value in S3Server.variables_of("http://127.0.0.1:9").items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StartRefused, match="--blobs: Generic S3 error"):
        create_app(test_settings(tmp_path, database=address, blobs="s3://bucket"))


def test_a_data_folder_that_is_removed_at_the_end_is_refused(address: str, tmp_path: Path) -> None:
    with pytest.raises(StartRefused, match=r"--database: cannot be used with --ephemeral"):
        create_app(test_settings(tmp_path, database=address, ephemeral=True))


def test_a_server_that_does_not_respond_is_a_refused_start(tmp_path: Path) -> None:
    address = "postgresql://someone:secret@/name?host=/nowhere"
    with pytest.raises(StartRefused, match=r"--database: .* cannot be reached") as refused:
        create_app(test_settings(tmp_path, database=address))
    assert "secret" not in str(refused.value)


def test_uploads_at_once_are_each_stored_once(team: Service) -> None:
    project = team.project()
    images = pictures(4, "red")
    path, headers = training_path(f"{project}/images"), {"content-type": "application/octet-stream"}
    responses = team.together(
        *(("POST", path, {"content": image, "headers": headers}) for image in images * 3)
    )
    assert {response.status_code for response in responses} <= {200, 207}  # 207: duplicates
    assert len(team.get(f"{project}/images")) == 4


def test_another_server_continues_with_the_objects_alone(address: str, tmp_path: Path) -> None:
    pytest.importorskip("obstore", reason=HOW_TO_GET_OBSTORE)
    blobs = folder_address(tmp_path / "objects")
    published, images = "", []
    for first in running_service(tmp_path / "first", database=address, blobs=blobs):
        project, _, _ = first.trainable()
        published = first.publish(first.train(project))
        images = first.get(f"{project}/images")
    for second in running_service(tmp_path / "second", database=address, blobs=blobs):
        assert expect(second.predict(published, picture()))["predictions"]
        moved = second.get(f"{project}/images")
        assert [image["id"] for image in moved] == [image["id"] for image in images]
        assert second.follow(moved[0]["originalImageUri"]).status_code == 200
    with pytest.raises(StartRefused, match=r"--database: the images and models of .* in an object store"):
        create_app(test_settings(tmp_path / "second", database=address))
    other = folder_address(tmp_path / "others")
    with pytest.raises(StartRefused, match="that are elsewhere than in file://"):
        create_app(test_settings(tmp_path / "second", database=address, blobs=other))
    with pytest.raises(StartRefused, match="--blobs: has an effect with --database only"):
        create_app(test_settings(tmp_path / "third", blobs=other))
