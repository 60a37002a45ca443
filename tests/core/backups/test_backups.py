"""Backups of a data folder: saved while it is in use, checked, restored elsewhere and in place."""

import hashlib
import json
import shutil
import sqlite3
import subprocess
import tarfile
from contextlib import closing, suppress
from pathlib import Path

import pytest

from emulator.core.backups import hash_list, restoring, saving
from emulator.core.backups.hash_list import BackupRejected
from emulator.core.backups.saving import BackupFailed
from emulator.store.blobs import FolderBlobStore
from emulator.store.sqlite import SqliteDatabase
from tests.support.backups import files_of, flip, hashed, restore, save
from tests.support.harness import Service, running_service
from tests.support.images import picture, pictures
from tests.support.predicting import Predicted
from tests.support.snapshots import OLDER, TO_OLDER, state
from tests.support.snapshots import save as save_snapshot

ARCHIVES = Path(__file__).parents[2] / "upgrades" / "archives"

pytestmark = pytest.mark.sqlite


def test_a_backup_of_a_folder_in_use_restores_all_that_clients_see(
    predicted: Predicted, tmp_path: Path
) -> None:
    service = predicted.service
    saved = save(service.settings.data, tmp_path / "backups")
    before = state(service)
    restore(saved.folder, tmp_path / "elsewhere")
    for other in running_service(tmp_path / "elsewhere"):
        assert state(other) == before
        assert other.referenced_blobs() == other.blobs() == service.referenced_blobs()


def test_a_restored_model_predicts_as_before_and_issued_uris_stay_valid(
    service: Service, tmp_path: Path
) -> None:
    project, _, _ = service.trainable()
    address = service.publish(service.train(project))
    shown = service.predict(address, picture(77), "/image/nostore").json()["predictions"]
    uri = service.get(f"{project}/images")[0]["originalImageUri"]
    content = service.follow(uri).content
    saved = save(service.settings.data, tmp_path / "backups")
    restore(saved.folder, tmp_path / "elsewhere")
    for other in running_service(tmp_path / "elsewhere"):
        assert other.predict(address, picture(77), "/image/nostore").json()["predictions"] == shown
        assert other.follow(uri).content == content


def test_named_snapshots_are_in_a_backup(service: Service, tmp_path: Path) -> None:
    service.images(service.project("saved"), pictures(3))
    save_snapshot(service, "base")
    saved = save(service.settings.data, tmp_path / "backups")
    restore(saved.folder, tmp_path / "elsewhere")
    for other in running_service(tmp_path / "elsewhere"):
        assert other.request("POST", "/_emulator/reset").status_code == 204
        assert other.request("POST", "/_emulator/snapshots/base/restore").status_code == 200
        assert [project["name"] for project in other.get("/projects")] == ["saved"]


def test_folders_in_which_jobs_work_and_caches_are_left_out(service: Service, tmp_path: Path) -> None:
    folders = [runner.folder for runner in service.context.jobs.runners if hasattr(runner, "folder")]
    assert len(folders) > 4
    data = service.settings.data
    kept = data / "backbones" / "a-network" / "network.onnx"
    for folder in [*folders, service.context.feature_cache, data / "logs", kept.parent]:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "file").write_text("x")
    kept.write_text("x")
    saved = save(data, tmp_path / "backups")
    others = files_of(saved.folder / "folder").keys()
    assert others == {"link-secret", "backbones/a-network/file", "backbones/a-network/network.onnx"}


def test_a_backup_shares_no_file_with_the_data_folder_and_all_unchanged_ones_with_the_previous(
    service: Service, tmp_path: Path
) -> None:
    project = service.project()
    service.images(project, pictures(3))
    first = save(service.settings.data, tmp_path / "backups")
    service.images(project, pictures(1, "blue"))
    second = save(service.settings.data, tmp_path / "backups", day=1)
    links = [
        [file.stat().st_nlink for file in sorted((backup.folder).glob("*/blobs/*/*"))]
        for backup in (first, second)
    ]
    assert [sorted(each) for each in links] == [[2, 2, 2], [1, 2, 2, 2]]
    assert first.copied and second.copied and second.copied < first.copied


