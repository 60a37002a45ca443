"""The networks that come with the program; their cards in `models/cards/` give origin and measurements."""

from __future__ import annotations

from dataclasses import dataclass

from emulator.vision.networks.nanodet import WEIGHTS_SHA256
from emulator.vision.networks.weights import BASE_WEIGHTS


@dataclass(frozen=True)
class BundledNetwork:
    """One row of the list of networks.

    Attributes:
        architecture: its name for people.
        resolution: the usual side in pixels of its input.
        licence: an SPDX expression.
        sha256: of the weights file.
        card: path of its page in the repository.
        used_by: the kinds of training that start from it.
    """

    name: str
    architecture: str
    resolution: int
    licence: str
    sha256: str
    card: str
    used_by: str


BUNDLED_NETWORKS = (
    BundledNetwork(
        name="efficientnet-lite0",
        architecture="EfficientNet-Lite0",
        resolution=224,
        licence="Apache-2.0",
        sha256=BASE_WEIGHTS["efficientnet-lite0"].sha256,
        card="models/cards/efficientnet-lite0.md",
        used_by="every classifier",
    ),
    BundledNetwork(
        name="efficientnet-lite2",
        architecture="EfficientNet-Lite2",
        resolution=256,
        licence="Apache-2.0",
        sha256=BASE_WEIGHTS["efficientnet-lite2"].sha256,
        card="models/cards/efficientnet-lite2.md",
        used_by="advanced training of classifiers that are not exported",
    ),
    BundledNetwork(
        name="nanodet-g",
        architecture="NanoDet-g",
        resolution=320,
        licence="Apache-2.0 AND MIT",
        sha256=WEIGHTS_SHA256,
        card="models/cards/nanodet-g.md",
        used_by="every detector",
    ),
)
