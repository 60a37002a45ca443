"""Work that requests do not wait for."""

import threading
from collections.abc import Iterator
from functools import partial

import pytest

from emulator.core.spare_work import SpareWork

PATIENCE_SECONDS = 60


@pytest.fixture
def spare() -> Iterator[SpareWork]:
    work = SpareWork(most_items=2, most_bytes=100, longest_wait_seconds=PATIENCE_SECONDS)
    yield work
    work.stop()


class Gate:
    """Work that begins, and ends when the test opens the gate."""

    def __init__(self) -> None:
        self.begun, self.open = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self.begun.set()
        assert self.open.wait(PATIENCE_SECONDS)


def test_work_is_done_in_order(spare: SpareWork) -> None:
    gate, done = Gate(), list[int]()
    spare.put(0, gate)
    assert gate.begun.wait(PATIENCE_SECONDS)
    for number in range(2):  # as many as can wait
        assert spare.put(0, partial(done.append, number))
    gate.open.set()
    spare.wait()
    assert done == [0, 1]


@pytest.mark.parametrize("sizes", [(0, 0), (100,), (60, 40)])
def test_the_queue_has_limits(spare: SpareWork, sizes: tuple[int, ...]) -> None:
    gate, done = Gate(), list[int]()
    spare.put(0, gate)
    assert gate.begun.wait(PATIENCE_SECONDS)
    assert [spare.put(size, lambda: done.append(1)) for size in sizes] == [True] * len(sizes)
    assert not spare.put(1, lambda: done.append(2))
    gate.open.set()
    spare.wait()
    assert done == [1] * len(sizes)
    assert spare.put(100, lambda: done.append(3))


def test_what_waits_can_be_forgotten(spare: SpareWork) -> None:
    gate, done = Gate(), list[int]()
    spare.put(0, gate)
    spare.put(0, lambda: done.append(1))
    spare.clear()
    gate.open.set()
    spare.wait()
    assert done == []


def test_a_failure_is_logged_and_work_goes_on(spare: SpareWork, caplog: pytest.LogCaptureFixture) -> None:
    done: list[int] = []

    def fail() -> None:
        raise RuntimeError("broken")

    spare.put(0, fail)
    spare.put(0, lambda: done.append(1))
    spare.wait()
    assert done == [1]
    assert [record.message for record in caplog.records] == ["work beside requests failed"]


def test_requests_precede(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    spare, done = SpareWork(longest_wait_seconds=PATIENCE_SECONDS), threading.Event()
    with spare.precedence():
        spare.put(0, done.set)
        assert not done.wait(0.05)
    assert done.wait(PATIENCE_SECONDS)
    spare.stop()


def test_under_load_some_work_is_done_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    spare, done = SpareWork(longest_wait_seconds=0.01), threading.Event()
    with spare.precedence():
        spare.put(0, done.set)
        assert done.wait(PATIENCE_SECONDS)
    spare.stop()