def test_a_damaged_file_of_the_previous_backup_is_copied_again(service: Service, tmp_path: Path) -> None:
    service.images(service.project(), pictures(3))
    first = save(service.settings.data, tmp_path / "backups")
    flip(next(first.folder.glob("*/blobs/*/*")))
    second = save(service.settings.data, tmp_path / "backups", day=1)
    assert restoring.verified(second.folder).images == 3


def test_the_list_of_hashes_is_that_of_sha256sum(service: Service, tmp_path: Path) -> None:
    service.images(service.project(), pictures(3))
    saved = save(service.settings.data, tmp_path / "backups")
    assert hashed(saved.folder) | {hash_list.FILE_NAME} == files_of(saved.folder).keys()
    program = shutil.which("sha256sum")
    if program is None:
        pytest.skip("sha256sum is missing: it is in the package coreutils")
    checked = subprocess.run(
        [program, "--check", "--strict", "--quiet", hash_list.FILE_NAME], cwd=saved.folder
    )
    assert checked.returncode == 0


def test_each_flipped_byte_is_named_and_nothing_is_restored(service: Service, tmp_path: Path) -> None:
    service.images(service.project(), pictures(2))
    folder = save(service.settings.data, tmp_path / "backups").folder
    for path in sorted(hashed(folder)):
        content = (folder / path).read_bytes()
        flip(folder / path)
        with pytest.raises(BackupRejected, match=f"{path.rpartition('/')[2]} has another SHA-256"):
            restore(folder, tmp_path / "elsewhere")
        assert not any((tmp_path / "elsewhere").iterdir())
        (folder / path).write_bytes(content)
    listed = (folder / hash_list.FILE_NAME).read_bytes()
    for damaged in (b"\xff" + listed, b"0" + listed, listed[:-1], b"", listed.replace(b"  ", b"  ../")):
        (folder / hash_list.FILE_NAME).write_bytes(damaged)
        with pytest.raises(BackupRejected):
            restoring.verified(folder)


_OUTSIDE = (
    "/{}",
    "../{}",
    "folder//{}",
    "folder/../../{}",
    "folder/./{}",
    "folder/C:/{}",
    "folder/\\{}",
    "folder/a\0{}",
    "folder/",
)


@pytest.mark.parametrize("path", _OUTSIDE)
@pytest.mark.parametrize("is_running", [False, True], ids=["stopped", "running"])
def test_a_list_of_paths_that_lead_elsewhere_is_refused(
    service: Service, tmp_path: Path, path: str, is_running: bool
) -> None:
    folder = save(service.settings.data, tmp_path / "backups").folder
    target = tmp_path / "written"
    content = folder / "content"
    content.write_bytes(b"crafted")
    listed = path.format(str(target).lstrip("/"))
    with suppress(OSError, ValueError):  # a name that no file can have
        crafted = folder / listed
        if crafted.is_relative_to(folder) and ".." not in crafted.parts:
            crafted.parent.mkdir(parents=True, exist_ok=True)
            content.rename(crafted)
    digest = hashlib.sha256(b"crafted").hexdigest()
    with (folder / hash_list.FILE_NAME).open("a") as file:
        file.write(f"{digest}  {listed}\n")
    (tmp_path / "elsewhere").mkdir()
    before = files_of(tmp_path / "elsewhere")
    with pytest.raises(BackupRejected, match="SHA256SUMS is damaged in line"):
        if is_running:
            with restoring.as_named_snapshot(folder, tmp_path / "elsewhere"):
                pass
        else:
            restore(folder, tmp_path / "elsewhere")
    assert not target.exists()
    assert files_of(tmp_path / "elsewhere") == before


