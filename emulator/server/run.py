"""The server process of the emulator, from its settings to its exit status."""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from emulator.server.access_log import AccessLog
from emulator.server.data_folder import exclusive_data_folder, forget_owner
from emulator.server.log import configure_log
from emulator.server.start_block import print_start_block, warn_about_exposure
from emulator.server.tls import authority_context, check_https
from emulator.server.uvicorn_server import (
    STOP_SIGNALS,
    line_buffer_output,
    opened_listeners,
    serve_until_stopped,
)
from emulator.settings import Settings, StartRefused
from emulator.settings.https import local_endpoint, server_names
from emulator.vision.imaging.memory import limit_malloc_arenas

if TYPE_CHECKING:
    from fastapi import FastAPI

# Called when the server accepts requests: the settings in use, with the actual number of a port for https
# beside the other; the application; and the number of the port.
WhenReady = Callable[[Settings, "FastAPI", int], None]


def run(settings: Settings) -> int:
    """Serve until a signal; returns the exit status of the process.

    Raises:
        StartRefused: the data folder is in use or cannot be used, or the port is taken.
    """
    prepare_process(settings)

    def when_ready(in_use: Settings, application: FastAPI, port: int) -> None:
        print_start_block(in_use, port)
        if in_use.open_portal:
            from emulator.server.portal_opener import open_portal  # here, for a fast start

            open_portal(local_endpoint(in_use, port), application.state.sessions.new_ticket())

    return serve(settings, when_ready=when_ready)


def prepare_process(settings: Settings) -> None:
    """Set up memory, output and log of a process that serves the emulator. Raises StartRefused."""
    limit_malloc_arenas()
    # The start allocates hundreds of thousands of objects that stay alive. Collecting garbage meanwhile takes
    # a fifth of the time to the first response; `serve_until_stopped` enables it again.
    gc.disable()
    line_buffer_output()
    configure_log(settings)


def serve(
    settings: Settings,
    *,
    when_ready: WhenReady,
    stop: threading.Event | None = None,
    owns_process: bool = True,
) -> int:
    """Serve until a signal or `stop`; returns the exit status of the process.

    Args:
        stop: stops the server when it is set, from any thread.
        owns_process: False in a process that has other work; its limits and garbage collector stay as they
            are. Signals are handled only in the main thread.

    Raises:
        StartRefused: the data folder is in use or cannot be used, or the port is taken.
    """
    tls = check_https(settings)
    with contextlib.ExitStack() as stack:
        settings_in_use = stack.enter_context(exclusive_data_folder(settings))
        if settings.https == "auto":
            tls = authority_context(settings.authority_folder, server_names(settings, settings.public_url))
        listeners = stack.enter_context(opened_listeners(settings_in_use, tls))
        if len(listeners) == 2:
            settings_in_use = replace(settings_in_use, https_port=listeners[1].port)
        warn_about_exposure(settings_in_use)
        if owns_process:
            from emulator.vision.imaging.decode import silence_pillow_warnings

            silence_pillow_warnings()
        application = _application(settings_in_use)
        secrets = (*settings.training_keys, *settings.prediction_keys)
        status = serve_until_stopped(
            AccessLog(application, secrets) if settings.access_log else application,
            listeners,
            when_ready=lambda: when_ready(settings_in_use, application, listeners[0].port),
            cors_origins=settings.cors_origins,
            exit_at_once=lambda status: _exit_at_once(settings_in_use, application, status),
            stop=stop,
            owns_process=owns_process,
        )
        return status if export_state(application) else 1


@contextlib.contextmanager
def _deferred_validators() -> Iterator[None]:
    """Let pydantic build the validator of a model at its first use, for models that are defined meanwhile.

    Most models never need one, such as tables and FastAPI's models of OpenAPI documents. This saves about 30
    ms of processor time at the start.
    """
    from pydantic import BaseModel, ConfigDict

    previous = BaseModel.model_config
    BaseModel.model_config = ConfigDict(defer_build=True)
    try:
        yield
    finally:
        BaseModel.model_config = previous


def _application(settings: Settings) -> FastAPI:
    with _deferred_validators():
        from emulator.app import create_app
    from sqlalchemy.exc import DBAPIError

    try:
        return create_app(settings)
    except (OSError, DBAPIError) as error:
        reason = error.orig if isinstance(error, DBAPIError) else error
        raise StartRefused(f"--data: cannot use what is in {str(settings.data)!r}: {reason}") from None


def export_state(application: FastAPI) -> bool:
    """Export the state of an application that has ended, with --export-on-exit; False when that failed."""
    exit_export = application.state.exit_export
    if exit_export is None:
        return True
    with _signals_ignored():  # wrappers often forward a signal that the process has received already
        done: bool = exit_export.run()
    return done


@contextlib.contextmanager
def _signals_ignored() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # which cannot change them
        yield
        return
    previous = {number: signal.signal(number, signal.SIG_IGN) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _exit_at_once(settings: Settings, application: FastAPI, status: int) -> NoReturn:
    status = status if export_state(application) else 1
    # Without a flush: a blocked reader of our output may be why the process does not end by itself.
    if settings.ephemeral:
        shutil.rmtree(settings.data, ignore_errors=True)
    else:
        forget_owner(settings.data)
    os._exit(status)
