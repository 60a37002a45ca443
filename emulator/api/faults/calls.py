"""The operation of a request, and the fault that it has."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emulator.api.faults.effects import FaultyCall
from emulator.api.faults.scenario import Call
from emulator.api.faults.scenarios import FaultScenarios
from emulator.contract.gateway_responses import guid
from emulator.contract.matching import operation_at
from emulator.contract.operations import Operation
from emulator.gateway.address import Address
from emulator.gateway.origins import header

CLIENT_HEADER = b"x-emulator-client"


async def respond(
    app: ASGIApp,
    scenarios: FaultScenarios,
    scope: Scope,
    receive: Receive,
    send: Send,
    *,
    tier: str,
    max_body_bytes: int,
) -> None:
    """Respond to a request as `app` does, or with the fault that `scenarios` have for it.

    tier, max_body_bytes: see `FaultyCall`.
    """
    operation = _operation_of(scope)
    if operation is None:
        await app(scope, receive, send)
        return
    recorded: list[Message] | None = None
    send_real = send
    recordings = scenarios.recordings
    if recordings is not None and scope["method"] == "GET":
        address: Address = scope["address"]
        target = (address.version.name, scope["path"], scope.get("query_string", b""))
        recorded = recordings.get(target)
        send_real = recordings.recording(target, send)
    call = Call(
        operation,
        _project_of(operation, scope),
        header(scope, CLIENT_HEADER) or b"",
        is_recorded=recorded is not None,
    )
    fault = scenarios.take(call)
    if fault is None:
        await app(scope, receive, send_real)
        return
    faulty = FaultyCall(
        fault=fault,
        operation=operation,
        scope=scope,
        receive=receive,
        send=send,
        send_real=send_real,
        tier=tier,
        max_body_bytes=max_body_bytes,
        recorded=recorded or [],
    )
    await faulty.run(app)


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
