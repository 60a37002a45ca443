"""The command `watch`, which scores the pictures that a camera writes into a folder."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import click

from emulator.cli.errors import CommandFailed
from emulator.cli.factory.watching import receivers
from emulator.cli.factory.watching.delivery import Delivery
from emulator.cli.factory.watching.pictures import PictureFolder, move
from emulator.cli.factory.watching.results import Picture, Results, ResultsDamaged
from emulator.cli.factory.watching.scorer import NotNow, Scorer
from emulator.cli.flags import absolute_path, with_settings
from emulator.settings import Settings

_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.5, 30.0
_LAST_SENDING_SECONDS = 10.0


def _number(
    flag: str, metavar: str, default: float, bounds: tuple[float, float], help: str
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option(
        flag, metavar=metavar, type=click.FloatRange(*bounds), default=default, show_default=True, help=help
    )


@click.command()
@with_settings
@click.argument("folder", type=absolute_path)
@click.option("--project", metavar="NAME|ID", required=True, help="The project of the published model.")
@click.option("--published", metavar="NAME", required=True, help="The name under which it is published.")
@click.option(
    "--results",
    "written",
    metavar="FOLDER",
    type=absolute_path,
    help="Where results are written; by default FOLDER/results.",
)
@click.option(
    "--move",
    "destination",
    metavar="FOLDER",
    type=absolute_path,
    help="Move each picture to the folder of its tag in this.",
)
@click.option("--webhook", metavar="URL", help="Send each result to this address, too.")
@click.option("--mqtt", metavar="URL", help="Publish each result to mqtt://host/topic, too.")
@click.option("--no-store", is_flag=True, help="Do not store predictions in the emulator.")
@_number("--threshold", "NUMBER", 0.5, (0, 1), "Least probability of the objects of a detector.")
@_number(
    "--settle", "SECONDS", 1.0, (0, 3600), "Time for which a file must not change before it is complete."
)
@_number("--interval", "SECONDS", 0.5, (0.01, 3600), "Time between two looks into the folder.")
@click.option("--once", is_flag=True, help="Stop when all pictures are scored; fail if that is not possible.")
def watch(
    settings: Settings,
    folder: Path,
    project: str,
    published: str,
    written: Path | None,
    destination: Path | None,
    webhook: str | None,
    mqtt: str | None,
    no_store: bool,
    threshold: float,
    settle: float,
    interval: float,
    once: bool,
) -> None:
    """Score every picture that is written into FOLDER, each once, also after a power failure."""
    from filelock import FileLock, Timeout

    written = written or folder / "results"
    senders = {} if webhook is None else {".webhook": receivers.webhook(webhook)}
    if mqtt is not None:
        senders[".mqtt"] = receivers.mqtt(mqtt)
    if not folder.is_dir():
        raise CommandFailed(f"there is no folder {str(folder)!r}")
    try:
        written.mkdir(parents=True, exist_ok=True)
        with FileLock(written / ".lock", timeout=0):
            results = Results(written)
            pictures = PictureFolder(folder, [path for path in (written, destination) if path], settle)
            scorer = Scorer(settings, project, published, store=not no_store, threshold=threshold)
            deliveries = [Delivery(send, results, written / name) for name, send in senders.items()]
            try:
                Watch(pictures, results, scorer, destination, deliveries, interval).run(once=once)
            finally:
                closed = [one.close(_LAST_SENDING_SECONDS if once else 1.0) for one in deliveries]
            failures = [reason for reason in closed if reason is not None]
            if once and failures:
                raise CommandFailed(f"all pictures are scored, but not all results were sent: {failures[0]}")
    except Timeout:
        raise CommandFailed(f"another watch writes to {str(written)!r}") from None
    except ResultsDamaged as damaged:
        raise CommandFailed(str(damaged)) from None
    except OSError as error:
        raise CommandFailed(f"cannot use {error.filename or folder}: {error.strerror or error}") from None


@dataclass
class Watch:
    """Scores the pictures of a folder until SIGINT or SIGTERM.

    destination: None leaves them in place. interval: seconds between two looks into the folder.
    """

    pictures: PictureFolder
    results: Results
    scorer: Scorer
    destination: Path | None
    deliveries: Collection[Delivery]
    interval: float
    _stop: threading.Event = field(default_factory=threading.Event, init=False)
    _last_message: str = field(default="", init=False)

    def run(self, *, once: bool) -> None:
        """Raises CommandFailed if `once` and a picture cannot be scored now; OSError."""

        def stop(_number: int, _frame: FrameType | None) -> None:
            self._stop.set()

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)
        wait = _FIRST_WAIT_SECONDS
        while not self._stop.is_set():
            found = self.pictures.scan(time.monotonic())
            try:
                for picture, is_complete in found.items():
                    if self._stop.is_set():
                        return
                    if picture in self.results.done or (is_complete and self._score(picture)):
                        self._move(picture)
                wait = _FIRST_WAIT_SECONDS
            except NotNow as reason:
                if once:
                    raise CommandFailed(str(reason)) from None
                self._tell(f"waiting: {reason}")
                self._stop.wait(wait)
                wait = min(2 * wait, _LONGEST_WAIT_SECONDS)
                continue
            self.results.keep(set(found))
            for delivery in self.deliveries:
                if delivery.failure:
                    self._tell(f"waiting: {delivery.failure}")
            if once and all(picture in self.results.done for picture in found):
                return
            self._stop.wait(self.interval)

    def _score(self, picture: Picture) -> bool:
        """Score a picture and write its result; False when the file has changed or is gone. Raises NotNow."""
        try:
            data = self.pictures.path(picture).read_bytes()
        except OSError:
            return False
        if not self.pictures.is_unchanged(picture):
            return False
        entry = self.scorer.score(picture, data)
        if not self.pictures.is_unchanged(picture):
            return False  # it was still being written
        self.results.add(picture, entry, datetime.now(UTC))
        for delivery in self.deliveries:
            delivery.notify()
        self._last_message = ""
        return True

    def _move(self, picture: Picture) -> None:
        # Unless another picture has taken its name, which is scored first.
        if self.destination is not None and self.pictures.is_unchanged(picture):
            tag = self.results.done[picture]
            move(self.pictures.path(picture), picture.path, self.destination, tag)

    def _tell(self, message: str) -> None:
        if message != self._last_message:
            print(message, file=sys.stderr, flush=True)
        self._last_message = message
