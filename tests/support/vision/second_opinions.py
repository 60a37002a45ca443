"""torchmetrics, which looks for torchvision when it is imported and fails where that is built for another
PyTorch: `_torchvision` mends that first."""

from contextlib import suppress

from emulator.vision import _torchvision

with suppress(ImportError):
    _torchvision.load()

from torchmetrics.functional import classification as torchmetrics

__all__ = ["torchmetrics"]
