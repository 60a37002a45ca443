"""The only place that imports torchvision, also for builds whose compiled part cannot be loaded.

On Linux the usual torchvision is built for CUDA. Beside the smaller PyTorch without CUDA, `import
torchvision` fails, because it describes operators of its compiled part. What we use of it (networks, their
published weights, operators on boxes and functional transforms) is plain Python. So if the import fails, the
operators are declared, `nms` gets an implementation in plain PyTorch, and torchvision is imported again.
Other compiled operators (`roi_pool`, `deform_conv2d`, decoding of files) still raise an error. Matching
builds are not changed.

Only training and the command line use torchvision. The server scores without PyTorch: it decodes in Pillow
and suppresses boxes in NumPy (`imaging.decode`, `boxes.geometry`); torchvision would add 1.5 s and 80 MB to
its start.
"""

from __future__ import annotations

import importlib
import sys
import threading
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

# The signatures of torchvision's own operators.
_SIGNATURES = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
# The declarations exist as long as their `Library` object.
_libraries: list[object] = []
_lock = threading.Lock()


def load() -> ModuleType:
    """The package torchvision.

    Raises:
        ImportError: torchvision or PyTorch is not installed, or they are incompatible.
    """
    with _lock:  # a second thread must not see the first one's failed import
        return _load()


def transforms() -> ModuleType:
    """The functional kernels `torchvision.transforms.v2.functional`.

    Raises:
        ImportError: as for `load`.
    """
    load()
    return importlib.import_module("torchvision.transforms.v2.functional")


@lru_cache(maxsize=1)
def _load() -> ModuleType:
    try:
        return importlib.import_module("torchvision")
    except (RuntimeError, AttributeError) as error:
        # Modules that were imported before the failure would stay in `sys.modules`.
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        if "torchvision::" not in str(error):
            raise _unusable(error) from error
    try:
        return _load_without_compiled_part()
    except (RuntimeError, AttributeError) as error:
        raise _unusable(error) from error


def _load_without_compiled_part() -> ModuleType:
    import torch

    library: Any = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for signature in _SIGNATURES:
        library.define(signature)
    library.impl("nms", nms, "CPU")
    _libraries.append(library)
    torchvision = importlib.import_module("torchvision")
    # torchvision checks for the compiled part before it calls the operator.
    importlib.import_module("torchvision.ops.boxes")._assert_has_ops = lambda: None  # type: ignore[attr-defined]
    return torchvision


def _unusable(error: Exception) -> ImportError:
    return ImportError(f"torchvision does not work with this PyTorch: {error}", name="torchvision")


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Indices of the boxes that are kept, by falling score: those that no better kept box overlaps too much.

    Args:
        boxes: (N, 4): left, top, right, bottom.
        scores: (N,).
        iou_threshold: boxes with a larger IoU are suppressed.
    """
    import torch

    order = scores.argsort(descending=True, stable=True)
    corners = boxes.float()[order]
    areas = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    alive = torch.ones(len(order), dtype=torch.bool)
    for best in range(len(order)):
        if alive[best]:
            sides = torch.minimum(corners[best, 2:], corners[best + 1 :, 2:]) - torch.maximum(
                corners[best, :2], corners[best + 1 :, :2]
            )
            shared = sides.clamp(min=0).prod(1)
            union = areas[best] + areas[best + 1 :] - shared
            alive[best + 1 :] &= shared <= iou_threshold * union
    return order[alive]
