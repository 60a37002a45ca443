"""Bodies and responses of the emulator's own API about resources and their keys."""

from datetime import datetime
from typing import Annotated

from emulator.contract.requests import StrictBody
from emulator.contract.responses import Zulu
from emulator.contract.wire import Rule, Shape


class NewResource(StrictBody):
    name: str
    tier: str | None = None
    training_keys: list[str] | None = None
    prediction_keys: list[str] | None = None


class NewRoleKey(StrictBody):
    name: str
    role: str
    key: str | None = None


class NewKey(Shape):
    kind: str
    name: str
    role: str | None
    key: str


class Key(Shape):
    kind: str
    name: str
    role: str | None
    created: Zulu


class AddedResource(Shape):
    name: str
    tier: str
    prediction_resource_id: str
    keys: list[NewKey]


class Resource(Shape):
    name: str
    tier: str
    prediction_resource_id: str
    created: Annotated[datetime | None, Rule(format="zulu")]
    project_count: int
    keys: list[Key]


class ResourceList(Shape):
    resources: list[Resource]
