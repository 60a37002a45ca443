"""The thirteenth migration on a project and a month of the twelfth schema."""

from pathlib import Path

from sqlmodel import Session, select

from emulator.store.database import FILE_NAME
from emulator.store.resource_tables import AccessKey, Resource
from emulator.store.sqlite import SqliteDatabase
from emulator.store.tables import DEFAULT_RESOURCE, Project, Usage
from tests.store.test_database import schema
from tests.support.old_schema import write_database

_ROWS = (
    """
    INSERT INTO project (id, name, description, domain_id, classification_type, target_export_platforms,
        use_negative_set, augmentation_methods, created, last_modified, status, revision, next_iteration,
        new_iteration_created, image_count, tagged_count)
    VALUES ('p', 'x', '', 'd', 'Multiclass', '[]', 1, '{}', 1, 1, 'Succeeded', 3, 2, 1, 1, 0)
    """,
    "INSERT INTO usage (month, predictions) VALUES ('2026-02', 7), ('2026-03', 5)",
)


def test_what_there_was_belongs_to_the_default_resource(tmp_path: Path) -> None:
    write_database(tmp_path, "0012", _ROWS)
    assert not {"resource", "access_key"} & schema(tmp_path / FILE_NAME).keys()
    database = SqliteDatabase(tmp_path)
    session: Session
    with database.read() as session:
        project = session.exec(select(Project)).one()
        usage = session.exec(select(Usage).order_by(Usage.month)).all()
        added = [*session.exec(select(Resource)), *session.exec(select(AccessKey))]
    database.close()
    assert project.resource == DEFAULT_RESOURCE
    assert [(one.month, one.resource, one.predictions) for one in usage] == [
        ("2026-02", DEFAULT_RESOURCE, 7),
        ("2026-03", DEFAULT_RESOURCE, 5),
    ]
    assert added == []
