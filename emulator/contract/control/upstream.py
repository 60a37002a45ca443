"""Shapes of the emulator's own API for the upstream, and differences to the emulator's responses."""

from typing import Literal

from emulator.contract.requests import StrictBody
from emulator.contract.responses import Zulu
from emulator.contract.wire import Shape


class UpstreamMode(StrictBody):
    mode: Literal["local", "shadow", "record", "replay"]


class RecordedProject(Shape):
    id: str
    name: str
    image_count: int
    total_image_count: int | None
    file_count: int
    missing_file_count: int
    iteration_count: int
    is_inserted: bool
    note: str


class Upstream(Shape):
    url: str
    mode: str
    allows_writes: bool
    forwarded_count: int
    refused_count: int
    failed_count: int
    compared_count: int
    different_count: int
    unrecorded_count: int
    pending_file_count: int
    recorded_call_count: int
    projects: list[RecordedProject]


class DifferentField(Shape):
    field: str
    upstream: str | None
    local: str | None


class ComparedCall(Shape):
    number: int
    time: Zulu
    operation: str
    method: str
    path: str
    request_id: str
    upstream_status: int
    local_status: int
    fields: list[DifferentField]


class FieldCount(Shape):
    operation: str
    field: str
    count: int
    number: int
    upstream: str | None
    local: str | None


class UpstreamDifferences(Shape):
    compared_count: int
    different_count: int
    fields: list[FieldCount]
    calls: list[ComparedCall]
