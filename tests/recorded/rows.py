"""Requests to the service and its responses: from the recording, or from our table of what it shows."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.routing import compile_path

from emulator.contract.operations import OPERATIONS
from tests.recorded.comparison import compact, parsed

# The recording is not part of this repository; the table is.
RECORDING = Path(__file__).parents[3] / "shared" / "contract" / "recorded-current.jsonl"
FACTS = Path(__file__).parent / "facts.toml"


@dataclass(frozen=True)
class Recorded:
    """A request to the service and its response: one line of the recording, numbered from 0."""

    number: int
    operation: str
    method: str
    path: str
    query: str | None
    body: Any
    status: int
    headers: dict[str, str]
    response: Any

    def __str__(self) -> str:
        return f"{self.number}-{self.operation}"

    @property
    def address(self) -> tuple[str, str]:
        """The API and its version."""
        version, api = self.path.split("/")[2:4]
        return api, version.removeprefix("v")


def rows() -> list[Recorded]:
    """The recording where it is present, else the table of facts."""
    return recording() if RECORDING.is_file() else facts()


def recording() -> list[Recorded]:
    lines = [parsed(line) for line in RECORDING.read_text(encoding="utf-8").splitlines()]
    return [
        Recorded(
            number,
            operation_of(line["method"], line["path"]),
            line["method"],
            line["path"],
            line["query"],
            line["request_json"],
            line["status"],
            line["response_headers"],
            # A truncated list ends in a remark.
            [item for item in line["response_json"] if not isinstance(item, str)]
            if isinstance(line["response_json"], list)
            else line["response_json"],
        )
        for number, line in enumerate(lines)
    ]


def facts() -> list[Recorded]:
    table = tomllib.loads(FACTS.read_text(encoding="utf-8"))
    return sorted(_facts(table), key=lambda row: row.number)


def _facts(table: dict[str, Any]) -> Iterator[Recorded]:
    for entry in table["responses"]:
        response = parsed(entry["response"])
        headers = table["headers"] | {"Content-Length": str(len(compact(response).encode()))}
        if "content_type" in entry:
            headers["Content-Type"] = entry["content_type"]
        for number in entry["lines"]:
            yield Recorded(
                number=number,
                operation=operation_of(entry["method"], entry["path"]),
                method=entry["method"],
                path=entry["path"],
                query=entry.get("query"),
                body=parsed(entry["request"]) if "request" in entry else None,
                status=entry["status"],
                headers=headers,
                response=response,
            )


def operation_of(method: str, path: str) -> str:
    found = re.fullmatch(r"/customvision/v[^/]+/(training|prediction)(/.*)", path)
    assert found is not None, path
    api, tail = found.groups()
    return next(
        operation.name
        for operation in OPERATIONS
        if (operation.api, operation.method) == (api, method)
        and compile_path(operation.path)[0].fullmatch(tail)
    )


def domain_ids(rows: Iterable[Recorded]) -> list[str]:
    """Ids that are the same in the service and in the emulator."""
    return [item["id"] for row in rows if row.operation == "GetDomains" for item in row.response]
