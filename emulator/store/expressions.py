"""Expressions of SQL that SQLite and PostgreSQL write differently."""

from collections.abc import Iterator
from itertools import count
from typing import Any

from sqlalchemy import String, text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlmodel import Session

# Numbers that are taken from a sequence of PostgreSQL at a time.
_NUMBERS = 64


class json_text(FunctionElement[str]):  # noqa: N801  (a function of SQL)
    """The text of a JSON column, as it is stored; it is not parsed."""

    type = String()
    inherit_cache = True


class numbers_as_json(FunctionElement[str]):  # noqa: N801
    """All values of a column of integers as the text of one JSON array; null or an empty array if none.

    Reading 100,000 numbers as one value takes the time of reading 10,000 rows.
    """

    type = String()
    inherit_cache = True


class without_index(FunctionElement[Any]):  # noqa: N801
    """A column, for a condition for which SQLite does not consider an index.

    PostgreSQL chooses by its statistics, and needs no such hint.
    """

    inherit_cache = True

    def __init__(self, column: Any) -> None:
        super().__init__(column)
        self.type = column.type


@compiles(json_text)
@compiles(without_index, "postgresql")
def _argument(element: FunctionElement[Any], compiler: SQLCompiler, **more: Any) -> str:
    return compiler.process(element.clauses, **more)


@compiles(json_text, "postgresql")
def _as_text(element: json_text, compiler: SQLCompiler, **more: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **more)} AS VARCHAR)"


@compiles(numbers_as_json)
def _json_group_array(element: numbers_as_json, compiler: SQLCompiler, **more: Any) -> str:
    return f"json_group_array({compiler.process(element.clauses, **more)})"


@compiles(numbers_as_json, "postgresql")
def _json_agg(element: numbers_as_json, compiler: SQLCompiler, **more: Any) -> str:
    return f"CAST(json_agg({compiler.process(element.clauses, **more)}) AS VARCHAR)"


@compiles(without_index)
def _unary_plus(element: without_index, compiler: SQLCompiler, **more: Any) -> str:
    return f"+{compiler.process(element.clauses, **more)}"


def new_image_numbers(session: Session) -> Iterator[int]:
    """Ascending numbers of new images that were never used, for rows that are inserted in this transaction.

    As the database would choose them: it would return them for one row at a time.
    """
    if session.get_bind().dialect.name != "sqlite":
        return _from_sequence(session)
    used = session.execute(text("SELECT seq FROM sqlite_sequence WHERE name = 'image'")).scalar()
    return count((used or 0) + 1)


def _from_sequence(session: Session) -> Iterator[int]:
    statement = text(
        "SELECT nextval(pg_get_serial_sequence('image', 'number')) FROM generate_series(1, :numbers)"
    )
    while True:
        yield from sorted(session.execute(statement, {"numbers": _NUMBERS}).scalars())
