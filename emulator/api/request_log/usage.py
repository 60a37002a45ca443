"""Which operations of which versions programs use, and how much of their behavior is only inferred."""

from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

from emulator.api.request_log.recorder import UsageKey, Use
from emulator.contract.operations import BY_NAME, OPERATIONS
from emulator.contract.test_kit import evidence
from emulator.contract.wire import camel
from emulator.gateway.printable import printable, without_secrets

_LONGEST = 200
_ORDER = {operation.name: number for number, operation in enumerate(OPERATIONS)}


class Used(NamedTuple):
    """An operation of a version, and its uses.

    Attributes:
        parameters, properties: names of query parameters and of properties of the body that were sent.
        failed: the number of responses with an error, or of requests without a response.
        departed: the number of requests that departed from the document, with ``--strict``.
    """

    operation: str
    version: str
    requests: int
    failed: int
    departed: int
    parameters: list[str]
    properties: list[str]

    @property
    def api(self) -> str:
        return BY_NAME[self.operation].api

    @property
    def evidence(self) -> evidence.Coverage:
        nothing = evidence.Coverage(0, False, False)
        return evidence.coverage().get((self.api, self.version, self.operation), nothing)

    def as_json(self) -> dict[str, Any]:
        return {
            "operation": self.operation,
            "api": self.api,
            "version": self.version,
            "requests": self.requests,
            "failed": self.failed,
            "departed": self.departed,
            "parameters": self.parameters,
            "properties": self.properties,
            "evidence": self.evidence._asdict(),
        }


class Usage(NamedTuple):
    """The uses since a time.

    Attributes:
        since: as in the control API. coverage_url: of the coverage page.
        clients: the header X-Emulator-Client and User-Agent of each client, and the number of its requests.
    """

    since: str
    operations: list[Used]
    clients: list[tuple[str | None, str | None, int]]
    coverage_url: str

    def inferred(self) -> list[tuple[evidence.Fact, list[str]]]:
        """The inferred facts about operations that were used, and those operations; none for all of them."""
        used = {one.operation: None for one in self.operations}
        found = []
        for fact in evidence.inferred_facts() if used else ():
            concerned = [name for name in used if name in fact.operations]
            if concerned or not fact.operations:
                found.append((fact, concerned))
        return found

    def as_json(self) -> dict[str, Any]:
        return {
            "since": self.since,
            "requests": sum(one.requests for one in self.operations),
            "failed": sum(one.failed for one in self.operations),
            "departed": sum(one.departed for one in self.operations),
            "clients": [
                {"client": client, "userAgent": agent, "requests": count}
                for client, agent, count in self.clients
            ],
            "operations": [one.as_json() for one in self.operations],
            "inferred": [
                {"section": fact.section, "fact": fact.text, "reason": fact.reason, "operations": concerned}
                for fact, concerned in self.inferred()
            ],
            "coverage": self.coverage_url,
        }


def usage_of(
    uses: Iterable[tuple[UsageKey, Use]],
    *,
    since: str,
    coverage_url: str,
    secrets: Iterable[str],
    client: str | None = None,
) -> Usage:
    """The usage, of all clients or of those that `client` selects as the filter of the request log does."""
    secrets = tuple(secrets)

    def shown(data: bytes) -> str | None:
        return printable(without_secrets(data.decode("latin-1"), secrets), _LONGEST) or None

    merged: dict[tuple[str, str], Use] = {}
    clients: dict[tuple[str | None, str | None], int] = {}
    for (operation, version, client_header, agent_header), use in uses:
        who = shown(client_header), shown(agent_header)
        if client is not None and client != who[0] and client.lower() not in (who[1] or "").lower():
            continue
        clients[who] = clients.get(who, 0) + use.count
        merged.setdefault((operation, version), Use()).add(use)
    operations = [
        Used(
            operation,
            version,
            use.count,
            use.failed,
            use.departed,
            sorted({shown_name for name in use.names if (shown_name := shown(unquoted(name)))}),
            sorted(map(camel, use.properties)),
        )
        for (operation, version), use in merged.items()
    ]
    operations.sort(key=lambda one: (_ORDER[one.operation], one.version))
    listed = [(*who, count) for who, count in sorted(clients.items(), key=lambda item: -item[1])]
    return Usage(since, operations, listed, coverage_url)


def unquoted(name: bytes) -> bytes:
    """The name of a query parameter without percent-encoding."""
    return unquote_plus(name.decode("latin-1"), "latin-1").encode("latin-1", "replace")
