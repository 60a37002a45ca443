"""Bodies and responses of the emulator's own API about trainers."""

from typing import Literal

from emulator.contract.requests import StrictBody
from emulator.contract.wire import Shape


class NewTrainer(StrictBody):
    trainer: Literal["real", "instant"]


class DefaultTrainer(Shape):
    trainer: str


class ProjectTrainer(Shape):
    trainer: str
    is_default: bool
    instant_iterations: list[str]
