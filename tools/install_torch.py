"""Install torch and torchvision into the Python environment that runs this script.

On Linux `pip install torch` downloads a CUDA build of several gigabytes. This script keeps a torch that is
installed, and otherwise installs the build in the environment variable TORCH_BACKEND: `cpu` (the default),
`auto` (the build for the graphics card of this machine), or one build such as `cu126`.

torchvision is installed without its dependencies, so that it cannot replace torch: each version
requires one version of torch, which pip would install as its default build. Training needs it; if it
cannot be installed here, the extra `train` requires it.
Needs only the standard library and pip.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import re
import subprocess
import sys

TORCH_VERSION = "2.13.0"
# Requires exactly TORCH_VERSION.
TORCHVISION_VERSION = "0.28.0"

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
FAILED = f"""\
torch {TORCH_VERSION} ({{backend}} build) could not be installed; the errors are above.
Install it into this environment as its documentation describes for this machine,
then run the same command again: an installed torch is kept.
  environment: {sys.prefix}"""


def ways(backend: str, system: str) -> list[list[list[str]]]:
    """The ways to install a build, best first; each is a list of commands to run in order.

    `system` is the value of `platform.system()`. Where the default build is the CPU build (Windows, macOS),
    pip alone suffices. On Linux pip is asked for the build by its name, in case the user's index
    has it, and otherwise uv, which knows the index of each build.
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


def torchvision_ways(backend: str) -> list[list[list[str]]]:
    """The ways to install torchvision, best first. The last one takes the default build, whose parts that
    the emulator needs work with any build of torch."""
    release = f"torchvision=={TORCHVISION_VERSION}"
    install = [*PIP, "install", "--quiet", "--no-deps"]
    named = [] if backend == "auto" else [[[*install, f"{release}+{backend}"]]]
    return [*named, [[*install, release]]]


def run(commands: list[list[str]], last: bool) -> bool:
    """Run commands until one fails. Only the last way prints its errors."""
    errors = None if last else subprocess.DEVNULL
    return all(subprocess.run(one, stderr=errors).returncode == 0 for one in commands)


def install_torch(backend: str) -> bool:
    if importlib.util.find_spec("torch") is not None:
        print("torch is here already and is kept.")
        return True
    print(f"Installing torch {TORCH_VERSION}, {backend} build (for the CPU about 200 MB) ...", flush=True)
    possible = ways(backend, platform.system())
    if any(run(commands, last=commands is possible[-1]) for commands in possible):
        return True
    print(FAILED.format(backend=backend), file=sys.stderr)
    return False


def install_torchvision(backend: str) -> None:
    if importlib.util.find_spec("torchvision") is not None:
        return
    try:
        installed = importlib.metadata.version("torch").partition("+")[0]
    except importlib.metadata.PackageNotFoundError:
        installed = "unknown"
    if installed != TORCH_VERSION:
        print(f"torch is {installed}: install the torchvision that belongs to it; training needs it.")
        return
    print(f"Installing torchvision {TORCHVISION_VERSION} (10 MB) ...", flush=True)
    if not any(run(commands, last=False) for commands in torchvision_ways(backend)):
        print("torchvision could not be installed; training needs it.")


def main() -> int:
    backend = os.environ.get("TORCH_BACKEND") or "cpu"
    if not re.fullmatch(r"[a-z]+[0-9.]*", backend):
        print(f"TORCH_BACKEND: {backend!r} is not cpu, auto or the name of a build (cu126)", file=sys.stderr)
        return 2
    if not install_torch(backend):
        return 1
    install_torchvision(backend)
    return 0


if __name__ == "__main__":
    sys.exit(main())
