"""What a server prints at its start: a warning when it is open to others, and how to use it."""

from __future__ import annotations

import contextlib
import sys

from emulator import __version__
from emulator.settings import Settings
from emulator.settings.addresses import is_loopback, without_password
from emulator.settings.https import local_https_endpoint


def warn_about_exposure(settings: Settings) -> None:
    """Warn on standard error when other machines or all web pages can use credentials that are not secret."""
    if not settings.accepts_public_credentials:
        return
    public = "its keys are public" if settings.uses_default_keys else "anybody can create access tokens"
    remedy = (
        "Set your own keys (--training-key, --prediction-key or --keys-file)"
        if settings.uses_default_keys
        else "Start it without --entra"
    )
    if not is_loopback(settings.host):
        _print_box(
            "WARNING: THIS EMULATOR IS OPEN TO OTHERS",
            f"It listens on {settings.host}, which other machines can reach, and {public}.",
            "Everyone who reaches it can read, change and delete everything.",
            f"{remedy}, or",
            "listen on this machine only (--host 127.0.0.1).",
        )
    # Any page can obtain the origin "null": in a frame with the attribute `sandbox`.
    if {"*", "null"} & {*settings.cors_origins}:
        _print_box(
            "WARNING: THIS EMULATOR IS OPEN TO EVERY WEB PAGE",
            f"Pages of all origins may use it (--cors-origin), and {public}. Every",
            "page that a browser here shows can read, change and delete everything.",
            f"{remedy}, or",
            "name the origins.",
        )


def _print_box(*lines: str) -> None:
    width = max(len(line) for line in lines)
    box = ["!" * (width + 6), *(f"!! {line:<{width}} !!" for line in lines), "!" * (width + 6)]
    for line in box:
        print(f"\033[1;97;41m{line}\033[0m" if sys.stderr.isatty() else line, file=sys.stderr)


def print_start_block(settings: Settings, port: int) -> None:
    """Print the endpoint and, unless `settings.quiet`, keys and examples of clients.

    The first line always has the same form: scripts wait for it and read the endpoint from it.

    Args:
        port: the port that the server listens on.
    """
    endpoint = settings.training_endpoint(port)
    text = f"custom-vision-emulator {__version__} ready at {endpoint}"
    if settings.https_port is not None:
        text += f" and {local_https_endpoint(settings, settings.https_port)}"
    if not settings.quiet:
        text += START_BLOCK.format(
            endpoint=endpoint,
            portal=portal_address(settings, port),
            training_key=settings.training_keys[0],
            training_keys=_lines(settings.training_keys),
            prediction_key=settings.prediction_keys[0],
            prediction_keys=_lines(settings.prediction_keys),
            both="\n                          Every key is valid for both APIs."
            if settings.multi_service
            else "",
            resource_id=settings.prediction_resource_id,
            trust=_TRUST if settings.https == "auto" else "",
            https=" --https auto" if settings.https == "auto" else "",
            data="a temporary folder, removed at the end" if settings.ephemeral else settings.data,
            servers=_servers(settings),
        )
    # A closed standard output is no reason to stop serving.
    with contextlib.suppress(OSError, ValueError):
        print(text, flush=True)


def _servers(settings: Settings) -> str:
    """The lines of the database and the object store, without a password."""
    text = ""
    if settings.database is not None:
        text += f"\n  Database                {without_password(settings.database)}"
    if settings.blobs is not None:
        text += f"\n  Object store            {settings.blobs}"
    return text


def _lines(keys: tuple[str, str]) -> str:
    """Both keys of a resource, one below the other; a single key of the options, which is both, once."""
    return f"\n{' ' * _VALUES_COLUMN}".join(dict.fromkeys(keys))


def portal_address(settings: Settings, port: int) -> str:
    """The address of the portal, for browsers on this machine. port: the one that the server listens on."""
    return f"{settings.training_endpoint(port)}/portal/"


_VALUES_COLUMN = 26
_TRUST = "\n  How to trust https      custom-vision-emulator trust, with the same options"

START_BLOCK = """

  Portal                  {portal}
  Endpoint                {endpoint}
  Training keys           {training_keys}
  Prediction keys         {prediction_keys}{both}
  Prediction resource id
    {resource_id}
  State is kept in        {data}{servers}{trust}

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

The variables of Microsoft's quickstarts:  eval "$(custom-vision-emulator env{https})"
The reason of a refused request is in the log:  --log-level info
Stop with Ctrl-C.
"""
