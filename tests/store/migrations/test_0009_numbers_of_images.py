"""The ninth migration on a data folder of the eighth schema."""

from pathlib import Path

from sqlalchemy import func
from sqlmodel import Session, SQLModel, select

from emulator.store.sqlite import SqliteDatabase
from emulator.store.tables import Deletion, Image, ImageTag, KeptLabels, Region, Suggestion, moment
from emulator.store.test_set_tables import TestImage, TestLabel
from tests.support.old_schema import write_database

_ROWS = (
    """
    INSERT INTO project (id, name, description, domain_id, classification_type, target_export_platforms,
        use_negative_set, augmentation_methods, created, last_modified, status, revision, next_iteration,
        new_iteration_created, image_count, tagged_count)
    VALUES ('p', 'x', '', 'd', 'Multiclass', '[]', 1, '{}', 1, 1, 'Succeeded', 3, 2, 1, 1, 0)
    """,
    "INSERT INTO tag (id, project_id, name, type, born, image_count) VALUES ('t', 'p', 'x', 'Regular', 1, 1)",
    """
    INSERT INTO image (number, id, project_id, blob, size, width, height, created, metadata, born, tag_count)
    VALUES (3, 'h', 'p', 'a', 1, 2, 3, 4, NULL, 1, 1), (7, 'i', 'p', 'b', 1, 2, 3, 4, '{"a": "b"}', 1, 0)
    """,
    "INSERT INTO image_tag (number, image_number, tag_id, created, born) VALUES (1, 3, 't', 1, 1)",
    """
    INSERT INTO region (id, image_number, tag_id, "left", top, width, height, created, born)
    VALUES ('r', 3, 't', 0.1, 0.2, 0.3, 0.4, 1, 1)
    """,
    """
    INSERT INTO iteration (id, project_id, number, name, status, created, last_modified, revision, exportable,
        training_type, reserved_budget_in_hours, training_time_in_minutes)
    VALUES ('n', 'p', 1, 'x', 'Training', 1, 1, 1, 0, 'Regular', 0, 0)
    """,
    """
    INSERT INTO suggestion (image_number, iteration_id, created, predictions, uncertainty)
    VALUES (7, 'n', 1, '[]', 0.5)
    """,
    "INSERT INTO kept_labels (image_number, labels, created) VALUES (3, 'x', 1)",
    """
    INSERT INTO test_set (id, project_id, name, created, last_modified, revision, image_count)
    VALUES ('s', 'p', 'x', 1, 1, 0, 1)
    """,
    """
    INSERT INTO test_image (number, id, test_set_id, blob, size, width, height, created)
    VALUES (5, 'j', 's', 'c', 1, 2, 3, 4)
    """,
    "INSERT INTO test_label (image_number, tag_id) VALUES (5, 't')",
    """
    INSERT INTO deletion (kind, object_id, project_id, deleted, blob, content)
    VALUES ('image', 'g', 'p', 5, 'd', '{"number": 8, "created": 1765843200000001, "regions": [[0.1]]}'),
        ('tag', 'u', 'p', 5, NULL, '{"images": [[8, 1]]}')
    """,
)


def _image(number: int | None = None, *, id: str) -> Image:
    return Image(
        id=id, number=number, project_id="p", blob=id, size=1, width=1, height=1, created=moment(1), born=1
    )


def test_all_rows_stay_and_later_numbers_are_new_ones(tmp_path: Path) -> None:
    write_database(tmp_path, "0008", _ROWS)
    database = SqliteDatabase(tmp_path)
    session: Session
    tables: tuple[type[SQLModel], ...] = (
        Image,
        ImageTag,
        Region,
        Suggestion,
        KeptLabels,
        TestImage,
        TestLabel,
    )
    with database.read() as session:
        counts = [session.scalar(select(func.count()).select_from(table)) for table in tables]
        kept = session.exec(select(Image).order_by(Image.number)).all()  # type: ignore[arg-type]
        (deletion,) = session.exec(select(Deletion)).all()
    assert counts == [2, 1, 1, 1, 1, 1, 1]
    assert [(image.number, image.id, image.metadata_) for image in kept] == [
        (3, "h", None),
        (7, "i", {"a": "b"}),
    ]
    assert deletion.content == {"number": None, "created": 1765843200000001, "regions": [[0.1]]}
    for number, image_id in ((8, "k"), (9, "l")):
        with database.write() as session:
            session.add(added := _image(id=image_id))
            session.flush()
            assert added.number == number
            session.delete(added)
    with database.write() as session:  # foreign keys are checked, as in a new database
        for image in session.exec(select(Image)):
            session.delete(image)
    with database.read() as session:
        assert session.exec(select(ImageTag)).all() == []
    database.close()


def test_a_copy_of_rows_does_not_bring_numbers_back(tmp_path: Path) -> None:
    first, second = (tmp_path / name for name in ("first", "second"))
    for folder in (first, second):
        folder.mkdir()
        write_database(folder, "0008", _ROWS)
    database, other = SqliteDatabase(first), SqliteDatabase(second)
    with other.write() as session:
        session.add(_image(20, id="k"))
    with other.write() as session:
        session.delete(session.exec(select(Image).where(Image.id == "k")).one())
    other.copy_to(tmp_path / "copy")
    other.close()
    database.replace_rows(tmp_path / "copy")
    with database.write() as session:
        session.add(added := _image(id="k"))
        session.flush()
        assert added.number == 21
    database.close()
