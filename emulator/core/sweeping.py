"""Blobs that nobody refers to any more."""

from collections.abc import Iterable

from sqlalchemy import exists, select
from sqlmodel import col

from emulator.core.context import Context
from emulator.store.tables import Image, Iteration, StoredPrediction


def sweep_blobs(context: Context, names: Iterable[str]) -> None:
    """Delete those of `names` to which no row refers.

    Done as a writer: an upload of the same bytes writes its row as a writer too, after making sure that
    the blob is there, so the two cannot miss each other.
    """
    names = set(names)
    if not names:
        return
    references = (Image.blob, StoredPrediction.blob, Iteration.model_blob, Iteration.evaluation_blob)
    with context.database.write() as session:
        for name in names:
            if not any(session.scalar(select(exists().where(col(column) == name))) for column in references):
                context.blobs.delete(name)
