"""The progress of a running job, and an estimate of the time that is left."""

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

# Before, the first steps say little about the others.
_ENOUGH_FRACTION = 0.02
_ENOUGH_SECONDS = 1.0
# Reports within this time after a change are not a change of their own, unless the step is another one.
_PAUSE_SECONDS = 0.25


class Progress(NamedTuple):
    """Progress of a running job.

    fraction: that is done, 0 to 1, never falling. step: its description. seconds_left: None when unknown.
    """

    fraction: float
    step: str
    seconds_left: float | None = None


class JobProgress:
    """The reports of one job. now: seconds, from any origin."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._begun = now()
        self._reported = self._shown = self._begun
        self._fraction = 0.0
        self._step = ""

    def note(self, fraction: float, step: str) -> bool:
        """Take a report of the job; whether those who watch it are to be notified.

        A fraction below the last one is ignored.
        """
        with self._lock:
            now = self._now()
            is_new_step = step != self._step
            is_further = int(fraction * 100) > int(self._fraction * 100)
            if self._fraction == 0 and fraction <= 0:  # it was being started, or waited for a machine
                self._begun = now
            if fraction > self._fraction or is_new_step:
                self._reported = now
            self._fraction = min(1.0, max(self._fraction, fraction))
            self._step = step
            if not is_new_step and not (is_further and now - self._shown >= _PAUSE_SECONDS):
                return False
            self._shown = now
            return True

    @property
    def reading(self) -> Progress | None:
        """The progress now; None before the first report."""
        with self._lock:
            if not self._step:
                return None
            return Progress(self._fraction, self._step, self._seconds_left())

    def _seconds_left(self) -> float | None:
        """The time that the rest takes at the speed until now.

        Since the last report, it is counted down; when that is used up, the job is slower than before, and
        the whole time counts.
        """
        elapsed = self._reported - self._begun
        if self._fraction < _ENOUGH_FRACTION or elapsed < _ENOUGH_SECONDS:
            return None
        rest = (1 - self._fraction) / self._fraction
        since = self._now() - self._reported
        counted_down = elapsed * rest - since
        return counted_down if counted_down > since * rest else (elapsed + since) * rest
