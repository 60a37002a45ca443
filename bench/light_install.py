"""The disk space of an install without the training of networks, which runs the test kit: what it is made of.

`pip install --no-compile '.[testing]'` in a new virtual environment, and one run of everything that needs no
network: then Python has written the bytecode of the modules that it loaded. pip and setuptools are Python's
own; newer versions of Python leave out setuptools, and uv both.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from bench.programs import BenchFailed
from bench.report import Measurement

MOST_MEGABYTES = 250.0
_LISTED = 12
_MEGABYTE = 1e6
_ROOT = Path(__file__).parents[1]
# Prints the bytes of the files of each package.
_SIZES = """
import importlib.metadata, json, os
sizes = {}
for one in importlib.metadata.distributions():
    files = {os.path.realpath(one.locate_file(file)) for file in one.files or ()}
    sizes[one.name.lower()] = sum(os.path.getsize(file) for file in files if os.path.exists(file))
print(json.dumps(sizes))
"""
_RUN = """
from emulator.testing import EmulatorServer, images
with EmulatorServer() as server:
    project = server.create_project(tags={"red": 5, "blue": 5}, trained=True)
    server.control.snapshots.save("one")
    server.control.snapshots.restore("one")
    server.control.clock.freeze()
    server.control.faults.clear()
    server.control.requests.count()
    server.control.reset()
    server.training_client().close()
    server.prediction_client().close()
"""


def measure() -> Iterator[Measurement]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _run(sys.executable, "-m", "venv", str(folder))
        python = str(folder / ("Scripts" if os.name == "nt" else "bin") / "python")
        empty = _bytes(folder)
        _run(python, "-m", "pip", "install", "--quiet", "--no-compile", f"{_ROOT}[testing]")
        installed, sizes = _bytes(folder), json.loads(_run(python, "-c", _SIZES))
        _run(python, "-c", _RUN)
        ran = _bytes(folder)
    yield _row("as installed, with pip and setuptools", installed, at_most=MOST_MEGABYTES)
    yield _row("after one run of the test kit", ran, at_most=MOST_MEGABYTES)
    yield _row("  bytecode of the modules that were loaded", ran - installed)
    yield _row("  Python's own pip and setuptools, with bytecode", empty)
    ours = Counter({name: size for name, size in sizes.items() if name not in ("pip", "setuptools")})
    largest = ours.most_common(_LISTED)
    for name, size in largest:
        yield _row(f"  {name}", size)
    others = len(ours) - len(largest)
    yield _row(f"  {others} other packages", sum(ours.values()) - sum(size for _, size in largest))


def _row(what: str, size: int, **budget: float) -> Measurement:
    return Measurement(what, size / _MEGABYTE, "MB", **budget)


def _bytes(folder: Path) -> int:
    """The bytes of all files, as `du --bytes` counts them, without those of folders."""
    return sum(file.lstat().st_size for file in folder.rglob("*") if not file.is_dir())


def _run(*command: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    ran = subprocess.run(command, capture_output=True, text=True, env=environment)
    if ran.returncode:
        raise BenchFailed(f"{' '.join(command)[:200]} failed: {ran.stderr[-1000:]}")
    return ran.stdout
