"""torchvision, also where its compiled part cannot be loaded. All imports of torchvision go through here.

Beside a PyTorch that it was not built with (on Linux the usual torchvision wants CUDA, and many an
environment has the smaller PyTorch without) `import torchvision` fails, because operators that it describes
are in its compiled part. What is used here, networks and their published weights, is plain Python. So where
the import fails, the operators are declared, `nms` gets a computation in plain PyTorch, and it is imported
again. What stays unusable then (`roi_pool`, `deform_conv2d`, decoding of files) raises as it would anyway. On
a build that fits, nothing is done.

It is not used for what this library does itself: images are decoded and scaled by the same function in
training and in the server, which must not load PyTorch, and the boxes of an image are few where scores are
looked at first (`detection_boxes`), so that its `nms` would only add 1.5 s and 80 MB to the start.
"""

from __future__ import annotations

import importlib
import sys
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
# Declarations last as long as the object that made them.
_libraries: list[object] = []


@lru_cache(maxsize=1)
def load() -> ModuleType:
    """The package torchvision.

    Raises:
        ImportError: it is not installed, or PyTorch is not, or the two do not go together at all.
    """
    try:
        return importlib.import_module("torchvision")
    except (RuntimeError, AttributeError) as error:
        # Half of it is there now, and would stay so.
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
    # It asks whether the compiled part is there before it calls the operator.
    importlib.import_module("torchvision.ops.boxes")._assert_has_ops = lambda: None  # type: ignore[attr-defined]
    return torchvision


def _unusable(error: Exception) -> ImportError:
    return ImportError(f"torchvision does not work with this PyTorch: {error}", name="torchvision")


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Numbers of the boxes that stay, best first: none of them overlaps a better one that stays by more.

    Args:
        boxes: (N, 4): left, top, right, bottom.
        scores: (N,).
        iou_threshold: intersection over union from which, exclusively, two boxes are taken for one.
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
