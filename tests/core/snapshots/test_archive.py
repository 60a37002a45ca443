"""Archives of snapshots: moved to another emulator, and refused when anything in them is wrong."""

import hashlib
import json
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emulator.core.rules.limits import MEGABYTE
from emulator.store.database import SCHEMA_REVISION
from tests.support.harness import Service, refusal
from tests.support.images import pictures
from tests.support.snapshots import (
    OLDER,
    TO_OLDER,
    archive_of,
    changed_manifest,
    download,
    files_of,
    names,
    restore,
    save,
    state,
    upload,
)


@pytest.fixture
def archive(service: Service) -> bytes:
    """The archive of a snapshot with a trained project."""
    project, _, _ = service.trainable()
    service.train(project)
    save(service)
    return download(service)


def with_database(archive: bytes, tmp_path: Path, *statements: str) -> bytes:
    """The archive with a changed database, listed with its size and SHA-256."""
    files = files_of(archive)
    path = tmp_path / "changed.sqlite"
    path.write_bytes(files["database.sqlite"])
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    return with_file(archive, path.read_bytes())


def with_file(archive: bytes, database: bytes) -> bytes:
    def change(manifest: dict[str, Any]) -> None:
        manifest["database_sha256"] = hashlib.sha256(database).hexdigest()
        manifest["database_bytes"] = len(database)

    return changed_manifest(archive_of({**files_of(archive), "database.sqlite": database}), change)


def refused(service: Service, archive: bytes) -> str:
    """The message that refuses an archive, which leaves state and snapshots untouched."""
    before, saved = state(service), names(service)
    status, code, message = refusal(upload(service, archive, "refused"))
    assert (status, code) == (400, "BadRequest")
    assert message.startswith("The archive cannot be used. ")
    assert (state(service), names(service)) == (before, saved)
    assert not (service.settings.data / "snapshots" / "refused").exists()
    return message.removeprefix("The archive cannot be used. ")


def test_an_archive_moves_everything_to_another_emulator(service: Service, target: Service) -> None:
    project, _, _ = service.trainable()
    service.train(project)
    save(service)
    target.project("replaced")
    assert upload(target, download(service)).status_code == 201
    assert [item["name"] for item in target.get("/projects")] == ["replaced"]
    restore(target)
    assert state(target) == state(service)
    assert upload(target, download(target), "base").status_code == 200


def test_the_same_state_has_the_same_archive(service: Service, archive: bytes) -> None:
    assert download(service) == archive
    files = files_of(archive)
    assert list(files)[:2] == ["snapshot.json", "database.sqlite"]
    assert json.loads(files["snapshot.json"])["folder"] == ""


@pytest.mark.parametrize("content", [b"", b"PK", b"not a zip file", b"\0" * 1000])
def test_what_is_no_zip_file_is_refused(service: Service, content: bytes) -> None:
    assert refused(service, content) == "It is not a zip file, or it is not complete."


