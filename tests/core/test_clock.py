"""The clock: frozen, set, advanced and restored, with a source of time that the test controls."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from emulator.core.clock import Clock
from emulator.core.errors import ServiceError
from tests.support.fakes import TestClock

START = TestClock().time
SECOND, MICROSECOND = timedelta(seconds=1), timedelta(microseconds=1)


@pytest.fixture
def clock() -> TestClock:
    return TestClock()


def test_a_frozen_clock_advances_by_a_microsecond_at_each_reading(clock: TestClock) -> None:
    clock.change(frozen=True)
    clock.time += timedelta(days=1)
    assert [clock.now() for _ in range(3)] == [START, START + MICROSECOND, START + 2 * MICROSECOND]
    assert clock.is_frozen


def test_looking_at_the_time_does_not_advance_a_frozen_clock(clock: TestClock) -> None:
    clock.change(frozen=True)
    assert clock.now() == clock.reading == clock.reading


def test_a_clock_that_is_set_continues_from_there(clock: TestClock) -> None:
    clock.change(START + 60 * SECOND)
    clock.time += SECOND
    assert clock.now() == START + 61 * SECOND


def test_a_frozen_clock_continues_from_its_time(clock: TestClock) -> None:
    clock.change(frozen=True)
    clock.time += timedelta(days=1)
    clock.change(frozen=False)
    clock.time += SECOND
    assert clock.now() == START + SECOND


@pytest.mark.parametrize("frozen", [False, True])
def test_a_clock_is_advanced(clock: TestClock, frozen: bool) -> None:
    clock.change(frozen=frozen)
    clock.advance_by(90 * SECOND)
    assert clock.now() == START + 90 * SECOND
    assert clock.is_frozen is frozen


def test_a_clock_set_backwards_is_refused_and_keeps_its_time(clock: TestClock) -> None:
    with pytest.raises(ServiceError, match="cannot be set backwards, from 2026-03-04T05:06:07"):
        clock.change(START - SECOND, frozen=True)
    assert not clock.is_frozen
    assert clock.now() == START


def test_a_frozen_clock_is_set_to_its_own_time_after_readings(clock: TestClock) -> None:
    clock.change(START, frozen=True)
    clock.now(), clock.now()
    clock.change(START, frozen=True)
    assert clock.now() == START + 2 * MICROSECOND


@pytest.mark.parametrize("amount", [timedelta(microseconds=-1), timedelta(days=365 * 8000)])
def test_amounts_out_of_range_are_refused(clock: TestClock, amount: timedelta) -> None:
    with pytest.raises(ServiceError):
        clock.advance_by(amount)
    assert clock.now() == START


def test_a_time_too_late_for_lifetimes_is_refused(clock: TestClock) -> None:
    with pytest.raises(ServiceError, match="after the year 8999"):
        clock.change(datetime(9999, 1, 1, tzinfo=UTC))
    assert clock.now() == START


def test_a_restored_clock_shows_the_time_of_its_source(clock: TestClock) -> None:
    clock.change(START + timedelta(days=30), frozen=True)
    clock.now()
    clock.restore()
    assert not clock.is_frozen
    assert clock.now() == START


def test_listeners_are_called_at_each_change(clock: TestClock) -> None:
    readings: list[datetime] = []
    clock.on_change.append(lambda: readings.append(clock.reading))
    clock.change(START + SECOND)
    clock.advance_by(SECOND)
    clock.restore()
    assert readings == [START + SECOND, START + 2 * SECOND, START]


def test_seconds_until_a_time(clock: TestClock) -> None:
    assert clock.seconds_until(START + 5 * SECOND) == 5
    assert clock.seconds_until(START - SECOND) == 0
    clock.change(frozen=True)
    assert clock.seconds_until(START + SECOND) is None
    assert clock.seconds_until(START) == 0


class Waiter:
    """A thread that waits until a time of a clock, and the result."""

    def __init__(self, clock: Clock, moment: datetime) -> None:
        self.wake, self.stopped = threading.Event(), threading.Event()
        self.results: list[bool] = []

        def wait() -> None:
            self.results.append(clock.wait_until(moment, self.wake, self.stopped.is_set))

        self.thread = threading.Thread(target=wait)
        self.thread.start()

    def result(self) -> bool:
        self.thread.join(30)
        return self.results[0]


@pytest.mark.parametrize("frozen", [False, True])
def test_a_wait_ends_when_the_clock_is_advanced(clock: TestClock, frozen: bool) -> None:
    clock.change(frozen=frozen)
    waiter = Waiter(clock, START + timedelta(hours=2))
    clock.advance_by(timedelta(hours=1))
    clock.advance_by(timedelta(hours=1))
    assert waiter.result() is True
    assert clock.on_change == []


def test_a_wait_ends_when_it_is_stopped(clock: TestClock) -> None:
    waiter = Waiter(clock, START + timedelta(hours=2))
    waiter.stopped.set()
    waiter.wake.set()
    assert waiter.result() is False
    assert clock.on_change == []


def test_a_wait_ends_when_the_time_comes_by_itself() -> None:
    clock = Clock()
    assert clock.wait_until(clock.reading + timedelta(milliseconds=20), threading.Event()) is True


def test_times_of_many_threads_are_distinct_while_the_clock_changes() -> None:
    clock = Clock()
    times: list[datetime] = []

    def read() -> None:
        times.extend(clock.now() for _ in range(200))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(50):
        clock.change(frozen=number % 2 == 0)
        clock.advance_by(SECOND)
    for thread in threads:
        thread.join()
    assert len(set(times)) == 800
