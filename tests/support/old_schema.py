"""Data folders with the database of an earlier schema."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from sqlalchemy import create_engine

from emulator.store import migrations
from emulator.store.database import FILE_NAME


def write_database(folder: Path, schema: str, statements: Iterable[str]) -> None:
    """Write a database of a schema (``0005``) into a folder, and execute SQL statements in it."""
    engine = create_engine(f"sqlite:///{folder / FILE_NAME}")
    migrations.upgrade(engine, schema)
    engine.dispose()
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
