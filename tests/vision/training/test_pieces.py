"""Pieces of a training without other machines, and those of the context."""

from collections.abc import Sequence
from typing import Any

import pytest

from emulator.vision.training.pieces import Work, current_pieces, pieces_by


def work(done: list[int]) -> Work[int, int]:
    def here(number: int) -> int:
        done.append(number)
        return number * number

    def never(*arguments: Any) -> Any:
        pytest.fail("a piece left the process")

    return Work(here=here, outside=never, shared=never, seconds=never, waiting=never)


def test_a_piece_is_carried_out_when_its_result_is_asked_for() -> None:
    done: list[int] = []
    pieces = current_pieces()
    results = pieces.start(work(done), [3, 1, 2], certain=2)
    assert done == []
    assert [results.next(), results.next()] == [9, 1]
    assert done == [3, 1]
    assert not results.is_ahead()
    assert results.next() == 4
    with pytest.raises(IndexError):
        results.next()
    results.close()
    assert pieces.lanes() == 1


def test_the_pieces_of_the_context_are_used_within_the_block() -> None:
    class Others:
        def lanes(self) -> int:
            return 3

        def start(self, work: Any, items: Sequence[Any], *, certain: int | None = None) -> Any:
            return work, items, certain

    with pieces_by(Others()):
        assert current_pieces().lanes() == 3
    assert current_pieces().lanes() == 1
