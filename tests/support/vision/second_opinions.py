"""torchmetrics, which imports torchvision if it is installed and fails when that was built for another
PyTorch; `_torchvision` works around that first."""

from contextlib import suppress

from emulator.vision import _torchvision

with suppress(ImportError):
    _torchvision.load()

from torchmetrics.functional import classification as torchmetrics

__all__ = ["torchmetrics"]
