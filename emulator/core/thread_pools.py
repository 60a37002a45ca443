"""Threads for work on many images at once."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_DOWNLOADS = 16


def in_parallel(work: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
    """The results of `work`, in the order of `items`. For work that uses the processor, such as decoding."""
    return list(_working().map(work, items))


def waiting_in_parallel(work: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
    """The same for work that mostly waits, such as downloads."""
    return list(_waiting().map(work, items))


@cache
def _working() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(min(8, (os.cpu_count() or 1) + 1), thread_name_prefix="images")


@cache
def _waiting() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_DOWNLOADS, thread_name_prefix="downloads")
