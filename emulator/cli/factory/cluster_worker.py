"""The command `cluster-worker`, which carries out trainings and exports of emulators on other machines."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import click

from emulator.cli.errors import CommandFailed
from emulator.cli.flags import absolute_path
from emulator.settings import ENVIRONMENT_PREFIX, default_data_folder
from emulator.settings.readers import read_blobs, read_cluster


def _read(reader: Callable[[str], str]) -> Callable[[click.Context, click.Parameter, str | None], str | None]:
    def read(_context: click.Context, _parameter: click.Parameter, text: str | None) -> str | None:
        try:
            return None if text is None else reader(text)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None

    return read


@click.command("cluster-worker")
@click.argument("scheduler", callback=_read(read_cluster), envvar=f"{ENVIRONMENT_PREFIX}CLUSTER")
@click.option(
    "--folder",
    metavar="FOLDER",
    type=absolute_path,
    help="Where copies of images and features are kept; several workers may share it.",
)
@click.option(
    "--blobs",
    metavar="URL",
    callback=_read(read_blobs),
    envvar=f"{ENVIRONMENT_PREFIX}BLOBS",
    help="The object store or data folder of the server, where it has another address on this machine.",
)
@click.option("--gpu", is_flag=True, help="This worker has a GPU of its own: trainings prefer it.")
@click.option("--listen", metavar="ADDRESS", help="The address by which the others reach this machine.")
@click.option("--name", metavar="NAME", help="The name of the worker in messages.")
def cluster_worker(
    scheduler: str, folder: Path | None, blobs: str | None, gpu: bool, listen: str | None, name: str | None
) -> None:
    """Train and export for emulators that were started with --cluster SCHEDULER, one job at a time.

    Start one for each job that this machine can carry out at a time, or one for each GPU.
    """
    if importlib.util.find_spec("distributed") is None:
        raise CommandFailed(
            "cluster-worker needs the package distributed: pip install 'custom-vision-emulator[cluster]'"
        )
    from emulator.cluster.worker import run_worker

    place = folder or default_data_folder() / "cluster-worker"
    run_worker(scheduler, place, store=blobs, gpu=gpu, listen=listen, name=name)
