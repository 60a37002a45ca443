"""Deleting blobs to which no row of the database refers."""

import threading
from collections.abc import Collection, Iterable
from itertools import islice

from sqlalchemy import exists, select
from sqlmodel import Session, col

from emulator.core.context import Context
from emulator.store.tables import Export, Image, Iteration, StoredPrediction
from emulator.vision.classification.feature_cache import forget

# Names that are looked up in one write transaction.
_BATCH_SIZE = 200
_MARK = "unclean"


def mark_in_use(context: Context) -> None:
    """Record that a process uses the store. If the previous one did not `mark_clean`, start a sweep."""
    mark = context.folder / _MARK
    if mark.exists():
        threading.Thread(target=sweep_all, args=(context,), name="blob sweep", daemon=True).start()
    else:
        mark.touch()


def mark_clean(context: Context) -> None:
    """Record that the process ends normally."""
    (context.folder / _MARK).unlink(missing_ok=True)


def export_blobs(session: Session, iteration_ids: Collection[str]) -> set[str]:
    """The blobs of the exports of iterations."""
    statement = select(col(Export.blob)).where(col(Export.iteration_id).in_(iteration_ids))
    return {blob for blob in session.scalars(statement) if blob}


def sweep_all(context: Context) -> None:
    """Delete every blob to which no row refers, as processes leave that are killed before writing the row."""
    names = iter(context.blobs.names())
    while batch := list(islice(names, _BATCH_SIZE)):
        sweep_blobs(context, batch)


def sweep_blobs(context: Context, names: Iterable[str]) -> None:
    """Delete those of `names` to which no row refers.

    This is a write transaction. An upload of the same bytes checks that the blob exists within its own write
    transaction, so it cannot refer to a blob that is deleted here.
    """
    names = set(names)
    if not names:
        return
    references = (
        Image.blob,
        StoredPrediction.blob,
        Iteration.model_blob,
        Iteration.evaluation_blob,
        Export.blob,
    )
    unused = []
    with context.database.write() as session:
        for name in names:
            if not any(session.scalar(select(exists().where(col(column) == name))) for column in references):
                context.blobs.delete(name)
                unused.append(name)
    forget(context.feature_cache, unused)
    context.models.forget(unused)
