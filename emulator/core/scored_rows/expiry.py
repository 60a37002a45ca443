"""Expiry of stored predictions and suggestions after 30 days."""

from contextlib import suppress
from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from emulator.core.context import Context
from emulator.core.limits import STORED_PREDICTION_DAYS
from emulator.core.scored_rows import prediction_rows, suggestion_rows
from emulator.store.database import StorageFull
from emulator.store.tables import StoredPrediction, Suggestion

_DELETED_AT_A_TIME = 8


def oldest_kept(context: Context) -> datetime:
    """The time of creation of the oldest predictions and suggestions that have not expired."""
    return context.clock.now() - timedelta(days=STORED_PREDICTION_DAYS)


def delete_expired_predictions(context: Context, session: Session) -> set[str]:
    """Delete a few expired stored predictions, if there are any; returns the blobs of their images.

    Called when a prediction is stored: more are deleted than stored, so the store does not grow forever.
    """
    expired = select(StoredPrediction.number).where(StoredPrediction.created < oldest_kept(context))
    which = col(StoredPrediction.number).in_(expired.limit(_DELETED_AT_A_TIME))
    return prediction_rows.remove(context, session, [which])


def delete_expired_suggestions(context: Context) -> None:
    """Delete the expired suggestions, if there are any."""
    expired = col(Suggestion.created) < oldest_kept(context)
    with context.database.read() as session:
        if session.scalar(select(Suggestion.number).where(expired).limit(1)) is None:
            return
    # With a full disk, they are listed until a later call deletes them.
    with suppress(StorageFull), context.database.write() as session:
        suggestion_rows.remove(context, session, [expired])
