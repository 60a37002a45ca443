"""The memory of images that are decoded at a time has a limit, and nobody waits for ever."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from emulator.vision.imaging import decode, opening
from emulator.vision.imaging.memory_budget import MemoryBudget
from tests.support.hostile_images import png


class Meter:
    """Counts what is in use at a time."""

    def __init__(self) -> None:
        self.lock, self.used, self.most = threading.Lock(), 0, 0

    def use(self, amount: int) -> None:
        with self.lock:
            self.used += amount
            self.most = max(self.most, self.used)


def test_amounts_in_use_stay_within_the_capacity() -> None:
    budget, meter = MemoryBudget(capacity=100, negligible=10), Meter()

    def work(amount: int) -> None:
        with budget.reserved(amount):
            meter.use(min(amount, 100))
            meter.use(-min(amount, 100))

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, [30, 60, 100, 10, 250] * 200, timeout=60))
    assert meter.most <= 100
    assert meter.used == 0


def test_small_amounts_do_not_wait() -> None:
    budget = MemoryBudget(capacity=100, negligible=10)
    with budget.reserved(100), budget.reserved(9):
        pass


def test_a_large_amount_is_not_overtaken_by_later_ones() -> None:
    budget = MemoryBudget(capacity=100, negligible=1)
    order: list[int] = []
    inside = threading.Event()

    def work(amount: int) -> None:
        with budget.reserved(amount):
            order.append(amount)

    with ThreadPoolExecutor(3) as pool:
        with budget.reserved(50):
            large = pool.submit(work, 100)
            while not budget._waiting:
                inside.wait(0.001)
            small = pool.submit(work, 40)
            while len(budget._waiting) < 2:
                inside.wait(0.001)
        large.result(60)
        small.result(60)
    assert order == [100, 40]


def test_an_error_releases_the_amount() -> None:
    budget = MemoryBudget(capacity=100, negligible=1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), budget.reserved(100):
            raise ZeroDivisionError
    with budget.reserved(100):
        pass


def test_images_are_decoded_within_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """RGBA images of 1.2 MB each, of which three fit; counted from the decoder's start to its result."""
    monkeypatch.setattr(opening, "_budget", MemoryBudget(capacity=4_000_000, negligible=1000))
    meter, convert = Meter(), decode.to_rgb

    def counted(image: object, factor: int = 1) -> object:
        meter.use(1)
        try:
            return convert(image, factor)  # type: ignore[arg-type]
        finally:
            meter.use(-1)

    monkeypatch.setattr(decode, "to_rgb", counted)
    data = png(600, 500, colours=6)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: decode.resize_to_square(data, 32), range(64), timeout=60))
    assert 1 <= meter.most <= 3
