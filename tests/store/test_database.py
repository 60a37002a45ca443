"""The database: durable settings, one writer, and migrations that end in the schema of a new database."""

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlmodel import select

from emulator.app import create_app
from emulator.settings import StartRefused
from emulator.store import migrations
from emulator.store import sqlite as sqlite_module
from emulator.store.database import (
    FILE_NAME,
    SCHEMA_REVISION,
    Database,
    DatabaseRefused,
    SchemaTooNew,
    StorageFull,
)
from emulator.store.sqlite import SqliteDatabase
from emulator.store.tables import Project, StoredPrediction, Tag
from tests.support.fakes import TestClock
from tests.support.harness import database_rows, test_settings

NOW = TestClock().time


@pytest.fixture
def database(tmp_path: Path) -> Any:
    made = SqliteDatabase(tmp_path)
    yield made
    made.close()


def project(id: str, name: str = "x") -> Project:
    return Project(
        id=id,
        name=name,
        description="",
        domain_id="d",
        classification_type="Multilabel",
        target_export_platforms=[],
        augmentation_methods={},
        created=NOW,
        last_modified=NOW,
        new_iteration_created=NOW,
    )


def schema(path: Path) -> dict[str, Any]:
    """Columns, indexes and foreign keys of every table, as SQLite reports them."""
    connection = sqlite3.connect(path)
    try:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found: dict[str, Any] = {}
        for table in sorted(tables):
            indexes = {}
            for _, name, unique, origin, partial in connection.execute(f"PRAGMA index_list({table})"):
                columns = [row[2] for row in connection.execute(f"PRAGMA index_info('{name}')")]
                text = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (name,)).fetchone()[
                    0
                ]
                where = None if text is None else text.upper().partition(" WHERE ")[2]
                indexes[name] = (columns, unique, origin, partial, where)
            found[table] = {
                "columns": {row[1]: row[2:] for row in connection.execute(f"PRAGMA table_info({table})")},
                "indexes": indexes,
                "keys": sorted(row[2:] for row in connection.execute(f"PRAGMA foreign_key_list({table})")),
                "autoincrement": "AUTOINCREMENT"
                in connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,))
                .fetchone()[0]
                .upper(),
            }
        return found
    finally:
        connection.close()


def serve(folder: Path) -> subprocess.CompletedProcess[str]:
    """Start the program on a data folder that it must refuse."""
    command = [sys.executable, "-m", "emulator", "serve", "--port", "0", "--data", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


# --- migrations ---------------------------------------------------------------------------------------------


def test_schema_revision_is_the_newest_migration() -> None:
    assert migrations.head() == SCHEMA_REVISION


def test_migrations_from_nothing_end_in_the_schema_of_a_new_database(tmp_path: Path) -> None:
    for name in ("new", "migrated"):
        (tmp_path / name).mkdir()
    SqliteDatabase(tmp_path / "new").close()
    engine = create_engine(f"sqlite:///{tmp_path / 'migrated' / FILE_NAME}")
    migrations.upgrade(engine)
    engine.dispose()
    new, migrated = (schema(tmp_path / name / FILE_NAME) for name in ("new", "migrated"))
    assert set(new) >= {"project", "tag", "image", "image_tag", "iteration", "job", "stored_prediction"}
    for table in new:
        assert migrated[table] == new[table], table
    assert set(migrated) == set(new)
    marks = [
        database_rows(tmp_path / name, "SELECT version_num FROM alembic_version")
        for name in ("new", "migrated")
    ]
    assert marks == [[(SCHEMA_REVISION,)]] * 2


def test_an_older_database_is_migrated_when_it_is_opened(tmp_path: Path) -> None:
    SqliteDatabase(tmp_path).close()
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    connection.execute("UPDATE alembic_version SET version_num = '0001'")
    connection.commit()
    connection.close()
    migrated = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrations, "upgrade", lambda engine: migrated.append(str(engine.url)))
        SqliteDatabase(tmp_path).close()
        patch.setattr(sqlite_module, "SCHEMA_REVISION", "0001")
        SqliteDatabase(tmp_path).close()
    assert migrated == [f"sqlite:///{tmp_path / FILE_NAME}"]


def test_a_file_that_is_no_database_is_refused_in_one_line_and_not_changed(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"no database " * 1000)
    ran = serve(tmp_path)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert len(ran.stderr.strip().splitlines()) == 1
    assert str(tmp_path) in ran.stderr
    assert (tmp_path / FILE_NAME).read_bytes() == b"no database " * 1000


def test_opening_again_keeps_what_is_there(tmp_path: Path) -> None:
    for number in range(3):
        opened = SqliteDatabase(tmp_path)
        with opened.write() as session:
            session.add(project(str(number)))
        opened.close()
    assert database_rows(tmp_path, "SELECT count(*) FROM project") == [(3,)]


