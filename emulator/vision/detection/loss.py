"""How far a detection network is from the truth. PyTorch; for the worker alone.

Boxes are (left, top, right, bottom) in pixels of the network's input. Letters of shapes: N pictures, P
points, T tags, D distances (four distributions), G true boxes of a picture, C candidate points, M matched
ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emulator.vision.boxes.geometry import DISTANCE_BINS, anchor_points

if TYPE_CHECKING:
    from torch import Tensor

_BOX_SHARE, _DISTRIBUTION_SHARE = 2.0, 0.25
_NEAR_IN_STRIDES = 2.5
_MOST_MATCHES = 10
_OVERLAP_IN_COST = 3.0
_SMALLEST_WEIGHT = 0.05
_EPSILON = 1e-6


@dataclass(frozen=True)
class Truth:
    """The objects of a picture: boxes (G, 4), float32, and their tags (G,), int64."""

    boxes: Tensor
    tags: Tensor


class DetectionLoss:
    """Generalized focal loss (Li et al., 2020) on points matched by SimOTA (Ge et al., *YOLOX*, 2021).

    The sum of the quality focal loss of the tags over the number of matches, twice the GIoU loss (Rezatofighi
    et al., 2019) of the boxes and a quarter of the distribution focal loss of their distances; the last two
    are means weighted by how sure the network is of its match.
    """

    def __init__(self, resolution: int) -> None:
        import torch

        centres, strides = anchor_points(resolution)
        self._centres, self._strides = torch.from_numpy(centres), torch.from_numpy(strides)
        self._bins = torch.arange(DISTANCE_BINS, dtype=torch.float32)

    def __call__(self, logits_NPT: Tensor, distances_NPD: Tensor, truths: Sequence[Truth]) -> Tensor:
        """The loss, a scalar, of pictures whose tags are predicted as `logits` and whose edges as
        `distances`; NaN where these are no finite numbers."""
        import torch

        logits_NPT = logits_NPT.float()
        # A sum is no number if one of its terms is none, and is cheaper than to look at each.
        if not torch.isfinite(logits_NPT.detach().sum() + distances_NPD.detach().sum(dtype=torch.float32)):
            # Nothing can be matched by what is no number.
            return logits_NPT.new_tensor(torch.nan)
        self._centres, self._strides, self._bins = (
            each.to(logits_NPT.device) for each in (self._centres, self._strides, self._bins)
        )
        exponents_NP4B = distances_NPD.float().view(*distances_NPD.shape[:2], 4, DISTANCE_BINS)
        targets_NPT = torch.zeros_like(logits_NPT)
        # Where there are no objects, it still is a function of the distances: one without a slope.
        box_loss = distribution_loss = 0.0 * exponents_NP4B[:, 0].sum()
        weight_sum = logits_NPT.new_ones(())
        found = self._all_matches(logits_NPT.detach(), exponents_NP4B.detach(), truths)
        if found is not None:
            rows, matched, true_M4, tags, overlap = found
            targets_NPT[rows, matched, tags] = overlap
            quality_weight = logits_NPT.detach()[rows, matched].sigmoid().amax(1).clamp(min=_SMALLEST_WEIGHT)
            exponents_M4B = exponents_NP4B[rows, matched]
            covered = giou(self._boxes(exponents_M4B, matched), true_M4)
            box_loss = ((1 - covered) * quality_weight).sum()
            centres, strides = self._centres[matched], self._strides[matched, None]
            true_ltrb = torch.cat([centres - true_M4[:, :2], true_M4[:, 2:] - centres], 1) / strides
            distances_M = _distribution_loss(exponents_M4B.log_softmax(-1), true_ltrb).mean(1)
            distribution_loss = (distances_M * quality_weight).sum()
            weight_sum = quality_weight.sum().clamp(min=1)
        misses = torch.nn.functional.binary_cross_entropy_with_logits(
            logits_NPT, targets_NPT, reduction="none"
        )
        quality_loss = (misses * (targets_NPT - logits_NPT.sigmoid()).square()).sum()
        matches = (targets_NPT > 0).sum().clamp(min=1)
        return (
            quality_loss / matches
            + _BOX_SHARE * box_loss / weight_sum
            + _DISTRIBUTION_SHARE * distribution_loss / weight_sum
        )

    def _all_matches(
        self, logits_NPT: Tensor, exponents_NP4B: Tensor, truths: Sequence[Truth]
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor] | None:
        """Points of all pictures that answer for true boxes: the picture of each (M,), its number (M,), its
        true box (M, 4), the tag of that (M,) and how well the point's box covers it (M,)."""
        import torch

        parts = []
        for row, truth in enumerate(truths):
            if len(truth.boxes):
                matched, which, overlap = self._matches(logits_NPT[row], exponents_NP4B[row], truth)
                rows = torch.full_like(matched, row)
                parts.append((rows, matched, truth.boxes[which], truth.tags[which], overlap))
        if not parts:
            return None
        rows, matched, boxes, tags, overlap = (torch.cat(part) for part in zip(*parts, strict=True))
        return rows, matched, boxes, tags, overlap

    def _boxes(self, exponents_C4B: Tensor, which: Tensor) -> Tensor:
        """The boxes that points with these numbers see, (C, 4)."""
        import torch

        ltrb_distances = (exponents_C4B.softmax(-1) @ self._bins) * self._strides[which, None]
        centres = self._centres[which]
        return torch.cat([centres - ltrb_distances[:, :2], centres + ltrb_distances[:, 2:]], 1)

    def _matches(
        self, logits_PT: Tensor, exponents_P4B: Tensor, truth: Truth
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Points that answer for a true box, which box (M,), and how well theirs covers it (M,)."""
        import torch

        true_G14, centres = truth.boxes[:, None], self._centres
        inside_GP = torch.cat([centres - true_G14[..., :2], true_G14[..., 2:] - centres], -1).amin(-1) > 0
        middles_G12 = (true_G14[..., :2] + true_G14[..., 2:]) / 2
        near_GP = (centres - middles_G12).abs().amax(-1) < _NEAR_IN_STRIDES * self._strides
        candidates = (inside_GP | near_GP).any(0).nonzero()[:, 0]
        overlap_GC = iou(true_G14, self._boxes(exponents_P4B[candidates], candidates))
        scores_GC = logits_PT[candidates].sigmoid()[:, truth.tags].T
        classification_cost = torch.nn.functional.binary_cross_entropy(
            scores_GC.clamp(_EPSILON, 1 - _EPSILON), overlap_GC, reduction="none"
        )
        cost_GC = (
            classification_cost * (overlap_GC - scores_GC).square()
            - _OVERLAP_IN_COST * (overlap_GC + 1e-7).log()
            + 1e5 * ~(inside_GP & near_GP)[:, candidates]
        )
        most = min(_MOST_MATCHES, len(candidates))
        wanted_G1 = overlap_GC.topk(most, 1).values.sum(1, keepdim=True).int().clamp(min=1)
        cheapest_GK = cost_GC.topk(most, 1, largest=False).indices
        wanted_GK = torch.arange(most, device=cost_GC.device) < wanted_G1
        chosen_GC = torch.zeros_like(cost_GC, dtype=torch.bool).scatter_(1, cheapest_GK, wanted_GK)
        # A point that several boxes chose answers for the cheapest one.
        cheapest_C = torch.where(chosen_GC, cost_GC, torch.inf).argmin(0)
        matched_C = chosen_GC.any(0).nonzero()[:, 0]
        which = cheapest_C[matched_C]
        return candidates[matched_C], which, overlap_GC[which, matched_C]


def _areas(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1)


def iou(some: Tensor, others: Tensor) -> Tensor:
    """Intersection over union."""
    import torch

    low, high = torch.maximum(some[..., :2], others[..., :2]), torch.minimum(some[..., 2:], others[..., 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    return shared / (_areas(some) + _areas(others) - shared + _EPSILON)


def giou(some: Tensor, others: Tensor) -> Tensor:
    """Intersection over union, less the empty share of the smallest box around both: -1..1."""
    import torch

    low, high = torch.maximum(some[..., :2], others[..., :2]), torch.minimum(some[..., 2:], others[..., 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    union = _areas(some) + _areas(others) - shared + _EPSILON
    around = torch.maximum(some[..., 2:], others[..., 2:]) - torch.minimum(some[..., :2], others[..., :2])
    enclosing = around.prod(-1) + _EPSILON
    return shared / union - (enclosing - union) / enclosing


def _distribution_loss(logarithms_M4B: Tensor, ltrb_M4: Tensor) -> Tensor:
    """Cross entropy against the two bins that the true distance, in strides, lies between: (M, 4)."""
    ltrb_M4 = ltrb_M4.clamp(0, DISTANCE_BINS - 1.01)
    below = ltrb_M4.long()
    share_above = ltrb_M4 - below
    at_below = logarithms_M4B.gather(-1, below[..., None])[..., 0]
    at_above = logarithms_M4B.gather(-1, below[..., None] + 1)[..., 0]
    return -((1 - share_above) * at_below + share_above * at_above)
