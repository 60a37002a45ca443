"""Differences between responses of the upstream and of the emulator: the last ones, and counts by field."""

import re
import time
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson
from starlette.types import Scope

from emulator.api.upstream.comparison import ABSENT, Answered, Difference
from emulator.contract.operations import Operation
from emulator.gateway.printable import printable, printable_path, without_secrets

_KEPT = 500
_FIELDS_KEPT = 1000
_LONGEST_VALUE = 200
_PLACE = re.compile(r"\[\d+\]")


class DifferentField(NamedTuple):
    """A field that differs, and both values as JSON, shortened; None where a side lacks it."""

    field: str
    upstream: str | None
    local: str | None


@dataclass(frozen=True)
class ComparedCall:
    """A call whose responses differ. time: seconds since 1970."""

    number: int
    time: float
    operation: str
    method: str
    path: str
    request_id: str
    upstream_status: int
    local_status: int
    fields: list[DifferentField]


@dataclass
class FieldCount:
    """Calls of an operation that differ in a field, whose places in lists are left out.

    number: of the last one, whose values `upstream` and `local` are.
    """

    operation: str
    field: str
    count: int
    number: int
    upstream: str | None
    local: str | None


class DifferenceLog:
    """The last calls whose responses differ.

    secrets: texts that no entry may contain.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = tuple(secrets)
        self.clear()

    def clear(self) -> None:
        """Forget all calls and counts."""
        self.compared = self.different = 0
        self.calls: deque[ComparedCall] = deque(maxlen=_KEPT)
        self._fields: OrderedDict[tuple[str, str], FieldCount] = OrderedDict()

    @property
    def fields(self) -> list[FieldCount]:
        """By operation and field, the most frequent first."""
        return sorted(self._fields.values(), key=lambda one: -one.count)

    def add(
        self,
        scope: Scope,
        operation: Operation,
        upstream: Answered,
        local: Answered,
        found: Sequence[Difference],
        secrets: Sequence[str],
    ) -> None:
        """Note a compared call. secrets: of the request."""
        self.compared += 1
        if not found:
            return
        self.different += 1
        hidden = (*self._secrets, *secrets)
        fields = [
            DifferentField(
                printable(without_secrets(one.field, hidden), _LONGEST_VALUE),
                _shown(one.upstream, hidden),
                _shown(one.local, hidden),
            )
            for one in found
        ]
        call = ComparedCall(
            number=self.different,
            time=time.time(),
            operation=operation.name,
            method=scope["method"],
            path=without_secrets(printable_path(scope), hidden),
            request_id=scope["request_id"],
            upstream_status=upstream.status,
            local_status=local.status,
            fields=fields,
        )
        self.calls.append(call)
        for field in {_PLACE.sub("[]", one.field): one for one in fields}.items():
            self._count(call, *field)

    def _count(self, call: ComparedCall, name: str, field: DifferentField) -> None:
        known = self._fields.setdefault(
            (call.operation, name), FieldCount(call.operation, name, 0, 0, None, None)
        )
        known.count += 1
        known.number, known.upstream, known.local = call.number, field.upstream, field.local
        self._fields.move_to_end((call.operation, name))
        if len(self._fields) > _FIELDS_KEPT:
            self._fields.popitem(last=False)


def _shown(value: Any, secrets: Sequence[str]) -> str | None:
    if value is ABSENT:
        return None
    text = orjson.dumps(value).decode()
    return printable(without_secrets(text, secrets), _LONGEST_VALUE)
