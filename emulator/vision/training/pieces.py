"""Pieces of a training that do not depend on each other, in this process or also on other machines.

A training divides its work into pieces wherever it can, and asks the `Pieces` of its context to carry them
out; `pieces_by` sets them. Without it, each piece is carried out here when its result is asked for. A piece
has the same result wherever it is carried out, on processors of the same model, unless its time is cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Value = TypeVar("Value", covariant=True)
Arguments = ParamSpec("Arguments")


@dataclass(frozen=True)
class Outside:
    """What a piece has on another machine.

    Attributes:
        seconds: that the piece may take, from now on.
        scratch: a folder for its files, which is deleted afterwards.
    """

    seconds: float
    scratch: Path


@dataclass(frozen=True)
class Work(Generic[Item, Result]):
    """How pieces are carried out.

    Attributes:
        here: carries out a piece in this process.
        outside: carries out a piece in another process: a function of a module, called with what `shared`
            returned, the item, and an `Outside`. Items, results and what is shared can be pickled.
        shared: what all pieces need; called once, and only if a piece leaves this process.
        seconds: how long a piece may take that begins now. It must be safe to call from another thread.
        waiting: called every second or so while only other machines work. Its exceptions end the work.
    """

    here: Callable[[Item], Result]
    outside: Callable[[Any, Item, Outside], Result]
    shared: Callable[[], object]
    seconds: Callable[[Item], float]
    waiting: Callable[[], object]


class Results(Protocol[Value]):
    """The results of pieces, in the order of their items."""

    def next(self) -> Value:
        """The next result. Raises what the piece raises, what `Work.waiting` raises, and IndexError."""

    def is_ahead(self) -> bool:
        """Whether another machine has the next result, or works on it."""

    def close(self) -> None:
        """Give up the pieces whose results were not asked for."""


class Pieces(Protocol):
    """Carries out pieces."""

    def lanes(self) -> int:
        """How many pieces can be carried out at the same time at present, at least 1."""

    def start(
        self, work: Work[Item, Result], items: Sequence[Item], *, certain: int | None = None
    ) -> Results[Result]:
        """Begin.

        Args:
            certain: only this many of the first items are surely needed: the others are carried out here only
                when they are asked for; None: all of them.
        """


class _HereResults(Generic[Item, Result]):
    def __init__(self, work: Work[Item, Result], items: Sequence[Item]) -> None:
        self._work, self._items, self._number = work, items, 0

    def next(self) -> Result:
        item = self._items[self._number]
        self._number += 1
        return self._work.here(item)

    def is_ahead(self) -> bool:
        return False

    def close(self) -> None:
        """Nothing has begun."""


class _Here:
    """Pieces of this process alone."""

    def lanes(self) -> int:
        return 1

    def start(
        self, work: Work[Item, Result], items: Sequence[Item], *, certain: int | None = None
    ) -> Results[Result]:
        return _HereResults(work, items)


_pieces: ContextVar[Pieces | None] = ContextVar("pieces", default=None)


def current_pieces() -> Pieces:
    """Those of the context; by default, those of this process alone."""
    return _pieces.get() or _Here()


@contextmanager
def pieces_by(pieces: Pieces) -> Iterator[None]:
    """Within the block, trainings give their pieces to `pieces`."""
    token = _pieces.set(pieces)
    try:
        yield
    finally:
        _pieces.reset(token)
