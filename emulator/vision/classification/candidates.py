"""Candidates of an advanced training, and their comparison on held-out images.

Axes: N images, E images with scores of a candidate, R images of a comparison, T tags.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from emulator.durable_files import write_atomically
from emulator.vision.classification.cross_validation import TrainingSet, fit_heads
from emulator.vision.classification.dataset import (
    ClassificationDataset,
    LabelledImage,
    novel_probabilities,
)
from emulator.vision.classification.head import (
    LogitCalibration,
    balancing_weights,
    calibration_of,
    log_losses,
    probabilities,
)
from emulator.vision.classification.model import classifying_network, evaluation_bytes, model_bytes
from emulator.vision.classification.novelty import NoveltyFilter, filtered
from emulator.vision.classification.tiles.layout import TileLayout, TileScoring
from emulator.vision.fit import Fit
from emulator.vision.networks.ensembles import member_tensor, side_by_side, sum_classifiers
from emulator.vision.networks.graph import Network
from emulator.vision.training.results import EVALUATION_FILE, MODEL_FILE

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Array = NDArray[numpy.floating]

# A gain must exceed its standard error by this factor; otherwise the simpler model is kept. A model without
# errors whose mean log loss is below `_SURE_ENOUGH` is kept, too.
_STANDARD_ERRORS = 1.0
_SURE_ENOUGH = 0.02
# Factor on the scale of a head of all images, whose calibration is that of heads of four fifths of them. On
# images that neither knows, the scores of the former deviate more from their mean, by 5 to 7%
# (`measure_calibration.py`; figures in models/defaults.md).
SCALE_OF_ALL_IMAGES = 0.95


@dataclass(frozen=True)
class Gain:
    """What a challenger has over a champion, on the images of the challenger.

    Attributes:
        loss, mistakes: how much less log loss, and how many fewer errors in all images; negative if more.
        loss_error, mistakes_error: standard errors.
        is_settled: the champion is kept whatever the challenger does: it makes no errors.
    """

    champion: str
    loss: float
    loss_error: float
    mistakes: float
    mistakes_error: float
    is_settled: bool

    @property
    def is_significant(self) -> bool:
        """Whether the challenger is significantly better, and makes no more errors."""
        if self.is_settled or self.loss <= 0 or self.mistakes < 0:
            return False
        clear = self.loss > _STANDARD_ERRORS * self.loss_error
        return clear or self.mistakes > _STANDARD_ERRORS * self.mistakes_error

    def __str__(self) -> str:
        """The result of the comparison, for people."""
        if self.is_settled:
            return f"{self.champion} makes no mistakes, so nothing replaces it."
        change = "lower" if self.loss > 0 else "higher"
        more = "fewer" if self.mistakes >= 0 else "more"
        figures = (
            f"log loss {change} by {abs(self.loss):.4f} ± {self.loss_error:.4f}, "
            f"{abs(self.mistakes):.0f} ± {self.mistakes_error:.1f} {more} mistakes."
        )
        return f"{'Better' if self.is_significant else 'Not better'} than {self.champion}: {figures}"


@dataclass(frozen=True, eq=False)
class Candidate:
    """A model that could be chosen.

    Attributes:
        name: for the log.
        rows: ascending indexes of the images with scores by a model that was not trained on them.
        logits_ET: these scores, before softmax or sigmoid; not calibrated.
        make: builds the network that was trained on all images, with calibrated scores.
        novelty: fits the filter of the network, with inliers in the order of `rows`; None: it has none.
        gain: factor on the calibrated scores of the network, if it is more accurate than the models that the
            scores are of.
        tiles: how images are scored by their tiles; None: as a whole.
    """

    name: str
    rows: NDArray[numpy.integer]
    logits_ET: Array  # noqa: N815 - the suffix names the axes
    make: Callable[[LogitCalibration], Network]
    novelty: Callable[[], NoveltyFilter] | None = None
    gain: float = 1.0
    tiles: TileUse | None = None


@dataclass(frozen=True, eq=False)
class TileUse:
    """How a candidate scores images by their tiles. Its network has the scores of the windows of a tile.

    Attributes:
        layout: the tiles.
        whole: the network from the whole image to the features that the filter reads.
        first: what the candidate's scores are of the pooled scores of its network.
    """

    layout: TileLayout
    whole: Network
    first: LogitCalibration

    def scoring(self, calibration: LogitCalibration, dataset: ClassificationDataset) -> TileScoring:
        """What is stored in the model."""
        import numpy

        both = calibration.after(self.first)
        shifts = numpy.broadcast_to(both.shift_T, len(dataset.tags)).tolist()
        return TileScoring(self.layout, both.scale, tuple(shifts), dataset.negative)


def restricted(candidate: Candidate, rows: NDArray[numpy.integer]) -> Candidate:
    """The candidate with the scores of some of its images only, for comparisons."""
    import numpy

    places, whole = numpy.searchsorted(candidate.rows, rows), candidate.novelty
    novelty = None if whole is None else lambda: _of_images(whole(), places)
    return replace(candidate, rows=rows, logits_ET=candidate.logits_ET[places], novelty=novelty)


def _of_images(novelty: NoveltyFilter, places: NDArray[numpy.integer]) -> NoveltyFilter:
    return replace(novelty, inliers_N=novelty.inliers_N[places])


def frozen_candidate(
    name: str,
    training_set: TrainingSet,
    folds_N: NDArray[numpy.int8],
    regular_N: NDArray[numpy.bool_],
    backbone: Network,
    progress: Callable[[float], None],
) -> Candidate:
    """A head on a frozen network, with scores of all images.

    Args:
        folds_N, regular_N: the fold of each image, and which images the limit of the filter depends on.
        progress: called with the fraction that is done, 0..1.
    """
    import numpy

    head, logits_NT = fit_heads(training_set, folds_N, progress)

    def make(calibration: LogitCalibration) -> Network:
        scale = SCALE_OF_ALL_IMAGES * calibration.scale
        return classifying_network(
            backbone,
            head.calibrated(replace(calibration, scale=scale)),
            multilabel=training_set.multilabel,
            roots=training_set.roots,
        )

    def novelty() -> NoveltyFilter:
        return NoveltyFilter.fit(training_set, folds_N, regular_N, resolution=backbone.resolution)

    return Candidate(name, numpy.arange(len(folds_N)), logits_NT, make, novelty)


def write_candidate(
    chosen: Candidate,
    calibration: LogitCalibration,
    output: Path,
    dataset: ClassificationDataset,
    *,
    images: Sequence[LabelledImage],
    targets_NT: Array,
    folds_N: NDArray[numpy.int8],
    fit: Fit,
) -> None:
    """Write the model file and the evaluation of a candidate, on the images that it has scores for.

    Args:
        images, targets_NT, folds_N: all images of the training, their targets and folds.
        fit: how images become square.
    """
    held_out_ET = probabilities(calibration.applied(chosen.logits_ET), multilabel=dataset.multilabel)
    network = chosen.make(calibration.weighted(chosen.gain))
    if chosen.novelty is not None:
        novelty, novel_T = chosen.novelty(), novel_probabilities(dataset)
        held_out_ET = filtered(held_out_ET, novelty.inliers_N, novel_T)
        if chosen.tiles is None:
            network = novelty.applied(network, novel_T)
        else:
            network = side_by_side([network, novelty.outputs(chosen.tiles.whole, novel_T)])
    rows = chosen.rows
    scoring = None if chosen.tiles is None else chosen.tiles.scoring(calibration, dataset)
    evaluation = evaluation_bytes(held_out_ET, targets_NT[rows], folds_N[rows], [images[row] for row in rows])
    write_atomically(output / EVALUATION_FILE, evaluation)
    write_atomically(output / MODEL_FILE, model_bytes(dataset, network, fit, scoring))


class CandidateComparison:
    """Compares candidates by log loss of calibrated scores and by errors, on the same held-out images.

    Args:
        targets_NT: 1 where the image has the tag, else 0. In multiclass sets all tags have the same weight.
    """

    def __init__(self, targets_NT: Array, *, multilabel: bool) -> None:
        import numpy

        self._targets_NT, self._multilabel = targets_NT, multilabel
        self._weights_N = numpy.ones(len(targets_NT)) if multilabel else balancing_weights(targets_NT)
        # Every comparison needs it, and with many images of many tags it takes seconds to compute.
        self._calibrations: WeakKeyDictionary[Candidate, LogitCalibration] = WeakKeyDictionary()

    def calibration(self, candidate: Candidate) -> LogitCalibration:
        """The candidate's calibration, computed once."""
        known = self._calibrations.get(candidate)
        if known is None:
            targets_ET = self._targets_NT[candidate.rows]
            known = calibration_of(candidate.logits_ET, targets_ET, multilabel=self._multilabel)
            self._calibrations[candidate] = known
        return known

    def loss(self, candidate: Candidate) -> float:
        """Mean log loss of the calibrated candidate on all its images."""
        return float(self._losses(candidate, candidate.rows).mean())

    def loss_at(self, candidate: Candidate, rows: NDArray[numpy.integer]) -> float:
        """Mean log loss of the calibrated candidate on some of its images."""
        return float(self._losses(candidate, rows).mean())

    def mistakes(self, candidate: Candidate) -> float:
        """Number of errors on the images of the candidate: wrong tags, of which an image has at most one in
        multiclass sets."""
        return float(self._mistakes(candidate, candidate.rows).sum())

    def blended(self, tuned: Candidate, frozen: Candidate, weight: float) -> Candidate:
        """The mean of the calibrated logits of two candidates, with `weight` for the second one.

        The filter is that of the second, if it has one, else that of the first.

        Args:
            frozen: has scores for all images that `tuned` has scores for.
        """
        import numpy

        own = self.calibration(tuned).weighted(1 - weight)
        others = self.calibration(frozen).weighted(weight)
        places = numpy.searchsorted(frozen.rows, tuned.rows)
        logits_ET = own.applied(tuned.logits_ET) + others.applied(frozen.logits_ET[places])

        def make(calibration: LogitCalibration) -> Network:
            # The logits are added, so the shift of the sum is applied to one of them only.
            scale = LogitCalibration(calibration.scale)
            members = [tuned.make(calibration.after(own)), frozen.make(scale.after(others))]
            return sum_classifiers(members, max(member.resolution for member in members))

        filters = [(1, restricted(frozen, tuned.rows).novelty), (0, tuned.novelty)]
        member, fit = next((each for each in filters if each[1] is not None), (0, None))

        def novelty() -> NoveltyFilter:
            assert fit is not None
            fitted = fit()
            return replace(fitted, features=member_tensor(member, fitted.features))

        name = f"{tuned.name} beside {weight:.0%} of {frozen.name}"
        return Candidate(name, tuned.rows, logits_ET, make, novelty if fit else None, tuned.gain)

    def is_perfect(self, candidate: Candidate) -> bool:
        """Whether the candidate makes no errors, with high probabilities."""
        return self._is_perfect(candidate, candidate.rows)

    def replaces(self, challenger: Candidate, champion: Candidate) -> bool:
        """Whether the challenger is significantly better, and makes no more errors."""
        return challenger is not champion and self.gain(challenger, champion).is_significant

    def gain(self, challenger: Candidate, champion: Candidate) -> Gain:
        """What the challenger has over the champion, which has scores for all its images."""
        rows = challenger.rows
        losses = self._losses(champion, rows) - self._losses(challenger, rows)
        mistakes = self._mistakes(champion, rows) - self._mistakes(challenger, rows)
        loss, loss_error = _mean_and_error(losses)
        fewer, fewer_error = _mean_and_error(mistakes)
        return Gain(
            champion=champion.name,
            loss=loss,
            loss_error=loss_error,
            mistakes=len(rows) * fewer,
            mistakes_error=len(rows) * fewer_error,
            is_settled=self._is_perfect(champion, rows),
        )

    def _is_perfect(self, candidate: Candidate, rows: NDArray[numpy.integer]) -> bool:
        losses, mistakes = self._losses(candidate, rows), self._mistakes(candidate, rows)
        return not mistakes.any() and bool(losses.mean() < _SURE_ENOUGH)

    def _losses(self, candidate: Candidate, rows: NDArray[numpy.integer]) -> Array:
        logits_RT = self.calibration(candidate).applied(self._at(candidate, rows))
        losses = log_losses(logits_RT, self._targets_NT[rows], multilabel=self._multilabel)
        weighted: Array = losses * self._weights_N[rows]
        return weighted

    def _mistakes(self, candidate: Candidate, rows: NDArray[numpy.integer]) -> Array:
        """Errors of each image: 1 if its most probable tag is wrong; multilabel: wrong tags at 0.5."""
        import numpy

        logits_RT, targets_RT = self._at(candidate, rows), self._targets_NT[rows]
        if self._multilabel:
            logits_RT = self.calibration(candidate).applied(logits_RT)
            counts: Array = ((logits_RT > 0) != (targets_RT > 0)).sum(axis=1).astype(numpy.float64)
            return counts
        wrong = logits_RT.argmax(axis=1) != targets_RT.argmax(axis=1)
        return numpy.asarray(wrong, numpy.float64)

    @staticmethod
    def _at(candidate: Candidate, rows: NDArray[numpy.integer]) -> Array:
        import numpy

        found: Array = candidate.logits_ET[numpy.searchsorted(candidate.rows, rows)]
        return found


def _mean_and_error(values: Array) -> tuple[float, float]:
    """The mean and its standard error, which is infinite for a single value."""
    if len(values) < 2:
        return float(values.mean()), math.inf
    return float(values.mean()), float(values.std(ddof=1)) / math.sqrt(len(values))
