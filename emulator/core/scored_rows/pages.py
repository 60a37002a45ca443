"""Lists that clients page through by continuation: stored predictions, suggestions.

A page begins after the last result of the page before, whatever came or went meanwhile: what is there all the
time is listed once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, literal, tuple_
from sqlmodel import Session, SQLModel, select

from emulator.core.caches.score_index import Cursor
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.limits import PAGE_SIZE, PAGE_SIZE_MAXIMUM
from emulator.core.scored_rows import continuation as continuations
from emulator.store.tables import Moment, microseconds, moment

_Row = TypeVar("_Row", bound=SQLModel)
# Places behind the page that may turn out to be gone: a table of scores can be ahead of what is read.
Find = Callable[[int, Cursor | None], list[Cursor]]


@dataclass(frozen=True)
class PagedQuery(Generic[_Row]):
    """Rows in the order of `key` and, where that is equal, `number`.

    name: what a continuation is good for: all that makes the list, but not the size of a page. conditions:
    on the rows. find: finds the places of the rows where no index of the database would; then `conditions`
    need only name the list that the places are in.
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
        """At most `maximum` rows (0: as many as the service likes), and what continues them if more are left.

        Raises ServiceError for a continuation that is not one of this list.
        """
        size = maximum or PAGE_SIZE
        after: Cursor | None = None
        if continuation:
            try:
                key, number = continuations.unseal(context, self.name, continuation)
            except continuations.ContinuationRejected as rejected:
                raise invalid(str(rejected)) from None
            after = (key, int(number))
        places, rows = (self._walked if self.find is None else self._found)(session, size + 1, after)
        page = [rows[place] for place in places[:size] if place in rows]
        if len(places) <= size:
            return page, None
        return page, continuations.seal(context, self.name, list(places[size - 1]))

    def _walked(
        self, session: Session, size: int, after: Cursor | None
    ) -> tuple[list[Cursor], dict[Cursor, _Row]]:
        """By the database, which has an index in this order."""
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

    def _found(
        self, session: Session, size: int, after: Cursor | None
    ) -> tuple[list[Cursor], dict[Cursor, _Row]]:
        assert self.find is not None
        places = self.find(size, after)
        numbers = [number for _, number in places]
        statement = select(self.row).where(*self.conditions, self.number.in_(numbers))
        return places, {self._cursor(row): row for row in session.exec(statement)}

    def _cursor(self, row: _Row) -> Cursor:
        key = getattr(row, self.key.key)
        return (
            microseconds(key) if isinstance(self.key.type, Moment) else key,
            getattr(row, self.number.key),
        )


def check_page(maximum: int) -> None:
    """ServiceError when no page has so many results."""
    if maximum > PAGE_SIZE_MAXIMUM:
        raise ServiceError(
            "BadRequestPredictionResultsExceededCount",
            f"maxCount is {maximum}; at most {PAGE_SIZE_MAXIMUM} are allowed.",
        )
    if maximum < 0:
        raise invalid("maxCount is negative.")


def invalid(message: str) -> ServiceError:
    return ServiceError("BadRequestPredictionInvalidQueryParameters", message)
