"""Named snapshots: saved, restored, listed, deleted."""

import json
import logging
import shutil
import sqlite3
import uuid
from pathlib import Path
from typing import Any

import pytest

from emulator.core.errors import ServiceError
from emulator.core.snapshots import files, manage
from emulator.core.snapshots.manifest import Manifest
from emulator.store import blobs as blob_store
from emulator.store.database import SCHEMA_REVISION, StorageFull
from tests.support.damage import change_blob
from tests.support.harness import RESOURCE_ID, Service, refusal
from tests.support.images import picture, pictures
from tests.support.predicting import Predicted
from tests.support.snapshots import OLDER, PATH, TO_OLDER, data_folder, names, restore, save, state


def test_a_restore_brings_back_all_that_clients_see(predicted: Predicted) -> None:
    service = predicted.service
    before, blobs = state(service), service.referenced_blobs()
    saved = save(service)
    project = next(iter(before))
    service.delete(f"/projects/{project}/images", params={"allImages": "true", "allIterations": "true"})
    service.images(service.project("another"), pictures(3, "grey"))
    restored = restore(service)
    assert restored == saved
    assert state(service) == before
    assert service.referenced_blobs() == blobs
    assert service.blobs() == blobs


def test_a_restored_model_predicts_as_before(service: Service) -> None:
    project, _, _ = service.trainable()
    address = service.publish(service.train(project))
    shown = service.predict(address, picture(77), "/image/nostore").json()["predictions"]
    save(service)
    assert service.request("POST", "/_emulator/reset").status_code == 204
    assert service.get("/projects") == []
    restore(service)
    assert service.predict(address, picture(77), "/image/nostore").json()["predictions"] == shown


def test_reset_keeps_snapshots_unless_asked(service: Service) -> None:
    service.project()
    save(service)
    service.request("POST", "/_emulator/reset")
    assert names(service) == ["base"]
    service.request("POST", "/_emulator/reset", params={"snapshots": "true"})
    assert names(service) == []


def test_a_snapshot_survives_a_restart_and_the_sweep_of_blobs(service: Service) -> None:
    project, red, _ = service.trainable()
    save(service)
    before = state(service)
    service.delete(f"/projects/{project.split('/')[2]}")
    service.restart()
    assert service.blobs() == set()
    restore(service)
    assert state(service) == before
    service.images(project, pictures(1, "green"), red)


def test_saving_again_replaces_the_snapshot(service: Service) -> None:
    service.project("first")
    assert service.request("PUT", f"{PATH}/base").status_code == 201
    service.project("second")
    assert service.request("PUT", f"{PATH}/base").status_code == 200
    service.request("POST", "/_emulator/reset")
    assert restore(service)["projectCount"] == 2
    folder = service.settings.data / "snapshots" / "base"
    assert len(list(folder.iterdir())) == 2


def test_snapshots_are_listed_with_what_they_hold(service: Service) -> None:
    save(service, "empty")
    project, _, _ = service.trainable()
    service.train(project)
    save(service, "full")
    listed = service.request("GET", PATH).json()
    assert [
        (item["name"], item["projectCount"], item["imageCount"], item["iterationCount"]) for item in listed
    ] == [
        ("empty", 0, 0, 0),
        ("full", 1, 10, 1),
    ]
    assert listed[0]["size"] < listed[1]["size"]
    assert service.request("GET", f"{PATH}/full").json() == listed[1]


def test_a_deleted_snapshot_is_gone(service: Service) -> None:
    save(service)
    assert service.request("DELETE", f"{PATH}/base").status_code == 204
    assert not (service.settings.data / "snapshots" / "base").exists()
    for method, path in (("DELETE", ""), ("GET", ""), ("POST", "/restore"), ("GET", "/archive")):
        assert refusal(service.request(method, f"{PATH}/base{path}")) == (
            404,
            "NotFound",
            "There is no snapshot 'base'.",
        )


@pytest.mark.parametrize(
    "name",
    ["a b", "-a", ".a", "a.", "con", "NUL.txt", "com1", "x" * 65, "ä", "a%00b", "a%0A", "a%5Cb", "a:b"],
)
def test_a_name_that_cannot_be_that_of_a_folder_is_refused(service: Service, name: str) -> None:
    status, code, message = refusal(service.request("PUT", f"{PATH}/{name}"))
    assert (status, code) == (400, "BadRequest")
    assert "The name of a snapshot must have 1 to 64 letters" in message
    assert not list((service.settings.data / "snapshots").glob("*"))


@pytest.mark.parametrize("name", ["..", "a%2Fb", "..%2F..%2Fetc"])
def test_a_path_is_no_name(service: Service, name: str) -> None:
    assert service.send_unvalidated("PUT", f"{PATH}/{name}").status_code in (400, 404)
    assert not list((service.settings.data / "snapshots").glob("*"))


