"""State that a data folder begins with: images, projects, a snapshot, and what another process exported."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from emulator.core.seeding import load, mark
from emulator.core.snapshots import folder_lock, saving
from emulator.core.snapshots.exit_export import ExitExport, ExportRefused
from emulator.core.transfer.export import open_archive
from emulator.settings import StartRefused
from emulator.store.database import StorageFull
from tests.support.damage import change_blob
from tests.support.harness import PATIENCE_SECONDS, Service, test_settings
from tests.support.images import picture, pictures
from tests.support.importing import content
from tests.support.snapshots import download, save, state

Open = Callable[..., Service]


@pytest.fixture
def open_service(tmp_path: Path) -> Iterator[Open]:
    """Opens services, by default on one data folder."""
    opened: list[Service] = []

    def open_one(name: str = "new", **settings: Any) -> Service:
        opened.append(Service(test_settings(tmp_path / name, **settings)))
        return opened[-1]

    yield open_one
    for service in opened:
        service.end()


@pytest.fixture
def source(service: Service) -> Service:
    """A service whose ids are not those of others."""
    service.clock.advance(microseconds=500)
    service.restart()
    return service


def images(folder: Path, tags: dict[str, list[bytes]]) -> Path:
    for tag, contents in tags.items():
        (folder / tag).mkdir(parents=True)
        for number, data in enumerate(contents):
            (folder / tag / f"{number:03}.png").write_bytes(data)
    return folder


def project_archive(service: Service, project: str, path: Path) -> Path:
    pieces = open_archive(service.context, project.split("/")[2])
    assert pieces is not None
    path.write_bytes(b"".join(pieces))
    return path


def nothing_in(folder: Path) -> bool:
    """Whether a data folder has no projects and no blobs, and no mark of an unfinished load."""
    service = Service(test_settings(folder))
    try:
        return service.get("/projects") == [] and not service.blobs() and not mark.is_unfinished(folder)
    finally:
        service.end()


def test_a_folder_of_images_becomes_a_project(open_service: Open, tmp_path: Path) -> None:
    folder = images(tmp_path / "shop", {"red": pictures(70, "red"), "blue": pictures(5, "blue")})
    (folder / "later.png").write_bytes(picture(1, "green"))
    service = open_service(seed_data=folder)
    (project,) = service.get("/projects")
    assert (project["name"], project["settings"]["classificationType"]) == ("shop", "Multiclass")
    path = f"/projects/{project['id']}"
    tags = {tag["name"]: tag["imageCount"] for tag in service.get(f"{path}/tags")}
    assert tags == {"blue": 5, "red": 70}
    assert service.get(f"{path}/images/count") == 76
    assert service.get(f"{path}/images/untagged/count") == 1
    assert service.worker.warm_ups == 0
    service.train(path)


def test_an_image_of_several_tags_makes_the_project_multilabel(open_service: Open, tmp_path: Path) -> None:
    both = picture(1)
    folder = images(tmp_path / "shop", {"red": [both, picture(2)], "warm": [both]})
    service = open_service(seed_data=folder)
    (project,) = service.get("/projects")
    assert project["settings"]["classificationType"] == "Multilabel"
    assert service.get(f"/projects/{project['id']}/images/count") == 2


def test_the_same_seeds_make_the_same_state(open_service: Open, tmp_path: Path) -> None:
    folder = images(tmp_path / "seeds" / "shop", {"red": pictures(5, "red"), "blue": pictures(5, "blue")})
    images(tmp_path / "seeds" / "cars", {"green": pictures(5, "green")})
    first = open_service("first", seed_data=folder.parent)
    assert state(first) == state(open_service("second", seed_data=folder.parent))
    assert [project["name"] for project in first.get("/projects")] == ["shop", "cars"]


def test_archives_and_images_together(open_service: Open, source: Service, tmp_path: Path) -> None:
    project, _, _ = source.trainable()
    source.train(project)
    seeds = tmp_path / "seeds"
    images(seeds / "shop", {"red": pictures(2)})
    project_archive(source, project, seeds / "project.tar")
    save(source)
    (seeds / "state.zip").write_bytes(download(source))
    seeded = open_service(seed_data=seeds)
    assert sorted(item["name"] for item in seeded.get("/projects")) == ["project", "project", "shop"]
    assert seeded.get(project)["name"] == "project"
    (copy,) = [
        item["id"]
        for item in seeded.get("/projects")
        if item["name"] == "project" and item["id"] not in project
    ]
    assert content(seeded, f"/projects/{copy}") == content(source, project)
    assert seeded.blobs() == seeded.referenced_blobs()
    assert not (seeded.settings.data / "loaded-snapshot").exists()


def test_a_data_folder_with_projects_is_left_alone(open_service: Open, tmp_path: Path) -> None:
    folder = images(tmp_path / "shop", {"red": pictures(2)})
    service = open_service(seed_data=folder)
    before = state(service)
    service.restart()
    assert state(service) == before
    (folder / "red" / "wrong.png").write_bytes(b"not read any more")
    service.restart()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder.mkdir(), "there is nothing to load in '{}'"),
        (lambda folder: None, "there is no '{}'"),
        (lambda folder: folder.write_bytes(b"PK wrong"), "'{}' is no usable snapshot: It is not a zip file"),
        (
            lambda folder: folder.write_bytes(b"wrong"),
            "'{}' is no usable archive of a project: It ends too early",
        ),
        (
            lambda folder: images(folder, {"red": [picture(1), b"wrong"]}),
            "'{}/red/001.png' cannot be loaded: ErrorImageFormat, ",
        ),
        (
            lambda folder: images(folder, {"red": [b"wrong"]}),
            "'{}' cannot be loaded: none of its files is an image, such as '000.png'",
        ),
        (
            lambda folder: images(folder, {"red": pictures(1), "Red": pictures(1, "blue")}),
            "'{}' cannot be loaded: ",
        ),
    ],
)
def test_a_wrong_seed_refuses_the_start_and_leaves_the_folder_empty(
    open_service: Open, tmp_path: Path, make: Callable[[Path], object], message: str
) -> None:
    seed = tmp_path / "seed"
    make(seed)
    with pytest.raises(StartRefused) as refused:
        open_service(seed_data=seed)
    assert str(refused.value).startswith(f"--seed-data: {message.format(seed)}")
    assert "\n" not in str(refused.value)
    assert nothing_in(tmp_path / "new")


def test_nothing_is_kept_of_the_seeds_before_a_wrong_one(
    open_service: Open, source: Service, tmp_path: Path
) -> None:
    seeds = tmp_path / "seeds"
    images(seeds / "shop", {"red": [picture(1), b"wrong"]})
    project, _, _ = source.trainable()
    project_archive(source, project, seeds / "project.tar")
    save(source)
    (seeds / "state.zip").write_bytes(download(source))
    with pytest.raises(StartRefused, match=r"001\.png"):
        open_service(seed_data=seeds)
    assert nothing_in(tmp_path / "new")


def test_a_full_disk_refuses_the_start(
    open_service: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = images(tmp_path / "shop", {"red": pictures(2)})

    def full(*_: object, **__: object) -> None:
        raise StorageFull

    with monkeypatch.context() as patch:
        patch.setattr(load.manage, "create", full)
        with pytest.raises(StartRefused, match=r"^--seed-data: the disk of the data folder '.*' is full$"):
            open_service(seed_data=folder)
    assert nothing_in(tmp_path / "new")


def test_what_a_killed_process_loaded_is_cleared(open_service: Open, tmp_path: Path) -> None:
    folder = images(tmp_path / "shop", {"red": pictures(2)})
    service = open_service(seed_data=folder)
    before = [item["name"] for item in service.get("/projects")]
    service.delete(f"/projects/{service.get('/projects')[0]['id']}")
    service.images(service.project("half"), pictures(4, "green"))
    mark.begin(service.settings.data)
    service.restart()
    assert [item["name"] for item in service.get("/projects")] == before
    assert service.blobs() == service.referenced_blobs()
    assert not mark.is_unfinished(service.settings.data)


# --- exported state -----------------------------------------------------------------------------------------


def export(service: Service, folder: Path) -> None:
    assert ExitExport(service.context, folder).run()


def test_exported_state_is_imported(open_service: Open, service: Service, tmp_path: Path) -> None:
    project, _, _ = service.trainable()
    service.train(project)
    export(service, tmp_path / "exported")
    imported = open_service(import_folder=tmp_path / "exported")
    assert state(imported) == state(service)
    assert imported.blobs() == imported.referenced_blobs()
    for blob in imported.blobs():
        assert imported.context.blobs.is_intact(blob)


def test_an_export_replaces_the_former_one_within_the_folder(service: Service, tmp_path: Path) -> None:
    folder = tmp_path / "exported"
    export(service, folder)
    first = folder.stat().st_ino
    service.images(service.project(), pictures(2))
    export(service, folder)
    assert folder.stat().st_ino == first
    assert len([path for path in folder.iterdir() if not path.name.startswith(".")]) == 2


def test_an_export_that_fails_leaves_the_former_one(
    open_service: Open, service: Service, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "exported"
    service.project("exported")
    export(service, folder)
    (image,) = service.images(service.project("later"), pictures(1))
    change_blob(service.settings.data, next(iter(service.blobs())), lambda path: path.write_bytes(b"damaged"))
    assert not ExitExport(service.context, folder).run()
    assert (
        f"The state was not exported to {folder} (--export-on-exit): The stored bytes of image {image}"
        in caplog.text
    )
    imported = open_service(import_folder=folder)
    assert [item["name"] for item in imported.get("/projects")] == ["exported"]


def test_an_export_that_is_cut_off_leaves_the_former_one(
    open_service: Open, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "exported"
    service.project("exported")
    export(service, folder)
    service.images(service.project("later"), pictures(1))

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(saving, "share_blobs", killed)
        with pytest.raises(KeyboardInterrupt):
            ExitExport(service.context, folder).run()
    imported = open_service(import_folder=folder)
    assert [item["name"] for item in imported.get("/projects")] == ["exported"]


def test_an_export_happens_once(service: Service, tmp_path: Path) -> None:
    exit_export = ExitExport(service.context, tmp_path / "exported")
    assert exit_export.run()
    before = sorted((tmp_path / "exported").iterdir())
    assert exit_export.run()
    assert sorted((tmp_path / "exported").iterdir()) == before


@pytest.mark.parametrize("is_busy_exporting", [True, False])
def test_processes_that_share_a_folder_wait_for_each_other(
    open_service: Open, service: Service, tmp_path: Path, is_busy_exporting: bool
) -> None:
    """Otherwise one deletes what the other has just written, and the state of both is lost."""
    folder = tmp_path / "exported"
    service.project("exported")
    export(service, folder)
    lock = FileLock(folder / ".lock", thread_local=False)
    with ThreadPoolExecutor() as threads:
        with lock:
            if is_busy_exporting:
                waiting = threads.submit(export, service, folder)
            else:
                waiting = threads.submit(lambda: open_service(import_folder=folder).get("/projects"))
            with pytest.raises(TimeoutError):
                waiting.result(0.5)
        waiting.result(PATIENCE_SECONDS)
    assert [item["name"] for item in open_service("other", import_folder=folder).get("/projects")] == [
        "exported"
    ]


def test_a_folder_that_stays_locked_is_named(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(folder_lock, "_SECONDS", 0.01)
    folder = tmp_path / "exported"
    exit_export = ExitExport(service.context, folder)
    with FileLock(folder / ".lock"):
        assert not exit_export.run()
    assert "another process has used" in caplog.text


def test_state_is_exported_whatever_the_clock_shows(
    open_service: Open, service: Service, tmp_path: Path
) -> None:
    service.context.clock.change(datetime(8999, 12, 31, tzinfo=UTC))
    service.project("far")
    export(service, tmp_path / "exported")
    imported = open_service(import_folder=tmp_path / "exported")
    assert [item["name"] for item in imported.get("/projects")] == ["far"]


def test_a_folder_with_other_files_is_not_exported_to(service: Service, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    in_a_circle = tmp_path / "circle"
    in_a_circle.symlink_to(in_a_circle)
    for folder, reason in (
        (tmp_path, "has other files"),
        (service.settings.data / "exported", "is in the data folder"),
        (tmp_path / "mine.txt", "cannot write to"),
        (in_a_circle, "cannot write to"),
    ):
        with pytest.raises(ExportRefused, match=reason):
            ExitExport(service.context, folder)
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_volume_is_exported_to(service: Service, tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    (volume / "lost+found").mkdir(parents=True)
    (volume / ".keep").touch()
    export(service, volume)
    assert (volume / ".keep").exists()


def test_a_new_folder_may_be_imported_from_and_exported_to(open_service: Open, tmp_path: Path) -> None:
    folder = tmp_path / "exported"
    service = open_service(import_folder=folder, export_on_exit=folder)
    assert service.get("/projects") == []
    assert service.app.state.exit_export.run()


@pytest.mark.sqlite  # two services of one database
def test_projects_are_never_replaced_by_an_import(
    open_service: Open, service: Service, tmp_path: Path
) -> None:
    export(service, tmp_path / "exported")
    existing = open_service()
    existing.project("mine")
    with pytest.raises(
        StartRefused, match=r"^--import: the data folder '.*' has projects, which would be replaced"
    ):
        open_service(import_folder=tmp_path / "exported")
    assert [item["name"] for item in existing.get("/projects")] == ["mine"]


def test_a_folder_without_exported_state_is_refused(open_service: Open, tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(StartRefused, match=r"^--import: '.*' has no exported state$"):
            open_service(import_folder=folder)
    assert nothing_in(tmp_path / "new")


@pytest.mark.parametrize("file", ["snapshot.json", "database.sqlite", "blob"])
def test_damaged_exported_state_is_refused(
    open_service: Open, service: Service, tmp_path: Path, file: str
) -> None:
    service.images(service.project(), pictures(2))
    folder = tmp_path / "exported"
    export(service, folder)
    pattern = "*/blobs/*/*" if file == "blob" else f"**/{file}"
    path = next(folder.glob(pattern))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()
    path.write_bytes(content)
    with pytest.raises(StartRefused, match=r"^--import: the state in '.*' cannot be used: [^\n]*$"):
        open_service(import_folder=folder)
    assert nothing_in(tmp_path / "new")
