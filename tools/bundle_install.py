"""Install the emulator from this bundle, without a network:

    python3 install.py /opt/custom-vision-emulator

Every file is compared with SHA256SUMS first. `--check` does only that. Needs only Python.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import venv
from collections.abc import Iterator, Sequence
from pathlib import Path

BUNDLE = Path(__file__).resolve().parent


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Install the emulator from this bundle, without a network.")
    parser.add_argument("target", type=Path, nargs="?", help="folder of the new Python environment")
    parser.add_argument("--check", action="store_true", help="compare all files with SHA256SUMS, and stop")
    given = parser.parse_args(arguments)
    problems = list(_problems(BUNDLE))
    if problems:
        sys.exit("The bundle is damaged; nothing was installed:\n  " + "\n  ".join(problems))
    if given.check:
        print("All files are intact.")
        return
    if given.target is None:
        parser.error("give a folder for the new Python environment")
    described = json.loads((BUNDLE / "bundle.json").read_bytes())
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if described["python"] != version:
        sys.exit(f"The bundle is for Python {described['python']}; this is {version}.")
    install(given.target.absolute(), described)


def install(target: Path, described: dict[str, str]) -> None:
    if target.exists() and any(target.iterdir()) and not (target / "pyvenv.cfg").exists():
        sys.exit(f"{target} is not empty; give a new folder, or one with an earlier installation.")
    try:
        venv.create(target)
    except (subprocess.CalledProcessError, OSError) as error:
        sys.exit(f"No Python environment can be made in {target}: {error}")
    # pip runs from its wheel: Python's own copy of it is missing on some systems.
    (pip,) = (BUNDLE / "wheels").glob("pip-*.whl")
    programs = target / ("Scripts" if os.name == "nt" else "bin")
    extras = f"[{described['extras']}]" if described["extras"] else ""
    command = [
        str(programs / "python"), str(pip / "pip"), "install", "--quiet", "--no-index", "--no-cache-dir",
        "--disable-pip-version-check", "-f", str(BUNDLE / "wheels"),
        f"{described['name']}{extras}=={described['version']}",
    ]  # fmt: skip
    # No configuration of pip's may name a package index or other versions.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    if subprocess.run(command, env={**environment, "PIP_CONFIG_FILE": os.devnull}).returncode:
        sys.exit("The installation failed; the reason is above.")
    print(f"Installed. To start it: {programs / described['name']} serve")


def _problems(folder: Path) -> Iterator[str]:
    try:
        lines = (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        yield f"SHA256SUMS cannot be read: {error}"
        return
    listed = {"SHA256SUMS"}
    for number, line in enumerate(lines, start=1):
        digest, _, name = line.partition("  ")
        if len(digest) != 64 or not name:
            yield f"SHA256SUMS is damaged in line {number}"
            continue
        listed.add(name)
        try:
            with (folder / name).open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                    yield f"{name} has another SHA-256"
        except FileNotFoundError:
            yield f"{name} is missing"
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in listed:
            yield f"{name} is not in SHA256SUMS"


if __name__ == "__main__":
    main()
