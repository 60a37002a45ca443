"""Storing the predictions of requests: those that come while a transaction is written share the next one."""

import logging
from collections.abc import Sequence
from functools import partial

from sqlalchemy import bindparam
from sqlalchemy import select as select_columns
from sqlmodel import col

from emulator.core.blob_sweep import sweep_blobs
from emulator.core.context import Context
from emulator.core.new_prediction import NewPrediction
from emulator.core.scored_rows import expiry, prediction_rows
from emulator.store.database import StorageFull, keep_published
from emulator.store.row_queries import RowQuery
from emulator.store.tables import Iteration

_MOST_TOGETHER = 64
_DOMAIN: RowQuery[tuple[str | None]] = RowQuery(
    lambda: select_columns(col(Iteration.domain_id)).where(col(Iteration.id) == bindparam("iteration_id"))
)
_log = logging.getLogger(__name__)


def store(context: Context, prediction: NewPrediction, data: bytes) -> None:
    """Store a prediction and its image durably. When the disk is full, only a message is logged.

    Args:
        prediction: without the name of its blob, and without its domain.
        data: the bytes of the image.
    """
    dropped: set[str] = set()
    try:
        if context.disk.is_low():
            _make_room(context)
        stored = prediction._replace(blob=context.blobs.put(data))
        most = min(_MOST_TOGETHER, context.kept_predictions.most or _MOST_TOGETHER)
        try:
            context.new_predictions.write((stored, data), partial(_write, context, dropped), most)
        finally:
            sweep_blobs(context, dropped)  # those of other predictions, too, if this one cannot be stored
    except StorageFull:
        _log.error("The disk is full: prediction %s was not stored.", prediction.id)


def _write(context: Context, dropped: set[str], news: Sequence[tuple[NewPrediction, bytes]]) -> None:
    """Write predictions whose images are stored. dropped: receives blobs that have lost their rows."""
    kept, unused = [], set()
    try:
        with context.database.write() as session:
            keep_published(session)
            expired = expiry.delete_expired_predictions(context, session, adding=len(news))
            for new, data in news:
                found = _DOMAIN.on(session.connection(), iteration_id=new.iteration_id)
                if not found:
                    unused.add(new.blob)  # its project was deleted meanwhile
                    continue
                if not context.blobs.exists(new.blob):
                    context.blobs.put(data)
                kept.append(new._replace(domain_id=found[0][0] or ""))
            prediction_rows.add(context, session, kept)
    except BaseException:
        context.kept_predictions.forget()  # what was counted is not stored
        raise
    dropped |= expired | unused


def _make_room(context: Context) -> None:
    """Delete the oldest stored predictions. Raises StorageFull if there are none: the next is not stored."""
    with context.database.write() as session:
        dropped = expiry.delete_expired_predictions(context, session)
    if not dropped:
        raise StorageFull("too little of the disk is free")
    sweep_blobs(context, dropped)
