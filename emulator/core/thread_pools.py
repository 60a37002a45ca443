"""Threads of requests, by the kind of work, and threads for work on many images at once.

Work that takes long has threads of its own, so that it never occupies those of other requests.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import cache
from typing import Literal, TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

# "quick": rows are read and written, or an ordinary image is scored. "images": images are uploaded or served.
# "large image": an image that takes long to decode is scored. "url": an image is fetched. "url batch": many.
Work = Literal["quick", "images", "large image", "url", "url batch"]

_PROCESSORS = os.cpu_count() or 1
_THREADS: dict[Work, int] = {
    "quick": 16,
    "images": 16,
    "large image": max(2, _PROCESSORS),
    "url": 64,
    "url batch": 16,
}
_DOWNLOADS = 128
_DOWNLOADS_PER_BATCH = 16


class RequestThreads:
    """A pool of threads for each kind of work. Threads start when they are first needed."""

    def __init__(self) -> None:
        self._pools = {
            work: ThreadPoolExecutor(count, thread_name_prefix=f"requests, {work}")
            for work, count in _THREADS.items()
        }

    def of(self, work: Work) -> ThreadPoolExecutor:
        return self._pools[work]

    def close(self) -> None:
        """End the threads, each after the work that it does now."""
        for pool in self._pools.values():
            pool.shutdown(cancel_futures=True)


def end_shared_threads() -> None:
    """End the threads that all servers of this process share. They start again when they are needed."""
    if _working.cache_info().currsize:
        _working().shutdown()
        _working.cache_clear()
    if _writing.cache_info().currsize:
        _writing().shutdown()
        _writing.cache_clear()
    _downloads.end_threads()


def in_background(write: Callable[[_Item], _Result], item: _Item) -> "Future[_Result]":
    """The result of `write`, which waits for the disk most of the time."""
    return _writing().submit(write, item)


def in_parallel(work: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
    """The results of `work`, in the order of `items`. For work that uses the processor, such as decoding."""
    return list(_working().map(work, items))


def downloading_in_parallel(work: Callable[[_Item], _Result], items: Sequence[_Item]) -> list[_Result]:
    """The same for downloads: up to 16 of a batch at a time, fewer while there are many batches."""
    return _downloads.run(work, items)


class FairPool:
    """Threads that several batches share equally.

    A batch never has more items in work than its share, so one with hosts that do not respond cannot keep
    others from beginning.
    """

    def __init__(self, threads: int, most_per_batch: int) -> None:
        self._count, self._most = threads, most_per_batch
        self._threads = self._new_threads()
        self._batches = 0
        self._lock = threading.Lock()

    def end_threads(self) -> None:
        """End the threads. They start again when they are needed."""
        ended, self._threads = self._threads, self._new_threads()
        ended.shutdown()

    def _new_threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._count, thread_name_prefix="downloads")

    def run(self, work: Callable[[_Item], _Result], items: Sequence[_Item]) -> list[_Result]:
        """The results in the order of `items`. An exception of `work` is raised when all others ended."""
        waiting = deque(items)
        begun: list[Future[_Result]] = []
        running: set[Future[_Result]] = set()
        with self._lock:
            self._batches += 1
        try:
            while waiting or running:
                while waiting and len(running) < self._share():
                    future = self._threads.submit(work, waiting.popleft())
                    begun.append(future)
                    running.add(future)
                running = wait(running, return_when=FIRST_COMPLETED).not_done
        finally:
            with self._lock:
                self._batches -= 1
        return [future.result() for future in begun]

    def _share(self) -> int:
        return max(1, min(self._most, self._count // max(1, self._batches)))


_downloads = FairPool(_DOWNLOADS, _DOWNLOADS_PER_BATCH)


@cache
def _working() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(min(8, _PROCESSORS + 1), thread_name_prefix="images")


@cache
def _writing() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_PROCESSORS + 1, thread_name_prefix="images, writing")
