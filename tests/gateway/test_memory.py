"""Memory is returned to the system after requests with large bodies."""

import asyncio
import sys
from typing import Any
from unittest import mock

import httpx
import pytest

from emulator.gateway import memory
from tests.support.harness import TRAINING_KEY, wait_until
from tests.support.live_server import LiveServer

MEGABYTE = 2**20


def returns_memory() -> bool:
    """Whether this system's C library is glibc, which can return freed memory."""
    import ctypes

    return sys.platform == "linux" and hasattr(ctypes.CDLL(None), "malloc_trim")


@pytest.mark.skipif(not returns_memory(), reason="the C library is not glibc; run the test on such a Linux")
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    "body",
    [
        b"[" * (100 * MEGABYTE),
        b'{"images":[%s]}' % b",".join([b'{"contents":"%s"}' % (b"A" * 8 * MEGABYTE)] * 12),
        b" " * (20 * MEGABYTE) + b"{'images':[%s]}" % b",".join([b"{}"] * 5_000),
    ],
    ids=["values", "contents", "lenient"],
)
def test_memory_is_back_to_that_of_an_idle_server(live: LiveServer, body: bytes, chunked: bool) -> None:
    path = f"{live.endpoint}/customvision/v3.3/training{live.project()}/images/files"
    before = live.memory_megabytes()

    def parts() -> Any:
        for start in range(0, len(body), MEGABYTE):
            yield body[start : start + MEGABYTE]

    with httpx.Client(headers={"Training-Key": TRAINING_KEY}, trust_env=False, timeout=120) as client:
        response = client.post(path, content=parts() if chunked else body)
        assert response.status_code == 400
        wait_until(lambda: live.memory_megabytes() < before + 30, "the return of memory")


def requests_of(sizes: list[int]) -> int:
    """The number of times the heap is trimmed when requests with these bodies end together."""
    trimmed: list[int] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        scope["body"], scope["body_bytes"] = b"", sizes[scope["number"]]
        await asyncio.sleep(0)

    async def run() -> None:
        middleware = memory.ReturnMemory(app)
        scopes = [{"type": "http", "number": number} for number in range(len(sizes))]
        await asyncio.gather(*(middleware(scope, mock.Mock(), mock.Mock()) for scope in scopes))
        while middleware._trimming is not None:
            await middleware._trimming
            await asyncio.sleep(0)
        assert ["body" in scope for scope in scopes] == [size < 8 * MEGABYTE for size in sizes]

    with mock.patch.object(memory, "trim_heap", lambda: trimmed.append(1)):
        asyncio.run(run())
    return len(trimmed)


@pytest.mark.parametrize(
    ("sizes", "times"), [([100], 0), ([9 * MEGABYTE], 1), ([9 * MEGABYTE] * 5, 2), ([9 * MEGABYTE, 1], 1)]
)
def test_the_heap_is_trimmed_once_for_requests_that_end_together(sizes: list[int], times: int) -> None:
    assert requests_of(sizes) == times


def test_the_heap_is_trimmed_after_a_request_that_failed() -> None:
    trimmed: list[int] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        scope["body_bytes"] = 9 * MEGABYTE
        raise ValueError

    async def run() -> None:
        middleware = memory.ReturnMemory(app)
        with pytest.raises(ValueError):
            await middleware({"type": "http"}, mock.Mock(), mock.Mock())
        assert middleware._trimming is not None
        await middleware._trimming

    with mock.patch.object(memory, "trim_heap", lambda: trimmed.append(1)):
        asyncio.run(run())
    assert trimmed == [1]
