"""Bodies and responses of the emulator's own API about its clock."""

from emulator.contract.requests import StrictBody
from emulator.contract.wire import Shape


class ClockChange(StrictBody):
    now: str | None = None
    frozen: bool | None = None


class ClockAdvance(StrictBody):
    seconds: float


class Clock(Shape):
    now: str
    frozen: bool
