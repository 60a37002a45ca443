"""Images of stored predictions, which can be added to the project of the prediction."""

from sqlmodel import col, select

from emulator.core.context import Context
from emulator.core.scored_rows import expiry
from emulator.store.references import raise_if_missing
from emulator.store.tables import StoredPrediction


def read_prediction_image(context: Context, project_id: str, prediction_id: str) -> bytes | None:
    """The bytes of a stored prediction's image; None if the project has no such prediction (any more)."""
    with context.database.read() as session:
        blob = session.exec(
            select(StoredPrediction.blob).where(
                StoredPrediction.project_id == project_id,
                StoredPrediction.id == prediction_id,
                col(StoredPrediction.created) >= expiry.oldest_kept(context),
            )
        ).first()
    if blob is None:
        return None
    try:
        return context.blobs.read(blob)
    except FileNotFoundError:
        raise_if_missing(context.database, blob)
        return None  # deleted between the look-up and now
