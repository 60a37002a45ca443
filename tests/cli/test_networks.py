"""The commands about networks: their output; an error is one line and leaves no files."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emulator.cli import networks as model_commands
from emulator.cli.errors import CommandFailed
from emulator.settings import SettingError, Settings
from emulator.vision.backbones import add as add_module
from emulator.vision.backbones import registry
from emulator.vision.networks.bundled import BUNDLED_NETWORKS
from tests.support.vision.backbones import needs_torchvision, random_state, saved, then

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-m", "emulator"]
WHATEVER = {"architecture": None, "name": None, "licence": "", "resolution": None}


def run(*arguments: str, folder: Path, code: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the program in a process of its own, after `code`."""
    program = (
        PROGRAM
        if code is None
        else [sys.executable, "-c", f"{code}\nfrom emulator.__main__ import main; main()"]
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CUSTOM_VISION_")}
    return subprocess.run(
        [*program, "models", *arguments, "--data", str(folder)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        timeout=120,
    )


def failure(ran: subprocess.CompletedProcess[str]) -> str:
    assert (ran.returncode, ran.stdout) == (1, ""), ran.stderr
    assert ran.stderr.startswith("custom-vision-emulator: ")
    assert ran.stderr.count("\n") == 1
    return ran.stderr.removeprefix("custom-vision-emulator: ").rstrip()


def refused(ran: Callable[[], object]) -> str:
    with pytest.raises(CommandFailed) as caught:
        ran()
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- what comes with the program ----------------------------------------------------------------------------


def test_the_list_agrees_with_the_cards() -> None:
    for bundled in BUNDLED_NETWORKS:
        card = (ROOT / bundled.card).read_text(encoding="utf-8")
        assert card.startswith(f"# {bundled.architecture}\n")
        (digest,) = re.findall(r"^\| SHA-256 \| `([0-9a-f]{64})`", card, re.MULTILINE)
        assert bundled.sha256 == digest
        (license_row,) = re.findall(r"^\| License \| (.*) \|$", card, re.MULTILINE)
        assert all(part in license_row for part in bundled.licence.split(" AND "))
        assert f"{bundled.resolution} x {bundled.resolution} pixels" in card


def test_every_card_is_in_the_list() -> None:
    rows = (ROOT / "models" / "README.md").read_text(encoding="utf-8").splitlines()
    cards = {
        row.rpartition("](")[2].partition(")")[0] for row in rows if row.startswith("| ") and "](" in row
    }
    assert {bundled.card for bundled in BUNDLED_NETWORKS} == {f"models/{card}" for card in cards}


def test_a_list_without_networks_of_ones_own_needs_no_folder(tmp_path: Path) -> None:
    ran = run("list", folder=tmp_path / "nowhere")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert [line.split()[0] for line in ran.stdout.splitlines()[1:]] == [
        bundled.name for bundled in BUNDLED_NETWORKS
    ]
    assert not (tmp_path / "nowhere").exists()


def test_the_list_does_not_import_torch() -> None:
    code = (
        "import sys; from pathlib import Path; from emulator.cli import networks as model_commands;"
        "model_commands.listing(Path('nowhere'), as_json=True);"
        "print([name for name in ('torch', 'torchvision', 'onnx', 'numpy') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (ran.stdout, ran.stderr) == ("[]\n", "")


# --- adding, showing, removing ------------------------------------------------------------------------------


@needs_torchvision
def test_from_a_file_to_the_list_and_away(tmp_path: Path) -> None:
    path = saved(tmp_path / "squeezenet1_1-mine.pth", random_state("squeezenet1_1"))
    folder = tmp_path / "data"

    ran = run("add", str(path), "--licence", "BSD-3-Clause", "--resolution", "64", folder=folder)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("added         squeezenet1_1\n")

    taken = failure(run("add", str(path), "--name", "squeezenet1_1", folder=folder))
    assert taken.startswith(f"{path.name}: there is a network named 'squeezenet1_1'")
    line = run("list", folder=folder).stdout.splitlines()[-1]
    assert line.startswith("squeezenet1_1")
    assert "BSD-3-Clause" in line
    shown = json.loads(run("list", "--json", folder=folder).stdout)
    assert [each["name"] for each in shown["bundled"]] == [bundled.name for bundled in BUNDLED_NETWORKS]
    (mine,) = shown["registered"]
    assert (mine["licence"], mine["resolution"], mine["features"], mine["problem"]) == (
        "BSD-3-Clause",
        64,
        512,
        None,
    )

    (folder / "backbones" / "squeezenet1_1" / "network.onnx").write_bytes(b"")
    assert "DAMAGED" in run("list", folder=folder).stdout.splitlines()[-1]
    assert run("remove", "squeezenet1_1", folder=folder).stdout == "removed  squeezenet1_1\n"
    assert json.loads(run("list", "--json", folder=folder).stdout)["registered"] == []


def test_networks_that_cannot_be_removed(tmp_path: Path) -> None:
    assert failure(run("remove", "resnet50", folder=tmp_path)) == (
        "no network of yours is named 'resnet50' (yours: there are none)"
    )
    assert refused(lambda: model_commands.remove(tmp_path, "nanodet-g")).startswith("nanodet-g comes with")


def test_a_temporary_folder_keeps_no_networks() -> None:
    with pytest.raises(SettingError, match="--ephemeral"):
        model_commands.folder_of(Settings(ephemeral=True))


# --- what goes wrong ----------------------------------------------------------------------------------------


@pytest.fixture
def add(tmp_path: Path) -> Callable[..., list[str]]:
    def add_file(content: bytes | None = b"nothing", **more: Any) -> list[str]:
        path = tmp_path / "file.pth"
        if content is not None:
            path.write_bytes(content)
        return model_commands.add(str(path), tmp_path / "backbones", now=then, **{**WHATEVER, **more})

    return add_file


Add = Callable[..., list[str]]


@needs_torchvision
def test_a_file_without_weights(add: Add, tmp_path: Path) -> None:
    assert refused(add).startswith("file.pth: this is no file of weights")
    assert not (tmp_path / "backbones").exists()


def test_a_file_that_is_not_there(add: Add, tmp_path: Path) -> None:
    assert refused(lambda: add(None)) == "file.pth: there is no such file"
    assert refused(lambda: model_commands.add(str(tmp_path), tmp_path, now=then, **WHATEVER)).endswith(
        "there is no such file"
    )


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "file.pth: the disk is full"),
        (PermissionError(errno.EACCES, "Permission denied"), "file.pth: Permission denied"),
        (MemoryError(), "file.pth: there is not enough memory for this network"),
        (
            ModuleNotFoundError("No module named 'torch'", name="torch"),
            "torch is needed and not usable; install",
        ),
        (ModuleNotFoundError("No module named 'onnxscript'", name="onnxscript"), "onnxscript is needed"),
        (
            ImportError("does not work: a\nb", name="torchvision"),
            "torchvision is needed and not usable; install the v",
        ),
    ],
)
def test_lack_of_memory_or_disk_is_one_line(
    add: Add, monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(add_module, "add_backbone", fail)
    assert refused(add).startswith(message)


@pytest.mark.parametrize(
    ("module", "hint"),
    [("torch", "custom-vision-emulator[train]"), ("torchvision", "pip install torchvision")],
)
def test_what_is_not_installed(tmp_path: Path, module: str, hint: str) -> None:
    (tmp_path / "a.pth").write_bytes(b"")
    ran = run(
        "add", str(tmp_path / "a.pth"), folder=tmp_path, code=f"import sys; sys.modules[{module!r}] = None"
    )
    assert failure(ran).startswith(f"{module} is needed and not usable; ")
    assert hint in ran.stderr


@needs_torchvision
def test_a_full_disk_leaves_nothing(add: Add, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "weights.pth", random_state("squeezenet1_1"))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(registry, "write_atomically", full)
    message = refused(lambda: add(path.read_bytes(), architecture="squeezenet1_1", resolution=64))
    assert message == "file.pth: the disk is full"
    assert registry.names(tmp_path / "backbones") == []
    shutil.rmtree(tmp_path / "backbones")
