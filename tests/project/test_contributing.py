"""Files and commands in CONTRIBUTING.md exist, and pre-commit runs the tools of make check."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
COMMANDS = sorted(set(re.findall(r"(?:^|`)(make [^`#\n]+?)(?:\s+#[^\n]*)?(?=`|$)", PAGE, re.MULTILINE)))
PATHS = sorted(set(re.findall(r"`((?:emulator|tests|api_spec|docs|models|bench|tools)/[\w./-]*)`", PAGE)))


@pytest.mark.parametrize("path", PATHS)
def test_paths_exist(path: str) -> None:
    assert (ROOT / path).exists()


def test_every_package_is_in_the_table_of_folders() -> None:
    packages = {path.parent.name for path in (ROOT / "emulator").glob("*/__init__.py")}
    assert {name for name in packages if f"`emulator/{name}/`" not in PAGE} == set()


@pytest.mark.skipif(shutil.which("make") is None, reason="make is missing: install it to run this")
@pytest.mark.parametrize("command", COMMANDS)
def test_make_has_the_commands(command: str) -> None:
    ran = subprocess.run(
        ["sh", "-c", command.replace("make", "make --dry-run", 1)], cwd=ROOT, capture_output=True, text=True
    )
    assert (ran.returncode, ran.stderr) == (0, "")


def test_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    listed = set(re.findall(r"^# make ([a-z-]+) ", makefile, re.MULTILINE))
    assert listed == set(phony.split()) - {"help", "lint"}  # lint is an alias of check


def test_hooks_are_the_tools_of_make_check() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (recipe,) = re.findall(r"^check:[^\n]*\n((?:\t[^\n]*\n)+)", makefile, re.MULTILINE)
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    hooks = [hook for repository in config["repos"] for hook in repository["hooks"]]
    assert {hook["language"] for hook in hooks} == {"system"}
    recipe = recipe.replace("$(PORTAL)", "$(BIN)/python")
    checked = set(re.findall(r"\$\(BIN\)/([\w-]+)", recipe))
    assert {Path(hook["entry"].split()[0]).name for hook in hooks} == checked


def test_the_example_is_in_the_program() -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert example in (ROOT / "emulator/api/training/tags.py").read_text(encoding="utf-8")
