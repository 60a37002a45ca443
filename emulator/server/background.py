"""The server in a thread of this process."""

from __future__ import annotations

import contextlib
import shutil
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from emulator.server.run import export_state, serve
from emulator.settings import Settings, StartRefused

if TYPE_CHECKING:
    from fastapi import FastAPI


class BackgroundServer:
    """The emulator in a thread of this process.

    Args:
        owns_process: False in a process that has other work; see `emulator.server.run.serve`.
    """

    def __init__(self, settings: Settings, *, owns_process: bool = False) -> None:
        self.settings = settings
        self._owns_process = owns_process
        self._port: int | None = None
        self._application: FastAPI | None = None
        self._failure: BaseException | None = None
        self._started = threading.Event()
        self._stop = threading.Event()
        # A daemon: a process that forgets to stop its server still ends.
        self._thread = threading.Thread(target=self._serve, name="custom-vision-emulator", daemon=True)

    @property
    def port(self) -> int:
        """The port that the server listens on, once it has started."""
        assert self._port is not None
        return self._port

    @property
    def endpoint(self) -> str:
        """The endpoint of both APIs, once the server has started."""
        return self.settings.training_endpoint(self.port)

    def start(self) -> None:
        """Start the server and wait until it accepts requests. Raises StartRefused."""
        self._thread.start()
        try:
            self._started.wait()
        except BaseException:  # a Ctrl-C, for example
            self.stop()
            raise
        if self._port is None:
            self._thread.join()
            raise self._failure or StartRefused("the server ended at its start; the reason is in the log")

    def stop(self) -> None:
        """Stop the server and wait until its threads, worker processes and temporary files are gone."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def abandon(self) -> None:
        """End worker processes and remove temporary files, for a process that ends at once afterwards."""
        if self._application is not None:
            self._application.state.parts.end_workers(wait=False)
            export_state(self._application)
        if self.settings.ephemeral:
            shutil.rmtree(self.settings.data, ignore_errors=True)

    def _serve(self) -> None:
        try:
            with _shared_threads():
                serve(
                    self.settings,
                    when_ready=self._note_ready,
                    stop=self._stop,
                    owns_process=self._owns_process,
                )
                if self._application is not None:
                    self._application.state.threads.close()
        except BaseException as error:  # noqa: BLE001  (`start` raises it in its thread)
            self._failure = error
        finally:
            self._started.set()

    def _note_ready(self, settings: Settings, application: FastAPI, port: int) -> None:
        self.settings, self._application, self._port = settings, application, port
        self._started.set()


class _Users:
    """The number of running servers in this process."""

    def __init__(self) -> None:
        self.count = 0
        self.lock = threading.Lock()


_users = _Users()


@contextlib.contextmanager
def _shared_threads() -> Iterator[None]:
    """End the threads that the servers of this process share with the last of them."""
    with _users.lock:
        _users.count += 1
    try:
        yield
    finally:
        with _users.lock:
            _users.count -= 1
            thread_pools = sys.modules.get("emulator.core.thread_pools")  # not imported for a refused start
            if _users.count == 0 and thread_pools is not None:
                thread_pools.end_shared_threads()
