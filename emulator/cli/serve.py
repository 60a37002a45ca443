"""Commands that serve: `serve` and `serve-model`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from emulator.cli.flags import with_serving_settings, with_settings
from emulator.serving.settings import ServingSettings
from emulator.settings import Settings


@click.command()
@with_settings
def serve(settings: Settings) -> None:
    """Start the emulator and serve until Ctrl-C or SIGTERM."""
    from emulator.server.run import run
    from emulator.server.uvicorn_server import exit_now

    exit_now(run(settings))


@click.command()
@with_serving_settings
@click.argument("export", help="The zip, or a folder with its content.")
def serve_model(settings: ServingSettings, export: str) -> None:
    """Serve one exported model, of the emulator or of the service itself, until Ctrl-C or SIGTERM."""
    from emulator.server.uvicorn_server import exit_now
    from emulator.serving.program import run

    exit_now(run(replace(settings, model=Path(export).absolute())))
