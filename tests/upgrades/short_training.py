"""Trainings of classifiers by the code of an earlier version, on the first layers of its network.

A model of the whole network has 13 MB; with these layers it has 30 KB, and everything else is as in a real
one: features, head, calibration, evaluation, and the file with its metadata.
"""

import dataclasses
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Blocks of the network that are kept.
_BLOCKS = 2


def trainer(folder: Path) -> Callable[..., Any]:
    """Takes a dataset, the output folder and a callback for progress, as the stubs of the test helpers do.

    folder: for features of images.
    """
    try:
        training = importlib.import_module("emulator.vision.classification.train")
        recipes = importlib.import_module("emulator.vision.recipes.recipes")
    except ModuleNotFoundError:
        training = importlib.import_module("emulator.vision.classifier")
        recipes = importlib.import_module("emulator.vision.recipes")
    for name, module in list(sys.modules.items()):
        if name.startswith("emulator.vision") and hasattr(module, "backbone_network"):
            module.backbone_network = _shortened(module.backbone_network)  # type: ignore[attr-defined]

    def train(dataset: Any, output: Path, on_progress: Callable[[float, str], None]) -> Any:
        progress = on_progress or (lambda share, step: None)
        return training.train_classifier(
            dataset, recipes.QUICK, seed=0, output=output, feature_cache=folder, progress=progress
        )

    return train


def _shortened(backbone_network: Callable[[str, int], Any]) -> Callable[[str, int], Any]:
    def first_layers(name: str, resolution: int) -> Any:
        network = backbone_network(name, resolution)
        operations = network.operations
        depthwise = [at for at, each in enumerate(operations) if each.kind == "depthwise_convolution"]
        # Each block ends with the convolution that follows its depthwise one.
        kept = operations[: depthwise[_BLOCKS - 1] + 2]
        # Like those of the whole network, the features are not negative.
        kept = (*kept[:-1], dataclasses.replace(kept[-1], relu6=True))
        width = network.weights[kept[-1].weight].shape[0]
        average = type(kept[0])("global_average", (kept[-1].output,), "features")
        used = {name for each in kept for name in (each.weight, each.bias) if name is not None}
        has_width = hasattr(network, "output_width")  # only in the first version
        shape = {"output_width": width} if has_width else {"outputs": {"features": (width,)}}
        return dataclasses.replace(
            network,
            operations=(*kept, average),
            weights={name: network.weights[name] for name in sorted(used)},
            **shape,
        )

    return first_layers
