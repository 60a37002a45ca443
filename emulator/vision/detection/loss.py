"""Loss of detectors. PyTorch and torchvision; for the worker alone.

Boxes are (left, top, right, bottom) in pixels of the network's input. Letters of shapes: N images, P anchor
points, T tags, D logits of distances (four distributions of B bins), G true boxes of an image, C candidate
points, K cheapest candidates, M matched points; 4 is left, top, right and bottom.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emulator.vision import _torchvision
from emulator.vision.boxes.geometry import DISTANCE_BINS, anchor_points

if TYPE_CHECKING:
    from torch import Tensor

# Weights of the terms, beside 1 for the quality focal loss.
_GIOU_WEIGHT, _DISTRIBUTION_WEIGHT = 2.0, 0.25
# SimOTA: candidates lie within this many strides of a true box's centre, ...
_CENTRE_RADIUS = 2.5
# ... a true box has at most this many points, and this is the weight of overlap in the cost.
_MAX_MATCHES = 10
_IOU_COST = 3.0
_OUTSIDE_COST = 1e5
_MIN_QUALITY_WEIGHT = 0.05
_EPSILON = 1e-6


@dataclass(frozen=True)
class Truth:
    """The objects of an image: boxes (G, 4), float32, and their tags (G,), int64."""

    boxes: Tensor
    tags: Tensor


class DetectionLoss:
    """Generalized focal loss (Li et al., 2020) on points matched by SimOTA (Ge et al., *YOLOX*, 2021).

    The sum of the quality focal loss of the tags over the number of matches, twice the GIoU loss (Rezatofighi
    et al., 2019) of the boxes and a quarter of the distribution focal loss of their distances; the last two
    are means, weighted by the network's probability of its most probable tag at the point.
    """

    def __init__(self, resolution: int) -> None:
        """
        Args:
            resolution: side of the network's input in pixels.
        """
        import torch

        centres, strides = anchor_points(resolution)
        self._centres, self._strides = torch.from_numpy(centres), torch.from_numpy(strides)
        self._bins = torch.arange(DISTANCE_BINS, dtype=torch.float32)
        self._ops = _torchvision.load().ops

    def __call__(self, logits_NPT: Tensor, distances_NPD: Tensor, truths: Sequence[Truth]) -> Tensor:
        """The loss of a batch, a scalar; NaN where logits or distances are not finite.

        Args:
            logits_NPT: of each tag at each point.
            distances_NPD: logits of the distances to the four edges.
            truths: of each image.
        """
        import torch

        logits_NPT = logits_NPT.float()
        # The sum is not finite if one of its terms is not, and costs less than a check of each.
        if not torch.isfinite(logits_NPT.detach().sum() + distances_NPD.detach().sum(dtype=torch.float32)):
            return logits_NPT.new_tensor(torch.nan)
        self._centres, self._strides, self._bins = (
            each.to(logits_NPT.device) for each in (self._centres, self._strides, self._bins)
        )
        exponents_NP4B = distances_NPD.float().view(*distances_NPD.shape[:2], 4, DISTANCE_BINS)
        targets_NPT = torch.zeros_like(logits_NPT)
        # Without objects the loss still depends on the distances, with a gradient of zero.
        giou_loss = distribution_loss = 0.0 * exponents_NP4B[:, 0].sum()
        weight_sum = logits_NPT.new_ones(())
        matches = self._match_batch(logits_NPT.detach(), exponents_NP4B.detach(), truths)
        if matches is not None:
            rows_M, points_M, true_M4, tags_M, iou_M = matches
            targets_NPT[rows_M, points_M, tags_M] = iou_M
            quality_weight_M = (
                logits_NPT.detach()[rows_M, points_M].sigmoid().amax(1).clamp(min=_MIN_QUALITY_WEIGHT)
            )
            exponents_M4B = exponents_NP4B[rows_M, points_M]
            giou_loss_M = self._ops.generalized_box_iou_loss(self._boxes(exponents_M4B, points_M), true_M4)
            giou_loss = (giou_loss_M * quality_weight_M).sum()
            centres_M2, strides_M1 = self._centres[points_M], self._strides[points_M, None]
            ltrb_M4 = torch.cat([centres_M2 - true_M4[:, :2], true_M4[:, 2:] - centres_M2], 1) / strides_M1
            distribution_loss_M = _distribution_loss(exponents_M4B.log_softmax(-1), ltrb_M4).mean(1)
            distribution_loss = (distribution_loss_M * quality_weight_M).sum()
            weight_sum = quality_weight_M.sum().clamp(min=1)
        cross_entropy_NPT = torch.nn.functional.binary_cross_entropy_with_logits(
            logits_NPT, targets_NPT, reduction="none"
        )
        quality_loss = (cross_entropy_NPT * (targets_NPT - logits_NPT.sigmoid()).square()).sum()
        match_count = (targets_NPT > 0).sum().clamp(min=1)
        return (
            quality_loss / match_count
            + _GIOU_WEIGHT * giou_loss / weight_sum
            + _DISTRIBUTION_WEIGHT * distribution_loss / weight_sum
        )

    def _match_batch(
        self, logits_NPT: Tensor, exponents_NP4B: Tensor, truths: Sequence[Truth]
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor] | None:
        """The matched points of all images, or None without objects.

        Returns:
            The image of each point (M,), the point (M,), its true box (M, 4), the box's tag (M,) and the
            overlap of the point's box with it (M,).
        """
        import torch

        parts = []
        for row, truth in enumerate(truths):
            if len(truth.boxes):
                points_M, which_M, iou_M = self._matches(logits_NPT[row], exponents_NP4B[row], truth)
                rows_M = torch.full_like(points_M, row)
                parts.append((rows_M, points_M, truth.boxes[which_M], truth.tags[which_M], iou_M))
        if not parts:
            return None
        rows, points, boxes, tags, iou = (torch.cat(part) for part in zip(*parts, strict=True))
        return rows, points, boxes, tags, iou

    def _boxes(self, exponents_C4B: Tensor, points_C: Tensor) -> Tensor:
        """The predicted boxes of these points, (C, 4)."""
        import torch

        ltrb_C4 = (exponents_C4B.softmax(-1) @ self._bins) * self._strides[points_C, None]
        centres_C2 = self._centres[points_C]
        return torch.cat([centres_C2 - ltrb_C4[:, :2], centres_C2 + ltrb_C4[:, 2:]], 1)

    def _matches(
        self, logits_PT: Tensor, exponents_P4B: Tensor, truth: Truth
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The matched points of an image.

        Returns:
            The point (M,), the number of its true box (M,), and the overlap of the point's box with it (M,).
        """
        import torch

        true_G14, centres_P2 = truth.boxes[:, None], self._centres
        margins_GP4 = torch.cat([centres_P2 - true_G14[..., :2], true_G14[..., 2:] - centres_P2], -1)
        inside_GP = margins_GP4.amin(-1) > 0
        middles_G12 = (true_G14[..., :2] + true_G14[..., 2:]) / 2
        near_GP = (centres_P2 - middles_G12).abs().amax(-1) < _CENTRE_RADIUS * self._strides
        candidates_C = (inside_GP | near_GP).any(0).nonzero()[:, 0]
        boxes_C4 = self._boxes(exponents_P4B[candidates_C], candidates_C)
        # 0 / 0 for two boxes without area.
        iou_GC = self._ops.box_iou(truth.boxes, boxes_C4).nan_to_num(0.0)
        scores_GC = logits_PT[candidates_C].sigmoid()[:, truth.tags].T
        classification_cost_GC = torch.nn.functional.binary_cross_entropy(
            scores_GC.clamp(_EPSILON, 1 - _EPSILON), iou_GC, reduction="none"
        )
        cost_GC = (
            classification_cost_GC * (iou_GC - scores_GC).square()
            - _IOU_COST * (iou_GC + 1e-7).log()
            + _OUTSIDE_COST * ~(inside_GP & near_GP)[:, candidates_C]
        )
        most = min(_MAX_MATCHES, len(candidates_C))
        # The number of a box's points is the sum of its best overlaps, rounded down.
        count_G1 = iou_GC.topk(most, 1).values.sum(1, keepdim=True).int().clamp(min=1)
        cheapest_GK = cost_GC.topk(most, 1, largest=False).indices
        chosen_GK = torch.arange(most, device=cost_GC.device) < count_G1
        chosen_GC = torch.zeros_like(cost_GC, dtype=torch.bool).scatter_(1, cheapest_GK, chosen_GK)
        # A point that several boxes chose goes to the box of the lowest cost.
        cheapest_C = torch.where(chosen_GC, cost_GC, torch.inf).argmin(0)
        matched_C = chosen_GC.any(0).nonzero()[:, 0]
        which_M = cheapest_C[matched_C]
        return candidates_C[matched_C], which_M, iou_GC[which_M, matched_C]


def _distribution_loss(log_probabilities_M4B: Tensor, ltrb_M4: Tensor) -> Tensor:
    """Cross entropy against the two bins that the true distance, in strides, lies between: (M, 4)."""
    ltrb_M4 = ltrb_M4.clamp(0, DISTANCE_BINS - 1.01)
    below_M4 = ltrb_M4.long()
    share_above_M4 = ltrb_M4 - below_M4
    at_below_M4 = log_probabilities_M4B.gather(-1, below_M4[..., None])[..., 0]
    at_above_M4 = log_probabilities_M4B.gather(-1, below_M4[..., None] + 1)[..., 0]
    return -((1 - share_above_M4) * at_below_M4 + share_above_M4 * at_above_M4)
