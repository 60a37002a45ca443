"""What is known of the networks that come with the program; origin and measurements are on their cards."""

from __future__ import annotations

from dataclasses import dataclass

from emulator.vision.networks.nanodet import WEIGHTS_SHA256
from emulator.vision.networks.weights import BASE_WEIGHTS


@dataclass(frozen=True)
class BundledNetwork:
    """A row of the list of networks.

    Attributes:
        architecture: for people.
        resolution: side in pixels of the images that it usually looks at.
        licence: an SPDX expression.
        sha256: of the file of weights.
        card: its page, from the root of the repository.
        used_by: the trainings that start from it.
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
