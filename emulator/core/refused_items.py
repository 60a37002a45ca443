"""Items of a request that were refused, with the reasons, for the log: responses have a status each at most.

The thread of a request collects them; rules note them there.
"""

from contextvars import ContextVar
from typing import NamedTuple

MOST = 10


class RefusedItem(NamedTuple):
    """place: in the request, as ``images[2]``. name: its name, id or URL, as the client sent it."""

    place: str
    name: str | None
    reason: str


class RefusedItems:
    """first: the first items. count: of all."""

    __slots__ = ("count", "first")

    def __init__(self) -> None:
        self.first: list[RefusedItem] = []
        self.count = 0


_current: ContextVar[RefusedItems | None] = ContextVar("refused_items", default=None)


def collect() -> RefusedItems:
    """The items that are noted from now on in this thread."""
    items = RefusedItems()
    _current.set(items)
    return items


def note(place: str, name: str | None, reason: str) -> None:
    """Note an item of the current request, see `RefusedItem`."""
    items = _current.get()
    if items is None:
        return
    items.count += 1
    if items.count <= MOST:
        items.first.append(RefusedItem(place, name, reason))
