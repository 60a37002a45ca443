"""Labels that are probably wrong, by out-of-fold predictions that confidently disagree with them.

The method is confident learning (Northcutt, Jiang & Chuang, "Confident Learning: Estimating Uncertainty in
Dataset Labels", JAIR 2021). The threshold of a tag is the mean probability that the model gives it on images
that have the tag, so a tag that the model recognizes with less certainty has a lower one. An image that
another tag's probability reaches, and whose own tag is less probable, is off the diagonal of the confident
joint: its label is probably wrong. Where images have several tags, each tag is a problem of its own with the
classes "has it" and "does not have it".

For detectors the same thresholds apply to boxes, as in ObjectLab (Tkachenko, Thyagarajan & Mueller, 2023): an
object whose tag another one outvotes, a confident box without an object, and an object without a box.

Axes: N images, T tags, O objects, D detections.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from emulator.vision.evaluation.classification import Evaluation
from emulator.vision.evaluation.confusion import NONE
from emulator.vision.evaluation.detection import DetectionEvaluation, greedy_match

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Probabilities = NDArray[numpy.floating]

Reason = Literal["WrongTag", "MissingTag", "SpuriousTag", "WrongRegionTag", "MissingRegion", "SpuriousRegion"]

# Overlap (intersection over union) from which a box is on an object, and below which it is beside it.
_ON, _BESIDE = 0.5, 0.1
# Objects of a tag that the model finds with less certainty than this are not reported as spurious.
_FOUND = 0.5


@dataclass(frozen=True)
class LabelError:
    """A label that is probably wrong.

    Attributes:
        image: index in the evaluation.
        reason: WrongTag, WrongRegionTag: `proposed` instead of `actual`. Missing...: `proposed` in addition.
            Spurious...: without `actual`.
        strength: 0..1, how much more probable the proposal is than the label.
        actual, proposed: tags, or NONE.
        actual_probability, proposed_probability: what the model gives them; 0 for NONE.
        threshold: the mean probability of the proposed tag (for Spurious..., of the actual one) where it is
            right.
        object, detection: rows of a detector's evaluation, or -1.
    """

    image: int
    reason: Reason
    strength: float
    actual: int
    proposed: int
    actual_probability: float
    proposed_probability: float
    threshold: float
    object: int = -1
    detection: int = -1


def label_errors_of_classifier(
    evaluation: Evaluation, *, multilabel: bool, negative: int | None = None
) -> list[LabelError]:
    """The probable errors of an evaluation's labels, in no particular order.

    Args:
        multilabel: whether images may have several tags.
        negative: the tag of images that show none of the others; None without one.
    """
    if multilabel:
        return _of_multilabel(evaluation, negative)
    return _of_multiclass(evaluation)


def _means_where(probabilities_NT: Probabilities, chosen_NT: NDArray[numpy.bool_]) -> NDArray[numpy.float64]:
    """The mean probability of each tag (T,) over the chosen images; infinite where there are none."""
    import numpy

    counts = chosen_NT.sum(axis=0)
    sums = numpy.where(chosen_NT, probabilities_NT, 0).sum(axis=0, dtype=numpy.float64)
    return numpy.where(counts > 0, sums / numpy.maximum(counts, 1), numpy.inf)


def _of_multiclass(evaluation: Evaluation) -> list[LabelError]:
    import numpy

    probabilities, targets = evaluation.probabilities_NT, evaluation.targets_NT
    thresholds = _means_where(probabilities, targets)
    confident = (probabilities >= thresholds) & ~targets
    candidates = numpy.where(confident, probabilities, -1)
    found = []
    for image in numpy.flatnonzero(confident.any(axis=1) & targets.any(axis=1)).tolist():
        proposed = int(candidates[image].argmax())
        actual = int(numpy.where(targets[image], probabilities[image], -1).argmax())
        own, other = float(probabilities[image, actual]), float(probabilities[image, proposed])
        if other > own:
            found.append(
                LabelError(
                    image=image,
                    reason="WrongTag",
                    strength=other - own,
                    actual=actual,
                    proposed=proposed,
                    actual_probability=own,
                    proposed_probability=other,
                    threshold=float(thresholds[proposed]),
                )
            )
    return found


def _of_multilabel(evaluation: Evaluation, negative: int | None) -> list[LabelError]:
    import numpy

    probabilities, targets = evaluation.probabilities_NT.astype(numpy.float64), evaluation.targets_NT
    with_tag, without = (
        _means_where(probabilities, targets),
        _means_where(1 - probabilities, ~targets),
    )
    missing = ~targets & (probabilities >= with_tag) & (probabilities > 0.5)
    spurious = targets & (1 - probabilities >= without) & (probabilities < 0.5)
    alone = numpy.zeros(len(targets), bool)
    if negative is not None:
        missing[:, negative] = False
        spurious[:, negative] = False
        alone = targets[:, negative]
    found = []
    for image, tag in zip(*(places.tolist() for places in numpy.nonzero(missing)), strict=True):
        probability = float(probabilities[image, tag])
        # A Negative tag is the only one of its image, so another one takes its place.
        replaced = negative if negative is not None and alone[image] else NONE
        found.append(
            LabelError(
                image=image,
                reason="MissingTag" if replaced == NONE else "WrongTag",
                strength=2 * probability - 1,
                actual=replaced,
                proposed=tag,
                actual_probability=0.0 if replaced == NONE else float(probabilities[image, replaced]),
                proposed_probability=probability,
                threshold=float(with_tag[tag]),
            )
        )
    for image, tag in zip(*(places.tolist() for places in numpy.nonzero(spurious)), strict=True):
        probability = float(probabilities[image, tag])
        found.append(
            LabelError(
                image=image,
                reason="SpuriousTag",
                strength=1 - 2 * probability,
                actual=tag,
                proposed=NONE,
                actual_probability=probability,
                proposed_probability=0.0,
                threshold=float(with_tag[tag]),
            )
        )
    return found


def label_errors_of_detector(evaluation: DetectionEvaluation) -> list[LabelError]:
    """The probable errors of an evaluation's regions, in no particular order."""
    import numpy

    truths, detections = evaluation.truths, evaluation.detections
    own = evaluation.match_detections(_ON)
    # The probability with which each object was found under its own tag, and the mean of each tag.
    found_O = numpy.zeros(len(truths.tags))
    found_O[own[own >= 0]] = evaluation.probabilities[own >= 0]
    counts = numpy.bincount(truths.tags, minlength=evaluation.tag_count)
    sums = numpy.bincount(truths.tags, found_O, evaluation.tag_count)
    means_T = sums / numpy.maximum(counts, 1)
    # A confident box: at least as probable as those that are right usually are.
    right = own >= 0
    hits = numpy.bincount(detections.tags[right], minlength=evaluation.tag_count)
    hit_sums = numpy.bincount(
        detections.tags[right], evaluation.probabilities[right].astype(float), evaluation.tag_count
    )
    thresholds_T = numpy.where(hits > 0, hit_sums / numpy.maximum(hits, 1), numpy.inf)
    confident = numpy.flatnonzero(
        (evaluation.probabilities >= thresholds_T[detections.tags])
        & (evaluation.probabilities > 0.5)
        & ~right
    )
    on = greedy_match(
        truths.images, truths.ltwh, detections.images[confident], detections.ltwh[confident],
        evaluation.probabilities[confident], _ON,
    )  # fmt: skip
    errors = []
    outvoted = set()
    for row, of in zip(confident.tolist(), on.tolist(), strict=True):
        tag, probability = int(detections.tags[row]), float(evaluation.probabilities[row])
        if of < 0:
            if not _overlaps_any(evaluation, row):
                errors.append(
                    LabelError(
                        image=int(detections.images[row]),
                        reason="MissingRegion",
                        strength=probability,
                        actual=NONE,
                        proposed=tag,
                        actual_probability=0.0,
                        proposed_probability=probability,
                        threshold=float(thresholds_T[tag]),
                        detection=row,
                    )
                )
        elif int(truths.tags[of]) != tag and probability > found_O[of]:
            outvoted.add(of)
            errors.append(
                LabelError(
                    image=int(detections.images[row]),
                    reason="WrongRegionTag",
                    strength=probability - float(found_O[of]),
                    actual=int(truths.tags[of]),
                    proposed=tag,
                    actual_probability=float(found_O[of]),
                    proposed_probability=probability,
                    threshold=float(thresholds_T[tag]),
                    object=of,
                    detection=row,
                )
            )
    return errors + _spurious_regions(evaluation, found_O, means_T, outvoted)


