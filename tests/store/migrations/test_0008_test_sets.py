"""The eighth migration on a data folder of the seventh schema."""

from pathlib import Path

from sqlmodel import Session, select

from emulator.store.database import FILE_NAME
from emulator.store.sqlite import SqliteDatabase
from emulator.store.tables import Image, Iteration, Project, Tag, moment
from emulator.store.test_set_tables import TestEvaluation, TestImage, TestLabel, TestSet
from tests.store.test_database import schema
from tests.support.old_schema import write_database

_TABLES = {"test_set", "test_image", "test_label", "test_evaluation"}
_ROWS = (
    """
    INSERT INTO project (id, name, description, domain_id, classification_type, target_export_platforms,
        use_negative_set, augmentation_methods, created, last_modified, status, revision, next_iteration,
        new_iteration_created, image_count, tagged_count)
    VALUES ('p', 'x', '', 'd', 'Multiclass', '[]', 1, '{}', 1, 1, 'Succeeded', 3, 2, 1, 1, 0)
    """,
    """
    INSERT INTO image (number, id, project_id, blob, size, width, height, created, born, tag_count)
    VALUES (7, 'i', 'p', 'b', 1, 2, 3, 4, 1, 0)
    """,
    """
    INSERT INTO tag (id, project_id, name, type, born, image_count)
    VALUES ('t', 'p', 'red', 'Regular', 1, 0)
    """,
    """
    INSERT INTO iteration (id, project_id, number, name, status, created, last_modified, revision, exportable,
        training_type, reserved_budget_in_hours, training_time_in_minutes)
    VALUES ('n', 'p', 1, 'Iteration 1', 'Completed', 1, 1, 2, 0, 'Regular', 0, 0)
    """,
)


def test_rows_stay_and_test_sets_belong_to_them(tmp_path: Path) -> None:
    write_database(tmp_path, "0007", _ROWS)
    assert not _TABLES & schema(tmp_path / FILE_NAME).keys()
    database = SqliteDatabase(tmp_path)
    session: Session
    with database.write() as session:
        assert session.exec(select(Image.number)).all() == [7]
        now = moment(5)
        session.add(TestSet(id="s", project_id="p", name="x", created=now, last_modified=now))
        session.flush()
        image = TestImage(id="j", test_set_id="s", blob="c", size=1, width=2, height=3, created=now)
        session.add_all((image, TestLabel(image=image, tag_id="t")))
        session.add(TestEvaluation(id="e", test_set_id="s", iteration_id="n", created=now))
    counts = []
    for table, key in ((Iteration, "n"), (Tag, "t"), (Project, "p")):
        with database.write() as session:
            session.delete(session.get_one(table, key))
        with database.read() as session:
            rows = (
                session.exec(select(one)).all() for one in (TestEvaluation, TestLabel, TestImage, TestSet)
            )
            counts.append([len(found) for found in rows])
    database.close()
    assert counts == [[0, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 0]]
