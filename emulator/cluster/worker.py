"""The process of a worker: it joins the scheduler, and joins it again when the connection was lost."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import warnings
from pathlib import Path
from typing import Any

from emulator.cluster.connection import reason_of, use_our_log
from emulator.cluster.messages import GPU, job_resource
from emulator.cluster.run import Place, set_place

_PAUSE_SECONDS = 1.0
_NOTED_SECONDS = 3.0
_log = logging.getLogger(__name__)


def run_worker(
    address: str, folder: Path, *, store: str | None, gpu: bool, listen: str | None, name: str | None
) -> None:
    """Carry out jobs of a scheduler, one at a time, until this process receives SIGTERM or SIGINT.

    Args:
        address: of the scheduler, such as tcp://host:8786.
        folder: for copies of images, features and unfinished files.
        store: the URL of the object store where it is elsewhere than for the server; None for the server's.
        gpu: whether this worker has a GPU of its own.
        listen: the address of this machine by which the scheduler and the servers reach the worker; None to
            take that of the route to the scheduler.
        name: of the worker; None for that of the machine and process.
    """
    import distributed  # noqa: F401  (before its log is changed)

    use_our_log()
    warnings.filterwarnings("ignore", "Couldn't detect a suitable IP address")  # joining it says the same
    folder.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = {
        "nthreads": 1,
        "resources": {job_resource(): 1, **({GPU: 1} if gpu else {})},
        "name": name or f"{socket.gethostname()}-{os.getpid()}",
        "local_directory": str(folder / "dask"),
        # Jobs have a process of their own.
        "memory_limit": 0,
        "dashboard": False,
        "host": listen,
    }
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(address, folder, store, options))


async def _run(address: str, folder: Path, store: str | None, options: dict[str, Any]) -> None:
    from distributed import Worker

    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # on Windows, the process just ends
            loop.add_signal_handler(number, ending.set)
    end = asyncio.create_task(ending.wait())
    said = ""
    while not ending.is_set():
        place = Place(folder, store)
        set_place(place)
        worker = Worker(address, **options)
        joining = asyncio.create_task(_join(worker))
        # Dask tries for a long time, and says nothing of it.
        waiting = loop.call_later(_NOTED_SECONDS, _log.warning, "%s does not answer yet; trying on", address)
        try:
            await asyncio.wait((joining, end), return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if joining.done() and joining.exception() is None:
                said = ""
                print(f"Worker {worker.name} has joined {address}", flush=True)
                finished = asyncio.create_task(worker.finished())
                await asyncio.wait((finished, end), return_when=asyncio.FIRST_COMPLETED)
                if not ending.is_set():
                    _log.warning("The scheduler %s is away; joining again", address)
            elif joining.done():
                problem = reason_of(_cause_of(joining.exception()))
                if problem != said:
                    _log.warning("%s could not be joined: %s", address, problem)
                said = problem
        finally:
            waiting.cancel()
            # The job ends first, so that its thread does not hold up the end of the worker.
            await loop.run_in_executor(None, place.close)
            joining.cancel()
            await worker.close(timeout=_PAUSE_SECONDS, reason="the program ends or joins again")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ending.wait(), _PAUSE_SECONDS)


def _cause_of(error: BaseException | None) -> BaseException:
    """The error behind the "Worker failed to start." of Dask."""
    while error is not None and error.__cause__ is not None:
        error = error.__cause__
    return error or RuntimeError("unknown reason")


async def _join(worker: Any) -> None:
    await worker
