"""The request log in the control API: entries, counts that can be waited for, clearing."""

import asyncio
from typing import Any

import orjson
from fastapi import Request
from starlette.responses import Response

from emulator.api.parameters import choice_in, integer_in, number_in, text_in
from emulator.api.request_log.entries import entries
from emulator.api.request_log.filters import Filter, filter_in, refuse_unknown
from emulator.api.request_log.recorder import RequestLog, Row
from emulator.api.routing import OperationRouter
from emulator.api.threads import in_thread
from emulator.core.errors import ServiceError
from emulator.gateway.errors import JSON

router = OperationRouter()

_PATH = "/_emulator/requests"
_LIMIT = 100
_MOST_SECONDS = 300


def log_of(request: Request) -> RequestLog:
    """The request log of the application. Raises ServiceError when it is off."""
    log: RequestLog | None = request.app.state.request_log
    if log is None:
        raise ServiceError(
            "BadRequestNotSupported", "The request log is off; start the emulator with --request-log NUMBER."
        )
    return log


@router.own("GET", _PATH)
async def requests(request: Request) -> Response:
    log = log_of(request)
    matches = filter_in(request, ("limit", "order"))
    limit = integer_in(request, "limit", _LIMIT)
    order = choice_in(request, "order", ("newest", "oldest"), "newest")
    first, rows = log.after(matches.number)
    last_number, dropped = log.last_number, log.dropped

    def page() -> Response:
        found = [entry for entry in entries(log, first, rows) if matches(entry)]
        if order == "newest":
            found.reverse()
        return json_response(
            {
                "requests": [entry.as_json() for entry in found[:limit]],
                "matching": len(found),
                "lastNumber": last_number,
                "dropped": dropped,
            }
        )

    return await in_thread(request, page)


@router.own("GET", f"{_PATH}/count")
async def request_count(request: Request) -> Response:
    log = log_of(request)
    matches = filter_in(request, ("atLeast", "timeoutSeconds"))
    wanted = integer_in(request, "atLeast", 0)
    seconds = number_in(request, "timeoutSeconds")
    if seconds is None:
        seconds = 0.0
    elif text_in(request, "atLeast") is None:
        raise ServiceError("BadRequestRequiredParamIsNull", "The parameter 'timeoutSeconds' needs 'atLeast'.")
    elif not 0 <= seconds <= _MOST_SECONDS:
        raise ServiceError("BadRequest", f"'timeoutSeconds' must be between 0 and {_MOST_SECONDS}.")
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    first, rows = log.after(matches.number)
    count = await in_thread(request, _count, log, first, rows, matches)
    position = first + len(rows) - 1
    while True:
        first, rows = log.after(position)  # those that came during the count
        count += _count(log, first, rows, matches)
        position = log.last_number
        left = deadline - loop.time()
        if count >= wanted or left <= 0:
            break
        await log.wait(left)
    body = {"count": count, "lastNumber": position, "dropped": log.dropped}
    return json_response(body | ({"reached": count >= wanted} if wanted else {}))


@router.own("DELETE", _PATH)
async def clear_requests(request: Request) -> Response:
    refuse_unknown(request, ())
    log_of(request).clear()
    return Response(status_code=204)


def json_response(body: Any) -> Response:
    """A response of the control API with status 200."""
    return Response(orjson.dumps(body, default=str), media_type=JSON)


def _count(log: RequestLog, first: int, rows: list[Row], matches: Filter) -> int:
    return sum(map(matches, entries(log, first, rows)))
