"""PostgreSQL as the database: one writer in one process, snapshots of readers, copies from and to SQLite."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func
from sqlalchemy.exc import ProgrammingError
from sqlmodel import col, select

from emulator.store.blobs import FolderBlobStore
from emulator.store.database import (
    SCHEMA_REVISION,
    CommitUnknown,
    DatabaseRefused,
    SchemaTooNew,
    StorageFull,
    StoreUnreachable,
    TextRefused,
)
from emulator.store.opening import DataLost, open_server_store, open_store
from emulator.store.postgresql import PostgresqlDatabase
from emulator.store.shared_postgresql import SharedPostgresqlDatabase
from emulator.store.sqlite import SqliteDatabase
from emulator.store.tables import Image, Project
from tests.store.test_database import NOW, project
from tests.support.harness import PATIENCE_SECONDS, wait_until
from tests.support.postgresql import END_AT_COMMIT, HOW_TO_GET_PSYCOPG, Server, execute, server

pytest.importorskip("psycopg", reason=HOW_TO_GET_PSYCOPG)


@pytest.fixture
def address() -> Iterator[str]:
    """The URL of a database with the tables, and without rows."""
    url = server().new_database()
    yield url
    server().drop(url)


@pytest.fixture
def database(address: str) -> Iterator[PostgresqlDatabase]:
    opened = PostgresqlDatabase(address)
    yield opened
    opened.close()


def image(id: str, **values: Any) -> Image:
    given = {"blob": id, "size": 1, "width": 1, "height": 1, "created": NOW, "born": 1} | values
    return Image(id=id, project_id="p", **given)


def dump(path: Path, tables: tuple[str, ...] = ("project", "image", "tag")) -> dict[str, list[Any]]:
    """The rows of tables of an SQLite file, without the number that a restore changes."""
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    try:
        rows = {name: [dict(row) for row in connection.execute(f"SELECT * FROM {name}")] for name in tables}
    finally:
        connection.close()
    for row in rows["project"]:
        del row["metadata_revision"]
    return rows


# --- opening ------------------------------------------------------------------------------------------------


def test_a_new_database_has_the_schema_of_this_version(address: str) -> None:
    empty = server().new_database("TEMPLATE template0")
    PostgresqlDatabase(empty).close()
    columns = (
        "SELECT table_name, column_name, data_type FROM information_schema.columns "
        "WHERE table_schema = 'public' ORDER BY 1, 2"
    )
    found = execute(empty, columns)
    assert ("image", "revision") not in {row[:2] for row in found}
    assert {row[2] for row in found if row[1] in ("number", "revision", "created")} == {"bigint"}
    assert execute(empty, "SELECT version_num FROM alembic_version") == [(SCHEMA_REVISION,)]
    unique = execute(empty, "SELECT indexdef FROM pg_indexes WHERE indexname = 'ix_image_unique'")[0][0]
    assert "UNIQUE" in unique
    assert unique.endswith("WHERE (removed IS NULL)")
    server().drop(empty)


@pytest.mark.parametrize(
    ("statement", "error", "message"),
    [
        ("UPDATE alembic_version SET version_num = '9999'", SchemaTooNew, "newer version"),
        ("DELETE FROM alembic_version", DatabaseRefused, "is missing"),
        ("DROP TABLE alembic_version", DatabaseRefused, "is not a database of this program"),
    ],
)
def test_other_databases_are_refused(
    address: str, statement: str, error: type[Exception], message: str
) -> None:
    execute(address, statement)
    with pytest.raises(error, match=message):
        PostgresqlDatabase(address)


@pytest.mark.parametrize("more", ["ENCODING 'SQL_ASCII'", "LOCALE_PROVIDER icu ICU_LOCALE 'en'"])
def test_another_encoding_or_order_of_texts_is_refused(more: str) -> None:
    url = server().new_database(f"TEMPLATE template0 {more}")
    with pytest.raises(DatabaseRefused, match="CREATE DATABASE name OWNER user TEMPLATE template0"):
        PostgresqlDatabase(url)
    server().drop(url)


def test_the_statement_of_the_page_makes_a_database_that_is_accepted() -> None:
    page = (Path(__file__).parents[2] / "docs" / "team.md").read_text(encoding="utf-8")
    statement = page.partition("```sql\n")[2].partition("```")[0].strip()
    assert statement.startswith("CREATE DATABASE emulator OWNER emulator TEMPLATE")
    url = server().new_database(statement.removeprefix("CREATE DATABASE emulator "))
    PostgresqlDatabase(url).close()
    server().drop(url)


def test_a_user_that_must_not_create_tables_is_refused() -> None:
    url = server().new_database("TEMPLATE template0")
    execute(url, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")  # the default since PostgreSQL 15
    server().execute("CREATE ROLE guest LOGIN")
    try:
        with pytest.raises(DatabaseRefused, match="let the user be the owner of the database") as refused:
            PostgresqlDatabase(url.replace("emulator@", "guest@"))
        assert "guest@/" in str(refused.value)
        assert "permission denied for schema public;" in str(refused.value)
        assert "CREATE" not in str(refused.value)
    finally:
        server().drop(url)
        server().execute("DROP ROLE guest")


def test_a_second_process_is_refused_and_the_first_named(database: PostgresqlDatabase, address: str) -> None:
    with pytest.raises(DatabaseRefused, match=r"is in use by custom-vision-emulator .+:[0-9]+; stop it"):
        PostgresqlDatabase(address)


def test_the_database_is_free_after_the_end_of_its_process(address: str) -> None:
    PostgresqlDatabase(address).close()
    PostgresqlDatabase(address).close()


def test_passwords_are_not_shown() -> None:
    with pytest.raises(StoreUnreachable) as failed:
        PostgresqlDatabase("postgresql://someone:secret@/emulator?host=/nowhere&connect_timeout=3")
    assert "postgresql://someone@/emulator cannot be reached" in str(failed.value)
    assert "secret" not in str(failed.value)


@pytest.mark.parametrize(
    "address", ["mysql://host/name", "postgresql://host", "nothing", "postgresql://h:x/n"]
)
def test_other_urls_are_refused(address: str) -> None:
    with pytest.raises(ValueError, match="must"):
        PostgresqlDatabase(address)


def test_hosts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DatabaseRefused, match="postgresql:///name has hosts or ports that cannot be used"):
        PostgresqlDatabase("postgresql:///name?host=a:1&host=b&port=2&port=3")


# --- transactions -------------------------------------------------------------------------------------------


def test_a_reader_keeps_its_snapshot_while_another_session_writes(database: PostgresqlDatabase) -> None:
    with database.read() as reader:
        assert reader.get(Project, "p") is None
        commits = database.commits
        with database.write() as session:
            session.add(project("p"))
        assert database.commits == commits + 1
        assert reader.exec(select(Project)).all() == []
    with database.read() as reader:
        assert reader.get_one(Project, "p").created == NOW


def test_a_failed_writer_leaves_nothing_and_blocks_nobody(database: PostgresqlDatabase) -> None:
    with pytest.raises(RuntimeError), database.write() as session:
        session.add(project("p"))
        session.flush()
        raise RuntimeError
    with database.write() as session:
        session.add(project("q"))
    with database.read() as session:
        assert session.exec(select(Project.id)).all() == ["q"]


def test_writers_take_turns(database: PostgresqlDatabase) -> None:
    with database.write() as session:
        session.add(project("p"))

    def count() -> None:
        for _ in range(20):
            with database.write() as session:
                session.get_one(Project, "p").revision += 1

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as session:
        assert session.get_one(Project, "p").revision == 80


def test_numbers_have_64_bits(database: PostgresqlDatabase) -> None:
    with database.write() as session:
        session.add(project("p"))
        session.flush()
        session.get_one(Project, "p").metadata_revision = 2**51
    with database.read() as session:
        statement = select(Project.id).where(col(Project.metadata_revision) == 2**51)
        assert session.exec(statement).all() == ["p"]


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("DO $$ BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = '53100'; END $$", StorageFull),
        ("SELECT pg_terminate_backend(pg_backend_pid())", StoreUnreachable),
    ],
)
def test_errors_of_the_server_have_exceptions(
    database: PostgresqlDatabase, statement: str, error: type[Exception]
) -> None:
    with pytest.raises(error), database.write() as session:
        session.connection().exec_driver_sql(statement)
    with database.write() as session:
        session.add(project("p"))


def test_a_text_with_the_character_nul_is_refused(database: PostgresqlDatabase) -> None:
    with pytest.raises(TextRefused, match="NUL"), database.write() as session:
        session.add(project("p", name="a\0b"))
    with database.read() as session:
        assert session.exec(select(Project)).all() == []


def test_a_list_is_no_text(database: PostgresqlDatabase) -> None:
    with pytest.raises(ProgrammingError, match="list cannot be stored"), database.write() as session:
        session.add(project("p", name=["a"]))


def test_a_writer_that_lost_its_connection_to_another_process_cannot_commit(
    database: PostgresqlDatabase, address: str
) -> None:
    with pytest.raises(StoreUnreachable), database.write() as session:
        session.add(project("p"))
        session.flush()
        execute(
            address,
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_locks WHERE locktype = 'advisory' AND granted "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        )
        other = PostgresqlDatabase(address)
    with pytest.raises(DatabaseRefused, match="is in use"), database.write() as session:
        session.add(project("q"))
    with pytest.raises(DatabaseRefused, match="is in use"):
        database.check()
    checked: list[BaseException | None] = []
    with database.exclusively():
        thread = threading.Thread(target=lambda: checked.append(caught(database.check)))
        thread.start()
        thread.join()
    assert isinstance(checked[0], DatabaseRefused)
    with other.read() as session:
        assert session.exec(select(Project)).all() == []
    other.close()
    database.check()
    with database.write() as session:
        session.add(project("q"))


def caught(use: Callable[[], None]) -> BaseException | None:
    try:
        use()
    except DatabaseRefused as error:
        return error
    return None


def test_a_check_does_not_wait_for_a_writer(database: PostgresqlDatabase) -> None:
    with database.write() as session:
        session.add(project("p"))
        session.flush()
        thread = threading.Thread(target=database.check, daemon=True)
        thread.start()
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()


def test_a_connection_that_breaks_at_the_commit_leaves_it_open(
    database: PostgresqlDatabase, address: str
) -> None:
    execute(address, END_AT_COMMIT)
    with pytest.raises(CommitUnknown), database.write() as session:
        session.add(project("p"))
    execute(address, "DROP TRIGGER ends ON project")
    with pytest.raises(StoreUnreachable) as failed, database.write() as session:
        session.connection().exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")
    assert not isinstance(failed.value, CommitUnknown)


def test_a_server_that_comes_back_is_used_again() -> None:
    own = Server()
    try:
        database = PostgresqlDatabase(own.new_database("TEMPLATE template0"))
        with database.write() as session:
            session.add(project("p"))
        own.stop("fast")
        for use in (database.check, database.clear):
            with pytest.raises(StoreUnreachable):
                use()
        own.start()
        database.check()
        with database.write() as session:
            session.get_one(Project, "p").name = "again"
        database.close()
    finally:
        own.remove()


def test_all_connections_of_a_server_tell_that_the_database_is_away(caplog: pytest.LogCaptureFixture) -> None:
    own = Server()
    try:
        database = SharedPostgresqlDatabase(own.new_database("TEMPLATE template0"))
        wait_until(lambda: database.listener.is_listening, "the listener")
        own.stop("fast")
        for _ in range(5):  # also those that were open
            for use in (database.shared.commits, database.shared.free_kinds, database.check):
                with pytest.raises(StoreUnreachable):
                    use()
        database.follow()
        wait_until(lambda: not database.listener.is_listening, "the listener")
        own.start()
        wait_until(lambda: database.listener.is_listening, "the listener")
        assert database.shared.commits() == (0, 0)
        database.close()
    finally:
        own.remove()
    assert [
        record.message for record in caplog.records if record.exc_info or record.levelname == "ERROR"
    ] == []
    assert not any("\n" in record.message for record in caplog.records)


# --- copies -------------------------------------------------------------------------------------------------


def test_copies_to_sqlite_and_back_have_the_same_rows(database: PostgresqlDatabase, tmp_path: Path) -> None:
    original = tmp_path / "sqlite"
    original.mkdir()
    source = SqliteDatabase(original)
    with source.write() as session:
        session.add(project("p", name="Ünïcödé 🙂 \t\\N \\."))
        session.flush()
        session.add(image("first", metadata_={"a": "\\ \x7f", "nul": "\0"}))
        session.add(image("second"))
        session.add(image("third", metadata_=None, removed=4))
        session.add(image("last"))
    with source.write() as session:
        session.delete(session.exec(select(Image).where(Image.id == "last")).one())
    source.copy_to(tmp_path / "first.sqlite")
    source.close()
    database.replace_rows(tmp_path / "first.sqlite")
    database.copy_to(tmp_path / "second.sqlite")
    assert dump(tmp_path / "second.sqlite") == dump(tmp_path / "first.sqlite")
    # The number of the deleted image is not used again, here or after a way back.
    with database.write() as session:
        session.add(image("new"))
    database.copy_to(tmp_path / "third.sqlite")
    (tmp_path / "back").mkdir()
    back = SqliteDatabase(tmp_path / "back")
    back.replace_rows(tmp_path / "third.sqlite")
    with back.write() as session:
        session.add(image("newer"))
    with back.read() as session:
        numbers = dict(session.exec(select(Image.id, Image.number)).all())
    back.close()
    assert numbers["new"] > 4
    assert numbers["newer"] > numbers["new"]


def test_numbers_of_changes_go_on_after_a_restore(database: PostgresqlDatabase, tmp_path: Path) -> None:
    with database.write() as session:
        session.add(project("p"))
    database.copy_to(tmp_path / "copy.sqlite")

    def changes() -> int:
        with database.read() as session:
            return session.exec(select(func.max(Project.metadata_revision + Project.revision))).one() or 0

    found = [changes()]
    for _ in range(3):
        database.replace_rows(tmp_path / "copy.sqlite")
        found.append(changes())
    assert found == sorted(set(found))


def test_rows_that_cannot_be_stored_change_nothing(database: PostgresqlDatabase, tmp_path: Path) -> None:
    with database.write() as session:
        session.add(project("kept"))
    source = SqliteDatabase(tmp_path)
    with source.write() as session:
        session.add(project("p", name="a\0b"))
    source.copy_to(tmp_path / "copy.sqlite")
    source.close()
    with pytest.raises(TextRefused):
        database.replace_rows(tmp_path / "copy.sqlite")
    with database.read() as session:
        assert session.exec(select(Project.id)).all() == ["kept"]


# --- data folders -------------------------------------------------------------------------------------------


def test_a_data_folder_belongs_to_its_database(address: str, tmp_path: Path) -> None:
    store = open_server_store(tmp_path, address)
    blob = store.blobs.put(b"image")
    with store.database.write() as session:
        session.add(project("p"))
        session.flush()
        session.add(image("first", blob=blob))
    store.database.close()
    again = open_server_store(tmp_path, address)
    assert again.blobs.read(blob) == b"image"
    again.database.close()

    with pytest.raises(DatabaseRefused, match="give its URL with --database"):
        open_store(tmp_path)
    other = server().new_database()
    with pytest.raises(DatabaseRefused, match="are in another database"):
        open_server_store(tmp_path, other)
    (tmp_path / "new").mkdir()
    with pytest.raises(DataLost, match="are elsewhere than in"):
        open_server_store(tmp_path / "new", address)
    accepted = open_server_store(tmp_path / "new", address, accept_data_loss=True)
    assert accepted.loss is not None
    accepted.database.close()
    server().drop(other)


def test_folders_with_rows_or_blobs_of_their_own_are_refused(address: str, tmp_path: Path) -> None:
    SqliteDatabase(tmp_path).close()
    with pytest.raises(DatabaseRefused, match="has a database of its own"):
        open_server_store(tmp_path, address)
    FolderBlobStore(tmp_path / "blobs").put(b"image")
    with pytest.raises(DatabaseRefused, match="which names their database"):
        open_server_store(tmp_path / "blobs", address)
