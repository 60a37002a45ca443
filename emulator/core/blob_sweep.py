"""Blobs that nobody refers to, any more or yet."""

import threading
from collections.abc import Collection, Iterable
from itertools import islice

from sqlalchemy import exists, select
from sqlmodel import Session, col

from emulator.core.context import Context
from emulator.store.tables import Export, Image, Iteration, StoredPrediction
from emulator.vision.classification.feature_cache import forget

# Names looked up while writers wait.
_AT_A_TIME = 200


_MARK = "unclean"


def mark_in_use(context: Context) -> None:
    """Note that a process uses the store; if the one before did not `end`, clean up after it, unhurried."""
    mark = context.folder / _MARK
    if mark.exists():
        threading.Thread(target=sweep_all, args=(context,), name="sweeping", daemon=True).start()
    else:
        mark.touch()


def mark_clean(context: Context) -> None:
    """Note that the process ends in order."""
    (context.folder / _MARK).unlink(missing_ok=True)


def export_blobs(session: Session, iteration_ids: Collection[str]) -> set[str]:
    """The blobs of the exports of iterations, which are about to be deleted."""
    statement = select(col(Export.blob)).where(col(Export.iteration_id).in_(iteration_ids))
    return {blob for blob in session.scalars(statement) if blob}


def sweep_all(context: Context) -> None:
    """Delete every blob to which no row refers: what a process left that was killed between blob and row."""
    names = iter(context.blobs.names())
    while batch := list(islice(names, _AT_A_TIME)):
        sweep_blobs(context, batch)


def sweep_blobs(context: Context, names: Iterable[str]) -> None:
    """Delete those of `names` to which no row refers.

    Done as a writer: an upload of the same bytes writes its row as a writer too, after making sure that
    the blob is there, so the two cannot miss each other.
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
