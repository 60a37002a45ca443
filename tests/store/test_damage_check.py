"""The search for damage: structure, indexes, types, JSON and the encoding of text."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from emulator.store.damage_check import find_damage, is_damage, reading
from emulator.store.database import FILE_NAME
from emulator.store.sqlite import SqliteDatabase
from emulator.store.tables import Image, Tag
from tests.store.test_database import NOW, project


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database with text of several languages."""
    database = SqliteDatabase(tmp_path)
    with database.write() as session:
        session.add(project("a", "名前 é"))
        session.flush()
        session.add_all(
            Tag(id=f"t{number}", project_id="a", name=f"Ω {number}" * 20, born=1) for number in range(200)
        )
        session.add(
            Image(
                id="i",
                project_id="a",
                blob="b" * 64,
                size=1,
                width=1,
                height=1,
                created=NOW,
                born=1,
                metadata_={"k": "é"},
            )
        )
    database.close()
    return tmp_path / FILE_NAME


def test_a_good_database(path: Path) -> None:
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    assert find_damage(path) is None
    after = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    assert {name: content for name, content in after.items() if name in before} == before


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE project SET created = 'then'", "another type"),
        ("UPDATE project SET use_negative_set = x'00'", "another type"),
        ("UPDATE tag SET name = x'4142' WHERE id = 't7'", "another type"),
        ("UPDATE tag SET name = CAST(x'41ff42' AS TEXT) WHERE id = 't7'", "Could not decode"),
        ("UPDATE tag SET name = CAST(x'c3' AS TEXT) WHERE id = 't199'", "Could not decode"),
        ("UPDATE project SET augmentation_methods = '{\"a\": tru'", "is not JSON"),
        ("UPDATE image SET metadata = '{'", "is not JSON"),
        ("DROP TABLE image_tag", "no such table: image_tag"),
        ("ALTER TABLE iteration DROP COLUMN reserved_budget_in_hours", "no such column: iteration"),
    ],
)
def test_values_that_a_column_cannot_have(path: Path, statement: str, found: str) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement)
    connection.close()
    assert found in str(find_damage(path))


def test_values_that_python_reads_though_sqlite_does_not(path: Path) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE project SET augmentation_methods = '{\"a\": NaN}'")
    connection.close()
    assert find_damage(path) is None


@pytest.mark.parametrize("page", range(2, 20))
def test_a_page_that_is_overwritten(path: Path, page: int) -> None:
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xa5" * 4096)
    assert find_damage(path) is not None


def test_an_index_that_contradicts_its_table(path: Path) -> None:
    content = path.read_bytes()
    place = content.rindex(b"b" * 64)  # in the table or in the index
    path.write_bytes(content[:place] + b"B" + content[place + 1 :])
    assert "index" in str(find_damage(path))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (sqlite3.OperationalError("database is locked"), False),
        (sqlite3.OperationalError("Could not decode to UTF-8 column 'a' with text 'b'"), True),
        (sqlite3.OperationalError("no such table: image"), True),
        (sqlite3.OperationalError("no such column: image.blob"), True),
        (ValueError("malformed"), False),
        (None, False),
    ],
)
def test_errors_that_show_damage(error: Any, expected: bool) -> None:
    assert is_damage(error) is expected


def test_a_missing_database_is_not_created(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError), reading(tmp_path / "none") as connection:
        connection.execute("PRAGMA user_version")
    assert list(tmp_path.iterdir()) == []
