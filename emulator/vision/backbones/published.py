"""The files of weights that torchvision publishes for its classification networks: URLs, checksums, licences.

Nothing is downloaded here. Uses torchvision; for the command line only.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Any

from emulator.vision import _torchvision
from emulator.vision.backbones.torchvision_networks import checked_architecture
from emulator.vision.backbones.weights_files import MAX_WEIGHT_BYTES, WeightsRejected

# torchvision's convention: a file name ends with the first digits of the file's SHA-256.
_DIGEST = re.compile(r".*-([0-9a-f]{8,64})\.pth")
# What torchvision's documentation says of weights without a licence of their own.
_USUAL_LICENCE = "BSD-3-Clause (torchvision); trained on ImageNet, whose terms are for research"
_SWAG_LICENCE = "CC BY-NC 4.0 (SWAG): not for commercial use"


@dataclass(frozen=True)
class PublishedWeights:
    """One of torchvision's files.

    Attributes:
        architecture: torchvision's name of the network.
        version: torchvision's name of the weights, "IMAGENET1K_V1".
        url: of the file.
        file_name: the last part of the URL.
        sha256: the first hexadecimal digits of the file's SHA-256, which its name ends with.
        size: approximate, in bytes; None if torchvision does not state it.
        licence: of the weights.
    """

    architecture: str
    version: str
    url: str
    file_name: str
    sha256: str
    size: int | None
    licence: str


def published_weights_of(name: str) -> PublishedWeights:
    """The file that torchvision publishes under a name.

    Args:
        name: of an architecture ("resnet50"), which takes the weights that torchvision recommends, or with a
            version of its weights ("resnet50:IMAGENET1K_V1").

    Raises:
        WeightsRejected: there is no such file; the message names similar ones.
        ImportError: torchvision is not installed.
    """
    network, _, version = name.partition(":")
    architecture = checked_architecture(network)
    versions = _versions(architecture)
    if not versions:
        raise WeightsRejected(f"torchvision publishes no weights of {architecture}")
    wanted = version.upper() or versions.pop("DEFAULT", next(iter(versions.values()))).name
    versions.pop("DEFAULT", None)
    if wanted not in versions:
        near = difflib.get_close_matches(wanted, versions, 1) or versions
        raise WeightsRejected(
            f"torchvision publishes no weights {version[:50]!r} of {architecture}; there are "
            f"{', '.join(sorted(versions))} (models add {architecture}:{next(iter(near))})"
        )
    weights = versions[wanted]
    url = str(weights.url)
    file_name = url.rpartition("/")[2]
    digest = _DIGEST.fullmatch(file_name)
    if digest is None:
        raise WeightsRejected(f"the file {file_name} has no checksum in its name; get it and give the file")
    megabytes = weights.meta.get("_file_size")
    size = None if megabytes is None else round(megabytes * 2**20)
    if size is not None and size > MAX_WEIGHT_BYTES:
        raise WeightsRejected(
            f"{architecture} has {size / 10**9:.1f} GB of weights; model files of ONNX hold 2 at most"
        )
    return PublishedWeights(
        architecture=architecture,
        version=weights.name,
        url=url,
        file_name=file_name,
        sha256=digest[1],
        size=size,
        licence=_licence(weights),
    )


def _versions(architecture: str) -> dict[str, Any]:
    """The weights of an architecture by their names; "DEFAULT" is the recommended one."""
    found = _torchvision.load().models.get_model_weights(architecture).__members__
    # Weights without categories lack the classifier, by which a file is recognized.
    return {name: weights for name, weights in found.items() if weights.meta.get("categories")}


def _licence(weights: Any) -> str:
    stated = weights.meta.get("license")
    if stated is None:
        return _USUAL_LICENCE
    return f"{_SWAG_LICENCE}, {stated}" if "SWAG" in weights.name else str(stated)
