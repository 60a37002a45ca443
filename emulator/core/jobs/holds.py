"""Jobs whose end is held back, from the view of their runner. `emulator.core.choreography` decides which."""

from collections.abc import Callable, Collection
from typing import NamedTuple, Protocol

from emulator.store.tables import JobKind


class Ending(NamedTuple):
    """The end of a job that was executed.

    record: writes the result or the failure to the store. discard: deletes its files. Neither raises, except
    that `record` raises StorageFull, after which it can be called again.
    """

    record: Callable[[], None]
    discard: Callable[[], None]


class Holds(Protocol):
    """The jobs that are held. Nothing of it is called while `in_use` is false, except `register`."""

    in_use: bool

    def register(self, kind: JobKind, fail: Callable[[str, str], None]) -> None:
        """The runner of a kind exists. fail: records that a job (id) has failed, with the reason."""

    def excluded(self, kind: JobKind) -> Collection[str]:
        """The ids of jobs that are not to be executed now."""

    def keep(self, job_id: str, ending: Ending) -> bool:
        """Keep the end of a job until it is to be visible; False: the caller records it."""

    def ended(self, job_id: str) -> None:
        """The end of a job was recorded."""

    def stop(self, kind: JobKind) -> None:
        """The runner of a kind ends: its jobs are executed again after the next start."""
