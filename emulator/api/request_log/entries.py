"""Entries of the request log as the control API shows them."""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, quote

from emulator.api.request_log.recorder import RequestLog, Row
from emulator.contract.matching import operation_at
from emulator.contract.operations import BY_NAME
from emulator.contract.test_kit.near_misses import near_misses
from emulator.contract.versions import Api
from emulator.gateway.printable import is_secret_name, printable, printable_path, without_secrets

_LONGEST = 2000
_GUID = r"[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}"
_PROJECT = re.compile(rf"/(?:training/projects|prediction)/\{{?({_GUID})\}}?(?=/|$)", re.IGNORECASE)
_VERSION = re.compile(r"/+customvision/+(v[^/]{1,40})/", re.IGNORECASE)
_MOST_PARAMETERS = 100


class LoggedRequest:
    """One request of the log. number: its place among all requests since the start, from 1."""

    def __init__(self, row: Row, number: int, secrets: tuple[str, ...]) -> None:
        self.row = row
        self.number = number
        self._secrets = secrets if row.refusal is None else (*secrets, *row.refusal.keys)

    @cached_property
    def path(self) -> str:
        """The path as it was sent, percent-encoded, without keys and signatures."""
        row = self.row
        return self._shown(printable_path({"raw_path": row.raw_path, "path": row.path}))

    @cached_property
    def query(self) -> str:
        """The query, percent-encoded, with ``***`` in place of keys and signatures."""
        text = self.row.query.decode("latin-1")
        try:
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_PARAMETERS)
        except ValueError:
            return "***"
        shown = (
            (
                without_secrets(name, self._secrets),
                "***" if is_secret_name(name) else without_secrets(value, self._secrets),
            )
            for name, value in pairs
        )
        return "&".join(f"{quote(name)}={quote(value, safe='/:,*')}" for name, value in shown)[:_LONGEST]

    @property
    def api(self) -> Api | None:
        return None if self.row.address is None else self.row.address.api

    @property
    def version(self) -> str | None:
        """The version that served the request."""
        return None if self.row.address is None else self.row.address.version.name

    @cached_property
    def version_sent(self) -> str | None:
        """The version in the path, such as ``v3.3``."""
        found = _VERSION.match(self.path)
        return None if found is None else found[1]

    @cached_property
    def operation(self) -> str | None:
        """The operation with this path and method, also of a request that was refused before its route."""
        row = self.row
        if row.address is None:
            return None
        if row.route is not None and row.route.name in BY_NAME and row.method in row.route.methods:
            return str(row.route.name)
        found = operation_at(row.address.api, row.method, row.path.removeprefix(f"/{row.address.api}"))
        return None if found is None else found.name

    @cached_property
    def project_id(self) -> str | None:
        found = None if self.row.address is None else _PROJECT.match(self.row.path)
        return None if found is None else found[1].lower()

    @cached_property
    def agent(self) -> str | None:
        """The header User-Agent."""
        return self._shown(self.row.agent.decode("latin-1")) or None

    @cached_property
    def client(self) -> str | None:
        """The header X-Emulator-Client."""
        return self._shown(self.row.client.decode("latin-1")) or None

    def near_misses(self) -> list[dict[str, Any]]:
        """The operations nearest to a request that is none."""
        refusal = self.row.refusal
        if refusal is None or not refusal.is_unknown_resource:
            return []
        return [
            {
                "operation": near.operation.name,
                "api": near.operation.api,
                "method": near.operation.method,
                "path": near.path,
                "differences": [self._shown(text) for text in near.differences],
            }
            for near in near_misses(self.row.method, self.path)
        ]

    def as_json(self) -> dict[str, Any]:
        row, refusal = self.row, self.row.refusal
        return {
            "number": self.number,
            "time": time_text(row.time),
            "requestId": row.request_id,
            "operation": self.operation,
            "api": self.api,
            "version": self.version,
            "versionSent": self.version_sent,
            "method": row.method,
            "path": self.path,
            "query": self.query,
            "projectId": self.project_id,
            "status": row.status,
            "durationMs": round(row.seconds * 1000, 3),
            "bytesIn": row.bytes_in,
            "bytesOut": row.bytes_out,
            "userAgent": self.agent,
            "client": self.client,
            "errorCode": refusal.code or None if refusal else None,
            "reason": refusal.reason(self._secrets) or None if refusal else None,
            "fault": row.fault,
            "departures": [self._shown(text) for text in row.departures or ()],
            "nearMisses": self.near_misses(),
        }

    def _shown(self, text: str) -> str:
        return printable(without_secrets(text, self._secrets), _LONGEST)


def entries(log: RequestLog, first: int, rows: Iterable[Row]) -> Iterator[LoggedRequest]:
    """The entries of rows, the first of which has the number `first`."""
    for number, row in enumerate(rows, first):
        yield LoggedRequest(row, number, log.secrets)


def time_text(seconds: float) -> str:
    """A time, given in seconds since 1970, with milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
