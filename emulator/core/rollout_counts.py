"""Figures of roll-outs: how the published iteration and the candidate score the same or different images."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

# A killed process loses the figures of this time.
_SAVED_EVERY_SECONDS = 10.0


@dataclass
class ModelFigures:
    """Figures of one of the two iterations; sums, so that those of two times can be added.

    predictions: images that it scored. failures: images that it could not score, although the other one
    could. seconds, most_seconds: of decoding and scoring, of all images and of the slowest one. confident,
    confidence: images with a prediction that counts (`core.rollouts.agreement`), and the sum of the
    probabilities of the most probable one.
    """

    predictions: int = 0
    failures: int = 0
    seconds: float = 0.0
    most_seconds: float = 0.0
    confident: int = 0
    confidence: float = 0.0

    def add_prediction(self, seconds: float, confidence: float | None) -> None:
        """Count a scored image. confidence: 0 to 1; None when nothing was found in it."""
        self.predictions += 1
        self.seconds += seconds
        self.most_seconds = max(self.most_seconds, seconds)
        if confidence is not None:
            self.confident += 1
            self.confidence += confidence

    def add(self, other: "ModelFigures") -> None:
        self.predictions += other.predictions
        self.failures += other.failures
        self.seconds += other.seconds
        self.most_seconds = max(self.most_seconds, other.most_seconds)
        self.confident += other.confident
        self.confidence += other.confidence


@dataclass
class RolloutFigures:
    """Figures of a roll-out since its start.

    compared, agreed: images that both scored in shadow mode, and those of them with the same result
    (`core.rollouts.agreement`). matched_boxes, current_boxes, candidate_boxes: objects that detectors found
    in them: both, the published one alone, the candidate alone. dropped: images that were not compared, since
    too many waited.
    """

    current: ModelFigures = field(default_factory=ModelFigures)
    candidate: ModelFigures = field(default_factory=ModelFigures)
    compared: int = 0
    agreed: int = 0
    matched_boxes: int = 0
    current_boxes: int = 0
    candidate_boxes: int = 0
    dropped: int = 0

    def add(self, other: "RolloutFigures") -> None:
        self.current.add(other.current)
        self.candidate.add(other.candidate)
        self.compared += other.compared
        self.agreed += other.agreed
        self.matched_boxes += other.matched_boxes
        self.current_boxes += other.current_boxes
        self.candidate_boxes += other.candidate_boxes
        self.dropped += other.dropped

    def to_stored(self) -> dict[str, Any]:
        """The figures as a JSON value."""
        return asdict(self)

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> "RolloutFigures":
        """The reverse of `to_stored`."""
        models = {name: ModelFigures(**stored.get(name, {})) for name in ("current", "candidate")}
        return cls(**{**stored, **models})


class RolloutCounts:
    """Figures that are not stored yet, by the id of the roll-out. Thread-safe.

    Attributes:
        saving: held while figures move from here to the database, and to read both.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.saving = threading.Lock()
        self._now = now
        self._figures: dict[str, RolloutFigures] = {}
        self._begun = 0.0
        self._lock = threading.Lock()

    @contextmanager
    def change(self, rollout_id: str) -> Iterator[RolloutFigures]:
        """The figures of a roll-out, to be changed within the context."""
        with self._lock:
            if not self._figures:
                self._begun = self._now()
            yield self._figures.setdefault(rollout_id, RolloutFigures())

    def are_due(self) -> bool:
        """Whether the figures should be stored now. Once true, not before the time has passed again."""
        with self._lock:
            if not self._figures or self._now() < self._begun + _SAVED_EVERY_SECONDS:
                return False
            self._begun = self._now()
            return True

    def of(self, rollout_id: str) -> RolloutFigures:
        """A copy of the figures of a roll-out."""
        copy = RolloutFigures()
        with self._lock:
            if rollout_id in self._figures:
                copy.add(self._figures[rollout_id])
        return copy

    def take(self) -> dict[str, RolloutFigures]:
        """All figures, which are no longer kept here."""
        with self._lock:
            taken, self._figures = self._figures, {}
            return taken

    def put_back(self, taken: Mapping[str, RolloutFigures]) -> None:
        """Add figures that were taken and could not be stored."""
        for rollout_id, figures in taken.items():
            with self.change(rollout_id) as kept:
                kept.add(figures)

    def clear(self) -> None:
        self.take()
