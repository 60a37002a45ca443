"""PostgreSQL for tests: a server of the machine's own package in a temporary folder, started when needed."""

import atexit
import functools
import os
import pwd
import shutil
import subprocess
import tempfile
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import SQLModel

HOW_TO_GET_IT = "PostgreSQL is missing; get it with: apt install postgresql"
HOW_TO_GET_PSYCOPG = "psycopg is missing; get it with: pip install 'psycopg[binary]'"
# Lets the connection end within the commit of a transaction that stores a project.
END_AT_COMMIT = """
CREATE FUNCTION ends() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER ends AFTER INSERT ON project DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION ends()
"""
_TEMPLATE = "new"
_numbers = count(1)
# What several servers of one database share; a database that was used by one alone has no such tables.
_EMPTY_SHARED = """
DO $$ DECLARE shared TEXT; BEGIN
SELECT string_agg(quote_ident(tablename), ', ') INTO shared FROM pg_tables
WHERE schemaname = current_schema() AND starts_with(tablename, 'emulator_') AND tablename != 'emulator_store';
IF shared IS NOT NULL THEN
EXECUTE 'TRUNCATE ' || shared || ' RESTART IDENTITY';
UPDATE emulator_store SET commits = 0, scores = 0, secret = NULL;
END IF; END $$
"""


class Server:
    """A running server, which only this user and the user of the server can reach, by a socket in a folder.

    The programs refuse to be run by root, which then runs them as another user.
    """

    def __init__(self) -> None:
        found = programs()
        if found is None:
            pytest.skip(HOW_TO_GET_IT)
        self._programs: Path = found
        self.folder = Path(tempfile.mkdtemp(prefix="emulator-pg-", dir=_open_folder()))
        self._free: list[str] = []
        # The arguments of a process that is not run by root.
        self.user: dict[str, Any] = {}
        if os.geteuid() == 0:
            name = "postgres" if _is_user("postgres") else "nobody"
            self.user = {"user": name, "group": pwd.getpwnam(name).pw_gid, "extra_groups": []}
            shutil.chown(self.folder, name)
        self._run(
            "initdb",
            "--pgdata",
            "data",
            "--username",
            "emulator",
            "--auth",
            "trust",
            "--no-sync",
            "--encoding",
            "UTF8",
            "--locale",
            "C",
        )
        self.start()

    def start(self) -> None:
        """Start the server and wait until it accepts connections."""
        options = {
            "fsync": "off",
            "full_page_writes": "off",
            "listen_addresses": "",
            "max_connections": "300",
            "shared_buffers": "64MB",
            "unix_socket_directories": str(self.folder),
        }
        given = " ".join(f"-c {name}='{value}'" for name, value in options.items())
        self._run("pg_ctl", "start", "--pgdata", "data", "--wait", "--log", "log", "--options", given)

    def stop(self, mode: str = "immediate") -> None:
        self._run("pg_ctl", "stop", "--pgdata", "data", "--wait", "--mode", mode)

    def remove(self) -> None:
        """Stop the server and delete its folder."""
        try:
            self.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str) -> str:
        return f"postgresql://emulator@/{database}?host={self.folder}"

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Execute a statement outside of a transaction; its rows."""
        return execute(self.url(database), statement)

    def new_database(self, more: str = f"TEMPLATE {_TEMPLATE}") -> str:
        """The URL of a new database, by default with the tables of the emulator and an id of its own."""
        name = f"emulator{next(_numbers)}"
        self.execute(f"CREATE DATABASE {name} {more}")
        if more == f"TEMPLATE {_TEMPLATE}":
            self.execute("UPDATE emulator_store SET id = gen_random_uuid()::text", name)
        return self.url(name)

    def free_database(self) -> str:
        """As `new_database`, or one that was emptied, which takes less time than making one."""
        return self._free.pop() if self._free else self.new_database()

    def free(self, url: str) -> None:
        """Empty a database for `free_database`."""
        execute(url, _emptying())
        self._free.append(url)

    def drop(self, url: str) -> None:
        """Delete a database, and end the connections to it."""
        name = url.partition("@/")[2].partition("?")[0]
        self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._programs / program, *arguments],
            cwd=self.folder,
            capture_output=program != "pg_ctl",  # the server would keep the pipes
            **self.user,
        )
        assert done.returncode == 0, (program, done.stdout, done.stderr)


def execute(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Execute a statement outside of a transaction; its rows, with values of JSON as texts."""
    import psycopg
    from psycopg.types.json import set_json_loads

    with closing(psycopg.connect(url, autocommit=True)) as connection:
        set_json_loads(lambda value: value if isinstance(value, str) else value.decode(), connection)
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


@functools.cache
def server() -> Server:
    """The server of this test process, with a template of databases. Skips the test without PostgreSQL."""
    pytest.importorskip("psycopg", reason=HOW_TO_GET_PSYCOPG)
    from emulator.store.postgresql import PostgresqlDatabase

    made = Server()
    atexit.register(made.remove)
    made.execute(f"CREATE DATABASE {_TEMPLATE}")
    PostgresqlDatabase(made.url(_TEMPLATE)).close()
    return made


@functools.cache
def _emptying() -> str:
    tables = SQLModel.metadata.sorted_tables
    deletes = [f'DELETE FROM "{table.name}"' for table in reversed(tables)]
    numbers = [f"ALTER SEQUENCE {table.name}_number_seq RESTART" for table in tables if _has_sequence(table)]
    new_id = "UPDATE emulator_store SET id = gen_random_uuid()::text"
    return "; ".join([*deletes, *numbers, new_id, _EMPTY_SHARED])


def _has_sequence(table: Any) -> bool:
    number = table.columns.get("number")
    return number is not None and number.primary_key


def _open_folder() -> Path:
    """The folder of temporary files, or the one above it that every user can enter."""
    folder = Path(tempfile.gettempdir())
    return next(one for one in (folder, *folder.parents) if one.stat().st_mode & 0o003 == 0o003)


def programs() -> Path | None:
    """The folder of PostgreSQL's programs."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return installed[-1].parent if installed else None


def _is_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
