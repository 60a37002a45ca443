"""The rate of calls to a service that other clients use, too."""

import random
import threading
import time
from collections.abc import Callable

# Responses with 429 in a row, from which on all calls wait. Fewer may be meant for single calls.
_REFUSALS_OF_ALL = 3
_LONGEST_WAIT_SECONDS = 120.0


class Throttle:
    """Spaces calls evenly, `calls_per_second` in all threads together.

    Args:
        clock, sleep: seconds, as of `time.monotonic`; for tests.
    """

    def __init__(
        self,
        calls_per_second: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._interval = 1 / calls_per_second
        self._clock = clock
        self._sleep = sleep
        self._next = clock()
        self._refusals = 0
        self._lock = threading.Lock()
        self.calls = 0

    def wait(self) -> None:
        """Wait until a call may be made."""
        with self._lock:
            now = self._clock()
            begin = max(now, self._next)
            self._next = begin + self._interval
            self.calls += 1
        if begin > now:
            self._sleep(begin - now)

    def succeeded(self) -> None:
        """A call was not refused."""
        with self._lock:
            self._refusals = 0

    def refused(self, retry_after: float) -> None:
        """A call was refused with 429: after several of them, all calls wait for `retry_after` seconds."""
        with self._lock:
            self._refusals += 1
            if self._refusals >= _REFUSALS_OF_ALL:
                self._next = max(self._next, self._clock() + min(retry_after, _LONGEST_WAIT_SECONDS))


def backoff(attempt: int, chance: random.Random, retry_after: float = 0.0) -> float:
    """Seconds before a call is repeated: exponential with full jitter, after what the service asks for.

    attempt: 0 for the first repetition.
    """
    return min(retry_after, _LONGEST_WAIT_SECONDS) + chance.uniform(0, min(0.25 * 2**attempt, 30.0))
