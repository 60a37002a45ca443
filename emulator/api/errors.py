"""The table of exception handlers: those of `emulator.gateway.errors`, core, store and downloads."""

import logging
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from emulator.api.downloads.links import internal_error, is_link, link_rejected
from emulator.contract.requests import Malformed
from emulator.core.quotas import MonthIsUsedUp, TooManyCalls
from emulator.core.signed_uris import LinkRejected
from emulator.gateway import errors
from emulator.gateway.errors import error_response, gateway_response
from emulator.store.blobs import BlobDamaged
from emulator.store.damage import describe
from emulator.store.database import DatabaseDamaged, StorageFull

_DISK_FULL = "The disk that holds the data folder of the emulator is full; nothing was stored."
_DAMAGED = (
    "The database of the emulator is damaged: see /_emulator/health/ready. "
    "Stop the emulator and put a copy of the database back."
)
_SECONDS_PER_DAY = 86400
_log = logging.getLogger(__name__)


async def _malformed(_request: Request, error: Malformed) -> Response:
    return error_response(400, {"code": error.code, "message": str(error)})


async def _too_many_calls(request: Request, error: TooManyCalls) -> Response:
    version = request.scope["address"].version
    api = version.api.capitalize()
    text = (
        f"Requests to the {request.scope['route'].name} Operation under Custom_Vision_{api}_{version} have "
        f"exceeded rate limit of your current Custom_Vision.{api} {error.tier.name} pricing tier. "
        f"Please retry after {_counted(error.seconds, 'second')}."
    )
    more = "To increase your rate limit switch to a paid tier."
    return _throttled(429, f"{text} {more}" if error.tier.name == "F0" else text, error.seconds)


async def _month_is_used_up(request: Request, error: MonthIsUsedUp) -> Response:
    api = request.scope["address"].api.capitalize()
    text = (
        f"Out of call volume quota for Custom_Vision.{api} {error.tier.name} pricing tier. "
        f"Please retry after {_counted(error.days, 'day')}."
    )
    more = "To increase your call volume switch to a paid tier."
    message = f"{text} {more}" if error.tier.name == "F0" else text
    return _throttled(403, message, error.days * _SECONDS_PER_DAY)


def _throttled(status: int, message: str, seconds: int) -> Response:
    return gateway_response(status, message, {"retry-after": str(seconds)})


def _counted(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


async def _storage_full(_request: Request, _error: StorageFull) -> Response:
    return error_response(507, {"code": "ErrorUnknown", "message": _DISK_FULL})


async def _blob_damaged(request: Request, error: BlobDamaged) -> Response:
    damage = describe(request.app.state.context.database, error)
    _log.error("A request failed. %s", damage.message)
    if is_link(request):
        return internal_error(damage.message)
    code = "ErrorPrediction" if damage.is_model else "ErrorUnknown"
    return error_response(500, {"code": code, "message": damage.message})


async def _database_damaged(_request: Request, _error: Exception) -> Response:
    return error_response(500, {"code": "ErrorUnknown", "message": _DAMAGED})  # the database has logged it


async def _unexpected(request: Request, error: Exception) -> Response:
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
    BlobDamaged: _blob_damaged,
    LinkRejected: link_rejected,
    Exception: _unexpected,
}
HANDLERS: dict[Any, Any] = {**errors.HANDLERS, **errors.noted(_OWN)}
