"""Body and response of the emulator's own API about pulled projects."""

from typing import Annotated

from pydantic import Field

from emulator.contract.requests import StrictBody
from emulator.contract.wire import Shape

_MAX_PATH_LENGTH = 4096


class PulledProject(StrictBody):
    folder: Annotated[str, Field(min_length=1, max_length=_MAX_PATH_LENGTH)]
    replace: bool = False
    retrain: bool = False


class InsertedProject(Shape):
    project_id: str
    project_name: str
    image_count: int
    iteration_count: int
    training_iteration_id: str | None
    training_iteration_name: str | None
    notes: list[str]
