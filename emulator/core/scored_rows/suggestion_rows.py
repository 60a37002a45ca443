"""Adding and deleting rows of suggestions, with the score index updated after each commit."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Select, delete
from sqlalchemy import select as select_columns
from sqlmodel import Session, col

from emulator.core.caches.score_index import ScoredRow, ScoreTable
from emulator.core.context import Context
from emulator.store.database import note_scores, when_committed
from emulator.store.expressions import json_text
from emulator.store.tables import Suggestion, microseconds


def add(context: Context, session: Session, row: Suggestion) -> None:
    """Add a suggestion; it replaces an older one of the same iteration for the same image."""
    remove(
        context,
        session,
        [
            col(Suggestion.image_number) == row.image_number,
            col(Suggestion.iteration_id) == row.iteration_id,
        ],
    )
    session.add(row)
    session.flush()
    scored = _scores_of(row.image_number, row.created, row.uncertainty, row.predictions)
    change = partial(ScoreTable.add, row=scored)
    note_scores(session)
    when_committed(session, partial(context.score_index.change, row.iteration_id, change))


def remove(context: Context, session: Session, which: Sequence[ColumnElement[bool]]) -> None:
    """Delete the suggestions that fulfil `which`."""
    statement = (
        delete(Suggestion).where(*which).returning(col(Suggestion.iteration_id), col(Suggestion.image_number))
    )
    for iteration_id, number in session.execute(
        statement, execution_options={"synchronize_session": False}
    ).all():
        change = partial(ScoreTable.remove, number=number)
        note_scores(session)
        when_committed(session, partial(context.score_index.change, iteration_id, change))


def remove_of_images(context: Context, session: Session, numbers: Collection[int] | Select[Any]) -> None:
    """Delete the suggestions for images that are tagged now, or deleted."""
    remove(context, session, [col(Suggestion.image_number).in_(numbers)])


def table(context: Context, iteration_id: str) -> ScoreTable:
    """The table of scores of the suggestions of an iteration."""
    with context.database.read() as session:
        columns: list[Any] = [
            Suggestion.image_number,
            Suggestion.created,
            Suggestion.uncertainty,
            json_text(col(Suggestion.predictions)),
        ]
        statement = select_columns(*columns).where(col(Suggestion.iteration_id) == iteration_id)
        found: Iterable[Any] = session.execute(statement)
        rows = (
            _scores_of(number, created, uncertainty, orjson.loads(predictions))
            for number, created, uncertainty, predictions in found
        )
        return ScoreTable(("uncertainty",), rows)


def _scores_of(
    number: int, created: datetime, uncertainty: float, predictions: Sequence[dict[str, Any]]
) -> ScoredRow:
    scores = [(item["tagId"], item["probability"]) for item in predictions]
    return ScoredRow(number, microseconds(created), uncertainty, scores)