def test_a_truncated_archive_is_refused(service: Service, archive: bytes) -> None:
    for length in (len(archive) - 1, len(archive) // 2, 100):
        assert refused(service, archive[:length]) == "It is not a zip file, or it is not complete."


def test_every_changed_byte_of_a_file_is_noticed(service: Service, archive: bytes) -> None:
    files = files_of(archive)
    for name in ("database.sqlite", next(name for name in files if name.startswith("blobs/"))):
        changed = bytearray(files[name])
        changed[len(changed) // 2] ^= 1
        message = refused(service, archive_of({**files, name: bytes(changed)}))
        assert message == f"Its file {name} is damaged: it has another size or SHA-256 than listed."


def test_changed_bytes_of_the_archive_never_change_anything(service: Service, archive: bytes) -> None:
    before = state(service)
    for place in range(0, len(archive), len(archive) // 25):
        changed = bytearray(archive)
        changed[place] ^= 255
        response = upload(service, bytes(changed), "changed")
        assert response.status_code in (200, 201, 400), (place, response.text)
        assert state(service) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.update(version=2), "It is of version 2; this emulator reads version 1."),
        (
            lambda m: m.update(schema_revision="9999"),
            "It was saved by a newer version of the emulator (schema 9999; this version reads up to ",
        ),
        (lambda m: m.update(format="other"), "It is not a snapshot."),
        (lambda m: m.update(more=1), "Its snapshot.json is invalid at 'more'"),
        (lambda m: m.update(created="now"), "Its snapshot.json is invalid at 'created'"),
        (lambda m: m.update(created=2**62), "Its snapshot.json is invalid at 'created'"),
        (lambda m: m.update(folder="../.."), "Its snapshot.json is invalid at 'folder'"),
        (lambda m: m["blobs"].popitem(), "It has other files than its snapshot.json lists."),
        (lambda m: m["blobs"].update({"a" * 64: 1}), "It has other files than its snapshot.json lists."),
        (lambda m: m["blobs"].update({"../x": 1}), "Its snapshot.json is invalid at 'blobs.../x"),
        (lambda m: m.update(database_bytes=1), "Its file database.sqlite is damaged"),
    ],
)
def test_a_changed_manifest_is_refused(
    service: Service, archive: bytes, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    assert refused(service, changed_manifest(archive, change)).startswith(message)


def test_additional_files_are_refused(service: Service, archive: bytes) -> None:
    for name in ("../evil", "more", "blobs/" + "a" * 64):
        message = refused(service, archive_of({**files_of(archive), name: b""}))
        assert message == "It has other files than its snapshot.json lists."


def test_an_archive_of_something_else_is_refused(service: Service) -> None:
    assert (
        refused(service, archive_of({"model.onnx": b""}))
        == "It has no snapshot.json, so it is not a snapshot."
    )
    assert refused(service, archive_of({"snapshot.json": b"{"})) == "Its snapshot.json is not JSON."


def test_an_archive_that_expands_to_much_more_is_refused(service: Service, archive: bytes) -> None:
    bomb = archive_of({**files_of(archive), "more": bytes(100 * MEGABYTE)}, zipfile.ZIP_DEFLATED)
    assert refused(service, bomb) == "It expands to 100 MB, which no snapshot does."


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("DELETE FROM project", "Its rows contradict each other."),
        ("UPDATE iteration SET model_blob = NULL", "It has a completed iteration without its model or"),
        ("UPDATE iteration SET evaluation_blob = NULL", "Its files are not those to which its rows refer."),
        ("UPDATE iteration SET model_tags = NULL", "It has a completed iteration without its model or"),
        ("UPDATE iteration SET model_tags = '[{}]'", "It has a completed iteration without its model or"),
        ("UPDATE project SET created = 'now'", "Its database is damaged: a value in the table 'project'"),
        ("UPDATE project SET augmentation_methods = '{'", "Its database is damaged: a value in the table"),
        (
            "UPDATE project SET created = 9000000000000000000",
            "Its database is damaged: a value in the table 'project' is no time",
        ),
        (
            "UPDATE image SET created = -9000000000000000000",
            "Its database is damaged: a value in the table 'image' is no time",
        ),
        (
            f"UPDATE image SET number = {2**63 - 1} WHERE number = (SELECT max(number) FROM image)",
            "Its ",
        ),
        (
            f"UPDATE sqlite_sequence SET seq = {2**63 - 1}",
            "Its images have numbers beyond those of any emulator.",
        ),
        ("UPDATE sqlite_sequence SET seq = 'x'", "Its images have numbers beyond those of any emulator."),
        ("CREATE VIEW extra AS SELECT 1", "Its database has views, triggers or virtual tables."),
        ("DROP TABLE region", "Its database"),
        (
            "UPDATE alembic_version SET version_num = '9999'",
            "Its database cannot be used: its database was written",
        ),
        ("UPDATE alembic_version SET version_num = 'x'", "Its database cannot be used"),
    ],
)
def test_a_database_that_contradicts_itself_is_refused(
    service: Service, archive: bytes, tmp_path: Path, statement: str, message: str
) -> None:
    assert refused(service, with_database(archive, tmp_path, statement)).startswith(message)


def test_rows_that_violate_a_constraint_are_refused(service: Service, archive: bytes, tmp_path: Path) -> None:
    changed = with_database(
        archive,
        tmp_path,
        "DROP INDEX ix_image_unique",
        "UPDATE image SET blob = (SELECT min(blob) FROM image)",
    )
    assert refused(service, changed) == "Its rows contradict each other."


def test_a_database_of_other_content_is_refused(service: Service, archive: bytes) -> None:
    assert refused(service, with_file(archive, b"not a database" * 1000)).startswith(
        "Its database cannot be used"
    )
    assert refused(service, with_file(archive, b"")).startswith("Its ")


def test_a_damaged_schema_whose_message_is_no_text_is_refused(service: Service, archive: bytes) -> None:
    database = files_of(archive)["database.sqlite"]
    changed = database.replace(b"CREATE TABLE tag", b"CREATE \xed\xff\xfe\xfd\xfc tag", 1)
    assert changed != database
    assert refused(service, with_file(archive, changed)).startswith("Its database")


def test_an_archive_of_an_older_schema_is_migrated(service: Service, archive: bytes, tmp_path: Path) -> None:
    before = state(service)
    older = with_database(archive, tmp_path, *TO_OLDER)
    older = changed_manifest(older, lambda manifest: manifest.update(schema_revision=OLDER))
    service.request("POST", "/_emulator/reset")
    assert upload(service, older, "older").status_code == 201
    restore(service, "older")
    assert state(service) == before
    stored = service.settings.data / "snapshots" / "older" / "snapshot.json"
    assert json.loads(stored.read_bytes())["schema_revision"] == SCHEMA_REVISION


def test_a_full_disk_stores_no_part_of_an_archive(
    service: Service, archive: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emulator.core.disk_space.KEPT_BYTES", 2**60)
    assert "are needed" in refused(service, archive)


def test_a_snapshot_is_not_part_of_a_snapshot(service: Service) -> None:
    service.images(service.project(), pictures(2))
    first = save(service, "first")
    assert save(service, "second")["size"] == first["size"]
