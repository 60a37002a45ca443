"""The build of the portal: when it is needed, what wheel and sdist carry, and how it fails."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from emulator.portal import static_files
from tests.project.test_packaging import ROOT, load_tool

tool = load_tool("build_portal")
CONFIGURATION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FORCED = CONFIGURATION["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
COPIED = ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "tools/build_portal.py", ".gitignore")
BUILT = ("index.html", "assets/index-1.js", "assets/index-1.js.br", "licenses.md")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The build files of this checkout, with a small package and a small portal, which is not built."""
    root = tmp_path / "checkout"
    for name in (*COPIED, *FORCED, "emulator/__init__.py", "emulator/portal/__init__.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    for name, text in {
        "package.json": '{"scripts": {"build": "node build.mjs"}}',
        "package-lock.json": '{"packages": {"": {}}}',
        "build.mjs": "",
        "src/main.tsx": "1",
        "src/main.test.tsx": "1",
        "node_modules/installed.js": "1",
    }.items():
        write(root / "portal" / name, text)
    return root


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def put_built_files(root: Path) -> None:
    for name in BUILT:
        write(tool.static_folder(root) / name, name)
    write(tool.static_folder(root) / tool.DIGEST, tool.digest(root))


def hatchling(root: Path, *targets: str) -> subprocess.CompletedProcess[str]:
    """Build without isolation, as a front end does in an environment that has the requirements."""
    command = [sys.executable, "-m", "hatchling", "build", "--directory", "dist"]
    for target in targets:
        command += ["--target", target]
    return subprocess.run(command, cwd=root, capture_output=True, text=True)


def require_node() -> None:
    try:
        tool.find_node()
    except tool.BuildFailed as missing:
        pytest.skip(str(missing))


# --- when it is needed --------------------------------------------------------------------------------------


def test_the_portal_is_built_for_the_sources_that_it_was_built_from(checkout: Path) -> None:
    assert not tool.is_built(checkout)
    put_built_files(checkout)
    assert tool.is_built(checkout)
    assert tool.build(checkout) is False
    for name in ("src/main.test.tsx", "node_modules/installed.js", "src/api/generated/training.d.ts"):
        write(checkout / "portal" / name, "changed")
        assert tool.is_built(checkout)
    write(checkout / "portal" / "src" / "main.tsx", "changed")
    assert not tool.is_built(checkout)


@pytest.mark.parametrize("change", ["a new file", "a removed file", "a lock file", "no index", "no digest"])
def test_every_change_of_the_sources_needs_a_build(checkout: Path, change: str) -> None:
    put_built_files(checkout)
    static = tool.static_folder(checkout)
    if change == "a new file":
        write(checkout / "portal" / "src" / "new.ts", "")
    elif change == "a lock file":
        write(checkout / "portal" / "package-lock.json", "{}")
    else:
        gone = {
            "a removed file": checkout / "portal" / "src" / "main.tsx",
            "no index": static / "index.html",
            "no digest": static / tool.DIGEST,
        }
        gone[change].unlink()
    assert not tool.is_built(checkout)


def test_an_installation_without_sources_is_built(checkout: Path) -> None:
    put_built_files(checkout)
    shutil.rmtree(checkout / "portal")
    assert tool.is_built(checkout)
    shutil.rmtree(tool.static_folder(checkout))
    with pytest.raises(tool.BuildFailed, match="neither the sources"):
        tool.build(checkout)


@pytest.mark.parametrize(
    ("wanted", "present", "expected"),
    [
        ({"a": {"version": "1"}}, {"a": {"version": "1"}, "b": {"version": "1"}}, True),
        ({"a": {"version": "1"}}, {"a": {"version": "2"}}, False),
        ({"a": {"version": "1"}}, {}, False),
        ({"a": {"version": "1", "optional": True}}, {}, True),
        ({}, {}, False),
    ],
)
def test_packages_are_installed_when_they_differ_from_the_lock_file(
    tmp_path: Path, wanted: dict[str, object], present: dict[str, object], expected: bool
) -> None:
    write(tmp_path / "package-lock.json", json.dumps({"packages": wanted}))
    write(tmp_path / "node_modules" / ".package-lock.json", json.dumps({"packages": present}))
    assert tool.has_packages(tmp_path) is expected


