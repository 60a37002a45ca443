"""Jobs for the tests: functions of a module, so that workers can import them."""

import os
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from emulator.vision.training.pieces import Outside, Work, current_pieces

Progress = Callable[[float, str], None]


class Sad(Exception):
    """An exception that can be pickled."""


def join_files(paths: tuple[str, ...], folder: Path, output: Path, *, progress: Progress) -> dict[str, Path]:
    """Write the bytes of images and of the files in a folder one after the other."""
    progress(0.5, "joining")
    parts = [Path(path).read_bytes() for path in paths]
    parts += [path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()]
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(b"".join(parts))
    return {"written": output}


def hold(began: Path, released: Path, *, progress: Progress) -> int:
    """Note the process id, wait until a file exists, and return the process id."""
    with began.open("a") as file:
        file.write(f"{os.getpid()}\n")
    progress(0.25, "holding")
    while not released.exists():
        time.sleep(0.02)
    return os.getpid()


def be_sad(*, progress: Progress) -> None:
    raise Sad("no reason")


def time_out(*, progress: Progress) -> None:
    raise TimeoutError("of the job itself")


def divide(count: int, folder: Path, certain: int | None = None, *, progress: Progress) -> list[int]:
    """Carry out pieces, each of which notes its number and process in the file "pieces" and waits until the
    file "released" or "released-<number>" exists.

    certain: after this many, the job waits until a helper has begun the next. Returns the processes of the
    pieces.
    """
    progress(0.1, "dividing")
    with (folder / "job").open("a") as file:
        file.write(f"{os.getpid()}\n")
    waits: list[None] = []
    work = Work(
        here=lambda number: _piece(folder, number),
        outside=_outside,
        shared=lambda: folder,
        seconds=lambda number: 100.0 + number,
        waiting=lambda: waits.append(None),
    )
    numbers = list(range(count))
    results = current_pieces().start(work, numbers, certain=certain)
    with closing(results):
        found = [results.next() for _ in numbers[:certain]]
        if certain is not None:
            while not (results.is_ahead() and f"\n{certain} " in (folder / "pieces").read_text()):
                time.sleep(0.02)
            found += [results.next() for _ in numbers[certain:]]
    return found


def _outside(folder: Path, number: int, outside: Outside) -> int:
    assert 90 < outside.seconds <= 100 + number
    assert outside.scratch.is_dir()
    return _piece(folder, number)


def _piece(folder: Path, number: int) -> int:
    with (folder / "pieces").open("a") as file:
        file.write(f"{number} {os.getpid()}\n")
    if (folder / f"sad-{number}").exists():
        raise Sad(f"piece {number}")
    while not (folder / f"released-{number}").exists() and not (folder / "released").exists():
        time.sleep(0.02)
    return os.getpid()
