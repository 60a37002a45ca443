"""The clock of the emulator: UTC time that tests can freeze, set and advance."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from emulator.core.errors import ServiceError

_MICROSECOND = timedelta(microseconds=1)
# Leaves room for the lifetimes that are added to times, the longest of which are ten years.
_LATEST = datetime(9000, 1, 1, tzinfo=UTC)


class Clock:
    """UTC time that always increases, so that times of creation are distinct and in order.

    It follows a source, by default the system's time. It can be set to a later time, from which it continues,
    and frozen: then each reading is one microsecond after the previous one. It is set back only by `restore`.

    Attributes:
        on_change: functions that are called after the clock was set, advanced, frozen or restored, in the
            thread that did so.
    """

    def __init__(self, source: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._source = source
        self._offset = timedelta(0)
        self._frozen: datetime | None = None
        self._last = datetime.min.replace(tzinfo=UTC)
        self._lock = threading.Lock()
        self.on_change: list[Callable[[], None]] = []

    def now(self) -> datetime:
        """The time, later than at every earlier call."""
        with self._lock:
            self._last = max(self._source_time(), self._last + _MICROSECOND)
            return self._last

    @property
    def reading(self) -> datetime:
        """The time, without advancing a frozen clock."""
        with self._lock:
            return max(self._source_time(), self._last)

    @property
    def is_frozen(self) -> bool:
        return self._frozen is not None

    def seconds_until(self, moment: datetime) -> float | None:
        """The real seconds until `moment`, 0 when it has passed; None when the clock is frozen before it."""
        with self._lock:
            left = (moment - max(self._source_time(), self._last)).total_seconds()
            return 0.0 if left <= 0 else None if self._frozen is not None else left

    def wait_until(
        self, moment: datetime, wake: threading.Event, is_stopped: Callable[[], bool] = lambda: False
    ) -> bool:
        """Wait until the clock reaches `moment`; whether it has, rather than that the wait was stopped.

        Args:
            wake: set by changes of the clock; set it, too, to have `is_stopped` called. It is cleared here.
            is_stopped: ends the wait when it returns true.
        """
        self.on_change.append(wake.set)
        try:
            while not is_stopped():
                wake.clear()
                left = self.seconds_until(moment)
                if left == 0:
                    return True
                # Not longer than an hour: an event cannot wait for centuries.
                if not is_stopped():
                    wake.wait(None if left is None else min(left, 3600.0))
            return False
        finally:
            self.on_change.remove(wake.set)

    def change(self, moment: datetime | None = None, *, frozen: bool | None = None) -> None:
        """Set the time, freeze the clock or let it continue. None: that stays as it is.

        Raises ServiceError when `moment` is earlier than the clock's time, or too late for lifetimes.
        """
        with self._lock:
            reading = self._source_time()
            if moment is not None and moment < reading:
                raise ServiceError(
                    "BadRequest",
                    f"The clock cannot be set backwards, from {_text(reading)} to {_text(moment)}: times of "
                    "creation must stay in order. DELETE /_emulator/clock returns to real time, and a reset "
                    "does so too.",
                )
            self._set(reading if moment is None else moment, self.is_frozen if frozen is None else frozen)
        self._notify()

    def advance_by(self, amount: timedelta) -> None:
        """Advance the clock, frozen or not. Raises ServiceError when `amount` is negative or too large."""
        if amount < timedelta(0):
            raise ServiceError(
                "BadRequest",
                "The clock cannot be advanced by a negative number of seconds: time only increases.",
            )
        with self._lock:
            reading = self._source_time()
            if amount > _LATEST - reading:
                raise _too_late()
            self._set(reading + amount, self.is_frozen)
        self._notify()

    def restore(self) -> None:
        """Follow the source again, even when its time is earlier."""
        with self._lock:
            was_changed = bool(self._offset) or self._frozen is not None or self._last > self._source()
            self._offset, self._frozen = timedelta(0), None
            self._last = datetime.min.replace(tzinfo=UTC)
        if was_changed:
            self._notify()

    def _source_time(self) -> datetime:
        return self._source() + self._offset if self._frozen is None else self._frozen

    def _set(self, moment: datetime, frozen: bool) -> None:
        """To be called with the lock held."""
        if moment > _LATEST:
            raise _too_late()
        if frozen:
            self._frozen = moment
        else:
            self._frozen, self._offset = None, moment - self._source()

    def _notify(self) -> None:
        for listener in tuple(self.on_change):
            listener()


def _too_late() -> ServiceError:
    return ServiceError("BadRequest", f"The clock cannot be set to a time after the year {_LATEST.year - 1}.")


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
