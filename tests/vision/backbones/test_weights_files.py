"""Weights files: the weights read from them, all reasons for rejection, and that no code in them runs."""

import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from emulator.vision.backbones import weights_files
from emulator.vision.backbones.weights_files import WeightsRejected, read_weights
from tests.support.vision.backbones import saved

STATE = {"layer.weight": torch.arange(6.0).reshape(2, 3), "layer.steps": torch.tensor(7)}


@pytest.mark.parametrize(
    "content",
    [
        STATE,
        {"model": STATE, "epoch": 3},
        {"state_dict": {f"module.{name}": value for name, value in STATE.items()}},
        {name: value.half() if value.is_floating_point() else value for name, value in STATE.items()},
    ],
    ids=["plain", "beside others", "parallel", "half precision"],
)
def test_what_training_scripts_save(tmp_path: Path, content: object) -> None:
    read = read_weights(saved(tmp_path / "a.pth", content))
    assert list(read) == list(STATE)
    assert read["layer.weight"].dtype == torch.float32
    assert all(torch.equal(read[name], value) for name, value in STATE.items())


def test_the_old_format_of_pytorch(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert torch.equal(read_weights(tmp_path / "old.pth")["layer.weight"], STATE["layer.weight"])


def test_safetensors_whatever_the_name(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "a.bin")
    assert torch.equal(read_weights(tmp_path / "a.bin")["layer.weight"], STATE["layer.weight"])


# --- rejected files -----------------------------------------------------------------------------------------


class Program:
    """Leaves a trace when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self._trace),)


@pytest.mark.parametrize("pack", [saved, lambda path, content: path.write_bytes(pickle.dumps(content))])
def test_code_in_a_file_does_not_run(tmp_path: Path, pack: Callable[[Path, object], object]) -> None:
    trace = tmp_path / "ran"
    pack(tmp_path / "a.pth", {**STATE, "more": Program(trace)})
    with pytest.raises(WeightsRejected):
        read_weights(tmp_path / "a.pth")
    assert not trace.exists()


def test_a_whole_network_instead_of_its_weights(tmp_path: Path) -> None:
    saved(tmp_path / "a.pth", torch.nn.Linear(2, 2))
    with pytest.raises(WeightsRejected, match="save the weights alone"):
        read_weights(tmp_path / "a.pth")


def zipped(**files: bytes) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def safetensors_file(header: object, data: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no file of weights"),
        (b"hello", "no file of weights"),
        (b"\x00" * 100, "no file of weights"),
        (b"\x80\x04nonsense", "damaged"),
        (b"PK\x03\x04 and nothing else", "damaged"),
        (zipped(a=b"b"), "damaged"),
        (safetensors_file({"a": {"dtype": "F32", "shape": [9], "data_offsets": [0, 36]}}, b"123"), "damaged"),
        (safetensors_file({"a": 3}), "damaged"),
        (struct.pack("<Q", 2**40) + b"{}", "no file of weights"),
    ],
)
def test_files_that_hold_no_weights(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(content)
    with pytest.raises(WeightsRejected, match=reason):
        read_weights(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("new", [True, False])
def test_a_file_that_is_not_whole(tmp_path: Path, share: float, new: bool) -> None:
    path = tmp_path / "a.pth"
    torch.save({"a": torch.rand(1000)}, path, _use_new_zipfile_serialization=new)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(WeightsRejected, match="not whole"):
        read_weights(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([STATE["layer.weight"]], "a list"),
        ({}, "no weights"),
        ({"epoch": 3}, "'epoch'"),
        ({3: torch.zeros(1)}, "'3'"),
        ({"a": torch.tensor([1.0, float("nan")])}, "'a' has values that are not finite"),
        ({"a": torch.tensor([float("inf")])}, "not finite"),
        ({"a": torch.zeros(2).to_sparse()}, "quantized, sparse or complex"),
        ({"a": torch.zeros(2, dtype=torch.complex64)}, "quantized, sparse or complex"),
    ],
)
def test_weights_that_cannot_be_used(tmp_path: Path, content: object, reason: str) -> None:
    with pytest.raises(WeightsRejected, match=reason):
        read_weights(saved(tmp_path / "a.pth", content))


def test_a_file_of_a_few_bytes_that_stands_for_gigabytes(tmp_path: Path) -> None:
    saved(tmp_path / "a.pth", {"a": torch.zeros(1).expand(10**6, 10**4)})
    with pytest.raises(WeightsRejected, match="cannot hold more"):
        read_weights(tmp_path / "a.pth")


def test_the_size_is_checked_before_the_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "a.pth", STATE)
    monkeypatch.setattr(weights_files, "MAX_FILE_BYTES", path.stat().st_size - 1)
    monkeypatch.setattr(torch, "load", None)
    with pytest.raises(WeightsRejected, match="are the most"):
        read_weights(path)


def test_a_program_of_torchscript(tmp_path: Path) -> None:
    # TorchScript files contain an entry by which PyTorch recognises them.
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in ("data.pkl", "constants.pkl", "version", "code/a.py"):
            archive.writestr(f"a/{name}", b"3\n" if name == "version" else pickle.dumps(0, protocol=2))
    (tmp_path / "a.pt").write_bytes(buffer.getvalue())
    with pytest.raises(WeightsRejected):
        read_weights(tmp_path / "a.pt")
