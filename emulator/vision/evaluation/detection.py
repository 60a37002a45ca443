"""Performance of a detector: precision, recall and average precision on held-out images.

Axes: N images, O objects, D detections, B boxes, F folds, T tags.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.vision.boxes.box import BoxArrays, DetectedBox, ltwh_to_xyxy
from emulator.vision.boxes.geometry import SCORE_FLOOR, paired_iou
from emulator.vision.evaluation.common import (
    DEFAULT_THRESHOLD,
    PerformanceFigures,
    performance_figures,
    read_arrays,
)
from emulator.vision.evaluation.curves import ScoredPredictions, precision_recall_curve

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

DEFAULT_OVERLAP_THRESHOLD = 0.3
_PARTS = 3
# Limit of pairs of a box and an object in memory; a million take about 100 MB.
_PAIRS_AT_A_TIME = 1_000_000


@dataclass(frozen=True)
class DetectionEvaluation:
    """Predictions for labeled images that the model was not trained on: detections, and the marked objects.

    Those of a training are of images that were held out. As on a test set, all of them are in one fold;
    trainings of earlier versions have several.

    Attributes:
        keys: SHA-256 of the images, in hexadecimal.
        folds: the fold of each image, (N,).
        tag_count: number of tags of the training.
        truths: the marked objects.
        detections: the predicted boxes, for each image by falling probability.
        probabilities: of the detections, with the calibration of the final model, float32 (D,).
    """

    keys: tuple[str, ...]
    folds: NDArray[numpy.int8]
    tag_count: int
    truths: BoxArrays
    detections: BoxArrays
    probabilities: NDArray[numpy.float32]

    @classmethod
    def load(cls, path: Path) -> DetectionEvaluation:
        """Read the `evaluation.npz` that a training wrote.

        Raises:
            OSError: the file cannot be read.
            ValueError: it is not such a file.
        """

        def build(arrays: Mapping[str, NDArray[Any]]) -> DetectionEvaluation:
            truths, detections = (
                BoxArrays(*(arrays[f"{name}_{part}"] for part in ("images", "tags", "places")))
                for name in ("truth", "detection")
            )
            return cls(
                keys=tuple(key.decode("ascii") for key in arrays["keys"]),
                folds=arrays["folds"],
                tag_count=int(arrays["tag_count"]),
                truths=truths,
                detections=detections,
                probabilities=arrays["probabilities"],
            )

        return read_arrays(path, "an evaluation of a detector", build)

    def with_probabilities(self, probabilities: NDArray[numpy.float32]) -> DetectionEvaluation:
        """The detections with other probabilities, without those below `SCORE_FLOOR`."""
        shown = probabilities >= SCORE_FLOOR
        detections = BoxArrays(
            self.detections.images[shown], self.detections.tags[shown], self.detections.ltwh[shown]
        )
        return replace(self, detections=detections, probabilities=probabilities[shown])

    def content(self) -> bytes:
        """The file that `load` reads: no pickles, no timestamps."""
        import numpy

        buffer = BytesIO()
        numpy.savez_compressed(
            buffer,
            keys=numpy.array([key.encode("ascii") for key in self.keys], "S64"),
            folds=self.folds,
            tag_count=numpy.array(self.tag_count),
            truth_images=self.truths.images,
            truth_tags=self.truths.tags,
            truth_places=self.truths.ltwh,
            detection_images=self.detections.images,
            detection_tags=self.detections.tags,
            detection_places=self.detections.ltwh,
            probabilities=self.probabilities,
        )
        return buffer.getvalue()

    def subset(self, indexes: Sequence[int]) -> DetectionEvaluation:
        """The evaluation of some of the images, in the given order."""
        import numpy

        places = numpy.full(self.count, -1, numpy.int32)
        places[indexes] = numpy.arange(len(indexes), dtype=numpy.int32)
        truths, _ = _of_images(self.truths, places)
        detections, chosen = _of_images(self.detections, places)
        return replace(
            self,
            keys=tuple(self.keys[index] for index in indexes),
            folds=self.folds[indexes],
            truths=truths,
            detections=detections,
            probabilities=self.probabilities[chosen],
        )

    @property
    def count(self) -> int:
        """Number of images."""
        return len(self.keys)

    def held_out(self) -> list[int]:
        """Ascending indexes of the images that represent the evaluation set: one fold.

        If the fold lacks a tag, the first image with it is added; its prediction is out-of-fold as well.
        """
        import numpy

        chosen_N = self.folds == self.folds.min(initial=0)
        for tag in range(self.tag_count):
            with_tag = self.truths.images[self.truths.tags == tag]
            if len(with_tag) and not chosen_N[with_tag].any():
                chosen_N[with_tag.min()] = True
        numbers: list[int] = numpy.flatnonzero(chosen_N).tolist()
        return numbers

    def detected(self, image: int) -> list[DetectedBox]:
        """The detections of an image, by falling probability."""
        import numpy

        return [
            DetectedBox(
                int(self.detections.tags[row]),
                float(self.probabilities[row]),
                *self.detections.ltwh[row].tolist(),
            )
            for row in numpy.flatnonzero(self.detections.images == image)
        ]

    def hits(self, overlap_threshold: float = DEFAULT_OVERLAP_THRESHOLD) -> NDArray[numpy.bool_]:
        """Whether each detection (D,) matches an object; see `match_detections`."""
        found: NDArray[numpy.bool_] = self.match_detections(overlap_threshold) >= 0
        return found

    def match_detections(self, overlap_threshold: float = DEFAULT_OVERLAP_THRESHOLD) -> NDArray[numpy.int64]:
        """The object, as a row of `truths`, that each detection (D,) matches; -1 for none.

        A match needs an IoU of the threshold or more. In each image and tag, detections are matched by
        falling probability, each with the unmatched object of the largest IoU. A second box on an object is
        thus a false positive, and the matches above a probability do not depend on detections below it.
        """
        return greedy_match(
            self.truths.images.astype("i8") * self.tag_count + self.truths.tags,
            self.truths.ltwh,
            self.detections.images.astype("i8") * self.tag_count + self.detections.tags,
            self.detections.ltwh,
            self.probabilities,
            overlap_threshold,
        )

    def overlaps(
        self, objects: NDArray[numpy.integer], detections: NDArray[numpy.integer]
    ) -> NDArray[numpy.float64]:
        """IoU of objects and detections, given as rows; 0 if either is -1."""
        import numpy

        both = (objects >= 0) & (detections >= 0)
        result = numpy.zeros(len(objects))
        result[both] = paired_iou(
            ltwh_to_xyxy(self.detections.ltwh[detections[both]]),
            ltwh_to_xyxy(self.truths.ltwh[objects[both]]),
        )
        return result

    def scored_predictions(self, overlap_threshold: float = DEFAULT_OVERLAP_THRESHOLD) -> ScoredPredictions:
        """All detections; correct are those that match an object."""
        import numpy

        return ScoredPredictions(
            tags=self.detections.tags,
            probabilities=self.probabilities,
            is_correct=self.hits(overlap_threshold),
            folds=self._parts()[self.detections.images],
            actual_FT=self._counts(self.truths, numpy.ones(len(self.truths.tags), bool)),
        )

    def performance(
        self,
        threshold: float = DEFAULT_THRESHOLD,
        overlap_threshold: float = DEFAULT_OVERLAP_THRESHOLD,
    ) -> PerformanceFigures:
        """Figures at a threshold of probability and one of overlap (see `hits`).

        Precision is hits / detections at the threshold and recall hits / objects; see `performance_figures`.
        Average precision is the area under the precision-recall curve (see `area_under_curve`), independent
        of the threshold.
        """
        import numpy

        found = self.hits(overlap_threshold)
        shown = self.probabilities >= threshold
        # Counts for each fold and tag: (F, T).
        correct_FT = self._counts(self.detections, found & shown)
        predicted_FT = self._counts(self.detections, shown)
        actual_FT = self._counts(self.truths, numpy.ones(len(self.truths.tags), bool))

        def average_precision(tag: int) -> float:
            of_tag = self.detections.tags == tag
            actual = int(actual_FT[:, tag].sum())
            return area_under_curve(self.probabilities[of_tag], found[of_tag], actual)

        return performance_figures(correct_FT, predicted_FT, actual_FT, average_precision)

    def _parts(self) -> NDArray[numpy.integer]:
        """The fold of each image (N,); of a single fold a third of it, so that figures have deviations."""
        import numpy

        if self.count and (self.folds == self.folds[0]).all():
            return numpy.arange(self.count) % _PARTS
        return self.folds

    def _counts(self, boxes: BoxArrays, counted: NDArray[numpy.bool_]) -> NDArray[numpy.int64]:
        """Number of the counted boxes of each fold and tag: (F, T)."""
        import numpy

        parts = self._parts()
        counts_FT = numpy.zeros((int(parts.max(initial=0)) + 1, self.tag_count), numpy.int64)
        numpy.add.at(counts_FT, (parts[boxes.images[counted]], boxes.tags[counted]), 1)
        return counts_FT


def _of_images(boxes: BoxArrays, places: NDArray[numpy.int32]) -> tuple[BoxArrays, NDArray[numpy.integer]]:
    """The boxes of the images that have a place, by this place; and their rows."""
    import numpy

    rows = numpy.flatnonzero(places[boxes.images] >= 0)
    rows = rows[numpy.argsort(places[boxes.images[rows]], kind="stable")]
    return BoxArrays(places[boxes.images[rows]], boxes.tags[rows], boxes.ltwh[rows]), rows


def area_under_curve(
    probabilities: NDArray[numpy.floating], found: NDArray[numpy.bool_], objects: int
) -> float:
    """Area under the precision-recall curve as in detection benchmarks: with the highest precision at each or
    a higher recall. 0 without objects."""
    return precision_recall_curve(probabilities, found, objects).area(best_from_here=True)


def greedy_match(
    object_groups: NDArray[numpy.integer],
    objects: NDArray[numpy.float32],
    box_groups: NDArray[numpy.integer],
    boxes: NDArray[numpy.float32],
    probabilities: NDArray[numpy.float32],
    overlap_threshold: float,
) -> NDArray[numpy.int64]:
    """Match boxes with objects of their group, by falling probability.

    Each box is matched with the unmatched object of the largest IoU, if that is the threshold or more; the
    first of equal ones. Time grows with the number of boxes, and the number of pairs in memory is limited.

    Args:
        object_groups, box_groups: the group, such as the image, (O,) and (B,).
        objects, boxes: left, top, width and height, (O, 4) and (B, 4).
        probabilities: of the boxes, (B,).

    Returns:
        The row of the object of each box, or -1, (B,).
    """
    import numpy

    by_group = numpy.argsort(object_groups, kind="stable")
    sorted_groups = object_groups[by_group]
    ranked = numpy.argsort(-probabilities, kind="stable")
    first = numpy.searchsorted(sorted_groups, box_groups[ranked], side="left")
    behind = numpy.searchsorted(sorted_groups, box_groups[ranked], side="right")
    pairs_before = numpy.concatenate([[0], numpy.cumsum(behind - first)])
    object_edges, box_edges = ltwh_to_xyxy(objects), ltwh_to_xyxy(boxes)
    chosen = numpy.full(len(boxes), -1, numpy.int64)
    taken = numpy.zeros(len(objects), bool)
    begin = 0
    while begin < len(ranked):
        # As many boxes as have at most `_PAIRS_AT_A_TIME` pairs with objects of their group; at least one.
        end = int(numpy.searchsorted(pairs_before, pairs_before[begin] + _PAIRS_AT_A_TIME, side="right")) - 1
        end = max(end, begin + 1)
        counts = (behind - first)[begin:end]
        rows = numpy.repeat(ranked[begin:end], counts)
        ranks = numpy.repeat(numpy.arange(begin, end), counts)
        within = numpy.arange(len(rows)) - numpy.repeat(pairs_before[begin:end] - pairs_before[begin], counts)
        of = by_group[numpy.repeat(first[begin:end], counts) + within]
        overlap = paired_iou(box_edges[rows], object_edges[of])
        near = overlap >= overlap_threshold
        rows, ranks, of, overlap = rows[near], ranks[near], of[near], overlap[near]
        for pair in numpy.lexsort((of, -overlap, ranks)).tolist():
            if chosen[rows[pair]] < 0 and not taken[of[pair]]:
                chosen[rows[pair]] = of[pair]
                taken[of[pair]] = True
        begin = end
    return chosen
