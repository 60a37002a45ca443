"""Removing blobs to which no row of the database refers.

Requests that delete rows also delete the blobs of these rows. Blobs that are found without a row, as after a
process was killed or rows were lost, are moved to the trash and deleted after a day.
"""

import logging
import threading
from collections.abc import Collection, Iterable
from pathlib import Path

from sqlalchemy import select
from sqlmodel import Session, col

from emulator.core.context import Context
from emulator.store.batches import batches
from emulator.store.blobs import BlobMissing
from emulator.store.damage import describe
from emulator.store.database import DatabaseDamaged, StoreUnreachable
from emulator.store.references import missing_blobs, referenced
from emulator.store.tables import Export
from emulator.store.test_set_tables import TestEvaluation, TestImage, TestSet
from emulator.vision.imaging.feature_cache import forget

_MARK = "unclean"
_log = logging.getLogger(__name__)


def mark_in_use(context: Context) -> threading.Thread:
    """Record that a process uses the store, and start to remove what earlier processes left.

    Returns the thread that removes it. Blobs in the trash that have rows again are moved back before that.
    """
    bring_back(context)
    mark = context.folder / _MARK
    is_unclean = mark.exists()
    mark.touch()
    thread = threading.Thread(target=_clean_up, args=(context, is_unclean), name="blob sweep", daemon=True)
    thread.start()
    return thread


def mark_clean(context: Context) -> None:
    """Record that the process ends normally."""
    (context.folder / _MARK).unlink(missing_ok=True)


def mark_unclean(folder: Path) -> None:
    """Record that there may be blobs without a row; the next `mark_in_use` starts to look for them."""
    (folder / _MARK).touch()


def export_blobs(session: Session, iteration_ids: Collection[str]) -> set[str]:
    """The blobs of the exports of iterations."""
    statement = select(col(Export.blob)).where(col(Export.iteration_id).in_(iteration_ids))
    return {blob for blob in session.scalars(statement) if blob}


def test_image_blobs(session: Session, project_id: str) -> set[str]:
    """The blobs of the images of a project's test sets."""
    statement = select(col(TestImage.blob)).join(TestSet, col(TestSet.id) == TestImage.test_set_id)
    return set(session.scalars(statement.where(col(TestSet.project_id) == project_id)))


def test_evaluation_blobs(session: Session, iteration_ids: Collection[str]) -> set[str]:
    """The blobs of the evaluations of iterations on test sets."""
    blob, iteration_id = col(TestEvaluation.evaluation_blob), col(TestEvaluation.iteration_id)
    return {found for found in session.scalars(select(blob).where(iteration_id.in_(iteration_ids))) if found}


def bring_back(context: Context) -> None:
    """Move blobs back from the trash to which rows refer, as after a lost database was put back."""
    moved = 0
    for batch in batches(context.blobs.trash.names()):
        with context.database.write() as session:
            moved += sum(context.blobs.bring_back(name) for name in referenced(session, batch))
    if moved:
        place = context.blobs.trash.place
        _log.warning("%d files were moved back from %s, since rows refer to them", moved, place)


def _clean_up(context: Context, is_unclean: bool) -> None:
    try:
        context.database.look_for_damage()
        context.blobs.delete_unfinished()
        report_missing(context)
        if is_unclean:
            sweep_all(context)
        if context.database.damage is None:
            context.blobs.trash.delete_old(context.clock.now())
    except DatabaseDamaged:
        pass  # which the database has logged; blobs that seem to have no row may have one
    except StoreUnreachable as error:
        mark_unclean(context.folder)
        _log.warning("Files without a row are looked for at the next start: %s", error)
    except OSError as error:
        _log.error("The files of the data folder cannot be cleaned up: %s", error)


def report_missing(context: Context) -> None:
    """Log how many blobs have no file though rows refer to them, and what the first one belongs to.

    Raises DatabaseDamaged.
    """
    with context.database.read() as session:
        missing = set(missing_blobs(session, context.blobs))
    with context.database.read() as session:
        missing = referenced(session, missing)  # without those that clients have deleted meanwhile
    if not missing:
        return
    _log.error(
        "%d files to which rows of the database refer are missing in %s; restore them from a backup. For "
        "example: %s",
        len(missing),
        context.blobs.address,
        describe(context.database, BlobMissing(min(missing))).message,
    )


def sweep_all(context: Context) -> None:
    """Move every blob to which no row refers to the trash, and log how much.

    Processes leave such blobs that are killed before writing the row. Raises DatabaseDamaged.
    """
    now = context.clock.now()
    count = size = 0
    for batch in batches(context.blobs.names()):
        unused: set[str] = set()
        with context.database.write() as session:
            if context.database.damage is not None:
                raise DatabaseDamaged(context.database.damage)
            for name in set(batch) - referenced(session, batch):
                size += context.blobs.move_to_trash(name, now)
                unused.add(name)
        count += len(unused)
        _forget(context, unused)
    if count:
        _log.warning(
            "%d files (%d bytes) to which no row of the database refers were moved to %s, where they are "
            "deleted at the first start after one day",
            count,
            size,
            context.blobs.trash.batch(now),
        )


def sweep_blobs(context: Context, names: Iterable[str]) -> None:
    """Delete those of `names` to which no row refers, after their rows were deleted or not written.

    This is a write transaction. An upload of the same bytes checks that the blob exists within its own write
    transaction, so it cannot refer to a blob that is deleted here.
    """
    names = set(names)
    if not names:
        return
    with context.database.write() as session:
        unused = names - referenced(session, names)
        if context.database.damage is not None:
            return  # rows may exist that were not found
        for name in unused:
            context.blobs.delete(name)
    _forget(context, unused)


def _forget(context: Context, names: set[str]) -> None:
    forget(context.feature_cache, sorted(names))
    context.models.forget(names)
    context.thumbnails.forget(names)
