"""Published iterations by name, cached until the next commit of the database."""

from emulator.store.database import Database
from emulator.store.tables import Iteration

_KEPT = 64
# Project id, published name, type of the domain.
_Key = tuple[str, str, str]


class PublishedIterations:
    """Results of the look-ups that every prediction begins with. Predictions run concurrently."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._found: dict[_Key, tuple[int, Iteration]] = {}

    def __len__(self) -> int:
        return len(self._found)

    def get(self, key: _Key) -> Iteration | None:
        """The iteration that was put under `key`; None after a commit."""
        kept = self._found.get(key)
        return kept[1] if kept is not None and kept[0] == self._database.commits else None

    def put(self, key: _Key, iteration: Iteration, commits: int) -> None:
        """commits: `Database.commits` before the iteration was read."""
        if len(self._found) >= _KEPT:
            self._found.clear()
        self._found[key] = commits, iteration
