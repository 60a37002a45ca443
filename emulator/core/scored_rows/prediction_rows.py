"""Adding and deleting rows of stored predictions, with the score index updated after each commit."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import orjson
from sqlalchemy import ColumnElement
from sqlalchemy import delete as delete_rows
from sqlalchemy import insert as insert_rows
from sqlalchemy import select as select_columns
from sqlmodel import Session, col

from emulator.core.caches.score_index import ScoredRow, ScoreTable
from emulator.core.context import Context
from emulator.core.new_prediction import NewPrediction
from emulator.store.database import note_scores, when_committed
from emulator.store.expressions import json_text
from emulator.store.tables import StoredPrediction, microseconds


def add(context: Context, session: Session, predictions: Sequence[NewPrediction]) -> None:
    """Add predictions."""
    if not predictions:
        return
    # Not by the unit of work of the session, which takes several times as long.
    table: Any = StoredPrediction
    statement = insert_rows(table.__table__).returning(table.id, table.number)
    found = session.connection().execute(statement, [prediction._asdict() for prediction in predictions])
    numbers: dict[str, int] = dict(found.all())
    note_scores(session)
    context.kept_predictions.changed(len(predictions))
    for prediction in predictions:
        change = partial(ScoreTable.add, row=_scored(prediction, numbers[prediction.id]))
        when_committed(session, partial(context.score_index.change, prediction.project_id, change))


def remove(context: Context, session: Session, which: Sequence[ColumnElement[bool]]) -> set[str]:
    """Delete the predictions that fulfil `which`; returns the blobs of their images."""
    statement = (
        delete_rows(StoredPrediction)
        .where(*which)
        .returning(col(StoredPrediction.project_id), col(StoredPrediction.number), col(StoredPrediction.blob))
    )
    gone = session.execute(statement, execution_options={"synchronize_session": False}).all()
    context.kept_predictions.changed(-len(gone))
    for project_id, number, _ in gone:
        change = partial(ScoreTable.remove, number=number)
        note_scores(session)
        when_committed(session, partial(context.score_index.change, project_id, change))
    return {blob for _, _, blob in gone}


def with_ids(project_id: str, prediction_ids: Collection[str]) -> list[ColumnElement[bool]]:
    """The conditions that a prediction belongs to the project and has one of these ids."""
    return [
        col(StoredPrediction.project_id) == project_id,
        col(StoredPrediction.id).in_(set(prediction_ids)),
    ]


def table(context: Context, project_id: str) -> ScoreTable:
    """The table of scores of the stored predictions of a project."""
    with context.database.read() as session:
        columns: list[Any] = [
            StoredPrediction.number,
            StoredPrediction.created,
            StoredPrediction.uncertainty,
            StoredPrediction.iteration_id,
            StoredPrediction.application,
            json_text(col(StoredPrediction.predictions)),
        ]
        statement = (
            select_columns(*columns)
            .where(col(StoredPrediction.project_id) == project_id)
            .order_by(col(StoredPrediction.number))
        )
        found: Iterable[Any] = session.execute(statement)
        rows = (
            _row(number, created, uncertainty, iteration, application, orjson.loads(predictions))
            for number, created, uncertainty, iteration, application, predictions in found
        )
        return ScoreTable(("created", "uncertainty"), rows)


def _scored(prediction: NewPrediction, number: int) -> ScoredRow:
    return _row(
        number,
        prediction.created,
        prediction.uncertainty,
        prediction.iteration_id,
        prediction.application,
        prediction.predictions,
    )


def _row(
    number: int,
    created: datetime,
    uncertainty: float,
    iteration_id: str,
    application: str | None,
    predictions: Sequence[dict[str, Any]],
) -> ScoredRow:
    return ScoredRow(
        number,
        microseconds(created),
        uncertainty,
        [(item["tagId"], item["probability"]) for item in predictions],
        (("iteration", iteration_id), ("application", application)),
    )
