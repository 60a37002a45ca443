"""The commands about networks: their output; an error is one line and leaves no files."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from emulator.cli import networks as model_commands
from emulator.cli.errors import CommandFailed
from emulator.settings import SettingError, Settings
from emulator.vision.backbones import add as add_module
from emulator.vision.backbones import registry
from emulator.vision.backbones.published import PublishedWeights
from emulator.vision.networks.bundled import BUNDLED_NETWORKS
from tests.support.vision.backbones import needs_torchvision, random_state, saved, then
from tests.support.web_servers import Server

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
        timeout=600,
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


# --- published networks, from a mirror on this machine ------------------------------------------------------


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory: pytest.TempPathFactory) -> PublishedWeights:
    """A file that `mirror` serves, in place of torchvision's."""
    path = saved(tmp_path_factory.mktemp("mirror") / "weights.pth", random_state("squeezenet1_1", 1000))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    renamed = path.rename(path.with_name(f"squeezenet1_1-{digest}.pth"))
    return PublishedWeights(
        architecture="squeezenet1_1",
        version="IMAGENET1K_V1",
        url="https://models.invalid/" + renamed.name,
        file_name=renamed.name,
        sha256=digest,
        size=renamed.stat().st_size,
        licence=str(renamed),  # where `mirror` finds it
    )


@pytest.fixture
def mirror(mirrored: PublishedWeights, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    from emulator.vision.backbones import published

    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(
        published, "published_weights_of", lambda name: replace(mirrored, licence="their terms")
    )
    with Server(lambda visit: visit.send_body(Path(mirrored.licence).read_bytes())) as server:
        yield server


@needs_torchvision
def test_a_published_network_is_downloaded_by_its_name(
    tmp_path: Path, mirrored: PublishedWeights, mirror: Server
) -> None:
    folder = tmp_path / "backbones"
    options = {**WHATEVER, "resolution": 64}
    lines = model_commands.add_published(
        "squeezenet1_1", folder, now=then, mirror=f"{mirror.url}/models/", **options
    )
    assert lines[0] == "added         squeezenet1_1"
    assert "licence       their terms" in lines
    assert [visit.path for visit in mirror.requests] == [f"/models/{mirrored.file_name}"]
    assert [each.name for each in tmp_path.iterdir()] == ["backbones"]
    stored = registry.read_manifest(folder, "squeezenet1_1")
    assert (stored.source, stored.source_sha256[:8]) == (mirrored.file_name, mirrored.sha256)
    # Nothing is downloaded for a name that is taken.
    again = refused(
        lambda: model_commands.add_published(
            "squeezenet1_1", folder, now=then, mirror=f"{mirror.url}/models/", **options
        )
    )
    assert "there is a network named 'squeezenet1_1'" in again
    assert len(mirror.requests) == 1


@needs_torchvision
def test_a_published_file_with_a_wrong_checksum(tmp_path: Path, mirror: Server) -> None:
    with Server(lambda visit: visit.send_body(b"<html>")) as wrong:
        reason = refused(
            lambda: model_commands.add_published(
                "squeezenet1_1", tmp_path / "backbones", now=then, mirror=f"{wrong.url}/a.pth", **WHATEVER
            )
        )
        assert [visit.path for visit in wrong.requests] == ["/a.pth"]
    assert "its SHA-256 begins with" in reason
    assert not (tmp_path / "backbones").exists()


@needs_torchvision
def test_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mirror: Server) -> None:
    from emulator.cli import download

    monkeypatch.setattr(download, "_PAUSES", ())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    reason = refused(
        lambda: model_commands.add_published(
            "squeezenet1_1",
            tmp_path / "backbones",
            now=then,
            mirror=f"http://127.0.0.1:{port}/",
            **WHATEVER,
        )
    )
    assert "no connection to 127.0.0.1" in reason
    assert "--from URL" in reason
    assert "models add FILE" in reason


@pytest.mark.parametrize(
    ("text", "is_name"),
    [
        ("resnet50", True),
        ("resnet50:IMAGENET1K_V1", True),
        ("ConvNeXt-Tiny", True),
        ("resnet50.pth", False),
        ("RESNET50.PTH", False),
        ("weights/resnet50", False),
        (str(ROOT / "emulator"), False),
    ],
)
def test_names_of_files_and_of_published_networks(text: str, is_name: bool) -> None:
    assert model_commands._is_published_name(Path(text), text) == is_name


@needs_torchvision
def test_what_cannot_be_downloaded(tmp_path: Path) -> None:
    def added(network: str, **more: Any) -> str:
        options = {**WHATEVER, "mirror": None, **more}
        return refused(lambda: model_commands.add_published(network, tmp_path, now=then, **options))

    assert "did you mean resnet50" in added("resnet5")
    assert "is no http or https URL" in added("resnet18", mirror="nowhere")
    assert "--architecture is for files" in added("resnet18", architecture="resnet18")
    assert "is no name for a network" in added("resnet18", name="../up")
