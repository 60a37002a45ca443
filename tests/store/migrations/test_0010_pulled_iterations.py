"""The tenth migration on an iteration of the ninth schema."""

from pathlib import Path

from sqlmodel import Session, select

from emulator.store.database import FILE_NAME
from emulator.store.sqlite import SqliteDatabase
from emulator.store.tables import Iteration, PerformanceRecord
from tests.store.test_database import schema
from tests.support.old_schema import write_database

_ROWS = (
    """
    INSERT INTO project (id, name, description, domain_id, classification_type, target_export_platforms,
        use_negative_set, augmentation_methods, created, last_modified, status, revision, next_iteration,
        new_iteration_created, image_count, tagged_count)
    VALUES ('p', 'x', '', 'd', 'Multiclass', '[]', 1, '{}', 1, 1, 'Succeeded', 3, 2, 1, 1, 0)
    """,
    """
    INSERT INTO iteration (id, project_id, number, name, status, created, last_modified, revision, exportable,
        training_type, reserved_budget_in_hours, training_time_in_minutes, evaluation_blob)
    VALUES ('i', 'p', 1, 'Iteration 1', 'Completed', 1, 1, 3, 0, 'Regular', 0, 1, 'b')
    """,
)


def test_older_iterations_were_trained_here_and_records_are_deleted_with_theirs(tmp_path: Path) -> None:
    write_database(tmp_path, "0009", _ROWS)
    assert "performance_record" not in schema(tmp_path / FILE_NAME)
    database = SqliteDatabase(tmp_path)
    session: Session
    with database.write() as session:
        iteration = session.exec(select(Iteration)).one()
        was_trained_here = not iteration.is_pulled and not iteration.is_imported
        session.add(PerformanceRecord(iteration_id="i", threshold=0.5, figures={"total": [], "tags": {}}))
    with database.write() as session:
        session.delete(session.exec(select(Iteration)).one())
    with database.read() as session:
        left = session.exec(select(PerformanceRecord)).all()
    database.close()
    assert was_trained_here
    assert left == []
