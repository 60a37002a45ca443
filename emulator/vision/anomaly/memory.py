"""Memories of the patches of good images: what each layer of a pretrained network says about their places.

As in PatchCore (Roth et al., *Towards Total Recall in Industrial Anomaly Detection*, 2022), a patch is the
vector of channels at one place of a layer, and a memory is a coreset of the patches of good images. Other
than there, each layer has a memory of its own, and distances are those of Mahalanobis: with the covariance of
good patches, a channel that hardly differs among them counts much (models/defaults.md has the difference).

Axes: P patches, C channels, K references.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from emulator.vision.classification.head import aligned
from emulator.vision.concurrency import single_threaded_operations

if TYPE_CHECKING:
    import numpy
    import torch
    from numpy.typing import NDArray

    Floats = NDArray[numpy.float32]

# A share of the mean variance is added to the variance of each direction, so that directions in which the few
# patches of a small set do not differ have no infinite weight.
_SHRINKAGE = 0.1


@dataclass(frozen=True)
class LayerMemory:
    """The memory of one layer.

    Attributes:
        whitening_CC, offset_C: a patch x becomes x @ whitening_CC + offset_C, where Euclidean distances are
            those of Mahalanobis, divided by the square root of C. So squared distances of good patches are
            about 1.
        references_KC: patches of good images in this form.
    """

    whitening_CC: Floats  # noqa: N815 - the suffix names the axes
    offset_C: Floats  # noqa: N815
    references_KC: Floats  # noqa: N815

    @classmethod
    def fit(cls, patches_PC: Floats, count: int) -> Self:
        """A memory of at most `count` of the patches. The same patches give the same memory."""
        import numpy
        import torch

        with single_threaded_operations():
            patches = aligned(numpy.ascontiguousarray(patches_PC, numpy.float64))
            mean = patches.mean(dim=0)
            channels = len(mean)
            centered = patches - mean
            covariance = centered.T @ centered / len(patches)
            added = _SHRINKAGE * covariance.diagonal().mean() + 1e-9
            factor = torch.linalg.cholesky(covariance + added * torch.eye(channels, dtype=torch.float64))
            identity = torch.eye(channels, dtype=torch.float64)
            inverse = torch.linalg.solve_triangular(factor, identity, upper=False)
            whitening = inverse.T / channels**0.5
            white = (centered @ whitening).float()
            references = white[_spread(white, count)]
        return cls(
            whitening.float().numpy(),
            (-mean @ whitening).float().numpy(),
            references.numpy(),
        )


def _spread(patches: torch.Tensor, count: int) -> list[int]:
    """Indexes of patches that are spread over all: repeatedly the one farthest from those chosen, beginning
    with the most usual (Gonzalez, *Clustering to minimize the maximum intercluster distance*, 1985)."""
    import torch

    squares = (patches**2).sum(dim=1)
    chosen: list[int] = []
    nearest = torch.full_like(squares, torch.inf)
    following = int(squares.argmin())
    while len(chosen) < min(count, len(patches)):
        chosen.append(following)
        distances = squares + squares[following] - 2 * (patches @ patches[following])
        nearest = torch.minimum(nearest, distances)
        following = int(nearest.argmax())
    return chosen
