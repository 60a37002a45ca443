"""Pages of stored predictions and suggestions, which clients continue by token.

A page begins after the last result of the previous page, so each row is listed once even if others are added
or deleted between requests.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, literal, tuple_
from sqlmodel import Session, SQLModel, select

from emulator.core.caches.score_index import Cursor
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.rules.limits import PAGE_SIZE, PAGE_SIZE_MAXIMUM
from emulator.core.scored_rows.continuation import ContinuationRejected, seal, unseal
from emulator.store.tables import Moment, microseconds, moment

_Row = TypeVar("_Row", bound=SQLModel)
# Finds cursors: (number of rows, cursor of the row before the first). Their rows may be deleted meanwhile.
Find = Callable[[int, Cursor | None], list[Cursor]]


@dataclass(frozen=True)
class PagedQuery(Generic[_Row]):
    """A list of rows in the order of `key`; rows with equal keys are in the order of `number`.

    name: identifies the list, for continuations; independent of the size of a page. conditions: of the rows.
    find: finds the cursors of the rows if the database has no index for the query; `conditions` then only
    restrict the rows to the project or iteration.
    """

    name: str
    row: type[_Row]
    key: Any
    number: Any
    ascending: bool
    conditions: Sequence[ColumnElement[bool]]
    find: Find | None = None

    def page(
        self, context: Context, session: Session, maximum: int, continuation: str | None
    ) -> tuple[list[_Row], str | None]:
        """At most `maximum` rows (0: the default), and the continuation if there are more.

        Raises ServiceError for a continuation of another list.
        """
        size = maximum or PAGE_SIZE
        after: Cursor | None = None
        if continuation:
            try:
                key, number = unseal(context, self.name, continuation)
            except ContinuationRejected as rejected:
                raise invalid(str(rejected)) from None
            after = (key, int(number))
        cursors, rows = (self._from_database if self.find is None else self._from_index)(
            session, size + 1, after
        )
        page = [rows[cursor] for cursor in cursors[:size] if cursor in rows]
        if len(cursors) <= size:
            return page, None
        return page, seal(context, self.name, list(cursors[size - 1]))

    def _from_database(
        self, session: Session, size: int, after: Cursor | None
    ) -> tuple[list[Cursor], dict[Cursor, _Row]]:
        """From the database, which has an index in this order."""
        keys = (self.key, self.number)
        conditions = list(self.conditions)
        if after is not None:
            row = tuple_(*keys)
            key = moment(int(after[0])) if isinstance(self.key.type, Moment) else float(after[0])
            last = tuple_(literal(key, self.key.type), literal(after[1]))
            conditions.append(row > last if self.ascending else row < last)
        order = keys if self.ascending else tuple(key.desc() for key in keys)
        statement = select(self.row).where(*conditions).order_by(*order).limit(size)
        rows = {self._cursor(row): row for row in session.exec(statement)}
        return list(rows), rows

    def _from_index(
        self, session: Session, size: int, after: Cursor | None
    ) -> tuple[list[Cursor], dict[Cursor, _Row]]:
        assert self.find is not None
        cursors = self.find(size, after)
        numbers = [number for _, number in cursors]
        statement = select(self.row).where(*self.conditions, self.number.in_(numbers))
        return cursors, {self._cursor(row): row for row in session.exec(statement)}

    def _cursor(self, row: _Row) -> Cursor:
        key = getattr(row, self.key.key)
        return (
            microseconds(key) if isinstance(self.key.type, Moment) else key,
            getattr(row, self.number.key),
        )


def check_page(maximum: int) -> None:
    """Raises ServiceError when a page cannot have this number of results."""
    if maximum > PAGE_SIZE_MAXIMUM:
        raise ServiceError(
            "BadRequestPredictionResultsExceededCount",
            f"maxCount is {maximum}; at most {PAGE_SIZE_MAXIMUM} are allowed.",
        )
    if maximum < 0:
        raise invalid("maxCount is negative.")


def invalid(message: str) -> ServiceError:
    return ServiceError("BadRequestPredictionInvalidQueryParameters", message)
