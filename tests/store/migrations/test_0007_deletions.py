"""The seventh migration on a data folder of the sixth schema."""

from pathlib import Path

from sqlmodel import Session, select

from emulator.store.database import FILE_NAME
from emulator.store.sqlite import SqliteDatabase
from emulator.store.tables import Deletion, Image, Project, moment
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
    INSERT INTO image (number, id, project_id, blob, size, width, height, created, born, tag_count)
    VALUES (7, 'i', 'p', 'b', 1, 2, 3, 4, 1, 0)
    """,
)


def test_images_stay_and_deletions_can_be_kept(tmp_path: Path) -> None:
    write_database(tmp_path, "0006", _ROWS)
    assert "deletion" not in schema(tmp_path / FILE_NAME)
    database = SqliteDatabase(tmp_path)
    session: Session
    with database.write() as session:
        assert session.exec(select(Image.number)).all() == [7]
        session.add(
            Deletion(
                kind="image",
                object_id="j",
                project_id="p",
                deleted=moment(5),
                blob="c",
                content={"number": 8},
            )
        )
    with database.read() as session:
        (kept,) = session.exec(select(Deletion)).all()
    with database.write() as session:
        session.delete(session.get_one(Project, "p"))
    with database.read() as session:
        left = session.exec(select(Deletion)).all()
    database.close()
    assert (kept.object_id, kept.deleted, kept.content) == ("j", moment(5), {"number": 8})
    assert left == []
