"""Start, serve, stop: the data folder's lock, the socket, uvicorn, signals, and what is printed first."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from emulator import __version__
from emulator.settings import Settings, StartRefused

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

# From the first signal on: requests that are being answered get the grace, and whatever still runs at the
# deadline is left behind. Nothing that was answered can be lost by that: the store survives a SIGKILL too.
GRACE_SECONDS = 0.3
STOP_DEADLINE_SECONDS = 0.8
# Clients keep connections for minutes, as the service lets them. Closing one sooner than they expect makes
# their next POST fail, and they do not repeat a POST.
KEEP_ALIVE_SECONDS = 240
# SIGBREAK (Ctrl-Break) is Windows' own.
STOP_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name)]

logger = logging.getLogger("emulator.server")


def run(settings: Settings) -> int:
    """Serve until a signal; returns the exit status of the process.

    Raises `StartRefused` when the data folder is in use or cannot be used, or the port is taken.
    """
    # The start allocates hundreds of thousands of objects that stay. Looking through them for garbage while
    # they arrive is a fifth of the time to the first answer; `_collect_garbage_from_now_on` ends this.
    gc.disable()
    _write_lines_at_once()
    logging.basicConfig(
        level=settings.log_level.upper(),
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    with _data_folder(settings) as settings_in_use, _bound_socket(settings_in_use) as listener:
        warn_about_exposure(settings_in_use)
        return _serve(settings_in_use, listener)


def leave(status: int) -> NoReturn:
    """End the process now, without waiting for threads that work on a request nobody waits for."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


def _write_lines_at_once() -> None:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(line_buffering=True, errors="backslashreplace")


# --- the data folder ----------------------------------------------------------------------------------------


