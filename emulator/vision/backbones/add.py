"""From somebody's file of weights to a network that trainings try. For the command line alone."""

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
    """Check a file of weights of a classification network of torchvision, and keep the network.

    Args:
        folder: of all networks; made when missing. The network is in it whole or not at all.
        now: the time, with its zone.
        architecture: torchvision's name; none finds it by the file's name, or by what is in the file.
        name: what the network is called; none takes the architecture's.
        licence: under which the user has the weights; kept, and shown again.
        resolution: side of the images in pixels; none takes that which the network was published with.
        progress: called with what is being done.

    Raises:
        WeightsRejected: with a message for a person.
        OSError: the file cannot be read, or the network not be written.
        ImportError: something that is needed is not installed.
    """
    if len(licence) > _LONGEST_LICENCE:
        raise WeightsRejected(f"the text of the licence is longer than {_LONGEST_LICENCE} characters")
    if name is not None:
        _check_free(folder, name)
    # Before anything is imported that takes seconds: most slips are in the name.
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
        _check_free(folder, name or architecture)
    progress("Reading the weights")
    digest = torchvision_networks.sha256_of(path)
    torchvision_networks.check_name(path, digest)
    size = path.stat().st_size
    state = read_weights(path)
    progress("Finding the architecture")
    brought = torchvision_networks.load_network(path, state, architecture=architecture, resolution=resolution)
    del state
    chosen = name or brought.architecture
    _check_free(folder, chosen)
    progress(f"Converting {brought.architecture}")
    network = convert(brought)
    data = onnx_bytes(network, {NETWORK: serialize(network)})
    (width,) = network.outputs[network.output]
    backbone = Backbone(
        name=chosen,
        architecture=brought.architecture,
        source=path.name,
        source_sha256=digest,
        source_bytes=size,
        sha256=hashlib.sha256(data).hexdigest(),
        resolution=brought.resolution,
        mean=brought.mean,
        deviation=brought.deviation,
        features=width,
        parameters=brought.parameters,
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


def _check_free(folder: Path, name: str) -> None:
    if not is_name(name):
        raise WeightsRejected(
            f"{name[:100]!r} is no name for a network: up to 64 of a-z, 0-9, '.', '_' and '-', with a letter"
            " or digit at both ends"
        )
    if name in (*names(folder), *(bundled.name for bundled in BUNDLED_NETWORKS)):
        raise _taken(name)


def _taken(name: str) -> WeightsRejected:
    return WeightsRejected(f"there is a network named {name!r}; give another name with --name, or remove it")
