"""What damaged blobs belong to: messages for people."""

from typing import NamedTuple

from sqlmodel import col, select

from emulator.store.blobs import BlobDamaged, BlobMissing
from emulator.store.database import Database
from emulator.store.tables import Deletion, Export, Image, Iteration, StoredPrediction
from emulator.store.test_set_tables import TestEvaluation, TestImage

# Ids in a message.
_MOST_IDS = 5
_TRAIN = "Train again, or restore the data folder from a backup."
_OWNERS = (
    (
        "image",
        Image.id,
        Image.blob,
        "Upload the original again, which replaces the stored bytes, or delete the image.",
    ),
    ("the model of iteration", Iteration.id, Iteration.model_blob, _TRAIN),
    ("the evaluation of iteration", Iteration.id, Iteration.evaluation_blob, _TRAIN),
    ("the image of prediction", StoredPrediction.id, StoredPrediction.blob, "Delete the prediction."),
    ("the deleted image", Deletion.object_id, Deletion.blob, "It cannot be restored to its project."),
    ("the export of iteration", Export.iteration_id, Export.blob, "Request the export again."),
    (
        "image of a test set",
        TestImage.id,
        TestImage.blob,
        "Upload the original to the test set again, which replaces the stored bytes, or delete the image.",
    ),
    (
        "the evaluation on a test set of iteration",
        TestEvaluation.iteration_id,
        TestEvaluation.evaluation_blob,
        "Evaluate the iteration again.",
    ),
)


class Damage(NamedTuple):
    """message: with the ids of what is damaged, and a remedy. is_model: whether it is a model."""

    message: str
    is_model: bool


def describe(database: Database, damaged: BlobDamaged) -> Damage:
    """What damaged or missing blobs belong to; the first of those that differ in kind."""
    state = (
        "missing"
        if isinstance(damaged, BlobMissing)
        else "damaged: their SHA-256 is not that of the original"
    )
    with database.read() as session:
        for kind, key, blob, remedy in _OWNERS:
            statement = select(key).where(col(blob).in_(damaged.names[: _MOST_IDS + 1])).limit(_MOST_IDS + 1)
            ids = sorted(session.exec(statement))
            if ids:
                plural = "s" if len(ids) > 1 else ""
                shown = ", ".join(ids[:_MOST_IDS]) + (" and others" if len(ids) > _MOST_IDS else "")
                message = _message(f"{kind}{plural} {shown}", state, remedy)
                return Damage(message, is_model=blob is Iteration.model_blob)
    return Damage(_message(f"blob {damaged.names[0]}", state, "Restore it from a backup."), is_model=False)


def _message(owner: str, state: str, remedy: str) -> str:
    return f"The stored bytes of {owner} are {state}. {remedy}"
