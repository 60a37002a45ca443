"""The score index agrees with a scan of all rows after any changes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.core.caches import score_index
from emulator.core.caches.score_index import (
    Cursor,
    ScoredRow,
    ScoreFilter,
    ScoreIndex,
    ScoreRange,
    ScoreTable,
)
from emulator.store.database import Database, when_committed
from emulator.store.sqlite import SqliteDatabase

TAGS = ("a", "b", "c")
ORDERS = ("created", "uncertainty")
# Exact in single precision, and few, so that rows are equal and thresholds are met.
probabilities = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])
labels = st.sampled_from([None, "x", "y"])
rows = st.builds(
    ScoredRow,
    number=st.integers(0, 12),
    created=st.integers(0, 5),
    uncertainty=probabilities,
    scores=st.lists(st.tuples(st.sampled_from(TAGS), probabilities), max_size=4),
    labels=labels.map(lambda label: (("application", label),)),
)
changes = st.lists(rows | st.integers(0, 12), max_size=40)
ranges = st.builds(
    ScoreRange,
    tag_ids=st.lists(st.sampled_from((*TAGS, "unknown")), min_size=1, max_size=2).map(tuple),
    minimum=probabilities,
    maximum=probabilities,
) | st.builds(ScoreRange, tag_ids=st.just(()), minimum=probabilities, maximum=st.just(1.0))
wanted_rows = st.builds(
    ScoreFilter,
    ranges=st.lists(ranges, max_size=2).map(tuple),
    labels=st.sampled_from([(), (("application", "x"),), (("application", "z"),)]),
    start=st.none() | st.integers(0, 5),
    end=st.none() | st.integers(0, 5),
)


@dataclass(frozen=True)
class Question:
    order: str
    ascending: bool
    wanted: ScoreFilter
    size: int
    after: Cursor | None


questions = st.builds(
    Question,
    st.sampled_from(ORDERS),
    st.booleans(),
    wanted_rows,
    st.integers(1, 6),
    st.none() | st.tuples(st.integers(0, 5) | probabilities, st.integers(0, 12)),
)


def is_wanted(row: ScoredRow, wanted: ScoreFilter) -> bool:
    def inside(one: ScoreRange) -> bool:
        return any(
            one.minimum <= value <= one.maximum
            for tag, value in row.scores
            if not one.tag_ids or tag in one.tag_ids
        )

    return (
        all(inside(one) for one in wanted.ranges)
        and all(dict(row.labels)[name] == label for name, label in wanted.labels)
        and (wanted.start is None or row.created >= wanted.start)
        and (wanted.end is None or row.created <= wanted.end)
    )


def expected_page(present: dict[int, ScoredRow], question: Question) -> list[Cursor]:
    places = sorted(
        (
            (getattr(row, question.order), row.number)
            for row in present.values()
            if is_wanted(row, question.wanted)
        ),
        reverse=not question.ascending,
    )
    after = question.after
    if after is not None:
        places = [place for place in places if (place > after if question.ascending else place < after)]
    return places[: question.size]


def expected_count(present: dict[int, ScoredRow], tag: str, threshold: float) -> int:
    return sum(
        any(value >= threshold for name, value in row.scores if name == tag) for row in present.values()
    )


@given(
    start=st.lists(rows, max_size=8, unique_by=lambda row: row.number),
    changes=changes,
    asked=st.lists(questions, min_size=1, max_size=4),
    threshold=probabilities,
)
def test_a_table_follows_its_changes(
    start: list[ScoredRow], changes: list[ScoredRow | int], asked: list[Question], threshold: float
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        # Small, so that removed rows are compacted sometimes, and pages need several steps.
        patch.setattr(score_index, "_MAX_REMOVED", 3)
        patch.setattr(score_index, "_FIRST_STEP", 2)
        table, present = ScoreTable(ORDERS, start), {row.number: row for row in start}
        for change in (None, *changes):
            if isinstance(change, ScoredRow):
                table.add(change)
                present[change.number] = change
            elif change is not None:
                table.remove(change)
                present.pop(change, None)
            assert len(table) == len(present)
            for one in asked:
                page = table.page(one.order, one.ascending, one.wanted, one.size, one.after)
                assert page == expected_page(present, one)
            counted = table.counts((*TAGS, "unknown"), threshold)
            assert counted == {tag: expected_count(present, tag, threshold) for tag in (*TAGS, "unknown")}


def test_single_precision() -> None:
    # What a model says has single precision, and so has what an answer shows; a threshold copied from there
    # is met.
    table = ScoreTable(ORDERS, [ScoredRow(1, 0, 0.0, [("a", 0.30000001192092896)])])
    assert table.counts(["a"], 0.3) == {"a": 1}
    assert table.counts(["a"], 0.3000001) == {"a": 0}


# --- tables beside a database -------------------------------------------------------------------------------


@pytest.fixture
def database(tmp_path: Path) -> Any:
    opened = SqliteDatabase(tmp_path)
    yield opened
    opened.close()


def one(number: int) -> ScoredRow:
    return ScoredRow(number, number, 0.5, [("a", 0.5)])


def test_a_table_is_made_once_and_changed_with_commits(database: Database) -> None:
    tables, made = ScoreIndex(database), []

    def make() -> ScoreTable:
        made.append(1)
        return ScoreTable(ORDERS, [one(1)])

    def add_two() -> None:
        tables.change("p", lambda table: table.add(one(2)))

    assert tables.query("p", make, len) == 1
    with database.write() as session:
        when_committed(session, add_two)
        assert tables.query("p", make, len) == 1
    assert tables.query("p", make, len) == 2
    with pytest.raises(ZeroDivisionError), database.write() as session:
        when_committed(session, lambda: tables.change("p", lambda table: table.add(one(3))))
        _ = 1 // 0
    assert tables.query("p", make, len) == 2
    assert made == [1]
    tables.change("another", lambda table: table.add(one(4)))
    tables.forget(["p"])
    assert tables.query("p", make, len) == 1
    tables.clear()
    assert tables.query("p", make, len) == 1
    assert made == [1, 1, 1]


def test_the_tables_that_were_queried_last_are_cached(database: Database) -> None:
    tables, made = ScoreIndex(database), []

    def ask(key: str) -> None:
        tables.query(key, lambda: made.append(key) or ScoreTable(ORDERS), len)  # type: ignore[func-returns-value]

    for key in "abcdefgha":
        ask(key)
    ask("i")
    assert made == list("abcdefghi")
    ask("a")
    ask("b")
    assert made == list("abcdefghib")


def test_a_table_that_cannot_be_changed_is_rebuilt(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    tables = ScoreIndex(database)

    def fail(table: ScoreTable) -> None:
        raise MemoryError

    assert tables.query("p", lambda: ScoreTable(ORDERS, [one(1)]), len) == 1
    tables.change("p", fail)
    assert "made anew" in caplog.text
    assert tables.query("p", lambda: ScoreTable(ORDERS, [one(1), one(2)]), len) == 2
