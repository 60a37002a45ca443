"""Shapes of the emulator's own responses about snapshots."""

from emulator.contract.responses import Zulu
from emulator.contract.wire import Shape


class Snapshot(Shape):
    name: str
    created: Zulu
    project_count: int
    image_count: int
    iteration_count: int
    size: int
