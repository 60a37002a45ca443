"""Pulls of a project from a resource that fails, changes and forgets."""

import errno
from pathlib import Path

import pytest

from emulator.core.pulled import archive as archives
from emulator.core.pulled.archive import WORKSPACE, PullArchive
from emulator.core.pulled.journal import ArchiveUnusable
from emulator.pulling.project import Choice, ProjectPull
from emulator.pulling.service import PullFailed, Service
from tests.pulling.conftest import Pull
from tests.support.cloud import KEY, SIGNATURE, Cloud, Reply, Request, error


def test_everything_is_pulled_by_reading_alone(cloud: Cloud, archive: PullArchive, pull: Pull) -> None:
    cloud.iterate()
    cloud.add(5, tags=[], metadata={"place": "left"})
    cloud.predict(1)
    manifest = pull()
    assert manifest.is_complete
    assert {count.name: (count.pulled, count.total) for count in manifest.counts} == {
        "images": (6, 6),
        "files of images": (6, 6),
        "tags": (2, 2),
        "iterations": (1, 1),
        "evaluated images": (1, 1),
        "exports": (0, 0),
        "stored predictions": (1, 1),
    }
    assert manifest.lines()[1].endswith("stored predictions 1 of 1, missing 0")
    assert {request.method for request in cloud.requests if "predictions/query" not in request.path} == {
        "GET"
    }
    assert set(cloud.fetched().values()) == {1}
    images = list(archive.listed(WORKSPACE))
    assert [image["id"] for image in images] == [image["id"] for image in cloud.images]
    assert images[5]["metadata"] == {"place": "left"}
    stored = archive.file("image", images[0]["id"])
    assert stored is not None
    assert stored.path.read_bytes() == cloud.files[images[0]["id"]]
    assert (stored.width, stored.height) == (48, 36)
    thresholds = {name for name, _ in archive.documents(f"performance/{cloud.iterations[0]['id']}/")}
    assert len(thresholds) == 20


def test_no_file_of_the_archive_has_the_key_or_a_signature(
    cloud: Cloud, archive: PullArchive, pull: Pull
) -> None:
    cloud.iterate()
    cloud.predict(1)
    archive.write_manifest(pull().to_json())
    archive.close()
    contents = b"".join(path.read_bytes() for path in archive.folder.rglob("*") if path.is_file())
    assert cloud.images[0]["id"].encode() in contents
    for secret in (KEY, SIGNATURE, SIGNATURE.partition("%")[0]):
        assert secret.encode() not in contents


def test_a_repeated_pull_fetches_no_file_again_and_finds_what_is_new(
    cloud: Cloud, archive: PullArchive, pull: Pull
) -> None:
    cloud.iterate()
    pull()
    cloud.add(77)
    gone = cloud.images.pop(0)  # the iteration still has it
    manifest = pull()
    assert manifest.is_complete
    assert archive.listed_count(WORKSPACE) == 5
    assert set(cloud.fetched().values()) == {1}
    assert archive.file("image", gone["id"]) is not None
    assert cloud.calls("performance") == 20


def test_a_pull_goes_on_where_an_earlier_one_ended(cloud: Cloud, archive: PullArchive, pull: Pull) -> None:
    cloud.iterate()

    def fail(request: Request) -> Reply | None:
        return Reply(500) if request.path.endswith("/performance") and "threshold" in request.query else None

    cloud.interrupt = fail
    with pytest.raises(PullFailed):
        pull()
    before = len(cloud.requests)
    assert cloud.calls("/images") == 1 + 1 + 1  # the workspace, the iteration, its evaluation set
    cloud.interrupt = lambda request: None
    assert pull().is_complete
    assert cloud.calls("/images") == 3
    assert set(cloud.fetched().values()) == {1}
    repeated = [request.path.partition(cloud.id)[2] for request in cloud.requests[before:]]
    assert sorted(path for path in repeated if "performance" not in path) == [
        "",
        "/images/count",
        "/images/tagged/count",
        "/images/untagged/count",
        "/iterations",
    ]


