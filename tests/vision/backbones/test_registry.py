"""The folder of user networks: stored completely or not at all, and what happens to damaged ones."""

import errno
import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy
import pytest

from emulator.vision.backbones import registry
from emulator.vision.backbones.registry import (
    MANIFEST_FILE,
    NETWORK_FILE,
    Backbone,
    BackboneDamaged,
    NameTaken,
    names,
    network_bytes,
    open_session,
    parse_network,
    read_manifest,
    remove,
    store,
    summary,
)
from emulator.vision.networks.graph import INPUT, Network, Operation
from emulator.vision.networks.model_file import NETWORK
from emulator.vision.networks.onnx_writer import onnx_bytes
from emulator.vision.networks.serialization import serialize


def network() -> Network:
    """Computes the mean of each channel, with nodes."""
    operations = (
        Operation("normalise", (INPUT,), "normalised", mean=(1.0, 2.0, 3.0), scale=(0.5, 0.5, 0.5)),
        Operation(
            "node",
            ("normalised", "backbone.axes"),
            "features",
            operator="ReduceMean",
            attributes=(("keepdims", 0), ("noop_with_empty_axes", 0)),
        ),
    )
    return Network(8, operations, {"backbone.axes": numpy.array([2, 3])}, {"features": (3,)})  # type: ignore[dict-item]


def bytes_of(network: Network) -> bytes:
    return onnx_bytes(network, {NETWORK: serialize(network)})


DATA = bytes_of(network())
BACKBONE = Backbone(
    name="mine",
    architecture="resnet18",
    source="mine.pth",
    source_sha256="12" * 32,
    source_bytes=1234,
    sha256=hashlib.sha256(DATA).hexdigest(),
    resolution=8,
    mean=(0.485, 0.456, 0.406),
    deviation=(0.229, 0.224, 0.225),
    features=3,
    parameters=1,
    licence="of the böse kind",
    added="2026-03-04T05:06:07+00:00",
    made_with="torch 2.13.0",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    store(tmp_path / "backbones", BACKBONE, DATA)
    return tmp_path / "backbones"


def test_what_is_kept_comes_back(folder: Path) -> None:
    assert names(folder) == ["mine"]
    assert read_manifest(folder, "mine") == BACKBONE
    back = parse_network(network_bytes(folder, BACKBONE))
    assert back.operations == network().operations
    assert bytes_of(back) == DATA
    (features,) = open_session(DATA).run(None, {INPUT: numpy.full((2, 8, 8, 3), 5, numpy.uint8)})
    assert features.tolist() == [[2.0, 1.5, 1.0]] * 2


def test_a_folder_that_is_not_there_is_an_empty_one(tmp_path: Path) -> None:
    assert names(tmp_path / "nowhere") == []
    assert summary(tmp_path / "nowhere") == []


def test_a_name_belongs_to_one(folder: Path) -> None:
    with pytest.raises(NameTaken):
        store(folder, replace(BACKBONE, licence="another"), DATA)
    assert read_manifest(folder, "mine").licence == BACKBONE.licence


def test_removed_and_added_again(folder: Path) -> None:
    remove(folder, "mine")
    assert names(folder) == []
    assert [each.name for each in folder.iterdir() if each.is_dir()] == []
    store(folder, BACKBONE, DATA)
    assert names(folder) == ["mine"]


@pytest.mark.parametrize("name", ["other", "", ".", "..", "../backbones", "mine/", "/"])
def test_nothing_else_is_removed(folder: Path, name: str) -> None:
    with pytest.raises(FileNotFoundError):
        remove(folder, name)
    assert names(folder) == ["mine"]


@pytest.mark.parametrize("file", [NETWORK_FILE, MANIFEST_FILE])
def test_when_the_disk_is_full_nothing_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    real = registry.write_atomically

    def write(path: Path, data: bytes) -> None:
        if path.name == file:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(path, data)

    monkeypatch.setattr(registry, "write_atomically", write)
    with pytest.raises(OSError, match="No space"):
        store(tmp_path, BACKBONE, DATA)
    assert names(tmp_path) == []
    assert [each for each in tmp_path.iterdir() if each.is_dir()] == []


def test_unfinished_folders_are_neither_listed_nor_kept(folder: Path) -> None:
    (folder / ".half").mkdir()
    (folder / ".half" / NETWORK_FILE).write_bytes(DATA)
    assert names(folder) == ["mine"]
    store(folder, replace(BACKBONE, name="next"), DATA)
    assert not (folder / ".half").exists()
    assert names(folder) == ["mine", "next"]


@pytest.mark.parametrize("name", ["a", "resnet50", "my-net_2.1", "x" * 64])
def test_names_that_are_good(name: str) -> None:
    assert registry.is_name(name)


@pytest.mark.parametrize(
    "name", ["", "A", "a b", "a/b", "a\\b", ".a", "a.", "-a", "con", "nul.txt", "com1", "x" * 65, "ä", "a\n"]
)
def test_names_that_no_folder_can_have_everywhere(name: str) -> None:
    assert not registry.is_name(name)


# --- damaged files ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damaged", [b"", DATA[:-1], DATA + b"x", None])
def test_a_network_file_that_was_changed(folder: Path, damaged: bytes | None) -> None:
    file = folder / "mine" / NETWORK_FILE
    file.unlink()
    if damaged is not None:
        file.write_bytes(damaged)
    with pytest.raises(BackboneDamaged, match=NETWORK_FILE):
        network_bytes(folder, BACKBONE)
    (shown,) = summary(folder)
    assert (shown["name"], shown["architecture"]) == ("mine", "resnet18")
    assert NETWORK_FILE in shown["problem"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        "\xff",
        json.dumps({"format": 2, **vars(BACKBONE)}),
        json.dumps({"format": 1, "name": "mine"}),
        json.dumps({"format": 1, **vars(BACKBONE), "more": 1}),
        json.dumps({"format": 1, **vars(BACKBONE), "resolution": "8"}),
        json.dumps({"format": 1, **vars(BACKBONE), "resolution": True}),
        json.dumps({"format": 1, **vars(BACKBONE), "mean": 3}),
        json.dumps({"format": 1, **vars(BACKBONE), "mean": ["a"]}),
        json.dumps({"format": 1, **vars(BACKBONE), "licence": [1.0]}),
        json.dumps({"format": 1, **vars(BACKBONE), "name": "../other"}),
    ],
)
def test_a_manifest_that_was_changed(folder: Path, text: str) -> None:
    (folder / "mine" / MANIFEST_FILE).write_bytes(text.encode("latin-1"))
    with pytest.raises(BackboneDamaged, match=MANIFEST_FILE):
        read_manifest(folder, "mine")
    assert summary(folder)[0].keys() == {"name", "problem"}
    remove(folder, "mine")
    assert names(folder) == []


@pytest.mark.parametrize(
    "data",
    [
        b"no protobuf",
        onnx_bytes(network(), {}),
        onnx_bytes(network(), {NETWORK: '{"operations": 3}'}),
    ],
)
def test_a_network_of_another_program(data: bytes) -> None:
    with pytest.raises(BackboneDamaged):
        parse_network(data)


def test_a_network_that_does_not_run() -> None:
    broken = network()
    one, node = broken.operations
    with pytest.raises(BackboneDamaged, match="cannot be run"):
        open_session(onnx_bytes(replace(broken, operations=(one, replace(node, operator="NoSuch"))), {}))
