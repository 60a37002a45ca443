"""The clock in the emulator's own API: reading, setting, freezing and advancing it."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from emulator.api.dependencies import Emulator, json_body
from emulator.api.routing import OperationRouter
from emulator.contract.test_kit import clock as shapes
from emulator.core.context import Context
from emulator.core.errors import ServiceError

router = OperationRouter()

_PATH = "/_emulator/clock"


@router.own("GET", _PATH)
def get_clock(emulator: Emulator) -> shapes.Clock:
    return shown_clock(emulator)


@router.own("PUT", _PATH)
def change_clock(
    emulator: Emulator, body: Annotated[shapes.ClockChange, json_body(shapes.ClockChange)]
) -> shapes.Clock:
    if body.now is None and body.frozen is None:
        raise ServiceError("BadRequest", "The request body must have now, frozen or both.")
    emulator.clock.change(None if body.now is None else _moment(body.now), frozen=body.frozen)
    return shown_clock(emulator)


@router.own("POST", f"{_PATH}/advance")
def advance_clock(
    emulator: Emulator,
    body: Annotated[shapes.ClockAdvance, json_body(shapes.ClockAdvance)],
) -> shapes.Clock:
    try:
        amount = timedelta(seconds=body.seconds)
    except (OverflowError, ValueError):
        amount = timedelta.max if body.seconds > 0 else timedelta.min
    emulator.clock.advance_by(amount)
    return shown_clock(emulator)


@router.own("DELETE", _PATH)
def restore_clock(emulator: Emulator) -> None:
    emulator.clock.restore()


def _moment(text: str) -> datetime:
    """The time in ISO 8601; without a zone, it is UTC."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ServiceError(
            "BadRequest",
            f"now is '{text[:100]}'; it must be a time in ISO 8601, such as 2030-01-31T12:00:00Z.",
        ) from None


def shown_clock(emulator: Context) -> shapes.Clock:
    # Microseconds, so that a client that sends the time back does not set the clock backwards.
    now = emulator.clock.reading.replace(tzinfo=None).isoformat(timespec="microseconds")
    return shapes.Clock(now=f"{now}Z", frozen=emulator.clock.is_frozen)
