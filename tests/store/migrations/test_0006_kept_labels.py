"""The sixth migration on images of the fifth schema."""

from datetime import UTC, datetime
from pathlib import Path

from sqlmodel import Session, select

from emulator.store.database import FILE_NAME
from emulator.store.sqlite import SqliteDatabase
from emulator.store.tables import Image, KeptLabels
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
    VALUES (7, 'i', 'p', 'b', 1, 1, 1, 5, 1, 0)
    """,
)


def test_labels_of_older_images_can_be_confirmed(tmp_path: Path) -> None:
    write_database(tmp_path, "0005", _ROWS)
    assert "kept_labels" not in schema(tmp_path / FILE_NAME)
    database = SqliteDatabase(tmp_path)
    session: Session
    with database.write() as session:
        session.add(KeptLabels(image_number=7, labels="digest", created=datetime(2026, 1, 2, tzinfo=UTC)))
    with database.read() as session:
        kept = session.exec(select(KeptLabels)).one()
    with database.write() as session:
        session.delete(session.exec(select(Image)).one())
    with database.read() as session:
        left = session.exec(select(KeptLabels)).all()
    database.close()
    assert (kept.image_number, kept.labels) == (7, "digest")
    assert left == []  # deleted with its image