@pytest.mark.parametrize("linked", ["folder/link-secret", "folder"])
def test_symbolic_links_in_a_backup_are_refused(service: Service, tmp_path: Path, linked: str) -> None:
    folder = save(service.settings.data, tmp_path / "backups").folder
    (folder / linked).rename(tmp_path / "moved")
    (folder / linked).symlink_to(tmp_path / "moved")
    with pytest.raises(BackupRejected, match="folder/link-secret is a link or a device"):
        restore(folder, tmp_path / "elsewhere")


def test_names_that_the_list_cannot_have_are_left_out(service: Service, tmp_path: Path) -> None:
    networks = service.settings.data / "backbones"
    networks.mkdir(exist_ok=True)
    for name in ("C:x", "a\\b", "a\nb", "kept:x"):
        (networks / name).write_text("x")
    saved = save(service.settings.data, tmp_path / "backups")
    assert files_of(saved.folder / "folder").keys() == {"link-secret", "backbones/kept:x"}
    assert restoring.verified(saved.folder) == saved.manifest


def test_missing_and_superfluous_files_are_named(service: Service, tmp_path: Path) -> None:
    folder = save(service.settings.data, tmp_path / "backups").folder
    (folder / "folder" / "link-secret").unlink()
    (folder / "other").touch()
    with pytest.raises(BackupRejected, match="link-secret is missing, other is not in SHA256SUMS"):
        restoring.verified(folder)


def test_a_restore_replaces_what_is_there_and_damage_of_the_data_does_not_reach_the_backup(
    service: Service, tmp_path: Path
) -> None:
    service.images(service.project("saved"), pictures(3))
    before = state(service)
    saved = save(service.settings.data, tmp_path / "backups")
    service.images(service.project("later"), pictures(3, "blue"))
    flip(next(service.settings.data.glob("blobs/*/*")))
    service.close()
    (service.settings.data / "emulator.sqlite").write_bytes(b"damaged")
    restore(saved.folder, service.settings.data)
    assert restoring.verified(saved.folder).images == 3
    service.open()
    assert state(service) == before
    assert service.referenced_blobs() <= service.blobs()
    (project,) = service.get("/projects")
    for image in service.get(f"/projects/{project['id']}/images"):
        assert service.follow(image["originalImageUri"]).status_code == 200


