"""Performance of a classifier: precision, recall and average precision on held-out images.

Axes: N images, T tags, F folds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.vision.evaluation.common import (
    DEFAULT_THRESHOLD,
    PerformanceFigures,
    performance_figures,
    read_arrays,
)
from emulator.vision.evaluation.curves import (
    CALIBRATION_BINS,
    CalibrationCurve,
    ScoredPredictions,
    calibration_curve,
    precision_recall_curve,
)

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray


# In place of a probability: the tag cannot be predicted, at any threshold.
NEVER = float("-inf")


@dataclass(frozen=True)
class Evaluation:
    """Predictions for labeled images that the model was not trained on.

    Those of a training are from cross-validation: each image was scored by a model trained without its fold.
    On a test set, all images are in one fold.

    Attributes:
        keys: SHA-256 of the images, in hexadecimal.
        folds: the fold of each image, (N,), from 0.
        probabilities_NT: with the calibration of the final model, float32; NEVER for tags that the model
            does not have.
        targets_NT: whether the image has the tag.
    """

    keys: tuple[str, ...]
    folds: NDArray[numpy.int8]
    probabilities_NT: NDArray[numpy.float32]  # noqa: N815 - the suffix names the axes
    targets_NT: NDArray[numpy.bool_]  # noqa: N815

    @classmethod
    def load(cls, path: Path) -> Evaluation:
        """Read the `evaluation.npz` that a training wrote.

        Raises:
            OSError: the file cannot be read.
            ValueError: it is not such a file.
        """
        return read_arrays(
            path,
            "an evaluation",
            lambda arrays: cls(
                keys=tuple(key.decode("ascii") for key in arrays["keys"]),
                folds=arrays["folds"],
                probabilities_NT=arrays["probabilities"],
                targets_NT=arrays["targets"] > 0,
            ),
        )

    def content(self) -> bytes:
        """The file that `load` reads: no pickles, no timestamps."""
        import numpy

        buffer = BytesIO()
        numpy.savez_compressed(
            buffer,
            probabilities=self.probabilities_NT,
            targets=self.targets_NT.astype(numpy.uint8),
            folds=self.folds,
            keys=numpy.array([key.encode("ascii") for key in self.keys], "S64"),
        )
        return buffer.getvalue()

    def subset(self, indexes: Sequence[int]) -> Evaluation:
        """The evaluation of some of the images, in the given order."""
        return Evaluation(
            keys=tuple(self.keys[index] for index in indexes),
            folds=self.folds[indexes],
            probabilities_NT=self.probabilities_NT[indexes],
            targets_NT=self.targets_NT[indexes],
        )

    @property
    def count(self) -> int:
        """Number of images."""
        return len(self.keys)

    def performance(self, threshold: float = DEFAULT_THRESHOLD) -> PerformanceFigures:
        """Figures at a threshold: a tag counts as predicted where its probability is at least that.

        Precision is correct predictions / predictions and recall correct predictions / images that have the
        tag; see `performance_figures`. Average precision is the area under the precision-recall curve,
        independent of the threshold.
        """
        import numpy

        predicted_NT = self.probabilities_NT >= threshold
        # Counts for each fold and tag: (F, T).
        fold_numbers = range(int(self.folds.max(initial=0)) + 1)
        counts = [
            numpy.stack([hits_NT[self.folds == fold].sum(axis=0) for fold in fold_numbers])
            for hits_NT in (predicted_NT & self.targets_NT, predicted_NT, self.targets_NT)
        ]
        correct_FT, predicted_FT, actual_FT = counts
        return performance_figures(
            correct_FT,
            predicted_FT,
            actual_FT,
            lambda tag: average_precision(self.probabilities_NT[:, tag], self.targets_NT[:, tag]),
        )

    def scored_predictions(self) -> ScoredPredictions:
        """Every probability of every tag, image by image."""
        import numpy

        images, tags = self.targets_NT.shape
        return ScoredPredictions(
            tags=numpy.tile(numpy.arange(tags), images),
            probabilities=self.probabilities_NT.ravel(),
            is_correct=self.targets_NT.ravel(),
            folds=numpy.repeat(self.folds, tags),
            actual_FT=numpy.stack(
                [
                    self.targets_NT[self.folds == fold].sum(axis=0)
                    for fold in range(int(self.folds.max(initial=0)) + 1)
                ]
            ),
        )

    def calibration(self, multilabel: bool, bins: int = CALIBRATION_BINS) -> CalibrationCurve:
        """The calibration of all probabilities (multilabel), or of the highest of each image (multiclass)."""
        import numpy

        if multilabel or not self.count:
            return calibration_curve(self.probabilities_NT.ravel(), self.targets_NT.ravel(), bins)
        rows, best = numpy.arange(self.count), self.probabilities_NT.argmax(axis=1)
        return calibration_curve(self.probabilities_NT[rows, best], self.targets_NT[rows, best], bins)

    def held_out(self) -> list[int]:
        """Ascending indexes of the images that represent the evaluation set: one fold, a fifth of the images.

        If the fold lacks a tag, the first image with it is added; its prediction is out-of-fold as well.
        """
        import numpy

        chosen_N = self.folds == 0
        for tag in range(self.targets_NT.shape[1]):
            with_tag = numpy.flatnonzero(self.targets_NT[:, tag])
            if len(with_tag) and not chosen_N[with_tag].any():
                chosen_N[with_tag[0]] = True
        indexes: list[int] = numpy.flatnonzero(chosen_N).tolist()
        return indexes


def average_precision(scores: NDArray[numpy.floating], targets: NDArray[numpy.bool_]) -> float:
    """Area under the precision-recall curve as a step function. 0 if no image has the tag, or if it is NEVER
    predicted."""
    return precision_recall_curve(scores, targets, int(targets.sum())).area()
