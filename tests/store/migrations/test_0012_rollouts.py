"""The twelfth migration on a published iteration of the eleventh schema."""

from pathlib import Path

from sqlmodel import Session, select

from emulator.store.database import FILE_NAME
from emulator.store.rollout_tables import FormerPublication, Rollout, RolloutMode
from emulator.store.sqlite import SqliteDatabase
from emulator.store.tables import Iteration, Project, moment
from tests.store.test_database import schema
from tests.support.old_schema import write_database

_TABLES = {"rollout", "former_publication"}
_ROWS = (
    """
    INSERT INTO project (id, name, description, domain_id, classification_type, target_export_platforms,
        use_negative_set, augmentation_methods, created, last_modified, status, revision, next_iteration,
        new_iteration_created, image_count, tagged_count)
    VALUES ('p', 'x', '', 'd', 'Multiclass', '[]', 1, '{}', 1, 1, 'Succeeded', 3, 2, 1, 1, 0)
    """,
    """
    INSERT INTO iteration (id, project_id, number, name, status, created, last_modified, revision, exportable,
        training_type, reserved_budget_in_hours, training_time_in_minutes, publish_name)
    VALUES ('i', 'p', 1, 'Iteration 1', 'Completed', 1, 1, 3, 0, 'Regular', 0, 1, 'live')
    """,
)


def test_names_stay_published_and_roll_outs_belong_to_projects(tmp_path: Path) -> None:
    write_database(tmp_path, "0011", _ROWS)
    assert not _TABLES & schema(tmp_path / FILE_NAME).keys()
    database = SqliteDatabase(tmp_path)
    session: Session
    with database.write() as session:
        published = session.exec(select(Iteration)).one().publish_name
        now = moment(5)
        session.add(
            Rollout(
                id="r",
                project_id="p",
                publish_name="live",
                current_id="i",
                candidate_id="j",
                mode=RolloutMode.SHADOW,
                started=now,
                last_modified=now,
                figures={},
            )
        )
        session.add(FormerPublication(project_id="p", publish_name="old", iteration_id="i", resource_id="x"))
    counts = []
    for table, key in ((Iteration, "i"), (Project, "p")):
        with database.write() as session:
            session.delete(session.get_one(table, key))
        with database.read() as session:
            counts.append([len(session.exec(select(one)).all()) for one in (FormerPublication, Rollout)])
    database.close()
    assert published == "live"
    assert counts == [[0, 1], [0, 0]]