@pytest.mark.parametrize("name", ["a", "A.b-c_9", "x" * 64, "0", "console", "com10"])
def test_other_names_are_accepted(name: str) -> None:
    assert manage.checked_name(name) == name


def test_names_differ_by_more_than_case(service: Service) -> None:
    save(service, "Base")
    status, _, message = refusal(service.request("PUT", f"{PATH}/base"))
    assert (status, message) == (400, "There is a snapshot 'Base'; names must differ by more than case.")


def test_a_restored_list_is_not_that_of_the_cache(service: Service) -> None:
    """After a restore, the numbers of changes are repeated, and so are the keys of caches."""
    project = service.project()
    first, second = service.tag(project, "first"), service.tag(project, "second")
    images = service.images(project, pictures(4), first)
    save(service)

    def tagged(tag: str) -> list[str]:
        listed = service.get(f"{project}/images/tagged", params={"tagIds": tag})
        return sorted(image["id"] for image in listed)

    service.post(f"{project}/images/tags", json={"tags": [{"imageId": images[0], "tagId": second}]})
    assert tagged(second) == [images[0]]
    restore(service)
    assert tagged(second) == []
    service.post(f"{project}/images/tags", json={"tags": [{"imageId": images[1], "tagId": second}]})
    assert tagged(second) == [images[1]]


def test_changes_of_a_project_are_counted_on(service: Service) -> None:
    """A list that was read before a restore and cached after it is never taken for a current one."""
    project = service.project()
    service.tag(project, "tag")
    save(service)
    seen = []
    for _ in range(3):
        service.images(project, pictures(3), service.tag(project, uuid.uuid4().hex))
        seen += service.rows("SELECT revision + metadata_revision FROM project")
        restore(service)
        seen += service.rows("SELECT revision + metadata_revision FROM project")
    assert seen == sorted(set(seen))


def test_whether_training_is_needed_is_restored(service: Service) -> None:
    project, red, _ = service.trainable()
    service.train(project)
    save(service)
    service.images(project, pictures(1, "green"), red)
    restore(service)
    assert service.refused("POST", f"{project}/train")[1] == "BadRequestTrainingNotNeeded"
    service.images(project, pictures(1, "green"), red)
    service.train(project)


def test_published_names_are_those_of_the_snapshot(service: Service) -> None:
    project, _, _ = service.trainable()
    iteration = service.train(project)
    save(service)
    address = service.publish(iteration)
    assert service.predict(address, picture(1), "/image/nostore").status_code == 200
    restore(service)
    assert service.predict(address, picture(1), "/image/nostore").status_code == 404
    service.post(f"{iteration}/publish", params={"publishName": "published", "predictionId": RESOURCE_ID})
    assert service.predict(address, picture(1), "/image/nostore").status_code == 200


def test_a_restore_clears_the_state_of_tests(service: Service) -> None:
    cleared: list[bool] = []
    service.context.on_reset.append(lambda: cleared.append(True))
    save(service)
    assert not cleared
    restore(service)
    assert cleared == [True]


def test_a_damaged_blob_of_a_snapshot_is_noticed_before_anything_is_replaced(service: Service) -> None:
    project = service.project()
    service.images(project, pictures(3))
    save(service)
    (blob, *_) = sorted(service.blobs())
    service.images(project, pictures(2, "blue"))
    before = state(service)
    file = data_folder(service) / "blobs" / blob[:2] / blob
    file.unlink()  # a hard link to the blob of the store, which stays intact
    file.write_bytes(b"other")
    status, code, message = refusal(service.request("POST", f"{PATH}/base/restore"))
    assert (status, code) == (409, "Conflict")
    assert message == (
        f"The snapshot 'base' cannot be used. Its file {blob} is damaged: it has another SHA-256."
    )
    file.unlink()
    assert refusal(service.request("GET", f"{PATH}/base/archive"))[2].endswith(f"Its file {blob} is missing.")
    assert state(service) == before
    assert service.blobs() == service.referenced_blobs()


