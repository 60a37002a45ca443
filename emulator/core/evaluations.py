"""Evaluations of iterations, kept ready: the few used last."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from emulator.store.blobs import BlobStore

_KEPT = 4


@dataclass(frozen=True)
class KeptEvaluation:
    """figures: an `Evaluation`, or a `DetectionEvaluation`."""

    figures: Any

    @cached_property
    def held_out(self) -> dict[str, int]:
        """Which predictions are those of the images that stand for the evaluation set, by their SHA-256."""
        return {self.figures.keys[index]: index for index in self.figures.held_out()}


class EvaluationCache:
    """Evaluations by their blob."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._kept: OrderedDict[str, KeptEvaluation] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, blob: str, *, of_detector: bool) -> KeptEvaluation:
        """Raises FileNotFoundError when the blob is gone."""
        with self._lock:
            if blob in self._kept:
                self._kept.move_to_end(blob)
                return self._kept[blob]
        from emulator.vision.detection_metrics import DetectionEvaluation
        from emulator.vision.metrics import Evaluation

        kind = DetectionEvaluation if of_detector else Evaluation
        made = KeptEvaluation(kind.load(self._blobs.path(blob)))
        with self._lock:
            self._kept[blob] = made
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return made

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()
