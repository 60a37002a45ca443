"""Jobs for the tests: functions of a module, so that workers can import them."""

import os
import time
from collections.abc import Callable
from pathlib import Path

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
