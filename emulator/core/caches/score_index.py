"""Scores of predictions as arrays in memory, so that queries by tag and threshold need no scan of JSON rows.

A table is built when it is first queried, and then follows every change. 100,000 predictions of ten tags take
about 30 MB and are searched in less than a millisecond.
"""

import logging
import threading
from array import array
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    from emulator.store.database import Database

_TABLES_KEPT = 8
_MAX_REMOVED = 1024
# Rows that a page examines first; four times as many in each further step.
_FIRST_STEP = 1024
# The value of a removed score, below every threshold.
_NO_SCORE = -1.0
_T = TypeVar("_T")
_log = logging.getLogger(__name__)

Cursor = tuple[float, int]


class ScoredRow(NamedTuple):
    """A prediction. number: identifies it in its table, and orders predictions with equal keys.

    created: microseconds since 1970. scores: pairs of tag id and probability, several for a tag with several
    boxes. labels: other values to filter by, such as the iteration or the application, by name.
    """

    number: int
    created: int
    uncertainty: float
    scores: Sequence[tuple[str, float]]
    labels: tuple[tuple[str, str | None], ...] = ()


class ScoreRange(NamedTuple):
    """At least one score of one of the tags is in the range. Without tags: of any tag; maximum is 1."""

    tag_ids: tuple[str, ...]
    minimum: float
    maximum: float = 1.0


