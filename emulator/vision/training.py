"""What all trainings have in common: how they fail, and how they write what they made."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class TrainingFailed(Exception):
    """The training cannot give a model. The message tells the person who started it what to do."""


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file that is either there completely, also after a power cut, or not at all."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextmanager
def timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    """Notes in `seconds` how long the block took."""
    started = time.perf_counter()
    yield
    seconds[step] = time.perf_counter() - started
