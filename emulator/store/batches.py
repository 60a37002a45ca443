"""Batches of values for one statement or transaction each."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

_Item = TypeVar("_Item")

# Below the 32,766 parameters that a statement of SQLite may have, with its other conditions.
_BATCH_SIZE = 500


def batches(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    """Lists of at most `_BATCH_SIZE` of the items, in their order."""
    iterator = iter(items)
    while batch := list(islice(iterator, _BATCH_SIZE)):
        yield batch
