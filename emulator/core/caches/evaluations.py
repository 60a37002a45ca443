"""Evaluations of iterations: those that were used last, as many as a limit of memory allows."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement
from sqlmodel import Session, select

from emulator.store.blobs import BlobStore
from emulator.store.tables import Image

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    from emulator.vision.evaluation.confusion import Confusion
    from emulator.vision.evaluation.curves import ScoredPredictions
    from emulator.vision.evaluation.label_errors import LabelError

# The files of the evaluations that are kept, together. In memory, with all derived data, an evaluation has up
# to five times the size of its file, and a small one 70 kB. Two are compared, whatever their size.
_FILE_BYTES_KEPT = 16 * 2**20
_MOST_KEPT, _FEWEST_KEPT = 64, 2
_CONFUSIONS_KEPT = 2


@dataclass(frozen=True)
class CachedEvaluation:
    """An evaluation and data derived from it. figures: an `Evaluation` or a `DetectionEvaluation`."""

    figures: Any
    _confusions: "dict[tuple[float, float | None], Confusion]" = field(default_factory=dict)
    _numbers: "list[NDArray[numpy.int64]]" = field(default_factory=list)
    _label_errors: "list[dict[int, list[LabelError]]]" = field(default_factory=list)

    @cached_property
    def held_out(self) -> dict[str, int]:
        """Index of the prediction of each image of the evaluation set, by the image's SHA-256."""
        return {self.figures.keys[index]: index for index in self.figures.held_out()}

    @cached_property
    def indexes(self) -> dict[str, int]:
        """Index of the prediction of each image, by its SHA-256."""
        return {key: index for index, key in enumerate(self.figures.keys)}

    def scored_predictions(self, overlap_threshold: float | None) -> "ScoredPredictions":
        """Predictions with whether each is correct. overlap_threshold: None for classifiers."""
        scored: ScoredPredictions
        if overlap_threshold is None:
            scored = self.figures.scored_predictions()
        else:
            scored = self.figures.scored_predictions(overlap_threshold)
        return scored

    def confusion(self, threshold: float, overlap_threshold: float | None) -> "Confusion":
        """The confusion of tags. overlap_threshold: None for classifiers."""
        from emulator.vision.evaluation.confusion import confusion_of_classifier, confusion_of_detector

        made = self._confusions.get((threshold, overlap_threshold))
        if made is None:
            if overlap_threshold is None:
                made = confusion_of_classifier(self.figures, threshold)
            else:
                made = confusion_of_detector(self.figures, threshold, overlap_threshold)
            # Kept, since each page of a list needs it. That two threads may compute one is harmless.
            if len(self._confusions) >= _CONFUSIONS_KEPT:
                self._confusions.clear()
            self._confusions[threshold, overlap_threshold] = made
        return made

    def label_errors(self, *, multilabel: bool | None, negative: int | None) -> "dict[int, list[LabelError]]":
        """The probable errors of the labels by the index of their image, the strongest of each first.

        multilabel, negative: see `label_errors_of_classifier`; multilabel is None for detectors.
        """
        from emulator.vision.evaluation import label_errors

        if not self._label_errors:
            if multilabel is None:
                errors = label_errors.label_errors_of_detector(self.figures)
            else:
                errors = label_errors.label_errors_of_classifier(
                    self.figures, multilabel=multilabel, negative=negative
                )
            by_image: dict[int, list[LabelError]] = {}
            for error in sorted(errors, key=lambda error: -error.strength):
                by_image.setdefault(error.image, []).append(error)
            self._label_errors.append(by_image)
        return self._label_errors[0]

    def numbers(self, session: Session, conditions: Sequence[ColumnElement[bool]]) -> "NDArray[numpy.int64]":
        """The number of each image among those that fulfil `conditions`, (N,); 0 for images that do not.

        Numbers of images never change and are never reused, so they are read at the first call only.
        """
        import numpy

        if not self._numbers:
            statement = select(Image.number, Image.blob).where(*conditions)
            numbers = numpy.zeros(self.figures.count, numpy.int64)
            for number, blob in session.execute(statement):
                if blob in self.indexes:
                    numbers[self.indexes[blob]] = number
            self._numbers.append(numbers)
        return self._numbers[0]


class EvaluationCache:
    """Evaluations by blob and iteration."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        # Each with the size of its file.
        self._kept: OrderedDict[tuple[str, str], tuple[CachedEvaluation, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, blob: str, iteration_id: str, *, of_detector: bool) -> CachedEvaluation:
        """The evaluation of an iteration. Copies of a project share the blob, but have images of their own.

        Raises FileNotFoundError when the blob is gone, and BlobDamaged.
        """
        with self._lock:
            if (blob, iteration_id) in self._kept:
                self._kept.move_to_end((blob, iteration_id))
                return self._kept[blob, iteration_id][0]
        from emulator.vision.evaluation.classification import Evaluation
        from emulator.vision.evaluation.detection import DetectionEvaluation

        kind = DetectionEvaluation if of_detector else Evaluation
        path = self._blobs.verified_path(blob)
        made, size = CachedEvaluation(kind.load(path)), path.stat().st_size
        with self._lock:
            self._kept[blob, iteration_id] = made, size
            total = sum(size for _, size in self._kept.values())
            while len(self._kept) > _MOST_KEPT or (
                total > _FILE_BYTES_KEPT and len(self._kept) > _FEWEST_KEPT
            ):
                total -= self._kept.popitem(last=False)[1][1]
        return made

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()
