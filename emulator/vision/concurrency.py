"""Threads: how many processors there are, results in the order of their items, and operations of PyTorch that
compute on the thread that calls them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def processor_count() -> int:
    """Processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1


def ordered(
    pool: ThreadPoolExecutor, compute: Callable[[Item], Result], items: Iterable[Item]
) -> Iterator[tuple[Item, Result]]:
    """Items with their results, in the order of the items.

    At most 4 results per processor are computed before they are consumed, so that memory does not grow with
    the number of items. Raises what `compute` raises.
    """
    submitted = ((item, pool.submit(compute, item)) for item in items)
    running = deque(islice(submitted, 4 * processor_count()))
    try:
        while running:
            item, future = running.popleft()
            running.extend(islice(submitted, 1))
            yield item, future.result()
    finally:
        for _, future in running:
            future.cancel()


@contextmanager
def single_threaded_operations() -> Iterator[None]:
    """Within the block, each operation of PyTorch on the calling thread computes on that thread alone.

    Work that is divided among threads is summed in another order, so its last digits would depend on the
    number of processors and on `OMP_NUM_THREADS` and `MKL_NUM_THREADS`. Threads inside of an operation are
    also slow: they wait for each other at every small step, which takes very long when another process uses
    one of the processors.

    Other threads need `single_threaded_pool`: OpenMP and MKL have a thread count for each thread of the
    program.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def single_threaded_pool(max_workers: int, name: str) -> ThreadPoolExecutor:
    """Threads in which each operation of PyTorch computes on the thread that calls it.

    For use within `single_threaded_operations`, which restores the thread count of new threads at its end.
    """
    import torch

    # PyTorch passes its thread count on to OpenMP and MKL at the first parallel loop in a thread. A matrix
    # product before that would be divided among the number of threads that the environment sets.
    return ThreadPoolExecutor(
        max_workers, thread_name_prefix=name, initializer=torch.set_num_threads, initargs=(1,)
    )
