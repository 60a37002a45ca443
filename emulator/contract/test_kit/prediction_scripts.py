"""Bodies and responses of the emulator's own API about scripted predictions."""

from typing import Annotated

from emulator.contract import responses
from emulator.contract.requests import Guid, List, StrictBody
from emulator.contract.responses import Zulu
from emulator.contract.wire import Rule, Shape


class NewBoundingBox(StrictBody):
    left: float
    top: float
    width: float
    height: float


class NewPrediction(StrictBody):
    tag_name: str | None = None
    tag_id: Guid | None = None
    probability: float
    bounding_box: NewBoundingBox | None = None


class NewImage(StrictBody):
    sha256: str | None = None
    contents: str | None = None


class NewPredictionScript(StrictBody):
    project_id: Guid | None = None
    published_name: str | None = None
    iteration_id: Guid | None = None
    image: NewImage | None = None
    times: int | None = None
    predictions: List[NewPrediction]


class ScriptedImage(Shape):
    sha256: str


class ScriptedPrediction(Shape):
    probability: float
    tag_id: str | None
    tag_name: str | None
    bounding_box: Annotated[responses.BoundingBox | None, Rule(omit_empty=True)]


class PredictionScript(Shape):
    id: str
    created: Zulu
    project_id: str | None
    published_name: str | None
    iteration_id: str | None
    image: ScriptedImage | None
    times: int | None
    used: int
    remaining: int | None
    predictions: list[ScriptedPrediction]


class PredictionScriptList(Shape):
    all_used: bool
    scripts: list[PredictionScript]
