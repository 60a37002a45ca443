"""Loading state into a data folder without projects, before the server accepts requests.

A mark in the data folder shows that this has begun: after a process was killed meanwhile, the next start
clears what was loaded.
"""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import IntegrityError
from sqlmodel import select

from emulator.core import quotas
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.images import upload
from emulator.core.images.incoming import NewImage
from emulator.core.jobs.job_runner import JobFailed
from emulator.core.labels import tags
from emulator.core.projects import manage
from emulator.core.rules.limits import IMAGES_PER_BATCH
from emulator.core.seeding import mark
from emulator.core.seeding.find import ImageFolder, SeedRejected, find
from emulator.core.snapshots import files
from emulator.core.snapshots.archive import ArchiveSource
from emulator.core.snapshots.folder_lock import locked
from emulator.core.snapshots.manifest import SnapshotRejected
from emulator.core.snapshots.receiving import FolderSource, Source, received
from emulator.core.snapshots.restore import restore_snapshot
from emulator.core.transfer.archive import ArchiveRejected
from emulator.core.transfer.copying import fill, unknown_domain
from emulator.core.transfer.receiving import receive
from emulator.store.database import StorageFull
from emulator.store.tables import DEFAULT_RESOURCE, Project, ProjectStatus

_SNAPSHOT = "loaded-snapshot"
_CHUNK_BYTES = 2**20


def clear_unfinished(context: Context) -> None:
    """Clear what a process loaded that was killed before it had loaded all."""
    if mark.is_unfinished(context.folder):
        _clear(context)


def load_seeds(context: Context, path: Path) -> None:
    """Load what `find` finds at a path, if there are no projects. Raises SeedRejected; nothing is loaded."""
    if not _is_new(context):
        return
    seeds = find(path)
    with _all_or_nothing(context):
        for archive in seeds.snapshots:
            _load_snapshot_archive(context, archive)
        for archive in seeds.projects:
            _load_project(context, archive)
        for folder in seeds.folders:
            _load_images(context, folder)


def import_state(context: Context, folder: Path, *, may_be_empty: bool) -> None:
    """Load the state that another process exported to a folder.

    may_be_empty: whether a folder that does not exist or is empty is accepted.

    Raises SeedRejected; nothing is loaded.
    """
    if not _is_new(context):
        raise SeedRejected(
            f"the data folder {str(context.folder)!r} has projects, which would be replaced; give another "
            "--data or --ephemeral, or use --seed-data, which loads nothing then"
        )
    try:
        files.read(folder)
    except FileNotFoundError:
        if may_be_empty and (not folder.exists() or not any(folder.iterdir())):
            return
        raise SeedRejected(f"{str(folder)!r} has no exported state") from None
    except (SnapshotRejected, OSError) as error:
        raise _unusable(folder, error) from None
    with _all_or_nothing(context):
        try:
            # Not while another process exports to it.
            with locked(folder):
                _restore(context, FolderSource(files.read(folder), context.blobs.verified))
        except (SnapshotRejected, OSError) as error:
            raise _unusable(folder, error) from None


def _unusable(folder: Path, reason: Exception) -> SeedRejected:
    return SeedRejected(f"the state in {str(folder)!r} cannot be used: {reason}")


def _is_new(context: Context) -> bool:
    with context.database.read() as session:
        return session.exec(select(Project.id).limit(1)).first() is None


@contextmanager
def _all_or_nothing(context: Context) -> Iterator[None]:
    mark.begin(context.folder)
    try:
        yield
    except StorageFull:
        _clear(context)
        raise SeedRejected(f"the disk of the data folder {str(context.folder)!r} is full") from None
    except BaseException:
        _clear(context)
        raise
    mark.end(context.folder)


def _clear(context: Context) -> None:
    """Delete all rows and blobs; snapshots stay."""
    context.database.clear()
    for name in context.blobs.names():
        context.blobs.delete(name)
    shutil.rmtree(context.folder / _SNAPSHOT, ignore_errors=True)
    context.forget_rows()
    context.models.clear()
    mark.end(context.folder)


def _restore(context: Context, source: Source) -> None:
    folder = context.folder / _SNAPSHOT
    restore_snapshot(context, files.write(folder, received(source)))
    files.remove(folder)


def _load_snapshot_archive(context: Context, path: Path) -> None:
    try:
        with path.open("rb") as file:
            _restore(context, ArchiveSource(file, path.stat().st_size))
    except OSError as error:
        raise _unreadable(path, error) from None
    except SnapshotRejected as rejected:
        raise SeedRejected(f"{str(path)!r} is no usable snapshot: {rejected}") from None


def _load_project(context: Context, path: Path) -> None:
    try:
        with path.open("rb") as file:
            manifest = receive(context, iter(lambda: file.read(_CHUNK_BYTES), b""), set())
        unknown = unknown_domain(manifest)
        if unknown is not None:
            raise JobFailed(f"The domain {unknown[:40]} is not known here.")
        now = context.clock.now()
        project = Project(
            id=context.ids.new(),
            created=now,
            last_modified=now,
            new_iteration_created=now,
            status=ProjectStatus.IMPORTING,
            **manifest.project.model_dump(exclude={"revision", "next_iteration"}),
        )
        with context.database.write() as session:
            quotas.check_project(context, session, DEFAULT_RESOURCE)
            session.add(project)
            session.flush()
            fill(context, session, project, manifest)
    except OSError as error:
        raise _unreadable(path, error) from None
    except (ArchiveRejected, JobFailed, ServiceError, IntegrityError) as error:
        reason = "It contradicts itself." if isinstance(error, IntegrityError) else str(error)
        raise SeedRejected(f"{str(path)!r} is no usable archive of a project: {reason}") from None


def _load_images(context: Context, folder: ImageFolder) -> None:
    """Create a project of a folder. It is Multilabel if an image is in the folders of several tags."""
    try:
        kind = "Multilabel" if _has_image_with_several_tags(folder) else "Multiclass"
        project = manage.create(context, folder.name, classification_type=kind)
        _upload(context, project.id, folder.untagged, ())
        for name, images in folder.tags.items():
            tag = tags.create(context, project.id, name)
            _upload(context, project.id, images, (tag.id,))
    except ServiceError as error:
        raise SeedRejected(f"{str(folder.path)!r} cannot be loaded: {error}") from None


def _has_image_with_several_tags(folder: ImageFolder) -> bool:
    tags_of: dict[bytes, str] = {}
    return any(
        tags_of.setdefault(hashlib.sha256(_content(path)).digest(), name) != name
        for name, images in folder.tags.items()
        for path in images
    )


def _upload(context: Context, project_id: str, images: list[Path], tag_ids: tuple[str, ...]) -> None:
    for start in range(0, len(images), IMAGES_PER_BATCH):
        batch = images[start : start + IMAGES_PER_BATCH]
        created = upload.create(
            context,
            project_id,
            [NewImage(str(path), _content(path)) for path in batch],
            tag_ids,
            nothing_valid=f"none of its files is an image, such as {batch[0].name!r}",
            training_expected=False,
        )
        for path, result in zip(batch, created, strict=True):
            if result.image is None:
                raise SeedRejected(f"{str(path)!r} cannot be loaded: {result.status}, {result.reason}")


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> SeedRejected:
    return SeedRejected(f"cannot read {str(path)!r}: {error.strerror or error}")
