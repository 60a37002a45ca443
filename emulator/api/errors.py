"""The table of exception handlers: those of `emulator.gateway.errors`, core, store and downloads."""

import logging
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from emulator.api.downloads.links import internal_error, is_link, link_rejected
from emulator.contract.gateway_responses import counted, rate_limit_exceeded
from emulator.contract.requests import Malformed
from emulator.core.disk_space import UploadRefused
from emulator.core.quotas import MonthIsUsedUp, TooManyCalls
from emulator.core.signed_uris import LinkRejected
from emulator.gateway import errors
from emulator.gateway.connection import ConnectionFault
from emulator.gateway.errors import error_response, gateway_response
from emulator.store.blobs import BlobDamaged
from emulator.store.damage import describe
from emulator.store.database import (
    CommitUnknown,
    DatabaseDamaged,
    DatabaseRefused,
    StorageFull,
    StoreUnreachable,
    TextRefused,
)

_DISK_FULL = "The disk that holds the data folder of the emulator is full; nothing was stored."
_DAMAGED = (
    "The database of the emulator is damaged: see /_emulator/health/ready. "
    "Stop the emulator and put a copy of the database back."
)
_UNREACHABLE = (
    "The database or the object store of the emulator cannot be reached: see /_emulator/health/ready. "
    "Nothing was stored. Try again later."
)
_COMMIT_UNKNOWN = (
    "The connection to the database of the emulator broke while the request was being stored: see "
    "/_emulator/health/ready. It may have been stored or not: look before sending it again."
)
_SECONDS_PER_DAY = 86400
_log = logging.getLogger(__name__)


async def _malformed(_request: Request, error: Malformed) -> Response:
    return error_response(400, {"code": error.code, "message": str(error)})


async def _too_many_calls(request: Request, error: TooManyCalls) -> Response:
    message = rate_limit_exceeded(
        request.scope["route"].name, request.scope["address"].version, error.tier.name, error.seconds
    )
    return throttled(429, message, error.seconds)


async def _month_is_used_up(request: Request, error: MonthIsUsedUp) -> Response:
    api = request.scope["address"].api.capitalize()
    text = (
        f"Out of call volume quota for Custom_Vision.{api} {error.tier.name} pricing tier. "
        f"Please retry after {counted(error.days, 'day')}."
    )
    more = "To increase your call volume switch to a paid tier."
    message = f"{text} {more}" if error.tier.name == "F0" else text
    return throttled(403, message, error.days * _SECONDS_PER_DAY)


def throttled(status: int, message: str, seconds: int) -> Response:
    return gateway_response(status, message, {"retry-after": str(seconds)})


async def _storage_full(_request: Request, error: StorageFull) -> Response:
    message = str(error) if isinstance(error, UploadRefused) else _DISK_FULL
    return error_response(507, {"code": "ErrorUnknown", "message": message})


async def _blob_damaged(request: Request, error: BlobDamaged) -> Response:
    damage = describe(request.app.state.context.database, error)
    _log.error("A request failed. %s", damage.message)
    if is_link(request):
        return internal_error(damage.message)
    code = "ErrorPrediction" if damage.is_model else "ErrorUnknown"
    return error_response(500, {"code": code, "message": damage.message})


async def _database_damaged(_request: Request, _error: Exception) -> Response:
    return error_response(500, {"code": "ErrorUnknown", "message": _DAMAGED})  # the database has logged it


async def _database_unreachable(_request: Request, error: Exception) -> Response:
    _log.error("A request was refused: %s", error)
    message = _COMMIT_UNKNOWN if isinstance(error, CommitUnknown) else _UNREACHABLE
    return error_response(503, {"code": "ErrorUnknown", "message": message}, {"retry-after": "1"})


async def _text_refused(_request: Request, error: TextRefused) -> Response:
    return error_response(400, {"code": "BadRequest", "message": str(error)})


async def _unexpected(request: Request, error: Exception) -> Response:
    if isinstance(error, ConnectionFault):
        raise error
    await errors.unexpected(request, error)  # logs it
    if request.app.state.context.database.damage is not None:
        return await _database_damaged(request, error)  # a damaged value can cause any error
    message = "An unknown error occurred. The emulator's log tells more."
    return error_response(500, {"code": "ErrorUnknown", "message": message})


_OWN: dict[Any, errors.Handler] = {
    Malformed: _malformed,
    TooManyCalls: _too_many_calls,
    MonthIsUsedUp: _month_is_used_up,
    StorageFull: _storage_full,
    DatabaseDamaged: _database_damaged,
    StoreUnreachable: _database_unreachable,
    DatabaseRefused: _database_unreachable,  # another server has taken it over
    TextRefused: _text_refused,
    BlobDamaged: _blob_damaged,
    LinkRejected: link_rejected,
    Exception: _unexpected,
}
# The caller within the process handles a `ConnectionFault`, also when the response has begun.
HANDLERS: dict[Any, Any] = {**errors.HANDLERS, **errors.noted(_OWN), ConnectionFault: None}
