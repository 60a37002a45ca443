"""A job in the child process of a worker, and the pieces that other workers carry out for it.

The child process gives a piece only to a worker that is idle, and carries out pieces itself meanwhile. So no
piece waits for a resource that its job holds, one worker alone carries out all of them, and another job waits
for the end of one piece at most. `spreading` has all this; jobs without pieces do not import it.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from emulator.cluster.setting import Setting
from emulator.vision.training.pieces import Results, Work, pieces_by

if TYPE_CHECKING:
    from emulator.cluster.spreading import Helpers

Item = TypeVar("Item")
Result = TypeVar("Result")


class ClusterPieces:
    """Pieces on a cluster; see `emulator.vision.training.pieces`. Most jobs have none, and need no Dask."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting

    @cached_property
    def _helpers(self) -> "Helpers":
        from emulator.cluster.spreading import Helpers

        return Helpers(self._setting)

    def lanes(self) -> int:
        return 1 + len(self._helpers.look()[1])

    def start(
        self, work: Work[Item, Result], items: Sequence[Item], *, certain: int | None = None
    ) -> Results[Result]:
        from emulator.cluster.spreading import Spread

        count = len(items) if certain is None else certain
        return Spread(self._setting, self._helpers, work, items, count)

    def close(self) -> None:
        if "_helpers" in self.__dict__:
            self._helpers.close()


def call_with_pieces(setting: Setting, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call the function of a job, whose pieces other workers may carry out."""
    with closing(ClusterPieces(setting)) as pieces, pieces_by(pieces):
        return function(*args, **kwargs)