def test_a_file_that_was_written_before_it_was_noted_is_not_fetched_again(
    cloud: Cloud, archive: PullArchive, pull: Pull
) -> None:
    first, second = (image["id"] for image in cloud.images[:2])
    archive.write_file("image", first, cloud.files[first])
    archive.write_file("image", second, cloud.files[second][:60])
    assert pull().is_complete
    assert cloud.fetched()[first] == 0
    assert cloud.fetched()[second] == 1


def test_a_file_whose_writing_was_interrupted_is_not_fetched_again_if_all_bytes_are_there(
    cloud: Cloud, client: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = (image["id"] for image in cloud.images[:3])
    with monkeypatch.context() as patched:
        # A process that is killed neither synchronizes nor deletes its file.
        patched.setattr("os.fsync", _killed)
        patched.setattr(Path, "unlink", lambda self, missing_ok=False: None)
        opened = PullArchive(tmp_path / "killed")
        for image in (first, second):
            with pytest.raises(_Killed):
                opened.write_file("image", image, cloud.files[image])
        opened.close()
    (left,) = opened.path("image", second).parent.glob(f".new-image-{second}.*")
    left.write_bytes(cloud.files[second][:60])
    left.with_name(".new-something").write_bytes(cloud.files[third])
    opened = PullArchive(tmp_path / "killed")
    ProjectPull(client, opened, cloud.id).run()
    assert not opened.reasons()
    assert opened.file_totals("image")[0] == len(cloud.images)
    opened.close()
    assert (cloud.fetched()[first], cloud.fetched()[second]) == (0, 1)
    assert not list((tmp_path / "killed").rglob(".new-*"))


class _Killed(BaseException):
    """The end of a process."""


def _killed(descriptor: int) -> None:
    raise _Killed


def test_expired_uris_are_asked_for_again(cloud: Cloud, pull: Pull) -> None:
    expired: set[bool] = set()
    cloud.iterate()
    cloud.predict(1)
    only_in_iteration = cloud.images.pop(0)["id"]

    def expire(request: Request) -> Reply | None:
        # With the first request for a file of each kind, those that were given out expire.
        is_prediction = request.path.endswith(cloud.predictions[0]["id"])
        if request.path.startswith("/file/") and is_prediction not in expired:
            expired.add(is_prediction)
            cloud.signature = f"sig=new{len(expired)}"
        return None

    cloud.interrupt = expire
    assert pull().is_complete
    assert cloud.calls("/images/id") >= 1
    assert cloud.fetched()[only_in_iteration] >= 1


def test_relative_uris_are_read_as_artifacts(cloud: Cloud, pull: Pull) -> None:
    cloud.relative = True
    assert pull().is_complete
    paths = {request.query["path"] for request in cloud.requests if request.path.endswith("/artifacts")}
    assert paths == {f"/file/{image['id']}" for image in cloud.images}


def test_what_is_missing_is_named_with_its_reason(cloud: Cloud, pull: Pull) -> None:
    missing, broken, forbidden = (image["id"] for image in cloud.images[:3])
    del cloud.files[missing]
    cloud.files[broken] = b"no image"
    cloud.interrupt = lambda request: Reply(403) if request.path.endswith(forbidden) else None
    cloud.iterate(status="Training", trainedAt=None)
    manifest = pull()
    assert not manifest.is_complete
    reasons = {item.id: item.reason for item in manifest.missing}
    assert reasons[missing] == "its file: status 404"
    assert reasons[broken].startswith("the file that the service has is no image")
    assert reasons[forbidden] == "its file: status 403"
    assert reasons[cloud.iterations[0]["id"]].startswith("its status is Training; run the command again")
    assert cloud.fetched()[forbidden] == 3
    assert any(line.startswith(f"  missing: image {missing}: ") for line in manifest.lines())
    cloud.files[missing], cloud.files[broken] = cloud.files[forbidden], cloud.files[cloud.images[4]["id"]]
    cloud.interrupt = lambda request: None
    cloud.iterations.clear()
    assert pull().is_complete


def test_uploads_and_deletions_meanwhile_are_noticed(cloud: Cloud, archive: PullArchive, pull: Pull) -> None:
    changes = [lambda: cloud.add(50), lambda: cloud.images.pop(0)]

    def change(request: Request) -> Reply | None:
        if request.path.startswith("/file/") and changes:
            changes.pop(0)()
            cloud.modified += 1
        return None

    cloud.interrupt = change
    manifest = pull()
    assert manifest.is_complete
    listed = [image["id"] for image in archive.listed(WORKSPACE)]
    assert listed == [image["id"] for image in cloud.images]


def test_a_project_that_never_rests_is_named_as_different(cloud: Cloud, pull: Pull) -> None:
    def change(request: Request) -> Reply | None:
        if request.path.endswith("/tagged/count"):
            cloud.add(len(cloud.images))
        return None

    cloud.interrupt = change
    manifest = pull()
    assert not manifest.is_complete
    assert "the number of images changed while it was pulled" in manifest.differences


def test_a_deleted_iteration_is_forgotten(cloud: Cloud, archive: PullArchive, pull: Pull) -> None:
    cloud.iterate()
    cloud.iterate()
    pull()
    gone = cloud.iterations.pop(0)["id"]
    assert pull().is_complete
    assert archive.listed_count(gone) == archive.evaluated_count(gone) == 0
    assert list(archive.documents(f"performance/{gone}/")) == []


def test_a_full_disk_ends_the_pull_and_leaves_nothing_half_written(
    cloud: Cloud, archive: PullArchive, pull: Pull, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename, renamed = archives.rename_durably, []

    def fill(source: Path, target: Path) -> None:
        if len(renamed) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        renamed.append(target)
        rename(source, target)

    monkeypatch.setattr(archives, "rename_durably", fill)
    with pytest.raises(ArchiveUnusable, match="the disk is full; what was pulled is kept"):
        pull()
    assert set((archive.folder / "files").glob("*/*")) == set(renamed)
    monkeypatch.undo()
    assert pull().is_complete
    assert max(cloud.fetched().values()) <= 2


def test_an_archive_of_another_project_is_not_mixed(
    cloud: Cloud, client: Service, archive: PullArchive, pull: Pull
) -> None:
    pull()
    with pytest.raises(PullFailed, match="has another project"):
        ProjectPull(client, archive, "another").run()


def test_iterations_and_predictions_are_left_out_on_request(
    cloud: Cloud, client: Service, archive: PullArchive
) -> None:
    cloud.iterate()
    cloud.predict(1)
    ProjectPull(client, archive, cloud.id, Choice(iterations=False, predictions=False)).run()
    assert cloud.calls("/performance") == cloud.calls("/query") == 0


def test_performance_that_the_service_refuses_is_no_error(cloud: Cloud, pull: Pull) -> None:
    cloud.iterate()

    def refuse(request: Request) -> Reply | None:
        return error(404, "NotFoundIterationPerformance", "none") if "performance" in request.path else None

    cloud.interrupt = refuse
    manifest = pull()
    assert manifest.is_complete
    assert manifest.notes == ["iteration 'Iteration 1' has no performance at the service"]


def test_a_folder_is_used_by_one_pull_at_a_time(archive: PullArchive) -> None:
    with pytest.raises(ArchiveUnusable, match="another process uses"):
        PullArchive(archive.folder)


def test_a_folder_with_something_else_is_no_archive(tmp_path: Path) -> None:
    with pytest.raises(ArchiveUnusable, match=r"has no journal.sqlite"):
        PullArchive(tmp_path, read_only=True)
    (tmp_path / "journal.sqlite").write_bytes(b"something else" * 100)
    with pytest.raises(ArchiveUnusable, match="cannot be used"):
        PullArchive(tmp_path)
