"""The fifth migration on jobs of the fourth schema."""

from pathlib import Path

from sqlmodel import Session, select

from emulator.store.database import FILE_NAME
from emulator.store.sqlite import SqliteDatabase
from emulator.store.tables import Iteration, Job, JobKind, Project
from tests.store.test_database import schema
from tests.support.old_schema import write_database

_ROWS = (
    """
    INSERT INTO project (id, name, description, domain_id, classification_type, target_export_platforms,
        use_negative_set, augmentation_methods, created, last_modified, status, revision, next_iteration,
        new_iteration_created, image_count, tagged_count)
    VALUES ('p', 'x', '', 'd', 'Multiclass', '[]', 1, '{}', 1, 1, 'Succeeded', 3, 2, 1, 0, 0)
    """,
    """
    INSERT INTO iteration (id, project_id, number, name, status, created, last_modified, revision, exportable,
        training_type, reserved_budget_in_hours, training_time_in_minutes)
    VALUES ('i', 'p', 1, 'Iteration 1', 'Training', 1, 1, 2, 0, 'Regular', 0, 1)
    """,
    """
    INSERT INTO job (id, kind, iteration_id, created, attempts, progress, step, project_id, details)
    VALUES ('a', 'training', 'i', 5, 2, 0.0, 'Waiting', NULL, NULL),
        ('b', 'import', NULL, 6, 0, 0.0, 'Waiting', 'p', '{"token": "t"}')
    """,
)


def test_jobs_lose_their_columns_of_progress_and_nothing_else(tmp_path: Path) -> None:
    write_database(tmp_path, "0004", _ROWS)
    assert {"progress", "step"} <= schema(tmp_path / FILE_NAME)["job"]["columns"].keys()
    database = SqliteDatabase(tmp_path)
    session: Session
    with database.read() as session:
        jobs = session.exec(select(Job).order_by(Job.id)).all()
    with database.write() as session:
        session.delete(session.get_one(Iteration, "i"))
        session.delete(session.get_one(Project, "p"))
    with database.read() as session:
        left = session.exec(select(Job)).all()
    database.close()
    found = [(job.kind, job.iteration_id, job.attempts, job.project_id, job.details) for job in jobs]
    assert found == [
        (JobKind.TRAINING, "i", 2, None, None),
        (JobKind.IMPORT, None, 0, "p", {"token": "t"}),
    ]
    assert left == []  # they are still deleted with their iteration or project
    assert not {"progress", "step"} & schema(tmp_path / FILE_NAME)["job"]["columns"].keys()
