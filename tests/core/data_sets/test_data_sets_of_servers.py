"""Imports of data sets on two servers of one database: each executes them, and knows their states."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import orjson
import pytest

from emulator.core.data_sets import kept
from emulator.store.object_blobs import ObjectBlobStore
from tests.support.data_sets import DataSets, zip_of
from tests.support.harness import Service, expect, refusal
from tests.support.images import picture
from tests.support.postgresql import END_AT_COMMIT, execute
from tests.support.several import Servers, running_servers

PATH = "/_emulator/dataSets"
FILES = {"cats/1.png": picture(1), "dogs/2.png": picture(2)}


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    yield from running_servers(tmp_path)


def uploads(folder: Path) -> list[str]:
    """The archives in the object store, and the files that servers have for themselves."""
    paths = [*folder.glob("objects/uploads/*"), *folder.glob("*/data-sets/*")]
    return [path.relative_to(folder).as_posix() for path in paths]


def test_an_archive_is_imported_by_another_server_than_received_it(servers: Servers, tmp_path: Path) -> None:
    first, second = map(DataSets, servers)
    begun = first.begin(FILES)
    assert uploads(tmp_path) == [f"objects/uploads/{begun['id']}"]
    assert second.get(begun["id"])["status"] == "Waiting"
    second.run()
    for one in (first, second):
        assert one.get(begun["id"])["status"] == "Completed"
        assert [item["id"] for item in expect(one.service.request("GET", PATH))] == [begun["id"]]
        assert len(one.service.get(f"/projects/{begun['projectId']}/images")) == 2
    assert uploads(tmp_path) == []


def test_a_dry_run_of_one_server_is_imported_once_at_the_other(servers: Servers, tmp_path: Path) -> None:
    first, second = map(DataSets, servers)
    checked = first.imported(FILES, dryRun="true")
    assert checked["status"] == "Checked"
    assert uploads(tmp_path) == [f"objects/uploads/{checked['id']}"]
    path = f"{PATH}/{checked['id']}/import"
    expect(second.service.request("POST", path), 202)
    for service in servers:
        assert refusal(service.request("POST", path))[:2] == (409, "Conflict")
    first.run()
    second.run()
    assert second.get(checked["id"])["status"] == "Completed"
    assert len(first.service.get("/projects")) == 1
    assert uploads(tmp_path) == []


def test_of_two_servers_that_import_a_dry_run_at_once_one_is_refused(servers: Servers) -> None:
    first, second = servers
    checked = DataSets(first).imported(FILES, dryRun="true")
    states = [kept.get(one.context, checked["id"]) for one in servers]
    for state in states:
        state.status = kept.WAITING
    assert kept.replace(first.context, states[0], kept.CHECKED)
    assert not kept.replace(second.context, states[1], kept.CHECKED)


def test_an_import_that_failed_or_is_forgotten_leaves_no_archive(servers: Servers, tmp_path: Path) -> None:
    first, second = map(DataSets, servers)
    failed = first.begin({"a.png": b""}, "broken")
    second.run()
    assert first.get(failed["id"])["status"] == "Failed"
    forgotten = first.begin(FILES, "forgotten")
    assert second.service.request("DELETE", f"{PATH}/{forgotten['id']}").status_code == 204
    assert first.service.request("GET", f"{PATH}/{forgotten['id']}").status_code == 404
    first.run()
    assert first.service.get("/projects") == []
    assert uploads(tmp_path) == []


def test_a_reset_of_one_server_forgets_the_imports_of_all(servers: Servers, tmp_path: Path) -> None:
    first, second = map(DataSets, servers)
    first.imported(FILES, dryRun="true")
    first.begin(FILES, "waits")
    assert second.service.request("POST", "/_emulator/reset").status_code == 204
    assert expect(first.service.request("GET", PATH)) == []
    assert uploads(tmp_path) == []


def test_a_restart_keeps_the_imports_of_other_servers(servers: Servers, tmp_path: Path) -> None:
    first, second = map(DataSets, servers)
    checked = first.imported(FILES, dryRun="true")
    first.service.restart()
    second.service.restart()
    assert second.get(checked["id"])["status"] == "Checked"
    assert uploads(tmp_path) == [f"objects/uploads/{checked['id']}"]


def test_an_archive_that_an_earlier_version_kept_in_the_folder_is_imported_by_any_server(
    servers: Servers, tmp_path: Path
) -> None:
    first, second = servers
    begun = DataSets(first).begin(FILES)
    state = kept.get(first.context, begun["id"])
    kept.remove(first.context, state.id)
    folder = kept.folder(first.context) / state.id
    first.close()
    folder.mkdir(parents=True)
    (folder / "state.json").write_bytes(orjson.dumps(asdict(state)))
    (folder / "upload.zip").write_bytes(zip_of(FILES))
    first.open()
    assert not folder.exists()
    DataSets(second).run()
    assert DataSets(first).get(state.id)["status"] == "Completed"


def test_an_import_whose_archive_is_gone_fails(servers: Servers, tmp_path: Path) -> None:
    first, second = map(DataSets, servers)
    begun = first.begin(FILES)
    shutil.rmtree(tmp_path / "objects" / "uploads")
    second.run()
    ended = first.get(begun["id"])
    assert ended["status"] == "Failed"
    assert "upload it again" in ended["failure"]


def test_uploads_are_none_of_the_blobs(servers: Servers) -> None:
    service: Service = servers.first
    DataSets(service).begin(FILES)
    assert isinstance(service.context.blobs, ObjectBlobStore)
    assert list(service.context.blobs.names()) == []
    assert service.context.blobs.listed() == []


def test_the_archive_of_a_dry_run_is_deleted_after_an_hour(servers: Servers, tmp_path: Path) -> None:
    first, second = map(DataSets, servers)
    checked = first.imported(FILES, dryRun="true")
    second.service.clock.advance(minutes=61)
    second.imported(FILES, "other")
    assert uploads(tmp_path) == []
    response = first.service.request("POST", f"{PATH}/{checked['id']}/import")
    assert refusal(response)[:2] == (409, "Conflict")


def test_an_archive_that_a_killed_server_left_without_a_state_is_deleted_after_a_day(
    servers: Servers, tmp_path: Path
) -> None:
    folder = tmp_path / "objects" / "uploads"
    folder.mkdir(parents=True)
    for name, hours in (("old", 25), ("new", 23)):
        (folder / name).write_bytes(b"x")
        made = time.time() - hours * 3600
        os.utime(folder / name, (made, made))
    DataSets(servers.first).imported(FILES)
    assert uploads(tmp_path) == ["objects/uploads/new"]


def test_an_import_that_a_killed_server_left_without_a_job_fails(servers: Servers, tmp_path: Path) -> None:
    first, second = map(DataSets, servers)
    left, waiting = first.begin(FILES, "left"), first.begin(FILES, "waiting")
    job = kept.get(first.service.context, left["id"]).job_id
    execute(str(servers.first.settings.database), f"DELETE FROM job WHERE id = '{job}'")
    second.imported(FILES, "other")
    ended = first.get(left["id"])
    assert ended["status"] == "Failed"
    assert "upload the data set again" in ended["failure"]
    assert first.get(waiting["id"])["status"] == "Completed"
    assert uploads(tmp_path) == []


def test_a_dry_run_whose_import_could_not_begin_can_be_imported_again(servers: Servers) -> None:
    first, second = map(DataSets, servers)
    checked = first.imported(FILES, dryRun="true")
    database = str(servers.first.settings.database)
    execute(database, END_AT_COMMIT.replace("ON project", "ON job"))
    path = f"{PATH}/{checked['id']}/import"
    assert first.service.send_unvalidated("POST", path).status_code == 503
    execute(database, "DROP TRIGGER ends ON job")
    again = second.get(checked["id"])
    assert (again["status"], again["report"]) == ("Checked", checked["report"])
    expect(second.service.request("POST", path), 202)
    second.run()
    assert first.get(checked["id"])["status"] == "Completed"