def test_a_damaged_database_of_a_snapshot_is_noticed(service: Service) -> None:
    service.project("kept")
    save(service)
    path = data_folder(service) / files.DATABASE_NAME
    path.write_bytes(path.read_bytes()[:-4096])
    assert refusal(service.request("POST", f"{PATH}/base/restore"))[0] == 409
    assert [project["name"] for project in service.get("/projects")] == ["kept"]


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b'{"format": "custom-vision-emulator-snapshot", "version": 1}']
)
def test_a_snapshot_without_a_usable_manifest_is_not_listed_but_can_be_deleted(
    service: Service, text: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    save(service)
    (service.settings.data / "snapshots" / "base" / "snapshot.json").write_bytes(text)
    with caplog.at_level(logging.WARNING):
        assert names(service) == []
    assert "The snapshot 'base' cannot be read." in caplog.text
    assert refusal(service.request("POST", f"{PATH}/base/restore"))[0] == 409
    assert service.request("DELETE", f"{PATH}/base").status_code == 204
    save(service)
    assert names(service) == ["base"]


def test_a_damaged_blob_of_the_store_is_named_and_not_saved(service: Service) -> None:
    (image,) = service.images(service.project(), pictures(1))
    (blob,) = service.blobs()
    change_blob(service.settings.data, blob, lambda path: path.write_bytes(b"other"))
    status, _, message = refusal(service.request("PUT", f"{PATH}/base"))
    assert (status, image in message) == (500, True)
    change_blob(service.settings.data, blob, Path.unlink)
    status, _, message = refusal(service.request("PUT", f"{PATH}/base"))
    assert (status, "missing" in message) == (500, True)
    assert names(service) == []
    assert not (service.settings.data / "snapshots" / "base").exists()


def test_a_full_disk_leaves_the_old_snapshot(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service.project("first")
    save(service)
    service.images(service.project("second"), pictures(2))

    def full(*_: object) -> None:
        raise StorageFull

    with monkeypatch.context() as patch:
        patch.setattr(blob_store, "link_or_copy", full)
        assert service.request("PUT", f"{PATH}/base").status_code == 507
        assert service.request("PUT", f"{PATH}/other").status_code == 507
    assert names(service) == ["base"]
    assert len(list((service.settings.data / "snapshots" / "base").iterdir())) == 2
    assert restore(service)["projectCount"] == 1


def test_a_full_disk_leaves_the_state(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service.images(service.project("saved"), pictures(3))
    save(service)
    service.request("POST", "/_emulator/reset")
    service.images(service.project("current"), pictures(3, "blue"))
    before = state(service)

    def full(*_: object) -> None:
        raise StorageFull

    monkeypatch.setattr(service.context.database, "replace_rows", full)
    assert service.request("POST", f"{PATH}/base/restore").status_code == 507
    assert state(service) == before
    assert service.blobs() == service.referenced_blobs()


def test_a_snapshot_of_an_older_version_is_migrated(service: Service) -> None:
    """The data folder was used by an older version, which saved the snapshot."""
    project, _, _ = service.trainable()
    service.train(project)
    before = state(service)
    save(service)
    data = data_folder(service)
    connection = sqlite3.connect(data / files.DATABASE_NAME)
    for statement in TO_OLDER:
        connection.execute(statement)
    connection.commit()
    connection.close()
    path = data.parent / "snapshot.json"
    manifest = json.loads(path.read_bytes())
    manifest["schema_revision"] = OLDER
    manifest["database_sha256"] = files.digest_of(data / files.DATABASE_NAME)
    path.write_text(json.dumps(manifest))
    service.request("POST", "/_emulator/reset")
    restore(service)
    assert state(service) == before
    assert json.loads(path.read_bytes())["schema_revision"] == SCHEMA_REVISION
    assert not data.exists()
    restore(service)


def test_requests_at_the_same_time_are_carried_out_one_by_one(service: Service) -> None:
    service.images(service.project(), pictures(3))
    save(service)
    requests: list[tuple[str, str, dict[str, Any]]] = []
    for number in range(4):
        requests += [
            ("PUT", f"{PATH}/base", {}),
            ("POST", f"{PATH}/base/restore", {}),
            ("GET", f"{PATH}/base/archive", {}),
            ("PUT", f"{PATH}/other{number}", {}),
            ("GET", PATH, {}),
        ]
    assert {response.status_code for response in service.together(*requests)} == {200, 201}
    assert names(service) == ["base", "other0", "other1", "other2", "other3"]
    assert service.blobs() == service.referenced_blobs()


def test_what_killed_processes_left_is_no_snapshot_and_is_removed(service: Service) -> None:
    service.project()
    save(service)
    snapshots = service.settings.data / "snapshots"
    unfinished = snapshots / "half" / uuid.uuid4().hex
    shutil.copytree(data_folder(service), unfinished)
    replaced = snapshots / "base" / uuid.uuid4().hex
    shutil.copytree(data_folder(service), replaced)
    assert names(service) == ["base"]
    save(service, "other")
    assert not unfinished.exists()
    assert not replaced.exists()
    assert names(service) == ["base", "other"]
    restore(service)


def test_without_hard_links_files_are_copied(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def impossible(*_: object) -> None:
        raise PermissionError(1, "not possible here")

    monkeypatch.setattr(blob_store.os, "link", impossible)
    project, _, _ = service.trainable()
    service.train(project)
    before = state(service)
    save(service)
    service.request("POST", "/_emulator/reset")
    restore(service)
    assert state(service) == before
    (file, *_) = (data_folder(service) / "blobs").glob("*/*")
    assert file.stat().st_nlink == 1


def test_a_failing_build_leaves_no_folder(service: Service) -> None:
    def build(_: object) -> Manifest:
        raise ServiceError("BadRequest", "no")

    folder = service.settings.data / "snapshots" / "new"
    with pytest.raises(ServiceError):
        files.write(folder, build)
    assert not folder.exists()
