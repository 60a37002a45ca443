"""Weight files of torchvision's networks with random weights, for the tests of custom backbones."""

from __future__ import annotations

import importlib.util
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from emulator.vision.backbones.add import add_backbone
from emulator.vision.backbones.registry import Backbone

if TYPE_CHECKING:
    from torch import Tensor

# Small, for speed: most networks accept any size.
SIDE = 64

needs_torchvision = pytest.mark.skipif(
    importlib.util.find_spec("torchvision") is None,
    reason="torchvision is missing: run make setup, or pip install --no-deps torchvision==0.28.0",
)


def random_state(architecture: str, classes: int = 3) -> dict[str, Tensor]:
    """The state dictionary of a network with random weights and this number of classes.

    The initialisation of torchvision takes seconds; this is sufficient for the tests.
    """
    import torch

    from emulator.vision.backbones import torchvision_networks

    chance = torch.Generator().manual_seed(0)
    state = torchvision_networks._built(architecture, {"num_classes": classes}).state_dict()
    for name, value in state.items():
        if value.ndim >= 2 and value.is_floating_point():
            drawn = torch.randn(value.shape, generator=chance)
            state[name] = drawn.mul_((2 / max(1, value[0].numel())) ** 0.5)
        elif value.is_meta:
            state[name] = torch.full(value.shape, 0.0 if name.endswith("bias") else 1.0)
    return dict(state)


def saved(path: Path, state: object) -> Path:
    """A file of PyTorch."""
    import torch

    torch.save(state, path)
    return path


def then() -> datetime:
    return datetime(2026, 3, 4, 5, 6, 7, 890, tzinfo=UTC)


def add(path: Path, folder: Path, **more: object) -> Backbone:
    return add_backbone(path, folder, now=then, **{"resolution": SIDE, **more})  # type: ignore[arg-type]
