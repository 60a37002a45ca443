"""Shapes of the emulator's own responses about jobs: trainings, exports and imports."""

from datetime import datetime
from typing import Annotated

from emulator.contract.responses import Zulu
from emulator.contract.wire import Rule, Shape

_Moment = Annotated[datetime | None, Rule(format="zulu")]
_Number = Annotated[float | None, Rule(format="float64")]


class JobItem(Shape):
    id: str
    kind: str
    project_id: str
    project_name: str
    iteration_id: str | None
    iteration_name: str | None
    training_type: str | None
    platform: str | None
    flavor: str | None
    status: str
    stage: str | None
    progress: _Number
    created: Zulu
    started: _Moment
    ended: _Moment
    seconds_left: _Number
    failure: str | None


class JobList(Shape):
    version: int
    jobs: list[JobItem]