def test_a_database_of_a_newer_program_is_refused_and_not_changed(tmp_path: Path) -> None:
    SqliteDatabase(tmp_path).close()
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    with pytest.raises(SchemaTooNew, match="newer version of this program"):
        SqliteDatabase(tmp_path)
    with pytest.raises(StartRefused, match="schema 9999"):
        create_app(test_settings(tmp_path))
    ran = serve(tmp_path)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert len(ran.stderr.strip().splitlines()) == 1
    assert "newer version" in ran.stderr
    assert database_rows(tmp_path, "SELECT version_num FROM alembic_version") == [("9999",)]


@pytest.mark.parametrize("mark", ["", "0000", "abc", "1", "00005", 5, b"\xff", None])
def test_an_unknown_schema_mark_is_refused(tmp_path: Path, mark: Any) -> None:
    SqliteDatabase(tmp_path).close()
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    connection.execute("DROP TABLE alembic_version")
    connection.execute("CREATE TABLE alembic_version (version_num)")
    connection.execute("INSERT INTO alembic_version VALUES (?)", (mark,))
    connection.commit()
    connection.close()
    with pytest.raises(DatabaseRefused, match="not a database of this program") as refused:
        SqliteDatabase(tmp_path)
    assert f"(the number of its schema is {mark!r})" in str(refused.value)
    with pytest.raises(StartRefused):
        create_app(test_settings(tmp_path))
    assert database_rows(tmp_path, "SELECT version_num FROM alembic_version") == [(mark,)]


def test_a_database_without_a_schema_mark_is_refused_in_one_line(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    connection.execute("CREATE TABLE of_another_program (a)")
    connection.close()
    ran = serve(tmp_path)
    assert (ran.returncode, ran.stdout) == (1, "")
    (line,) = ran.stderr.strip().splitlines()
    assert "not a database of this program (the number of its schema is missing)" in line


# --- reading and writing ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pragma", "value"), [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)]
)
def test_settings_of_every_connection(database: Database, pragma: str, value: Any) -> None:
    with database.read() as session:
        assert session.connection().exec_driver_sql(f"PRAGMA {pragma}").scalar() == value


def test_moments_are_exact(database: Database) -> None:
    with database.write() as session:
        session.add(project("a"))
    with database.read() as session:
        assert session.get(Project, "a").created == NOW  # type: ignore[union-attr]


def test_nothing_of_a_transaction_that_fails_is_kept(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.write() as session:
        session.add(project("a"))
        session.flush()
        raise ZeroDivisionError
    with database.read() as session:
        assert session.get(Project, "a") is None


def test_a_reader_reads_one_snapshot(database: Database) -> None:
    with database.read() as reader:
        assert reader.exec(select(Project)).all() == []
        with database.write() as writer:
            writer.add(project("a"))
        assert reader.exec(select(Project)).all() == []
    with database.read() as reader:
        assert len(reader.exec(select(Project)).all()) == 1


def test_writers_queue(database: Database) -> None:
    with database.write() as session:
        session.add(project("a"))

    def count_up() -> None:
        for _ in range(25):
            with database.write() as session:
                row = session.get(Project, "a")
                assert row is not None
                row.revision += 1
                session.add(row)

    threads = [threading.Thread(target=count_up) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as session:
        assert session.get(Project, "a").revision == 200  # type: ignore[union-attr]


@pytest.mark.parametrize("session_of", ["read", "write"])
def test_a_result_that_was_not_read_to_its_end_locks_nothing(database: Database, session_of: str) -> None:
    with database.write() as session:
        session.add_all(project(str(number)) for number in range(100))
    kept = []
    for round_ in range(5):
        # Consecutive sessions use one connection, and the cursor must not leave it in an old snapshot.
        with getattr(database, session_of)() as session:
            result = session.connection().exec_driver_sql("SELECT id FROM project")
            kept.append((result, next(iter(result))))
        other = sqlite3.connect(database.path)
        other.execute("UPDATE project SET name = 'by another connection'")
        other.commit()
        assert other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0, "somebody still reads"
        other.close()
        with database.write() as session:
            found = session.get_one(Project, "1")
            assert found.name == "by another connection"
            found.name = f"round {round_}"
    assert len(kept) == 5


def test_rows_are_deleted_with_their_project(database: Database) -> None:
    with database.write() as session:
        session.add(project("a"))
        session.flush()
        session.add(Tag(id="t", project_id="a", name="t", born=1))
        session.add(
            StoredPrediction(id="p", project_id="a", iteration_id="i", created=NOW, blob="b", predictions=[])
        )
    with database.write() as session:
        session.delete(session.get(Project, "a"))
    with database.read() as session:
        assert session.exec(select(Tag)).all() == []
        assert session.exec(select(StoredPrediction)).all() == []


def test_clearing(database: Database) -> None:
    with database.write() as session:
        session.add(project("a"))
    database.clear()
    with database.read() as session:
        assert session.exec(select(Project)).all() == []
    database.check()


def test_a_full_disk(database: Database) -> None:
    with database.read() as session:
        pages = session.connection().exec_driver_sql("PRAGMA page_count").scalar()
    with pytest.raises(StorageFull), database.write() as session:
        session.connection().exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        for number in range(200):
            session.add(project(str(number), "x" * 1000))
        session.flush()
    database.check()
    with database.read() as session:
        assert session.exec(select(Project)).all() == []