def _spurious_regions(
    evaluation: DetectionEvaluation,
    found_O: NDArray[numpy.float64],
    means_T: NDArray[numpy.float64],
    outvoted: set[int],
) -> list[LabelError]:
    """Objects on which no box of any tag is, though objects of their tag are usually found."""
    import numpy

    truths = evaluation.truths
    usual = means_T[truths.tags]
    errors = []
    for row in numpy.flatnonzero((usual >= _FOUND) & (found_O <= 1 - usual)).tolist():
        nearby = evaluation.detections.images == truths.images[row]
        rows = numpy.flatnonzero(nearby)
        overlaps = evaluation.overlaps(numpy.full(len(rows), row), rows)
        best = float(evaluation.probabilities[rows[overlaps >= _BESIDE]].max(initial=0.0))
        if row in outvoted or best > 1 - usual[row]:
            continue
        tag = int(truths.tags[row])
        errors.append(
            LabelError(
                image=int(truths.images[row]),
                reason="SpuriousRegion",
                strength=float(usual[row]) - best,
                actual=tag,
                proposed=NONE,
                actual_probability=float(found_O[row]),
                proposed_probability=0.0,
                threshold=float(usual[row]),
                object=row,
            )
        )
    return errors


def _overlaps_any(evaluation: DetectionEvaluation, detection: int) -> bool:
    """Whether a box is not clearly beside all objects of its image."""
    import numpy

    objects = numpy.flatnonzero(evaluation.truths.images == evaluation.detections.images[detection])
    overlaps = evaluation.overlaps(objects, numpy.full(len(objects), detection))
    return bool((overlaps >= _BESIDE).any())
