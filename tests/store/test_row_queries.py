"""Rows without objects of the ORM: the values of objects, errors of SQLAlchemy, and no wait for others."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import bindparam
from sqlmodel import SQLModel, col

from emulator.store.database import Database, DatabaseDamaged
from emulator.store.row_queries import rows_of
from emulator.store.sqlite import SqliteDatabase
from emulator.store.tables import Image, Iteration, Project, Tag
from tests.store.test_database import NOW, project
from tests.support.harness import PATIENCE_SECONDS
from tests.support.postgresql import HOW_TO_GET_PSYCOPG, server

ALL_CONNECTIONS = 32
ROWS: list[SQLModel] = [
    project("p", "Äpfel '\"%s"),
    Tag(id="t", project_id="p", name="x", born=1),
    Tag(id="u", project_id="p", name="y", description="d", type="Negative", born=2, removed=3, image_count=7),
    Image(
        id="i",
        project_id="p",
        blob="b",
        size=2**40,
        width=1,
        height=1,
        created=NOW,
        born=1,
        metadata_={"k": "v"},
    ),
    Iteration(
        id="a",
        project_id="p",
        number=1,
        name="1",
        status="Training",
        created=NOW,
        last_modified=NOW,
        revision=1,
    ),
    Iteration(
        id="b",
        project_id="p",
        number=2,
        name="2",
        status="Completed",
        created=NOW + timedelta(microseconds=1),
        last_modified=NOW,
        trained_at=NOW,
        revision=1,
        exportable=True,
        selected_tags=["t"],
        training_report={"a": [1.5, None]},
    ),
]


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "SQLite":
        sqlite = SqliteDatabase(tmp_path)
        yield sqlite
        sqlite.close()
        return
    pytest.importorskip("psycopg", reason=HOW_TO_GET_PSYCOPG)
    from emulator.store.postgresql import PostgresqlDatabase

    url = server().new_database()
    opened = PostgresqlDatabase(url)
    yield opened
    opened.close()
    server().drop(url)


@pytest.mark.parametrize("table", [Project, Tag, Image, Iteration])
def test_rows_have_the_values_and_properties_of_objects(database: Database, table: type[Any]) -> None:
    stored = [row for row in ROWS if type(row) is table]
    with database.write() as session:
        if table is not Project:
            session.add(project("p"))
            session.flush()
        session.add_all([table(**row.model_dump()) for row in stored])
    found = database.rows(rows_of(table, lambda all_of: all_of.order_by(table.id)))
    columns = [name for name in table.model_fields if not (table is Image and name == "number")]
    properties = [name for name, value in vars(table).items() if isinstance(value, property)]
    for name in columns + properties:
        assert [getattr(row, name) for row in found] == [getattr(row, name) for row in stored], name


def test_values_of_parameters_are_no_sql(database: Database) -> None:
    with database.write() as session:
        session.add(project("it's"))
    query = rows_of(Project, lambda all_of: all_of.where(col(Project.id) == bindparam("id")))
    assert [row.id for row in database.rows(query, id="it's")] == ["it's"]
    assert database.rows(query, id="' OR ''='") == []


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[SqliteDatabase]:
    made = SqliteDatabase(tmp_path)
    yield made
    made.close()


EVERY_PROJECT = rows_of(Project, lambda all_of: all_of)


def test_rows_are_read_while_all_other_connections_are_in_use(sqlite: SqliteDatabase) -> None:
    with ExitStack() as stack:
        for _ in range(ALL_CONNECTIONS):
            stack.enter_context(sqlite.read()).connection()
        found: list[Any] = []
        reader = threading.Thread(target=lambda: found.append(sqlite.rows(EVERY_PROJECT)), daemon=True)
        reader.start()
        reader.join(PATIENCE_SECONDS)
        assert found == [[]]


def test_rows_are_those_of_the_last_commit_while_another_thread_writes(sqlite: SqliteDatabase) -> None:
    is_written, may_commit = threading.Event(), threading.Event()

    def write() -> None:
        with sqlite.write() as session:
            session.add(project("p"))
            session.flush()
            is_written.set()
            may_commit.wait(PATIENCE_SECONDS)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    assert is_written.wait(PATIENCE_SECONDS)
    assert sqlite.rows(EVERY_PROJECT) == []
    may_commit.set()
    writer.join(PATIENCE_SECONDS)
    assert [row.id for row in sqlite.rows(EVERY_PROJECT)] == ["p"]


def test_errors_are_those_of_sessions(sqlite: SqliteDatabase) -> None:
    with sqlite.write() as session:
        session.connection().exec_driver_sql("ALTER TABLE tag RENAME TO other")
    with pytest.raises(DatabaseDamaged, match="no such table"):
        sqlite.rows(rows_of(Tag, lambda all_of: all_of))


def test_a_value_that_is_no_json_shows_damage(sqlite: SqliteDatabase) -> None:
    with sqlite.write() as session:
        session.add(project("p"))
        session.flush()
        session.connection().exec_driver_sql("UPDATE project SET augmentation_methods = '{'")
    with pytest.raises(DatabaseDamaged):
        sqlite.rows(EVERY_PROJECT)
    assert sqlite.damage is not None
