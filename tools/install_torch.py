"""Put torch into the Python environment that runs this script: the CPU build, unless another one is chosen.

On Linux a plain `pip install torch` brings a CUDA build of several gigabytes. This script keeps a torch that
is there already, and otherwise installs the build named by the environment variable TORCH_BACKEND: `cpu` (the
default), `auto` (what fits the graphics card of this machine), or one build such as `cu126`.
Needs nothing but the standard library and pip.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import subprocess
import sys

TORCH_VERSION = "2.13.0"

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
FAILED = f"""\
torch {TORCH_VERSION} ({{backend}} build) could not be installed; what was tried is above.
Install it into this environment in the way its own instructions give for this machine,
then run the same command again: a torch that is there is kept.
  environment: {sys.prefix}"""


def ways(backend: str, system: str) -> list[list[list[str]]]:
    """The ways to install a build, best first; a way is commands to run in order.

    `system` is what `platform.system()` says. Where the usual torch is the CPU build (Windows, macOS), pip
    alone will do. On Linux pip is asked for the build by its name, in case the user's pip knows a place that
    has it, and else uv, which knows where each build is kept.
    """
    plain = [[*PIP, "install", f"torch=={TORCH_VERSION}"]]
    named = [[*PIP, "install", "--quiet", f"torch=={TORCH_VERSION}+{backend}"]]
    uv = [sys.executable, "-m", "uv", "pip", "install", "--python", sys.executable]
    with_uv = [
        [*PIP, "install", "--quiet", "uv"],
        [*uv, f"--torch-backend={backend}", f"torch=={TORCH_VERSION}"],
    ]
    if backend == "cpu" and system in ("Darwin", "Windows"):
        return [plain]
    if backend == "auto":
        return [with_uv]
    return [named, with_uv]


def run(commands: list[list[str]], last: bool) -> bool:
    """Run commands until one fails. Only the last way that there is may complain."""
    errors = None if last else subprocess.DEVNULL
    return all(subprocess.run(one, stderr=errors).returncode == 0 for one in commands)


def main() -> int:
    if importlib.util.find_spec("torch") is not None:
        print("torch is here already and is kept.")
        return 0
    backend = os.environ.get("TORCH_BACKEND") or "cpu"
    if not re.fullmatch(r"[a-z]+[0-9.]*", backend):
        print(f"TORCH_BACKEND: {backend!r} is not cpu, auto or the name of a build (cu126)", file=sys.stderr)
        return 2
    print(f"Installing torch {TORCH_VERSION}, {backend} build (for the CPU about 200 MB) ...", flush=True)
    possible = ways(backend, platform.system())
    for commands in possible:
        if run(commands, last=commands is possible[-1]):
            return 0
    print(FAILED.format(backend=backend), file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
