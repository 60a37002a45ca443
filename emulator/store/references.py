"""Which blobs the rows of the database refer to."""

from collections.abc import Collection, Iterator
from pathlib import Path

from sqlalchemy import select
from sqlmodel import Session, col

from emulator.store.batches import batches
from emulator.store.blobs import BlobMissing, BlobStore
from emulator.store.damage_check import reading
from emulator.store.database import Database
from emulator.store.tables import Deletion, Export, Image, Iteration, StoredPrediction
from emulator.store.test_set_tables import TestEvaluation, TestImage

# Names that are read by one statement.
_AT_A_TIME = 200
_COLUMNS = (
    Image.blob,
    StoredPrediction.blob,
    Iteration.model_blob,
    Iteration.evaluation_blob,
    Export.blob,
    Deletion.blob,
    TestImage.blob,
    TestEvaluation.evaluation_blob,
)


def referenced(session: Session, names: Collection[str]) -> set[str]:
    """Those of `names` to which a row refers."""
    found: set[str] = set()
    for batch in batches(names):
        for column in _COLUMNS:
            found.update(session.scalars(select(col(column)).where(col(column).in_(batch))))
    return found


def all_referenced(session: Session) -> set[str]:
    """The blobs to which any row refers."""
    found: set[str] = set()
    for column in _COLUMNS:
        found.update(name for name in session.scalars(select(col(column)).distinct()) if name is not None)
    return found


def any_referenced(session: Session) -> bool:
    """Whether any row refers to a blob."""
    return any(
        session.scalars(select(col(column)).where(col(column).is_not(None)).limit(1)).first()
        for column in _COLUMNS
    )


def blobs_in(database: Path) -> set[str]:
    """The blobs to which the rows of a database file refer, whose tables are of this version."""
    found: set[str] = set()
    with reading(database) as connection:
        for column in _COLUMNS:
            statement = str(select(col(column)).distinct())
            found.update(name for (name,) in connection.execute(statement) if name is not None)
    return found


def raise_if_missing(database: Database, name: str) -> None:
    """Raise BlobMissing if a row refers to the blob `name`, whose file was not found.

    Without a row, a client has deleted it since its row was read.
    """
    with database.read() as session:
        if referenced(session, [name]):
            raise BlobMissing(name)


def missing_blobs(session: Session, blobs: BlobStore) -> Iterator[str]:
    """The blobs to which rows refer and which have no file."""
    for column in _COLUMNS:
        last = ""
        while names := session.scalars(
            select(col(column)).where(col(column) > last).distinct().order_by(col(column)).limit(_AT_A_TIME)
        ).all():
            present = [name for name in names if name is not None]
            yield from (name for name in present if not blobs.exists(name))
            last = present[-1]
