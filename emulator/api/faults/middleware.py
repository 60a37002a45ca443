"""The middleware that makes calls fail as the scenarios say.

It follows the check of the key: a call that is refused for its key uses no fault. It precedes everything
else: a call that is not carried out counts in no quota and changes nothing.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from emulator.api.faults.scenarios import Call, FaultScenarios
from emulator.contract.gateway_responses import guid
from emulator.contract.matching import operation_at
from emulator.contract.operations import Operation
from emulator.core.tiers import TIERS, Tier
from emulator.gateway.address import Address
from emulator.gateway.origins import header

CLIENT_HEADER = b"x-emulator-client"


class Faults:
    """ASGI middleware that applies `scenarios`.

    tier: the pricing tier that messages about exceeded rates name; F0 if it has no limits of rates.
    max_body_bytes: of a request that waits.
    """

    def __init__(self, app: ASGIApp, scenarios: FaultScenarios, tier: Tier, max_body_bytes: int) -> None:
        self._app = app
        self._scenarios = scenarios
        self._tier = tier.name if tier.calls_per_second else TIERS["f0"].name
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._scenarios.is_set and "address" in scope:
            await self._apply(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _apply(self, scope: Scope, receive: Receive, send: Send) -> None:
        from emulator.api.faults.effects import FaultyCall  # here, for a fast start: few servers have faults

        operation = _operation_of(scope)
        if operation is None:
            await self._app(scope, receive, send)
            return
        recordings = self._scenarios.recordings
        recorded = None
        if recordings.is_on and scope["method"] == "GET":
            address: Address = scope["address"]
            target = (address.version.name, scope["path"], scope.get("query_string", b""))
            recorded = recordings.get(target)
            send_real = recordings.recording(target, send)
        else:
            send_real = send
        call = Call(
            operation,
            _project_of(operation, scope),
            header(scope, CLIENT_HEADER) or b"",
            is_recorded=recorded is not None,
        )
        fault = self._scenarios.take(call)
        if fault is None:
            await self._app(scope, receive, send_real)
            return
        faulty = FaultyCall(
            fault,
            operation,
            scope,
            receive=receive,
            send=send,
            send_real=send_real,
            tier=self._tier,
            max_body_bytes=self._max_body_bytes,
            recorded=recorded or [],
        )
        await faulty.run(self._app)


def _operation_of(scope: Scope) -> Operation | None:
    address: Address = scope["address"]
    path: str = scope["path"]
    operation = operation_at(address.api, scope["method"], path.removeprefix(f"/{address.api}"))
    return operation if operation is not None and operation.exists_in(address.version) else None


def _project_of(operation: Operation, scope: Scope) -> str | None:
    segments = operation.path.split("/")
    if "{projectId}" not in segments:
        return None
    path: str = scope["path"]
    try:
        # The path of the scope has the API before it.
        return guid(path.split("/")[segments.index("{projectId}") + 1])
    except ValueError:
        return None