@contextlib.contextmanager
def _data_folder(settings: Settings) -> Iterator[Settings]:
    """The settings with a data folder that exists and belongs to this process alone."""
    if settings.ephemeral:
        folder = Path(tempfile.mkdtemp(prefix="custom-vision-emulator-"))
        try:
            yield replace(settings, data=folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return
    from filelock import FileLock, Timeout

    try:
        settings.data.mkdir(parents=True, exist_ok=True)
        # The system drops this lock when the process ends in whatever way. The process id is kept beside it,
        # since a locked file cannot be read everywhere.
        lock = FileLock(settings.data / "emulator.lock")
        lock.acquire(timeout=0)
        owner = settings.data / "emulator.pid"
        owner.write_text(f"{os.getpid()}\n", encoding="ascii")
    except Timeout:
        raise StartRefused(_folder_in_use(settings.data)) from None
    except OSError as error:
        reason = error.strerror or error
        raise StartRefused(f"--data: cannot use the folder {str(settings.data)!r}: {reason}") from None
    try:
        yield settings
    finally:
        with contextlib.suppress(OSError):
            owner.unlink()
        lock.release()


def _folder_in_use(folder: Path) -> str:
    try:
        owner = f"process {int((folder / 'emulator.pid').read_text(encoding='ascii'))}"
    except (OSError, ValueError):
        owner = "another process"
    return f"--data: the folder {str(folder)!r} is in use by {owner}; stop it or give another folder"


# --- the socket ---------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _bound_socket(settings: Settings) -> Iterator[socket.socket]:
    try:
        family, _, _, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise StartRefused(f"--host: cannot find the address of {settings.host}: {error.strerror}") from None
    # "::" takes IPv4 along, so that one option serves both.
    both = family == socket.AF_INET6 and address[0] == "::" and socket.has_dualstack_ipv6()
    try:
        listener = socket.create_server(address[:2], family=family, backlog=2048, dualstack_ipv6=both)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise StartRefused(
            f"cannot listen on {settings.host} port {settings.port}: {reason}; give another --port"
            " (0 takes any free one) or --host"
        ) from None
    # asyncio switches off Nagle's algorithm on connections that say they are TCP, which a listener passes on
    # if it says so itself; otherwise clients on keep-alive wait 40 ms for the second packet of every answer.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=listener.detach()) as stated:
        yield stated


def is_loopback(host: str) -> bool:
    """True when only programs on this machine can reach the host."""
    import ipaddress

    try:
        addresses = [information[4][0] for information in socket.getaddrinfo(host, None)]
    except OSError:
        return False
    return all(ipaddress.ip_address(str(address).partition("%")[0]).is_loopback for address in addresses)


def warn_about_exposure(settings: Settings) -> None:
    """Say on standard error that anybody can come in, when that is so."""
    if not settings.uses_default_keys or is_loopback(settings.host):
        return
    lines = (
        "WARNING: THIS EMULATOR IS OPEN TO OTHERS",
        f"It listens on {settings.host}, which other machines can reach, with keys that",
        "everybody knows. Anybody who reaches it can read, change and delete everything.",
        "Give keys of your own (--training-key, --prediction-key or --keys-file), or",
        "listen on this machine only (--host 127.0.0.1).",
    )
    width = max(len(line) for line in lines)
    box = ["!" * (width + 6), *(f"!! {line:<{width}} !!" for line in lines), "!" * (width + 6)]
    for line in box:
        print(f"\033[1;97;41m{line}\033[0m" if sys.stderr.isatty() else line, file=sys.stderr)


# --- serving ------------------------------------------------------------------------------------------------


def _serve(settings: Settings, listener: socket.socket) -> int:
    import uvicorn
    from sqlalchemy.exc import DBAPIError
    from uvicorn.protocols.http import httptools_impl

    from emulator.app import create_app
    from emulator.protocol import Protocol
    from emulator.vision.warming import hush_pillow

    class Server(uvicorn.Server):
        """uvicorn's server, but it says when it is ready and ends in time, in order and with status 0."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            print_start_block(settings, listener.getsockname()[1])
            _collect_garbage_from_now_on()

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            # uvicorn's own raises the signal again when it has served, which would end the process before the
            # data folder is given back.
            if threading.current_thread() is not threading.main_thread():
                yield
                return
            former = {number: signal.signal(number, self.handle_exit) for number in STOP_SIGNALS}
            try:
                yield
            finally:
                for number, handler in former.items():
                    signal.signal(number, handler)

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            if self.should_exit and sig == signal.SIGINT:
                _leave_at_once(settings, 130)
            if not self.should_exit:
                deadline = threading.Timer(STOP_DEADLINE_SECONDS, _leave_at_once, (settings, 0))
                deadline.daemon = True
                deadline.start()
            self.should_exit = True

    hush_pillow()
    give_the_gateway_reason(httptools_impl.STATUS_LINE)
    # A request that is cut off by the stop is no fault to report.
    logging.getLogger("uvicorn.error").addFilter(_is_worth_telling)
    try:
        application = create_app(settings)
    except (OSError, DBAPIError) as error:
        reason = error.orig if isinstance(error, DBAPIError) else error
        raise StartRefused(f"--data: cannot use what is in {str(settings.data)!r}: {reason}") from None
    guarded = GuardedLifespan(application)
    config = uvicorn.Config(
        guarded,
        http=Protocol,
        ws="none",
        loop="asyncio",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    config.timeout_graceful_shutdown = GRACE_SECONDS  # type: ignore[assignment] # any number of seconds will do
    server = Server(config)
    try:
        server.run(sockets=[listener])
    except SystemExit:
        # uvicorn's way to say that the application did not start.
        if guarded.refused is not None:
            raise guarded.refused from None
        return 1
    return 0


class GuardedLifespan:
    """The application; a `StartRefused` from its start is kept, to be told in one line."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.refused: StartRefused | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self.app(scope, receive, send)
            return
        failures: list[Message] = []

        async def send_unless_failed(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed":
                failures.append(message)
            else:
                await send(message)

        try:
            await self.app(scope, receive, send_unless_failed)
        except StartRefused as refused:
            self.refused = refused
            failures = [{"type": "lifespan.startup.failed", "message": ""}]
        finally:
            for message in failures:
                await send(message)


def give_the_gateway_reason(status_lines: dict[int, bytes]) -> None:
    """Let a 401 have the reason phrase of the service's gateway.

    Clients match on it: the Python SDK's message is "Operation returned an invalid status code 'Access
    Denied'". ASGI has no place for a reason phrase, so the entry in uvicorn's table of status lines is
    replaced.
    """
    status_lines[401] = b"HTTP/1.1 401 Access Denied\r\n"


def _is_worth_telling(record: logging.LogRecord) -> bool:
    """Leaves out what uvicorn says about requests cut off by the stop, and about a start already reported."""
    import asyncio

    if record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError):
        return False
    message = str(record.msg)
    return "timeout graceful shutdown exceeded" not in message and "startup failed. Exiting" not in message


def _collect_garbage_from_now_on() -> None:
    # What the start made stays for good: frozen, it is not looked through again and again.
    gc.freeze()
    gc.enable()


def _leave_at_once(settings: Settings, status: int) -> NoReturn:
    # Nothing is flushed: whoever should read it may be why the process does not end by itself.
    if settings.ephemeral:
        shutil.rmtree(settings.data, ignore_errors=True)
    os._exit(status)


# --- what is printed at the start ---------------------------------------------------------------------------


def print_start_block(settings: Settings, port: int) -> None:
    """Print where the emulator is and, unless `settings.quiet`, all that a program needs to use it.

    The first line has the same form always, so that scripts can wait for it and read the endpoint from it.
    """
    endpoint = settings.training_endpoint(port)
    text = f"custom-vision-emulator {__version__} ready at {endpoint}"
    if not settings.quiet:
        text += START_BLOCK.format(
            endpoint=endpoint,
            training_key=settings.training_keys[0],
            second_training_key=settings.training_keys[1],
            prediction_key=settings.prediction_keys[0],
            second_prediction_key=settings.prediction_keys[1],
            resource_id=settings.prediction_resource_id,
            data="a temporary folder, removed at the end" if settings.ephemeral else settings.data,
        )
    # Whoever started the emulator may have stopped reading, which is no reason to stop serving.
    with contextlib.suppress(OSError, ValueError):
        print(text, flush=True)


START_BLOCK = """

  Endpoint                {endpoint}
  Training keys           {training_key}
                          {second_training_key}
  Prediction keys         {prediction_key}
                          {second_prediction_key}
  Prediction resource id
    {resource_id}
  State is kept in        {data}

Python      pip install azure-cognitiveservices-vision-customvision

  from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient
  from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient
  from msrest.authentication import ApiKeyCredentials

  endpoint = "{endpoint}"
  trainer = CustomVisionTrainingClient(
      endpoint, ApiKeyCredentials(in_headers={{"Training-key": "{training_key}"}}))
  predictor = CustomVisionPredictionClient(
      endpoint, ApiKeyCredentials(in_headers={{"Prediction-key": "{prediction_key}"}}))

JavaScript  npm install @azure/cognitiveservices-customvision-training \\
                        @azure/cognitiveservices-customvision-prediction @azure/ms-rest-js

  const {{ TrainingAPIClient }} = require("@azure/cognitiveservices-customvision-training");
  const {{ PredictionAPIClient }} = require("@azure/cognitiveservices-customvision-prediction");
  const {{ ApiKeyCredentials }} = require("@azure/ms-rest-js");

  const endpoint = "{endpoint}";
  const trainer = new TrainingAPIClient(new ApiKeyCredentials(
    {{ inHeader: {{ "Training-key": "{training_key}" }} }}), endpoint);
  const predictor = new PredictionAPIClient(new ApiKeyCredentials(
    {{ inHeader: {{ "Prediction-key": "{prediction_key}" }} }}), endpoint);

curl

  curl -H "Training-Key: {training_key}" \\
    {endpoint}/customvision/v3.3/training/projects

The variables of Microsoft's quickstarts:  eval "$(custom-vision-emulator env)"
Stop with Ctrl-C.
"""
