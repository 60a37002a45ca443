"""Start and stop: the data folder's lock, and what is printed first. Listening and serving: `listening`."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from emulator import __version__
from emulator.server.uvicorn_server import (
    is_loopback,
    line_buffer_output,
    listening_socket,
    serve_until_stopped,
)
from emulator.settings import Settings, StartRefused
from emulator.vision.imaging.memory import limit_malloc_arenas

logger = logging.getLogger("emulator.server.run")


def run(settings: Settings) -> int:
    """Serve until a signal; returns the exit status of the process.

    Raises `StartRefused` when the data folder is in use or cannot be used, or the port is taken.
    """
    limit_malloc_arenas()
    # The start allocates hundreds of thousands of objects that stay. Looking through them for garbage while
    # they arrive is a fifth of the time to the first answer; `serve_until_stopped` ends this.
    gc.disable()
    line_buffer_output()
    logging.basicConfig(
        level=settings.log_level.upper(),
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    with (
        _data_folder(settings) as settings_in_use,
        listening_socket(settings_in_use.host, settings_in_use.port) as listener,
    ):
        warn_about_exposure(settings_in_use)
        return _serve(settings_in_use, listener)


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


# --- who can come in ----------------------------------------------------------------------------------------


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
    from sqlalchemy.exc import DBAPIError

    from emulator.app import create_app
    from emulator.vision.imaging.decode import silence_pillow_warnings

    silence_pillow_warnings()
    try:
        application = create_app(settings)
    except (OSError, DBAPIError) as error:
        reason = error.orig if isinstance(error, DBAPIError) else error
        raise StartRefused(f"--data: cannot use what is in {str(settings.data)!r}: {reason}") from None
    return serve_until_stopped(
        application,
        listener,
        when_ready=lambda: print_start_block(settings, listener.getsockname()[1]),
        exit_at_once=lambda status: _exit_at_once(settings, status),
    )


def _exit_at_once(settings: Settings, status: int) -> NoReturn:
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
