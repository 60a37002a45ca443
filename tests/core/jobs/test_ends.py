"""Waiting until a job ends."""

import threading
import time

from emulator.core.jobs.ends import JobEnds


def test_the_value_is_read_again_after_each_end() -> None:
    ends, values = JobEnds(), iter(range(10))
    read = threading.Event()

    def next_value() -> int:
        read.set()
        return next(values)

    found: list[int] = []
    waiting = threading.Thread(target=lambda: found.append(ends.wait(next_value, lambda one: one == 2, 60)))
    waiting.start()
    while waiting.is_alive():
        read.wait(60)
        read.clear()
        ends.note()
        waiting.join(0.01)
    assert found == [2]


def test_a_value_that_is_final_is_not_waited_for() -> None:
    started = time.monotonic()
    assert JobEnds().wait(lambda: "over", lambda _value: True, 60) == "over"
    assert time.monotonic() - started < 30


def test_the_last_value_is_returned_when_the_time_is_over() -> None:
    values = iter("ab")
    assert JobEnds().wait(lambda: next(values), lambda _value: False, 0.05) == "b"