class ScoreFilter(NamedTuple):
    """Selects rows that are in all ranges, have the labels and were created from `start` to `end`
    (microseconds)."""

    ranges: tuple[ScoreRange, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    start: int | None = None
    end: int | None = None


@dataclass
class _Scores:
    """The scores of one tag, and their rows, ascending. several: whether a row has more than one score."""

    rows: "array[int]" = field(default_factory=lambda: array("q"))
    values: "array[float]" = field(default_factory=lambda: array("f"))
    several: bool = False


class ScoreTable:
    """Predictions by row. Rows are appended; removed ones are marked, and dropped when they are the majority.

    orders: the keys by which pages are sorted: "created", "uncertainty".
    """

    def __init__(self, orders: Sequence[str], rows: Iterable[ScoredRow] = ()) -> None:
        self._numbers = array("q")
        self._here = array("b")
        self._highest = array("f")
        self._keys: dict[str, array[Any]] = {"created": array("q"), "uncertainty": array("d")}
        self._labels: dict[str, array[int]] = {}
        self._codes: dict[str | None, int] = {None: 0}
        self._scores: dict[str, _Scores] = {}
        self._row_of: dict[int, int] = {}
        self._orders: dict[str, array[int]] = {name: array("q") for name in orders}
        for row in rows:
            self._append(row)
        for name in self._orders:
            self._orders[name].extend(sorted(range(len(self._numbers)), key=self._cursor_of(name)))

    def __len__(self) -> int:
        return len(self._row_of)

    def add(self, row: ScoredRow) -> None:
        """Add a prediction; it replaces one of the same number."""
        self.remove(row.number)
        new = self._append(row)
        for name, order in self._orders.items():
            place = self._cursor_of(name)
            order.insert(bisect_left(order, place(new), key=place), new)

    def remove(self, number: int) -> None:
        """Remove a prediction, if there is one of this number."""
        row = self._row_of.pop(number, None)
        if row is None:
            return
        self._here[row] = 0
        for scores in self._scores.values():
            for index in range(bisect_left(scores.rows, row), bisect_right(scores.rows, row)):
                scores.values[index] = _NO_SCORE
        if len(self._numbers) - len(self._row_of) > max(_MAX_REMOVED, len(self._row_of)):
            self._compact()

    def page(
        self, order: str, ascending: bool, wanted: ScoreFilter, size: int, after: Cursor | None = None
    ) -> list[Cursor]:
        """The first `size` predictions of the filter after the cursor `after`, each as a cursor (key,
        number)."""
        import numpy

        rows = self._orders[order]
        if not self._row_of:
            return []
        mask = self._mask(wanted)
        view = numpy.frombuffer(rows, numpy.int64)
        place = self._cursor_of(order)
        if ascending:
            left = view[0 if after is None else bisect_right(rows, after, key=place) :]
        else:
            left = view[: len(rows) if after is None else bisect_left(rows, after, key=place)][::-1]
        found: list[int] = []
        begin, step = 0, _FIRST_STEP
        while begin < len(left) and len(found) < size:
            examined = left[begin : begin + step]
            found += examined[mask[examined]][: size - len(found)].tolist()
            begin, step = begin + step, step * 4
        return [place(row) for row in found]

    def counts(self, tag_ids: Sequence[str], threshold: float) -> dict[str, int]:
        """The number of predictions with a score of at least `threshold`, by tag."""
        import numpy

        counted = dict.fromkeys(tag_ids, 0)
        for tag_id in counted:
            scores = self._scores.get(tag_id)
            if scores is None:
                continue
            reached = numpy.frombuffer(scores.values, numpy.float32) >= numpy.float32(threshold)
            if scores.several:
                rows = numpy.frombuffer(scores.rows, numpy.int64)[reached]
                reached = numpy.zeros(len(self._numbers), bool)
                reached[rows] = True
            counted[tag_id] = int(numpy.count_nonzero(reached))
        return counted

    def _append(self, row: ScoredRow) -> int:
        new = len(self._numbers)
        self._row_of[row.number] = new
        self._numbers.append(row.number)
        self._here.append(1)
        self._highest.append(max([value for _, value in row.scores], default=_NO_SCORE))
        self._keys["created"].append(row.created)
        self._keys["uncertainty"].append(row.uncertainty)
        for name, label in row.labels:
            code = self._codes.setdefault(label, len(self._codes))
            self._labels.setdefault(name, array("q")).append(code)
        for tag_id, value in row.scores:
            scores = self._scores.get(tag_id)
            if scores is None:
                scores = self._scores[tag_id] = _Scores()
            scores.several = scores.several or bool(scores.rows and scores.rows[-1] == new)
            scores.rows.append(new)
            scores.values.append(value)
        return new

    def _cursor_of(self, order: str) -> Callable[[int], Cursor]:
        keys, numbers = self._keys[order], self._numbers
        return lambda row: (keys[row], numbers[row])

    def _mask(self, wanted: ScoreFilter) -> "NDArray[numpy.bool_]":
        """Whether each row passes the filter. No view of the arrays is kept, so they can grow afterwards."""
        import numpy

        mask = numpy.frombuffer(self._here, numpy.bool_).copy()
        for one in wanted.ranges:
            mask &= self._in_range(one)
        for name, label in wanted.labels:
            mask &= numpy.frombuffer(self._labels[name], numpy.int64) == self._codes.get(label, -1)
        created = numpy.frombuffer(self._keys["created"], numpy.int64)
        if wanted.start is not None:
            mask &= created >= wanted.start
        if wanted.end is not None:
            mask &= created <= wanted.end
        return mask

    def _in_range(self, wanted: ScoreRange) -> "NDArray[numpy.bool_]":
        import numpy

        minimum, maximum = numpy.float32(wanted.minimum), numpy.float32(wanted.maximum)
        if not wanted.tag_ids:
            return numpy.frombuffer(self._highest, numpy.float32) >= minimum
        mask = numpy.zeros(len(self._numbers), bool)
        for tag_id in wanted.tag_ids:
            scores = self._scores.get(tag_id)
            if scores is not None:
                values = numpy.frombuffer(scores.values, numpy.float32)
                inside = (values >= minimum) & (values <= maximum)
                # One score for each row, as from classifiers.
                if len(values) == len(mask) and not scores.several:
                    mask |= inside
                else:
                    mask[numpy.frombuffer(scores.rows, numpy.int64)[inside]] = True
        return mask

    def _compact(self) -> None:
        """Drop the removed rows."""
        import numpy

        def kept(column: "array[Any]", which: "NDArray[Any]") -> "array[Any]":
            made = array(column.typecode)
            made.frombytes(numpy.frombuffer(column, column.typecode)[which].tobytes())
            return made

        here = numpy.frombuffer(self._here, numpy.bool_).copy()
        new_rows = numpy.cumsum(here) - 1

        def moved(rows: "array[int]") -> "array[int]":
            old = numpy.frombuffer(rows, numpy.int64)
            made = array("q")
            made.frombytes(new_rows[old[here[old]]].astype(numpy.int64).tobytes())
            return made

        self._orders = {name: moved(order) for name, order in self._orders.items()}
        for scores in self._scores.values():
            scores.values = kept(scores.values, here[numpy.frombuffer(scores.rows, numpy.int64)])
            scores.rows = moved(scores.rows)
        self._numbers = kept(self._numbers, here)
        self._highest = kept(self._highest, here)
        self._keys = {name: kept(column, here) for name, column in self._keys.items()}
        self._labels = {name: kept(column, here) for name, column in self._labels.items()}
        self._here = kept(self._here, here)
        self._row_of = {number: row for row, number in enumerate(self._numbers)}


class ScoreIndex:
    """The tables that were queried last, by the id of their project or iteration.

    A change is applied after its commit and before the next transaction writes. So a prediction that a table
    lists may be deleted when its row is read, but none is missing. After changes of other servers, a table is
    made anew.
    """

    def __init__(self, database: "Database") -> None:
        self._database = database
        self._tables: OrderedDict[str, ScoreTable] = OrderedDict()
        # `Database.foreign_scores` that each table contains.
        self._foreign: dict[str, int] = {}
        self._lock = threading.Lock()

    def query(self, key: str, make: Callable[[], ScoreTable], read: Callable[[ScoreTable], _T]) -> _T:
        """The result of `read` for the table of `key`, which `make` builds from the database if needed."""
        self._database.follow()
        with self._lock:
            table = self._current(key)
            if table is not None:
                self._tables.move_to_end(key)
                return read(table)
        # No transaction writes meanwhile, so no change is missed.
        with self._database.exclusively():
            with self._lock:
                table = self._current(key)
            foreign = self._database.foreign_scores
            if table is None:
                table = make()
            with self._lock:
                self._tables[key], self._foreign[key] = table, foreign
                while len(self._tables) > _TABLES_KEPT:
                    del self._foreign[self._tables.popitem(last=False)[0]]
        with self._lock:
            return read(table)

    def change(self, key: str, change: Callable[[ScoreTable], None]) -> None:
        """Change the table of `key`, if there is one. To be called after the commit."""
        with self._lock:
            table = self._tables.get(key)
            try:
                if table is not None:
                    change(table)
            except Exception:  # noqa: BLE001  (the change is committed: the request succeeds)
                _log.exception("The table of scores of %s is made anew", key)
                self._remove(key)

    def forget(self, keys: Iterable[str]) -> None:
        with self._lock:
            for key in keys:
                self._remove(key)

    def clear(self) -> None:
        with self._lock:
            self._tables.clear()
            self._foreign.clear()

    def _current(self, key: str) -> ScoreTable | None:
        """The table of `key`, if there is one with the changes of all servers."""
        is_current = self._foreign.get(key) == self._database.foreign_scores
        return self._tables.get(key) if is_current else None

    def _remove(self, key: str) -> None:
        self._tables.pop(key, None)
        self._foreign.pop(key, None)
