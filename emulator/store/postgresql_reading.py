"""Reading the rows of a database on a server, also while servers use it, and examining it."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import Connection, inspect
from sqlmodel import SQLModel

from emulator.store.database import SCHEMA_REVISION, DatabaseRefused
from emulator.store.postgresql import PostgresqlDatabase

_INVALID_INDEXES = (
    "SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid "
    "WHERE relnamespace = current_schema()::regnamespace AND NOT (indisvalid AND indisready) ORDER BY 1"
)
_CONSTRAINTS = (
    "SELECT conrelid::regclass::text, conname, contype::text, convalidated FROM pg_constraint "
    "WHERE connamespace = current_schema()::regnamespace AND contype IN ('p', 'f') ORDER BY 1, 2"
)


class Problem(NamedTuple):
    """What is wrong with a database, and what to do."""

    text: str
    remedy: str


class PostgresqlReader(PostgresqlDatabase):
    """The rows of a database, which are not changed. No lock is taken: servers go on.

    Raises as `PostgresqlDatabase`, DatabaseRefused also when the database has the tables of another version.
    """

    def secret(self) -> bytes | None:
        """The secret of signatures that the servers share; None if the database has none."""
        with self._engine.connect() as connection:
            columns = inspect(connection).get_columns("emulator_store")
            if "secret" not in {column["name"] for column in columns}:
                return None
            found = connection.exec_driver_sql("SELECT secret FROM emulator_store").scalar()
        return None if found is None else bytes.fromhex(found)

    def size(self) -> int:
        """The bytes that the database takes on its server."""
        with self._engine.connect() as connection:
            return int(connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one())

    def has_checksums(self) -> bool:
        """Whether the server finds pages that the disk has changed."""
        with self._engine.connect() as connection:
            return connection.exec_driver_sql("SHOW data_checksums").scalar() == "on"

    def problems(self) -> Iterator[Problem]:
        """Indexes and constraints that are missing, or that do not hold."""
        with self._engine.connect() as connection:
            for index in connection.exec_driver_sql(_INVALID_INDEXES).scalars():
                yield Problem(f"The index {index} is not valid.", f"In psql: REINDEX INDEX {index};")
            found: Counter[tuple[str, str]] = Counter()
            for table, name, kind, is_validated in connection.exec_driver_sql(_CONSTRAINTS):
                found[table.strip('"'), kind] += 1
                if not is_validated:
                    yield Problem(
                        f"The constraint {name} of the table {table} was never checked.",
                        f"In psql: ALTER TABLE {table} VALIDATE CONSTRAINT {name};",
                    )
        for table in SQLModel.metadata.sorted_tables:
            for kind, word, count in (
                ("p", "primary key", 1),
                ("f", "foreign key", len(table.foreign_key_constraints)),
            ):
                if found[table.name, kind] < count:
                    text = f"The table {table.name} lacks a {word}: rows can contradict each other."
                    yield Problem(text, "Restore the newest backup into a new database.")

    def _prepare(self, connection: Connection) -> None:
        current = self._schema(connection)
        if current is None:
            raise DatabaseRefused(f"{self.name} has no tables yet: no emulator was started with it")
        if current != SCHEMA_REVISION:
            raise DatabaseRefused(
                f"{self.name} has the tables of an earlier version (schema {current}); start this version "
                "once, which migrates it"
            )

    def _lock(self, connection: Any, _record: Any) -> None:
        connection.read_only = True