# --- what is built ------------------------------------------------------------------------------------------


def test_the_build_runs_vite_and_notes_the_sources(checkout: Path) -> None:
    require_node()
    script = "import {mkdirSync, writeFileSync} from 'fs'; const to = '../emulator/portal/static/'; "
    script += "mkdirSync(to, {recursive: true}); writeFileSync(to + 'index.html', 'built');"
    write(checkout / "portal" / "build.mjs", script)
    assert tool.build(checkout) is True
    assert (tool.static_folder(checkout) / "index.html").read_text() == "built"
    assert tool.build(checkout) is False


def test_wheel_and_sdist_carry_the_built_portal(checkout: Path) -> None:
    put_built_files(checkout)
    ran = hatchling(checkout, "sdist", "wheel")
    assert ran.returncode == 0, ran.stderr
    files = {f"emulator/portal/static/{name}" for name in BUILT}
    (wheel,) = (checkout / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = set(archive.namelist())
    assert files <= in_wheel
    assert not [name for name in in_wheel if name.startswith(("portal/", "tools/", "hatch_build"))]
    (sdist,) = (checkout / "dist").glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        in_sdist = {name.partition("/")[2] for name in archive.getnames()}
        archive.extractall(checkout / "unpacked", filter="data")
    sources = {f"portal/{name}" for name in ("package.json", "package-lock.json", "src/main.tsx")}
    assert files | sources | {"hatch_build.py", "tools/build_portal.py"} <= in_sdist
    assert not [name for name in in_sdist if "node_modules" in name]
    # A wheel of the sdist, as pip builds it, needs no Node.
    (unpacked,) = (checkout / "unpacked").iterdir()
    assert tool.is_built(unpacked)


@pytest.mark.parametrize("target", ["wheel", "sdist"])
def test_a_build_without_the_index_fails(checkout: Path, target: str) -> None:
    require_node()
    ran = hatchling(checkout, target)
    assert ran.returncode != 0
    assert "wrote no index.html" in ran.stderr
    assert not list((checkout / "dist").glob("*.*"))


def test_a_build_that_fails_ends_with_its_status(checkout: Path) -> None:
    require_node()
    write(checkout / "portal" / "build.mjs", "process.exit(3)")
    with pytest.raises(tool.BuildFailed, match="npm run build failed with status 3"):
        tool.build(checkout)


def test_node_is_required_for_a_build_of_the_portal_alone(checkout: Path) -> None:
    code = (
        "from hatchling import build;"
        " print(build.get_requires_for_build_sdist(), build.get_requires_for_build_wheel())"
    )

    def required() -> str:
        command = [sys.executable, "-c", code]
        return subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=True).stdout

    assert required() == f"[{tool.NODE_REQUIREMENT!r}] [{tool.NODE_REQUIREMENT!r}]\n"
    put_built_files(checkout)
    assert required() == "[] []\n"


# --- the sources --------------------------------------------------------------------------------------------


def test_the_tests_use_the_node_that_builds() -> None:
    assert tool.NODE_REQUIREMENT in CONFIGURATION["project"]["optional-dependencies"]["test"]


def test_the_portal_has_few_packages_with_exact_versions() -> None:
    package = json.loads((ROOT / "portal" / "package.json").read_text(encoding="utf-8"))
    assert len(package["dependencies"]) <= 15
    versions = {**package["dependencies"], **package["devDependencies"]}
    assert {
        name for name, version in versions.items() if not re.fullmatch(r"\d+\.\d+\.\d+", version)
    } == set()


def test_the_licenses_of_bundled_packages_are_in_the_build() -> None:
    licenses = static_files.FOLDER / "licenses.md"
    if not licenses.exists():
        pytest.skip("the portal is not built: run make portal")
    text = licenses.read_text(encoding="utf-8")
    for name in ("react", "react-dom", "@mantine/core", "@tanstack/react-query", "wouter"):
        assert re.search(rf"^## {re.escape(name)} - ", text, re.MULTILINE), name
