"""How far a pull is, and how long it will take."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emulator.pulling.project import ProjectPull


class Remaining:
    """Estimates the time that is left: of calls by their rate, of images by what was fetched so far."""

    def __init__(self, calls_per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = calls_per_second
        self._clock = clock
        self._began = clock()

    def seconds(self, calls_left: int, fetched: int, waiting: int) -> float:
        elapsed = max(self._clock() - self._began, 0.001)
        of_images = waiting * elapsed / fetched if fetched else 0.0
        return max(max(0, calls_left) / self._rate, of_images)

    def line(self, pull: "ProjectPull") -> str:
        """The progress of a pull as a line."""
        progress, files = pull.progress, pull.files
        planned = max(progress.calls, progress.planned_calls)
        left = self.seconds(planned - progress.calls, files.fetched, files.remaining)
        return (
            f"{progress.step}: request {progress.calls:,} of about {planned:,}, {files.fetched:,} files "
            f"fetched, {files.remaining:,} waiting, about {_duration(left)} left"
        )


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
