"""Rows without objects of the ORM, by SELECT statements that are compiled once.

A row of a table is a named tuple with the attributes and properties of its class, so that who reads it need
not distinguish the two. It belongs to no session and cannot be changed.
"""

from collections import namedtuple
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any, Generic, TypeVar, cast

from sqlalchemy import Column, Connection, Dialect, Select
from sqlalchemy import inspect as inspect_table
from sqlalchemy import select as select_columns
from sqlmodel import SQLModel

Row = TypeVar("Row")
Table = TypeVar("Table", bound=SQLModel)


class RowQuery(Generic[Row]):
    """A SELECT of columns, with the values of its conditions as ``bindparam``: texts and integers.

    Args:
        statement: builds it, at its first use. Columns have different names.
        base: a class whose properties the rows have.
    """

    def __init__(self, statement: Callable[[], Select[Any]], base: type | None = None) -> None:
        self._build = statement
        self._base = base

    @cached_property
    def statement(self) -> Select[Any]:
        return self._build()

    @cached_property
    def make(self) -> Callable[[Iterable[Any]], Row]:
        """Makes a row of its values."""
        names = [column.name for column in self.statement.selected_columns]
        plain: Any = namedtuple("Row", names)  # type: ignore[misc]  # noqa: PYI024  (names that are not known here)
        properties = {
            name: value for name, value in vars(self._base or object).items() if isinstance(value, property)
        }
        made: Any = type("Row", (plain,), {"__slots__": (), **properties})
        return cast("Callable[[Iterable[Any]], Row]", made._make)

    def on(self, connection: Connection, **values: Any) -> list[Row]:
        """The rows as a transaction sees them. values: of the parameters, by name; also times."""
        return [self.make(row) for row in connection.execute(self.statement, values)]


class DriverForm:
    """The text of a statement and the conversions of its values, for a driver with parameters by position."""

    def __init__(self, statement: Select[Any], dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        self.text = str(compiled)
        self._names: Sequence[str] = compiled.positiontup or ()
        self._fixed = {name: value for name, value in compiled.params.items() if value is not None}
        found = (
            (index, column.type.dialect_impl(dialect).result_processor(dialect, None))
            for index, column in enumerate(statement.selected_columns)
        )
        self._conversions = [(index, convert) for index, convert in found if convert is not None]

    def parameters(self, values: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(values[name] if name in values else self._fixed[name] for name in self._names)

    def values(self, found: Sequence[Any]) -> Sequence[Any]:
        """The values of a row as Python has them."""
        converted = list(found)
        for index, convert in self._conversions:
            converted[index] = convert(converted[index])
        return converted


def columns_of(table: type[SQLModel]) -> list[Column[Any]]:
    """All columns of a table, with the names of their attributes."""
    attributes = inspect_table(table).column_attrs
    return [attribute.columns[0].label(attribute.key) for attribute in attributes]


def rows_of(table: type[Table], restrict: Callable[[Select[Any]], Select[Any]]) -> RowQuery[Table]:
    """A query of whole rows. restrict: adds conditions and the order."""
    return RowQuery(lambda: restrict(select_columns(*columns_of(table))), table)
