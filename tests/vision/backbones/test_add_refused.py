"""Weights files that are rejected: each with its reason, and without leaving anything behind."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
import torch

from emulator.vision.backbones import from_torch
from emulator.vision.backbones.registry import names
from emulator.vision.backbones.torchvision_networks import LoadedNetwork
from emulator.vision.backbones.weights_files import WeightsRejected
from tests.support.vision.backbones import add, needs_torchvision, random_state, saved

pytestmark = needs_torchvision


@pytest.fixture(scope="module")
def resnet18(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("weights") / "mine.pth", random_state("resnet18"))


def refused(path: Path, folder: Path, **more: object) -> str:
    with pytest.raises(WeightsRejected) as caught:
        add(path, folder, **more)
    assert names(folder) == []
    return str(caught.value)


def test_files_of_other_networks(resnet18: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    wrong = refused(resnet18, folder, architecture="resnet50")
    assert wrong.startswith("the weights are not those of resnet50: 165 are missing, the first is")
    assert "did you mean resnet18" in refused(resnet18, folder, architecture="resnet_18x")
    other = {name: value for name, value in random_state("resnet18").items() if name != "conv1.weight"}
    assert "resnet18 comes nearest" in refused(saved(tmp_path / "a.pth", other), folder)
    wider = {**random_state("resnet18"), "conv1.weight": torch.zeros(64, 4, 7, 7)}
    path = saved(tmp_path / "b.pth", wider)
    assert "'conv1.weight' has another shape" in refused(path, folder, architecture="resnet18")
    detector = {f"backbone.body.{name}": value for name, value in other.items()} | {"rpn.a": torch.zeros(1)}
    assert "object detection" in refused(saved(tmp_path / "c.pth", detector), folder)
    published = saved(tmp_path / "fasterrcnn_resnet50_fpn_coco-258fb6c6.pth", detector)
    assert "object detection" in refused(published, folder)


def test_a_published_file_has_to_be_the_published_one(tmp_path: Path) -> None:
    path = saved(tmp_path / "resnet18-f37072fd.pth", random_state("resnet18", 1000))
    assert "the file is damaged: by its name its SHA-256 begins with f37072fd" in refused(
        path, tmp_path / "f"
    )


def test_names_and_sizes_that_cannot_be(resnet18: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    path = resnet18
    assert "is no name for a network" in refused(path, folder, name="../up")
    assert "there is a network named 'nanodet-g'" in refused(path, folder, name="nanodet-g")
    assert "from 32 to 1024" in refused(path, folder, resolution=8)
    assert "longer than 1000" in refused(path, folder, licence="x" * 1001)
    with pytest.raises(FileNotFoundError):
        add(tmp_path / "nowhere.pth", folder)


class Tiny(torch.nn.Module):
    """Four features per image, or fewer if a test needs that."""

    def __init__(self, factor: float = 1.0, flat: bool = True) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.full((1, 12), factor))
        self._flat = flat

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        pooled = torch.nn.functional.adaptive_avg_pool2d(images, 2)
        return pooled.flatten(1) * self.scale * self.scale if self._flat else pooled


def tiny(module: torch.nn.Module) -> LoadedNetwork:
    return LoadedNetwork("tiny", module.eval(), 32, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2), 12)


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (Tiny(0.0), "the same for everything"),
        (Tiny(1e30), "no finite numbers"),
        (Tiny(flat=False), "no vector of features"),
        (torch.nn.Linear(3, 3), "cannot be converted for images of 32 pixels"),
    ],
)
def test_weights_that_make_no_network(module: torch.nn.Module, reason: str) -> None:
    with pytest.raises(WeightsRejected, match=reason):
        from_torch.convert(tiny(module))


def test_a_conversion_that_computes_something_else_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert from_torch.convert(tiny(Tiny())).outputs == {"features": (12,)}
    real = from_torch._nodes

    def changed(graph: onnx.GraphProto) -> object:
        operations, weights, width = real(graph)
        found = {name: value * 1.1 if value.ndim == 2 else value for name, value in weights.items()}
        return operations, found, width

    monkeypatch.setattr(from_torch, "_nodes", changed)
    with pytest.raises(WeightsRejected, match="something else after conversion"):
        from_torch.convert(tiny(Tiny()))
