"""Expiry of suggestions after 30 days, and of stored predictions by age, number and free disk space."""

from contextlib import suppress
from datetime import datetime, timedelta

from sqlalchemy import bindparam, func
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from emulator.core.context import Context
from emulator.core.rules.limits import STORED_PREDICTION_DAYS
from emulator.core.scored_rows import prediction_rows, suggestion_rows
from emulator.store.database import StorageFull
from emulator.store.row_queries import RowQuery
from emulator.store.tables import StoredPrediction, Suggestion

_DELETED_AT_A_TIME = 8
_ANY_BEFORE: RowQuery[tuple[int]] = RowQuery(
    lambda: (
        select_columns(col(StoredPrediction.number))
        .where(col(StoredPrediction.created) < bindparam("before"))
        .limit(1)
    )
)


def oldest_kept(context: Context) -> datetime:
    """The time of creation of the oldest predictions that have not expired."""
    return context.clock.now() - context.kept_predictions.time


def oldest_kept_suggestion(context: Context) -> datetime:
    """The time of creation of the oldest suggestions that have not expired."""
    return context.clock.now() - timedelta(days=STORED_PREDICTION_DAYS)


def delete_expired_predictions(context: Context, session: Session, *, adding: int = 1) -> set[str]:
    """Delete a few stored predictions that have expired or are too many, if there are any; returns the blobs
    of their images.

    Called when predictions are stored: more are deleted than stored, so the store does not grow forever. With
    less free disk space than the option says, the oldest are too many.

    adding: the number of predictions that follow.
    """
    most = _DELETED_AT_A_TIME * adding
    blobs: set[str] = set()
    if _ANY_BEFORE.on(session.connection(), before=oldest_kept(context)):
        expired = select(StoredPrediction.number).where(StoredPrediction.created < oldest_kept(context))
        which = col(StoredPrediction.number).in_(expired.limit(most))
        blobs = prediction_rows.remove(context, session, [which])
    excess = context.kept_predictions.excess(adding, lambda: _number(session))
    if context.disk.is_low():
        excess = most
    if excess:
        oldest = select(StoredPrediction.number).order_by(col(StoredPrediction.number))
        which = col(StoredPrediction.number).in_(oldest.limit(min(excess, most)))
        blobs |= prediction_rows.remove(context, session, [which])
    return blobs


def _number(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(StoredPrediction)) or 0


def delete_expired_suggestions(context: Context) -> None:
    """Delete the expired suggestions, if there are any."""
    expired = col(Suggestion.created) < oldest_kept_suggestion(context)
    with context.database.read() as session:
        if session.scalar(select(Suggestion.number).where(expired).limit(1)) is None:
            return
    # With a full disk, they are listed until a later call deletes them.
    with suppress(StorageFull), context.database.write() as session:
        suggestion_rows.remove(context, session, [expired])
