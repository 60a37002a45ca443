"""Upload of photographs through the official Python SDK, and training on them.

The SDK shares the processors with the server: the time includes encoding the images of a batch as JSON. The
cost of the SDK alone is measured with an echo server.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench import load, programs
from bench.clients import Trainer
from bench.photographs import photographs
from bench.programs import EMULATOR
from bench.report import Measurement

PHOTOGRAPHS, TAGS = 1_000, 10
UPLOADS_A_SECOND = 100
TRAINING_SECONDS = 30
FEW = 20
FEW_WARM_SECONDS, FEW_COLD_SECONDS = 3, 10
RUNS = 3
# Photographs of Microsoft's quickstart when they are available, one folder for each tag.
QUICKSTART = Path(__file__).resolve().parents[2] / "shared" / "data" / "quickstart"
_QUICKSTART_TAGS = ("Hemlock", "Japanese Cherry")


def measure() -> Iterator[Measurement]:
    yield from _many(photographs(PHOTOGRAPHS, TAGS))
    name, few = _few()
    cold = []
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder)
            with programs.running(EMULATOR, data) as server:
                trainer = Trainer(server, len(few))
                trainer.upload(few)
            # After a restart there is no worker process yet; the training waits for it.
            with programs.running(EMULATOR, data) as server:
                trainer.connect(server.endpoint)
                cold.append(trainer.train())
                if len(cold) < RUNS:
                    continue
                # The worker process of this server runs now. New projects with images whose features are not
                # cached.
                warm = [_fresh_training(server, _altered(few, number)) for number in range(RUNS)]
    yield _seconds(f"{name}, training, no worker yet", cold, FEW_COLD_SECONDS)
    yield _seconds(f"{name}, training, worker warm", warm, FEW_WARM_SECONDS)


def _many(images: list[list[bytes]]) -> Iterator[Measurement]:
    with tempfile.TemporaryDirectory() as folder, programs.running(EMULATOR, Path(folder)) as server:
        trainer = Trainer(server, TAGS)
        taken = trainer.upload(images)
        yield Measurement(
            f"upload of {PHOTOGRAPHS:,} photographs, batches of 64, Python SDK",
            PHOTOGRAPHS / taken,
            "/s",
            at_least=UPLOADS_A_SECOND,
        )
        yield Measurement(
            "  the SDK alone, no server behind it",
            PHOTOGRAPHS / _sdk_alone(trainer, server.endpoint, images),
            "/s",
        )
        yield _seconds(
            f"quick training on them, {TAGS} tags, to Completed", [trainer.train()], TRAINING_SECONDS
        )
        yield _seconds("  once more, their features known", [trainer.train()], None)


def _sdk_alone(trainer: Trainer, endpoint: str, images: list[list[bytes]]) -> float:
    """Duration in seconds of the same upload to an echo server."""
    with load.echo_server(b'{"isBatchSuccessful":true,"images":[]}') as port:
        trainer.connect(f"http://127.0.0.1:{port}/")
        taken = trainer.upload(images)
    trainer.connect(endpoint)
    return taken


def _few() -> tuple[str, list[list[bytes]]]:
    folders = [QUICKSTART / tag for tag in _QUICKSTART_TAGS]
    if all(folder.is_dir() for folder in folders):
        found = [[path.read_bytes() for path in sorted(folder.glob("*.jpg"))] for folder in folders]
        return f"{sum(map(len, found))} photographs of the quickstart", found
    return f"{FEW} photographs", photographs(FEW, 2)


def _altered(images: Sequence[Sequence[bytes]], number: int) -> list[list[bytes]]:
    """The same images with different bytes, so that no features are cached."""
    mark = f"{number}".encode()
    return [[image + mark for image in of_tag] for of_tag in images]


def _fresh_training(server: programs.Running, images: list[list[bytes]]) -> float:
    trainer = Trainer(server, len(images))
    trainer.upload(images)
    return trainer.train()


def _seconds(what: str, taken: list[float], at_most: float | None) -> Measurement:
    return Measurement(what, sorted(taken)[len(taken) // 2], "s", at_most=at_most, samples={"ours": taken})
