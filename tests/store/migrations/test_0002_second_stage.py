"""The second migration on rows of the first schema."""

import sqlite3
from pathlib import Path

from sqlalchemy import create_engine
from sqlmodel import Session, select

from emulator.store import migrations
from emulator.store.database import FILE_NAME
from emulator.store.sqlite import SqliteDatabase
from emulator.store.tables import Project, StoredPrediction

_PROJECT = """
INSERT INTO project (id, name, description, domain_id, classification_type, target_export_platforms,
    use_negative_set, augmentation_methods, created, last_modified, status, revision, next_iteration,
    new_iteration_created, image_count, tagged_count)
VALUES ('p', 'x', '', 'domain of now', 'Multiclass', '[]', 1, '{}', 1, 1, 'Succeeded', 3, 2, 1, 0, 0)
"""
_ITERATION = """
INSERT INTO iteration (id, project_id, number, name, status, created, last_modified, revision, exportable,
    domain_id, training_type, reserved_budget_in_hours, training_time_in_minutes)
VALUES ('i', 'p', 1, 'Iteration 1', 'Completed', 1, 1, 2, 0, 'domain of then', 'Regular', 0, 1)
"""
_PREDICTIONS = """
INSERT INTO stored_prediction (number, id, project_id, iteration_id, created, blob, predictions)
VALUES (1, 'a', 'p', 'i', 5, 'b', '[]'), (2, 'c', 'p', 'deleted', 6, 'b', '[]')
"""


def test_stored_predictions_get_their_domain(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / FILE_NAME}")
    migrations.upgrade(engine, "0001")
    engine.dispose()
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    for statement in (_PROJECT, _ITERATION, _PREDICTIONS):
        connection.execute(statement)
    connection.commit()
    connection.close()
    database = SqliteDatabase(tmp_path)
    session: Session
    with database.read() as session:
        rows = session.exec(select(StoredPrediction).order_by(StoredPrediction.id)).all()
        project = session.get(Project, "p")
    database.close()
    assert [(row.domain_id, row.uncertainty) for row in rows] == [
        ("domain of then", 0.0),
        ("domain of now", 0.0),
    ]
    assert project is not None
    assert (project.metadata_revision, project.revision) == (0, 3)
