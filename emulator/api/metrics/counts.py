"""Counts of requests by operation, with their durations, for `exposition`.

All of it is changed in the thread of the event loop, so that no lock is taken; libraries for metrics take one
for each value, and a microsecond more for a request. A copy that another thread makes may lack a part of the
last request.
"""

import time
from bisect import bisect_left
from typing import NamedTuple

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emulator.contract.operations import BY_NAME

PATH = "/metrics"
# Of the names of all metrics.
PREFIX = "custom_vision_"
# Upper bounds of the buckets of durations, in seconds.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
# Requests that are none of the service's operations.
CONTROL, DOWNLOAD, UNKNOWN = "control", "download", "unknown"
_OWN_PATHS = ("/_emulator/", "/portal/", PATH)


class Durations(NamedTuple):
    """buckets: numbers of requests up to each bound and above the last. seconds: the sum of all."""

    buckets: tuple[int, ...]
    seconds: float


class RequestCounts:
    """Numbers of requests since the start, by operation and status, and their durations by operation."""

    def __init__(self) -> None:
        # The last value is the sum of the seconds.
        self._durations: dict[str, list[float]] = {}
        self._numbers: dict[tuple[str, int], int] = {}

    def add(self, operation: str, status: int, seconds: float) -> None:
        """A request has ended. status: 0 if there was no response."""
        key = (operation, status)
        self._numbers[key] = self._numbers.get(key, 0) + 1
        values = self._durations.get(operation)
        if values is None:
            values = self._durations[operation] = [0] * (len(BUCKETS) + 2)
        values[bisect_left(BUCKETS, seconds)] += 1
        values[-1] += seconds

    def numbers(self) -> dict[tuple[str, int], int]:
        """Numbers of requests by operation and status."""
        return dict(self._numbers)

    def durations(self) -> dict[str, Durations]:
        """Durations by operation."""
        return {
            operation: Durations(tuple(int(value) for value in values[:-1]), values[-1])
            for operation, values in list(self._durations.items())
        }


class CountRequests:
    """ASGI middleware that counts each request when the last part of its response is sent."""

    def __init__(self, app: ASGIApp, counts: RequestCounts) -> None:
        self._app = app
        self._counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == PATH:
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        noting = StatusNoted(send)
        try:
            await self._app(scope, receive, noting)
        finally:
            self._counts.add(operation_of(scope), noting.status or 0, time.perf_counter() - begun)


class StatusNoted:
    """A `send` of ASGI that notes the status of the response; None until it begins."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status: int | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)


def operation_of(scope: Scope) -> str:
    """The operation of a request that was processed, or the group of other requests."""
    route = scope.get("route")
    if route is not None and scope["method"] in route.methods and route.name in BY_NAME:
        name: str = route.name
        return name
    if scope["path"].startswith(_OWN_PATHS):
        return CONTROL
    return UNKNOWN if route is None or scope.get("address") is not None else DOWNLOAD
