"""Published iterations by name with their roll-outs, cached until the next commit of the database."""

from typing import NamedTuple

from emulator.store.database import Database
from emulator.store.tables import Iteration

_KEPT = 64
# Project id, published name, type of the domain.
_Key = tuple[str, str, str]


class RunningRollout(NamedTuple):
    """A running roll-out as a prediction needs it. percent: 0 in shadow mode."""

    id: str
    mode: str
    percent: float
    candidate: Iteration


class Published(NamedTuple):
    """A published iteration. rollout: None unless another iteration is tried under its name."""

    iteration: Iteration
    rollout: RunningRollout | None


class PublishedIterations:
    """Results of the look-ups that every prediction begins with. Predictions run concurrently."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._found: dict[_Key, tuple[int, Published]] = {}

    def __len__(self) -> int:
        return len(self._found)

    def get(self, key: _Key) -> Published | None:
        """What was put under `key`; None after a commit."""
        kept = self._found.get(key)
        return kept[1] if kept is not None and kept[0] == self._database.commits else None

    def put(self, key: _Key, found: Published, commits: int) -> None:
        """commits: `Database.commits` before it was read."""
        if len(self._found) >= _KEPT:
            self._found.clear()
        self._found[key] = commits, found
