"""Bodies and responses of the emulator's own API about roll-outs of published names."""

from datetime import datetime
from typing import Annotated, Literal

from emulator.contract.requests import Guid, StrictBody
from emulator.contract.responses import Zulu
from emulator.contract.wire import Rule, Shape

_Moment = Annotated[datetime | None, Rule(format="zulu")]
_Number = Annotated[float | None, Rule(format="float64")]
Mode = Literal["Shadow", "Percentage"]

# --- bodies -------------------------------------------------------------------------------------------------


class NewRollout(StrictBody):
    publish_name: str
    iteration_id: Guid
    mode: Mode | None = None
    percent: float | None = None


class ChangedRollout(StrictBody):
    publish_name: str
    mode: Mode | None = None
    percent: float | None = None


class FinishedRollout(StrictBody):
    publish_name: str


class WayBack(StrictBody):
    """iteration_id: the one that must not answer any longer."""

    publish_name: str
    iteration_id: Guid | None = None


# --- responses ----------------------------------------------------------------------------------------------


class NamedIteration(Shape):
    id: str
    name: str


class RolloutSide(Shape):
    iteration_id: str
    iteration_name: str | None
    prediction_count: int
    failure_count: int
    mean_confidence: _Number
    mean_milliseconds: _Number
    max_milliseconds: _Number


class RolloutComparison(Shape):
    image_count: int
    agreed_image_count: int
    agreement: _Number
    matched_box_count: int
    current_box_count: int
    candidate_box_count: int
    dropped_image_count: int


class Rollout(Shape):
    id: str
    status: str
    mode: str
    percent: _Number
    started: Zulu
    last_modified: Zulu
    ended: _Moment
    current: RolloutSide
    candidate: RolloutSide
    comparison: RolloutComparison


class PublishedName(Shape):
    publish_name: str
    iteration: NamedIteration | None
    former_iteration: NamedIteration | None
    rollout: Rollout | None
