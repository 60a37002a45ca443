"""The rate of calls: even spacing, and waits after refusals."""

import random

from emulator.pulling.throttle import Throttle, backoff


class FakeTime:
    def __init__(self) -> None:
        self.now = 100.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_calls_are_spaced_evenly() -> None:
    time = FakeTime()
    throttle = Throttle(8, clock=lambda: time.now, sleep=time.sleep)
    begun = []
    for _ in range(17):
        throttle.wait()
        begun.append(time.now - 100.0)
    assert begun == [number / 8 for number in range(17)]
    assert throttle.calls == 17


def test_one_refusal_holds_back_no_other_call_and_several_hold_back_all() -> None:
    time = FakeTime()
    throttle = Throttle(8, clock=lambda: time.now, sleep=time.sleep)
    throttle.refused(5.0)
    throttle.refused(5.0)
    throttle.wait()
    assert time.now == 100.0
    throttle.succeeded()
    for _ in range(3):
        throttle.refused(5.0)
    throttle.wait()
    assert time.now == 105.0


def test_repetitions_wait_longer_each_time_with_jitter_after_what_the_service_asks_for() -> None:
    chance = random.Random(0)
    waits = [[backoff(attempt, chance) for _ in range(200)] for attempt in range(12)]
    assert [max(each) < min(0.25 * 2**attempt, 30.0) for attempt, each in enumerate(waits)] == [True] * 12
    assert min(waits[5]) < 1.0 < 4.0 < max(waits[5])
    assert 7.0 <= backoff(0, chance, retry_after=7.0) <= 7.25
