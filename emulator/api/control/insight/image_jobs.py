"""Waiting for jobs on all images of a project."""

import asyncio
from contextlib import suppress

from emulator.core.caches.image_jobs import ImageJob

# How long a request waits for a job before it reports the progress.
_MAX_WAIT_SECONDS = 10.0


async def end_of(job: ImageJob) -> None:
    """Wait until the job ends, at most `_MAX_WAIT_SECONDS`."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()

    def set_over(_future: object) -> None:
        with suppress(RuntimeError):  # the server has stopped in the meantime
            loop.call_soon_threadsafe(over.set)

    job.future.add_done_callback(set_over)
    with suppress(TimeoutError):
        await asyncio.wait_for(over.wait(), _MAX_WAIT_SECONDS)
