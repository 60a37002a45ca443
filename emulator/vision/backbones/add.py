"""Convert a user's weights file to a backbone that training tries. For the command line only."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from emulator.vision.backbones.registry import Backbone, NameTaken, is_name, names, store
from emulator.vision.backbones.weights_files import WeightsRejected
from emulator.vision.networks.bundled import BUNDLED_NETWORKS
from emulator.vision.networks.model_file import NETWORK
from emulator.vision.networks.serialization import serialize

_LONGEST_LICENCE = 1000


def add_backbone(
    path: Path,
    folder: Path,
    *,
    now: Callable[[], datetime],
    architecture: str | None = None,
    name: str | None = None,
    licence: str = "",
    resolution: int | None = None,
    progress: Callable[[str], None] = lambda step: None,
) -> Backbone:
    """Check a weights file of a classification network of torchvision, convert it and store the network.

    Args:
        folder: of all networks; created if missing. The network is stored completely or not at all.
        now: returns the current time, with its zone.
        architecture: torchvision's name; None finds it by the file's name or its content.
        name: of the network; None takes the architecture's.
        licence: of the weights; stored and displayed.
        resolution: side of the input in pixels; None takes the one that the network was published with.
        progress: called with a description of each step.

    Raises:
        WeightsRejected: with a message for the user.
        OSError: the file cannot be read, or the network cannot be written.
        ImportError: a required package is not installed.
    """
    if len(licence) > _LONGEST_LICENCE:
        raise WeightsRejected(f"the text of the licence is longer than {_LONGEST_LICENCE} characters")
    if name is not None:
        check_free(folder, name)
    # Before the imports, which take seconds: most mistakes are in the file's name.
    if not path.is_file():
        raise FileNotFoundError(2, "there is no such file", str(path))
    import torch

    from emulator.vision import _torchvision
    from emulator.vision.backbones import torchvision_networks
    from emulator.vision.backbones.from_torch import convert
    from emulator.vision.backbones.weights_files import read_weights
    from emulator.vision.networks.onnx_writer import onnx_bytes

    version = _torchvision.load().__version__
    if architecture is not None:
        architecture = torchvision_networks.checked_architecture(architecture)
        check_free(folder, name or architecture)
    progress("Reading the weights")
    digest = torchvision_networks.sha256_of(path)
    torchvision_networks.check_name(path, digest)
    size = path.stat().st_size
    state = read_weights(path)
    progress("Finding the architecture")
    loaded = torchvision_networks.load_network(path, state, architecture=architecture, resolution=resolution)
    del state
    chosen = name or loaded.architecture
    check_free(folder, chosen)
    progress(f"Converting {loaded.architecture}")
    network = convert(loaded)
    data = onnx_bytes(network, {NETWORK: serialize(network)})
    (width,) = network.outputs[network.output]
    backbone = Backbone(
        name=chosen,
        architecture=loaded.architecture,
        source=path.name,
        source_sha256=digest,
        source_bytes=size,
        sha256=hashlib.sha256(data).hexdigest(),
        resolution=loaded.resolution,
        mean=loaded.mean,
        deviation=loaded.deviation,
        features=width,
        parameters=loaded.parameters,
        licence=licence,
        added=now().isoformat(timespec="seconds"),
        made_with=f"torch {torch.__version__}, torchvision {version}",
    )
    progress("Storing the network")
    try:
        store(folder, backbone, data)
    except NameTaken:
        raise _taken(chosen) from None
    return backbone


def check_free(folder: Path, name: str) -> None:
    """Raises WeightsRejected if a network cannot have this name, or one has it."""
    if not is_name(name):
        raise WeightsRejected(
            f"{name[:100]!r} is no name for a network: up to 64 of a-z, 0-9, '.', '_' and '-', with a letter"
            " or digit at both ends"
        )
    if name in (*names(folder), *(bundled.name for bundled in BUNDLED_NETWORKS)):
        raise _taken(name)


def _taken(name: str) -> WeightsRejected:
    return WeightsRejected(f"there is a network named {name!r}; give another name with --name, or remove it")
