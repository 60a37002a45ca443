"""The sealed bundle: licences, components and hashes; an installation without a network; damage is named."""

from __future__ import annotations

import base64
import ensurepip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.project.test_packaging import load_tool

# Python's own copy of pip, which some systems leave out.
PIP = sorted(Path(ensurepip.__file__).parent.glob("_bundled/pip-*.whl"))
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


def write_wheel(folder: Path, name: str, version: str, *metadata: str, licence: str = "") -> None:
    """A wheel with one module, which prints the name of its package."""
    module, information = name.replace("-", "_"), f"{name.replace('-', '_')}-{version}.dist-info"
    files = {
        f"{module}.py": f"def main():\n    print('{name} {version}')\n",
        f"{information}/METADATA": "\n".join(
            ["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}", *metadata, "", ""]
        ),
        f"{information}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{information}/entry_points.txt": f"[console_scripts]\n{name} = {module}:main\n",
    }
    if licence:
        files[f"{information}/licenses/LICENSE"] = licence
    record = []
    for path, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).rstrip(b"=").decode()
        record.append(f"{path},sha256={digest},{len(content)}\n")
    files[f"{information}/RECORD"] = "".join(record) + f"{information}/RECORD,,\n"
    with zipfile.ZipFile(folder / f"{module}-{version}-py3-none-any.whl", "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """An unpacked bundle of two small packages."""
    wheels = tmp_path / "made" / "wheels"
    wheels.mkdir(parents=True)
    needs = ("Requires-Dist: needed>=1; extra == 'train'", "Provides-Extra: train")
    write_wheel(wheels, "custom-vision-emulator", "9.8.7", *needs, "License-Expression: Apache-2.0")
    write_wheel(
        wheels, "needed", "1.0+cpu", "Classifier: License :: OSI Approved :: MIT License", licence="MIT"
    )
    for pip in PIP:
        shutil.copy(pip, wheels)
    maker = load_tool("bundle")
    maker.describe(tmp_path / "made", VERSION, [], "train")
    maker.pack(tmp_path / "made", tmp_path / "bundle.tar")
    with tarfile.open(tmp_path / "bundle.tar") as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "custom-vision-emulator-bundle"


def install(bundle: Path, *arguments: str, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    command = [*before, sys.executable, str(bundle / "install.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=600)


def test_components_are_listed_with_hash_and_licence(bundle: Path) -> None:
    described = json.loads((bundle / "sbom.cdx.json").read_bytes())
    assert described["metadata"]["component"]["version"] == "9.8.7"
    shown = {
        one["purl"]: (one["licenses"][0]["license"]["name"], one["hashes"][0]["content"])
        for one in described["components"]
        if one["name"] != "pip"
    }
    digests = {
        path.name.partition("-")[0]: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (bundle / "wheels").iterdir()
        if not path.name.startswith("pip-")
    }
    assert shown == {
        "pkg:pypi/custom-vision-emulator@9.8.7": ("Apache-2.0", digests["custom_vision_emulator"]),
        "pkg:pypi/needed@1.0%2Bcpu": ("MIT License", digests["needed"]),
    }
    assert (bundle / "licences" / "needed-1.0+cpu" / "licenses_LICENSE").read_text() == "MIT"
    assert (bundle / "models").is_dir()


def test_each_flipped_byte_and_each_other_file_is_named(bundle: Path) -> None:
    assert install(bundle, "--check").stdout == "All files are intact.\n"
    for path in ("wheels/needed-1.0+cpu-py3-none-any.whl", "bundle.json"):
        content = (bundle / path).read_bytes()
        (bundle / path).write_bytes(bytes([content[0] ^ 1]) + content[1:])
        refused = install(bundle, str(bundle.parent / "target"))
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr == (
            f"The bundle is damaged; nothing was installed:\n  {path} has another SHA-256\n"
        )
        (bundle / path).write_bytes(content)
    (bundle / "LICENSE").unlink()
    (bundle / "other").touch()
    errors = install(bundle, "--check").stderr
    assert "LICENSE is missing" in errors
    assert "other is not in SHA256SUMS" in errors
    assert not (bundle.parent / "target").exists()


def test_the_same_wheels_make_the_same_archive(bundle: Path) -> None:
    first = (bundle.parent / "bundle.tar").read_bytes()
    for path in (bundle.parent / "made").rglob("*"):
        os.utime(path, (1, 1))
    load_tool("bundle").pack(bundle.parent / "made", bundle.parent / "again.tar")
    assert (bundle.parent / "again.tar").read_bytes() == first


@pytest.mark.slow
@pytest.mark.skipif(not PIP, reason="Python's own pip is missing: it is in the package python3-venv")
def test_it_installs_in_a_network_namespace_without_a_network(bundle: Path) -> None:
    before: tuple[str, ...] = ()
    program = shutil.which("unshare")
    if program is not None:
        before = (program, "--net", "--map-root-user")
        if subprocess.run([*before, "true"], capture_output=True).returncode:
            before = ()
    target = bundle.parent / "target"
    installed = install(bundle, str(target), before=before)
    assert (installed.returncode, installed.stderr) == (0, "")
    programs = target / ("Scripts" if os.name == "nt" else "bin")
    ran = subprocess.run([programs / "custom-vision-emulator"], capture_output=True, text=True)
    assert ran.stdout == "custom-vision-emulator 9.8.7\n"
    assert subprocess.run([programs / "needed"], capture_output=True, text=True).stdout == "needed 1.0+cpu\n"
    if not before:
        pytest.skip("installed with a network: unshare (package util-linux) and a kernel that permits it")


def test_another_python_and_a_folder_with_files_are_refused(bundle: Path, tmp_path: Path) -> None:
    installer = load_tool("bundle_install")
    with pytest.raises(SystemExit, match="is not empty"):
        installer.install(tmp_path, {})
    path = bundle / "bundle.json"
    other = json.loads(path.read_bytes()) | {"python": "3.1"}
    path.write_text(json.dumps(other))
    lines = (bundle / "SHA256SUMS").read_text().splitlines()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    changed = [f"{digest}  bundle.json" if line.endswith("  bundle.json") else line for line in lines]
    (bundle / "SHA256SUMS").write_text("\n".join(changed) + "\n")
    assert "The bundle is for Python 3.1; this is" in install(bundle, str(bundle.parent / "target")).stderr
