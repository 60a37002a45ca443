"""Functions that run in the threads of the server."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import Request

from emulator.core.thread_pools import Work

_Result = TypeVar("_Result")


async def in_thread(
    request: Request, function: Callable[..., _Result], *arguments: Any, work: Work = "quick"
) -> _Result:
    """The result of a function that runs in a thread of the server. work: selects the threads.

    anyio's threads, which Starlette uses by default, take 9 ms to load and longer for each call.
    """
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(request.app.state.threads.of(work), function, *arguments)
