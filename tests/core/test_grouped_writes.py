"""Grouped writes: items that wait share one transaction; an error belongs to its item."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from emulator.core.grouped_writes import GroupedWrites
from emulator.store.database import StorageFull
from tests.support.harness import PATIENCE_SECONDS, wait_until

MOST = 64


class Writer:
    """Writes groups of numbers; the first one waits until all others are in the queue."""

    def __init__(self, refuse: Callable[[Sequence[int]], None] = lambda _items: None) -> None:
        self.grouped: GroupedWrites[int] = GroupedWrites()
        self.groups: list[list[int]] = []
        self._refuse = refuse
        self._begun, self._go_on = threading.Event(), threading.Event()

    def write(self, items: Sequence[int]) -> None:
        if not self._begun.is_set():
            self._begun.set()
            assert self._go_on.wait(PATIENCE_SECONDS)
        self._refuse(items)
        self.groups.append(list(items))

    def results(self, number: int, most: int = MOST) -> list[BaseException | None]:
        """The errors of the numbers below `number`, all of which but 0 wait in the queue together."""
        with ThreadPoolExecutor(number) as threads:
            jobs: list[Future[None]] = [threads.submit(self.grouped.write, 0, self.write, most)]
            assert self._begun.wait(PATIENCE_SECONDS)
            jobs += [threads.submit(self.grouped.write, item, self.write, most) for item in range(1, number)]
            wait_until(lambda: len(self.grouped) == number - 1, "the queue")
            self._go_on.set()
            return [job.exception(PATIENCE_SECONDS) for job in jobs]


def test_items_that_wait_are_written_together() -> None:
    writer = Writer()
    assert writer.results(6) == [None] * 6
    assert [sorted(group) for group in writer.groups] == [[0], [1, 2, 3, 4, 5]]


def test_a_group_has_at_most_the_number_that_is_allowed() -> None:
    writer = Writer()
    assert writer.results(8, most=3) == [None] * 8
    assert [len(group) for group in writer.groups] == [1, 3, 3, 1]


def test_an_error_is_that_of_one_item() -> None:
    def refuse(items: Sequence[int]) -> None:
        if 3 in items:
            raise ValueError("3")

    writer = Writer(refuse)
    assert [str(error) for error in writer.results(5)] == ["None", "None", "None", "3", "None"]
    assert sorted(item for group in writer.groups for item in group) == [0, 1, 2, 4]


@pytest.mark.parametrize("error", [StorageFull("full"), SystemExit()])
def test_an_error_of_the_store_is_that_of_all_items_and_none_is_written_again(error: BaseException) -> None:
    attempts = []

    def refuse(items: Sequence[int]) -> None:
        attempts.append(len(items))
        if 3 in items:
            raise error

    writer = Writer(refuse)
    assert writer.results(5) == [None, error, error, error, error]
    assert attempts == [1, 4]


def test_a_transaction_waits_for_three_quarters_of_the_items_that_are_made() -> None:
    grouped: GroupedWrites[int] = GroupedWrites(PATIENCE_SECONDS)
    groups: list[list[int]] = []

    def write(items: Sequence[int]) -> None:
        groups.append(sorted(items))

    with ExitStack() as made, ThreadPoolExecutor(3) as threads:
        for _ in range(2):
            made.enter_context(grouped.expected())
        jobs = [threads.submit(grouped.write, item, write, MOST) for item in range(3)]
        for job in jobs:
            job.result(PATIENCE_SECONDS)
    assert groups == [[0, 1, 2]]


def test_an_item_that_is_not_made_delays_no_other() -> None:
    grouped: GroupedWrites[int] = GroupedWrites(10 * PATIENCE_SECONDS)
    groups: list[list[int]] = []
    with ThreadPoolExecutor(1) as threads, ExitStack() as made:
        for _ in range(3):
            made.enter_context(grouped.expected())
        job = threads.submit(grouped.write, 0, lambda items: groups.append(list(items)), MOST)
        wait_until(lambda: len(grouped) == 1, "the item")
        made.close()
        job.result(PATIENCE_SECONDS)
    assert groups == [[0]]
