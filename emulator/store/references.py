"""Which blobs the rows of the database refer to."""

from collections.abc import Collection, Iterable, Iterator
from itertools import islice

from sqlalchemy import select
from sqlmodel import Session, col

from emulator.store.tables import Export, Image, Iteration, StoredPrediction

# Names that are looked up by one statement.
_BATCH_SIZE = 200
_COLUMNS = (
    Image.blob,
    StoredPrediction.blob,
    Iteration.model_blob,
    Iteration.evaluation_blob,
    Export.blob,
)


def referenced(session: Session, names: Collection[str]) -> set[str]:
    """Those of `names` to which a row refers."""
    found: set[str] = set()
    for batch in batches(names):
        for column in _COLUMNS:
            found.update(session.scalars(select(col(column)).where(col(column).in_(batch))))
    return found


def batches(names: Iterable[str]) -> Iterator[list[str]]:
    """Lists of `names` for one statement or transaction each."""
    iterator = iter(names)
    while batch := list(islice(iterator, _BATCH_SIZE)):
        yield batch
