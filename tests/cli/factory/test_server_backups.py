"""The commands `backup`, `restore` and `doctor` for a database on a server."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from emulator.cli.factory import backups
from emulator.core.backups import restoring
from emulator.store.object_blobs import ObjectBlobStore
from emulator.store.opening import Store, open_server_store
from tests.support.backups import flip
from tests.support.data_sets import DataSets
from tests.support.harness import Service, running_service
from tests.support.images import picture, pictures
from tests.support.object_stores import HOW_TO_GET_OBSTORE, folder_address
from tests.support.postgresql import HOW_TO_GET_PSYCOPG, execute, server
from tests.support.program import run
from tests.support.several import Servers, running_servers
from tests.support.snapshots import state

pytestmark = pytest.mark.sqlite
pytest.importorskip("psycopg", reason=HOW_TO_GET_PSYCOPG)
pytest.importorskip("obstore", reason=HOW_TO_GET_OBSTORE)
_OLD_SECONDS = 3600


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    yield from running_servers(tmp_path)


@pytest.fixture
def addresses() -> Iterator[list[str]]:
    """The URLs of two empty databases."""
    urls = [server().new_database("TEMPLATE template0") for _ in range(2)]
    yield urls
    for url in urls:
        server().drop(url)


def store_of(service: Service) -> list[str]:
    """The options that name the store of a service."""
    settings = service.settings
    options = ["--data", str(settings.data), "--database", str(settings.database)]
    return options + (["--blobs", settings.blobs] if settings.blobs else [])


def succeeded(command: str, *arguments: str) -> str:
    done = run(command, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def findings(*arguments: str) -> list[dict[str, Any]]:
    """What `doctor` finds besides what is in order, except about disk and permissions of the folder."""
    lines = run("doctor", *arguments, "--json").stdout.splitlines()
    found = [json.loads(line) for line in lines]
    return [one for one in found if one["state"] != "ok" and one["check"] not in ("disk", "folder")]


def test_a_backup_of_running_servers_is_restored_to_a_folder_and_to_another_server(
    servers: Servers, addresses: list[str], tmp_path: Path
) -> None:
    first, second = servers
    project, red, _ = first.trainable()
    address = first.publish(first.train(project))
    first.predict(address, picture())
    shown = first.predict(address, picture(77), "/image/nostore").json()["predictions"]
    before, uri = state(first), first.get(f"{project}/images")[0]["originalImageUri"]
    backups = str(tmp_path / "backups")
    assert "1 projects, " in succeeded("backup", backups, *store_of(second))
    first.images(project, [picture(900)], red)
    # Of a machine that has no data folder, and the files of the first backup again.
    store = store_of(first)
    again = succeeded("backup", backups, "--data", str(tmp_path / "none"), *store[2:])
    assert ", 0." in again
    (saved, _) = sorted((tmp_path / "backups").glob("*Z*"))
    assert "all files are intact" in succeeded("restore", "--check", str(saved))

    desk, team = tmp_path / "desk", tmp_path / "team"
    succeeded("restore", str(saved), "--yes", "--data", str(desk))
    to = {"database": addresses[0], "blobs": folder_address(tmp_path / "other")}
    named = ["--data", str(team), "--database", to["database"], "--blobs", to["blobs"]]
    succeeded("restore", str(saved), "--yes", *named)
    # The first start is on a machine that has no file of the backup.
    for place, options in ((desk, {}), (tmp_path / "joined", to), (team, to)):
        for restored in running_service(place, **options):
            assert state(restored) == before
            assert restored.follow(uri).status_code == 200
            found = restored.predict(address, picture(77), "/image/nostore").json()["predictions"]
            assert found == shown
    assert findings(*named) == []


def test_a_restore_replaces_what_a_server_had_with_its_secret(tmp_path: Path, addresses: list[str]) -> None:
    options = {"database": addresses[0], "blobs": folder_address(tmp_path / "objects")}
    for service in running_service(tmp_path / "data", **options):
        project = service.project("saved")
        service.images(project, pictures(2))
        store, uri = store_of(service), service.get(f"{project}/images")[0]["originalImageUri"]
        succeeded("backup", str(tmp_path / "backups"), *store)
        service.project("later")
        execute(addresses[0], "UPDATE emulator_store SET secret = 'ab'")
    succeeded("restore", str(tmp_path / "backups"), "--yes", *store)
    for service in running_service(tmp_path / "another", **options):
        assert [one["name"] for one in service.get("/projects")] == ["saved"]
        assert service.follow(uri).status_code == 200


def test_a_restore_deletes_what_servers_share_that_belongs_to_the_former_rows(
    tmp_path: Path, addresses: list[str]
) -> None:
    options = {"database": addresses[0], "blobs": folder_address(tmp_path / "objects")}
    counted = ("emulator_data_set", "emulator_response", "emulator_job_end")

    def counts() -> list[int]:
        return [execute(addresses[0], f"SELECT count(*) FROM {name}")[0][0] for name in counted]

    for service in running_service(tmp_path / "data", **options):
        store = store_of(service)
        succeeded("backup", str(tmp_path / "backups"), *store)
        DataSets(service).imported({"cats/1.png": picture()}, dryRun="true")
        service.send("POST", "/projects", params={"name": "x"}, headers={"X-Emulator-Request-Id": "one"})
    assert counts() == [1, 1, 1]
    assert len(list(tmp_path.glob("objects/uploads/*"))) == 1
    succeeded("restore", str(tmp_path / "backups"), "--yes", *store)
    assert counts() == [0, 0, 0]
    assert not list(tmp_path.glob("objects/uploads/*"))


def test_a_restore_downloads_no_object(
    tmp_path: Path, addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"database": addresses[0], "blobs": folder_address(tmp_path / "objects")}
    for service in running_service(tmp_path / "data", **options):
        service.images(service.project("saved"), pictures(3))
        succeeded("backup", str(tmp_path / "backups"), *store_of(service))
    (saved,) = (tmp_path / "backups").glob("*Z*")
    downloaded: list[str] = []
    monkeypatch.setattr(ObjectBlobStore, "download", lambda _self, name: downloaded.append(name))

    def opened() -> Store:
        return open_server_store(tmp_path / "another", *options.values(), exclusive=True)

    (tmp_path / "another").mkdir()
    assert restoring.restore(saved, tmp_path / "another", opened).images == 3
    assert downloaded == []


def test_the_question_names_database_and_object_store(
    tmp_path: Path, addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def confirm(question: str, *, is_agreed: bool) -> None:
        asked.append(question)
        raise click.Abort

    monkeypatch.setattr(backups, "confirm", confirm)
    monkeypatch.setattr(restoring, "chosen", lambda _path: tmp_path / "saved")
    secret = addresses[0].replace("emulator@", "emulator:password@")
    for arguments, where in (
        (["--blobs", "s3://bucket"], "s3://bucket"),
        ([], str(tmp_path / "data")),
    ):
        given = [str(tmp_path), "--data", str(tmp_path / "data"), "--database", secret, *arguments]
        with pytest.raises(click.Abort):
            backups.restore.main(given, standalone_mode=False)
        database = addresses[0].partition("?")[0]
        expected = f"Replace everything in {database} and {where} by {tmp_path / 'saved'}, for all servers?"
        assert asked.pop() == expected


def test_a_database_without_an_object_store_is_backed_up_with_its_folder(
    tmp_path: Path, addresses: list[str]
) -> None:
    for service in running_service(tmp_path / "data", database=addresses[0]):
        service.images(service.project(), pictures(2))
        store, before = store_of(service), state(service)
        succeeded("backup", str(tmp_path / "backups"), *store)
        assert findings(*store) == []
        refused = run(
            "restore", str(tmp_path / "backups"), "--yes", *store[:1], str(tmp_path / "x"), *store[2:]
        )
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "is in use by custom-vision-emulator" in refused.stderr
    succeeded("restore", str(tmp_path / "backups"), "--yes", "--data", str(tmp_path / "desk"))
    for restored in running_service(tmp_path / "desk"):
        assert state(restored) == before


def test_backups_that_cannot_be_made_have_a_reason(tmp_path: Path, addresses: list[str]) -> None:
    for service in running_service(tmp_path / "data", database=addresses[0]):
        store = store_of(service)
    for arguments, reason in (
        (store[:2], "give its URL with --database"),
        ((*store[:2], "--database", addresses[1]), "has no tables yet"),
        (("--data", str(tmp_path / "new"), *store[2:]), "has no images or models of postgresql://"),
        ((*store, "--blobs", folder_address(tmp_path / "x")), "leave out --blobs"),
    ):
        refused = run("backup", str(tmp_path / "backups"), *arguments)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert reason in refused.stderr
    assert not list((tmp_path / "backups").glob("*Z*"))


def test_doctor_finds_nothing_while_servers_run(servers: Servers) -> None:
    project, _, _ = servers.first.trainable()
    servers.second.train(project)
    for one in servers:
        assert findings(*store_of(one)) == []
    listed = run("doctor", "--data", "/nowhere", *store_of(servers.first)[2:])
    assert listed.returncode == 0
    assert "constraints, values and references are intact" in listed.stdout
    assert "files have the SHA-256 that they had" in listed.stdout


def test_doctor_names_damaged_and_missing_objects_and_those_without_a_row(
    servers: Servers, tmp_path: Path
) -> None:
    first = servers.first
    first.images(first.project(), pictures(3))
    owners = {blob: image for image, blob in execute_of(first, "SELECT id, blob FROM image")}
    damaged, missing, kept = sorted((tmp_path / "objects").glob("blobs/*/*"))
    flip(damaged)
    missing.unlink()
    stray = kept.parent / ("0" * 64)
    stray.write_bytes(b"stray")
    old = stray.stat().st_mtime - _OLD_SECONDS
    os.utime(stray, (old, old))
    found = findings(*store_of(first))
    assert [(one["check"], one["state"]) for one in found] == [
        ("images and models", "problem"),
        ("images and models", "problem"),
        ("orphans", "note"),
    ]
    assert owners[missing.name] in found[0]["text"]
    assert owners[damaged.name] in found[1]["text"]
    assert found[2]["text"].startswith("1 files (5 bytes) belong to nothing")
    named = [one["text"] for one in findings(*store_of(first), "--no-hashes") if one["state"] == "problem"]
    assert len(named) == 1
    assert owners[missing.name] in named[0]
    refused = run("backup", str(tmp_path / "backups"), *store_of(first))
    assert refused.returncode == 1
    assert damaged.name in refused.stderr


def test_commands_that_only_read_make_no_data_folder(servers: Servers, tmp_path: Path) -> None:
    servers.first.images(servers.first.project(), pictures(1))
    store = store_of(servers.first)[2:]
    succeeded("doctor", "--data", str(tmp_path / "none"), *store)
    succeeded("backup", str(tmp_path / "backups"), "--data", str(tmp_path / "none"), *store)
    assert not (tmp_path / "none").exists()


def test_a_store_without_its_mark_has_it_back_from_the_line_in_the_message(
    servers: Servers, tmp_path: Path
) -> None:
    servers.first.images(servers.first.project(), pictures(1))
    store = store_of(servers.first)
    succeeded("backup", str(tmp_path / "backups"), *store)
    for one in servers:
        one.close()
    mark = tmp_path / "objects" / "emulator.database"
    content = mark.read_text()
    mark.unlink()
    for command in (
        ["doctor"],
        ["backup", str(tmp_path / "backups")],
        ["restore", str(tmp_path / "backups"), "--yes"],
    ):
        refused = run(*command, *store)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "the mark file:" in refused.stderr
        assert "objects/emulator.database is missing" in refused.stderr
    mark.write_text(refused.stderr.rpartition(": ")[2])
    assert mark.read_text() == content
    succeeded("restore", str(tmp_path / "backups"), "--yes", *store)


def test_a_restore_to_a_mistyped_store_is_refused_unless_the_loss_is_accepted(
    servers: Servers, tmp_path: Path
) -> None:
    first = servers.first
    first.images(first.project(), pictures(2))
    before, store = state(first), store_of(first)
    succeeded("backup", str(tmp_path / "backups"), *store)
    for one in servers:
        one.close()
    mistyped = tmp_path / "mistyped"
    named = ["--data", str(tmp_path / "new"), *store[2:4], "--blobs", folder_address(mistyped)]
    refused = run("restore", str(tmp_path / "backups"), "--yes", *named)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "elsewhere than in" in refused.stderr
    assert "--accept-data-loss" in refused.stderr
    assert not mistyped.exists()
    accepted = run("restore", str(tmp_path / "backups"), "--yes", "--accept-data-loss", *named)
    assert accepted.returncode == 0
    options = {"database": store[3], "blobs": folder_address(mistyped)}
    for restored in running_service(tmp_path / "new", **options):
        assert state(restored) == before


def execute_of(service: Service, statement: str) -> list[tuple[Any, ...]]:
    return execute(str(service.settings.database), statement)


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        (
            "ALTER TABLE tag DROP CONSTRAINT tag_project_id_fkey; UPDATE tag SET project_id = 'x'",
            "Rows of the table 'tag' refer to rows of 'project' that do not exist.",
        ),
        ("ALTER TABLE tag DROP CONSTRAINT tag_project_id_fkey", "The table tag lacks a foreign key"),
        (
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'tag_pkey'::regclass",
            "The index tag_pkey",
        ),
        ("ALTER TABLE tag DROP COLUMN description", "cannot be read: column"),
        ("UPDATE alembic_version SET version_num = '0012'", "start this version once"),
        ("UPDATE alembic_version SET version_num = '9999'", "written by a newer version"),
    ],
)
def test_doctor_finds_damage_of_the_database(
    tmp_path: Path, addresses: list[str], statement: str, text: str
) -> None:
    for service in running_service(tmp_path / "data", database=addresses[0]):
        service.tag(service.project(), "red")
        store = store_of(service)
    execute(addresses[0], statement)
    examined = run("doctor", *store)
    assert examined.returncode == 1
    assert text in examined.stdout + examined.stderr


def test_an_object_store_that_is_away_is_named(servers: Servers, tmp_path: Path) -> None:
    servers.first.images(servers.first.project(), pictures(1))
    (tmp_path / "objects").rename(tmp_path / "away")
    examined = run("doctor", *store_of(servers.first))
    assert examined.returncode == 1
    assert "elsewhere than in" in examined.stderr
    (tmp_path / "away").rename(tmp_path / "objects")
