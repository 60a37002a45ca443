"""Moving everything that is stored from one store to another, with or without servers."""

import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

from sqlmodel import select

from emulator.store.blobs import BlobMissing
from emulator.store.database import DatabaseRefused
from emulator.store.opening import Store
from emulator.store.references import blobs_in
from emulator.store.tables import Project

_ROWS = "rows.sqlite"
_TEMPORARY = "migrate-store-"


class Moved(NamedTuple):
    """What was copied. blobs: their number; those that were there already are counted, too."""

    projects: int
    blobs: int


def copy_store(source: Store, target: Store, folder: Path) -> Moved:
    """Copy all rows and blobs to a store without projects; the source stays as it is.

    Blobs are copied first and rows in one transaction at the end, so a copy that was interrupted is repeated.
    Numbers of changes of projects and ids of jobs are new, see `row_copy.replace_rows`; all else is equal.

    Args:
        folder: where a copy of the rows has room for the time of the copy; nobody else copies there. What a
            copy left that was killed is deleted.

    Raises:
        DatabaseRefused: the target has projects; nothing has changed.
        BlobDamaged, BlobMissing: a blob of the source is damaged or missing.
        StorageFull, StoreUnreachable, TextRefused: no row was copied.
    """
    with target.database.read() as session:
        if session.exec(select(Project.id).limit(1)).first() is not None:
            raise DatabaseRefused(f"{target.database.name} has projects, which would be replaced")
    with source.database.read() as session:
        projects = len(session.exec(select(Project.id)).all())
    for left in folder.glob(f"{_TEMPORARY}*"):
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=_TEMPORARY) as temporary:
        rows = Path(temporary) / _ROWS
        source.database.copy_to(rows)
        names = sorted(blobs_in(rows))
        for name in names:
            try:
                file = source.blobs.verified_path(name)
            except FileNotFoundError:
                raise BlobMissing(name) from None
            target.blobs.adopt(name, file)
        target.database.replace_rows(rows)
    return Moved(projects, len(names))
