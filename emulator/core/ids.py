"""Ids of what the emulator creates: random, or the same ones in each run."""

import hashlib
import random
import threading
import uuid
from collections.abc import Callable, Iterator

from sqlmodel import Session, col, select

from emulator.store.database import Database
from emulator.store.rollout_tables import Rollout
from emulator.store.tables import Export, Image, Iteration, Job, Project, Region, StoredPrediction, Tag
from emulator.store.test_set_tables import TestEvaluation, TestImage, TestSet

_WITH_IDS = (
    Project,
    Tag,
    Image,
    Region,
    Iteration,
    Export,
    StoredPrediction,
    Job,
    TestSet,
    TestImage,
    TestEvaluation,
    Rollout,
)


class Ids:
    """Fresh GUIDs, random by default."""

    def __init__(self, source: Callable[[], uuid.UUID] = uuid.uuid4) -> None:
        self._source = source

    def new(self) -> str:
        """An id of something that a client creates with a request."""
        return str(self._source())

    def internal(self) -> str:
        """An id of something else: a request, a notification, a script or fault of a test."""
        return self.new()

    def of_prediction(self, request_id: str) -> str:
        """The id of a prediction and, like in the service, of the request for it.

        request_id: from `internal`.
        """
        return request_id

    def branch(self, name: str) -> "Ids":
        """Ids of what is created in the background by the job of this name."""
        return self

    def restart(self, database: Database) -> None:
        """Begin anew, after all rows of the database were replaced."""


class SeededIds(Ids):
    """The same GUIDs in each run, for the same requests in the same order. Of the form of random ones.

    The seeds of its generators are `seed` and a digest of the ids that are stored when they begin: at the
    start, after a reset, and after the restore of a snapshot. So an empty store always leads to the same ids,
    and no id is given out that is stored already. Ids that depend on timing have a generator of their own.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._lock = threading.Lock()
        self._begin(hashlib.sha256().hexdigest())

    def new(self) -> str:
        with self._lock:
            return _guid(self._created)

    def internal(self) -> str:
        with self._lock:
            return _guid(self._internal)

    def of_prediction(self, request_id: str) -> str:
        return self.new()

    def branch(self, name: str) -> Ids:
        generator = self._generator(name)
        return Ids(lambda: _uuid(generator))

    def restart(self, database: Database) -> None:
        with database.read() as session:
            digest = hashlib.sha256("".join(_stored_ids(session)).encode())
        self._begin(digest.hexdigest())

    def _begin(self, stored: str) -> None:
        with self._lock:
            self._stored = stored
            self._created, self._internal = self._generator("created"), self._generator("internal")

    def _generator(self, name: str) -> random.Random:
        return random.Random(f"{self._seed} {self._stored} {name}")


def _uuid(generator: random.Random) -> uuid.UUID:
    return uuid.UUID(int=generator.getrandbits(128), version=4)


def _guid(generator: random.Random) -> str:
    return str(_uuid(generator))


def _stored_ids(session: Session) -> Iterator[str]:
    """The ids of all rows, in an order that depends on nothing else."""
    for table in _WITH_IDS:
        ids = session.exec(select(col(table.id)).order_by(col(table.id)))
        # Restored jobs have other ids in each restore, which are no GUIDs (`store.row_copy`).
        yield from (one for one in ids if "-" in one)