@pytest.mark.parametrize("schema", ["0003", "0008"])
def test_a_folder_of_an_older_schema_is_backed_up_unchanged_and_restored(tmp_path: Path, schema: str) -> None:
    with tarfile.open(ARCHIVES / f"{schema}.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    before = files_of(tmp_path / "data")
    saved = save(tmp_path / "data", tmp_path / "backups")
    after = {name: content for name, content in files_of(tmp_path / "data").items() if "-shm" not in name}
    assert {name: before.get(name) for name in after if not name.endswith("-wal")} == {
        name: content for name, content in after.items() if not name.endswith("-wal")
    }
    restore(saved.folder, tmp_path / "elsewhere")
    counts = [saved.manifest.projects, saved.manifest.images, saved.manifest.iterations]
    for other in running_service(tmp_path / "elsewhere"):
        assert counts == [
            other.rows(f"SELECT count(*) FROM {name}")[0][0]
            for name in ("project", "image WHERE removed IS NULL", "iteration")
        ]
        assert counts[0] > 0


def test_a_backup_of_an_older_version_is_restored(service: Service, tmp_path: Path) -> None:
    service.images(service.project("saved"), pictures(3))
    saved = save(service.settings.data, tmp_path / "backups")
    _make_older(saved.folder)
    restore(saved.folder, tmp_path / "elsewhere")
    for other in running_service(tmp_path / "elsewhere"):
        assert [project["name"] for project in other.get("/projects")] == ["saved"]


def _make_older(backup: Path) -> None:
    manifest = json.loads((backup / "snapshot.json").read_bytes())
    path = backup / manifest["folder"] / "database.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in TO_OLDER:
            connection.execute(statement)
        connection.execute("VACUUM")
    digest = restoring.files.digest_of(path)
    manifest |= {"schema_revision": OLDER, "database_sha256": digest, "database_bytes": path.stat().st_size}
    (backup / "snapshot.json").write_text(json.dumps(manifest))
    hash_list.write(backup, {name: restoring.files.digest_of(backup / name) for name in hashed(backup)})


def test_older_backups_are_deleted_beyond_the_number_to_keep(service: Service, tmp_path: Path) -> None:
    target = tmp_path / "backups"
    for day in range(4):
        save(service.settings.data, target, day=day, keep=2)
    assert [path.name for path in saving.complete(target)] == ["2026-02-02T12-00-00Z", "2026-02-03T12-00-00Z"]
    assert restoring.chosen(target).name == "2026-02-03T12-00-00Z"
    again = save(service.settings.data, target, day=3)
    assert again.folder.name == "2026-02-03T12-00-00Z-2"
    assert restoring.chosen(target) == again.folder


def test_a_deletion_of_everything_during_a_backup_does_not_stop_it(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.images(service.project(), pictures(3))
    shared: list[str] = []
    share = saving._Blobs.share

    def share_after_a_reset(blobs: saving._Blobs, name: str, target: Path) -> None:
        if len(shared) == 1:
            assert service.request("POST", "/_emulator/reset").status_code == 204
        shared.append(name)
        share(blobs, name, target)

    monkeypatch.setattr(saving._Blobs, "share", share_after_a_reset)
    saved = save(service.settings.data, tmp_path / "backups")
    assert len(shared) == 3
    assert (saved.manifest.images, saved.manifest.blobs) == (0, {})
    assert restoring.verified(saved.folder) == saved.manifest


def test_backups_that_cannot_be_made_have_a_reason_and_leave_nothing(
    service: Service, tmp_path: Path
) -> None:
    service.images(service.project(), pictures(2))
    data, target = service.settings.data, tmp_path / "backups"
    with pytest.raises(BackupFailed, match="is no data folder"):
        save(tmp_path / "absent", target)
    with pytest.raises(BackupFailed, match="is in the data folder"):
        save(data, data / "backups")
    blob = next(data.glob("blobs/*/*"))
    flip(blob)
    with pytest.raises(BackupFailed, match=f"{blob.name} are damaged; .*doctor"):
        save(data, target)
    blob.unlink()
    with pytest.raises(BackupFailed, match=f"{blob.name} are missing; .*doctor"):
        save(data, target)
    assert [name for path in target.iterdir() if (name := path.name) != ".lock"] == []


def test_a_newer_schema_and_what_is_no_backup_are_refused(tmp_path: Path) -> None:
    newer = tmp_path / "newer"
    newer.mkdir()
    SqliteDatabase(newer).close()
    FolderBlobStore(newer)
    saved = save(newer, tmp_path / "backups")
    with closing(sqlite3.connect(newer / "emulator.sqlite", isolation_level=None)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9000'")
    with pytest.raises(BackupFailed, match="newer version"):
        save(newer, tmp_path / "backups")
    with pytest.raises(BackupRejected, match="no complete backup"):
        restoring.chosen(tmp_path)
    (saved.folder / hash_list.FILE_NAME).unlink()
    with pytest.raises(BackupRejected, match="no complete backup"):
        restoring.chosen(saved.folder)


def test_rows_are_replaced_when_all_else_is_there(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.project("saved")
    saved = save(service.settings.data, tmp_path / "backups")
    service.project("later")
    service.close()

    def full(*_given: object, **_more: object) -> None:
        raise OSError("full")

    monkeypatch.setattr(restoring, "write_atomically", full)
    with pytest.raises(OSError, match="full"):
        restore(saved.folder, service.settings.data)
    monkeypatch.undo()
    service.open()
    assert [project["name"] for project in service.get("/projects")] == ["later", "saved"]
