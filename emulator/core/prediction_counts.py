"""Counts of predictions by tag, with their confidence, so that a drift of what a model sees is noticed."""

import threading
from collections.abc import Iterable, Mapping

# Of a detector's boxes, as in the service's portal.
_DETECTED = 0.5
# Combinations of project, published name, iteration and tag; further ones are counted as the tag OTHERS.
_MOST_COMBINATIONS = 5000
OTHERS = "(others)"

# Project id, published name, name of the iteration.
Published = tuple[str, str, str]
# Those, and the name of the tag.
PublishedTag = tuple[str, str, str, str]


class PredictionCounts:
    """Numbers of scored images and of predicted tags since the start. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._images: dict[Published, int] = {}
        self._tags: dict[PublishedTag, tuple[int, float]] = {}

    def add(
        self,
        project_id: str,
        published_name: str,
        iteration_name: str,
        scores: Iterable[tuple[str, float, bool]],
    ) -> None:
        """An image was scored by an iteration under a published name.

        A classifier predicts the most probable tag; a detector each tag with a box of at least 0.5, with the
        probability of its best box.

        scores: name of the tag, probability, and whether it is that of a box.
        """
        best: dict[str, float] = {}
        first: tuple[str, float] | None = None
        for tag, probability, is_box in scores:
            if not is_box:
                if first is None or probability > first[1]:
                    first = tag, probability
            elif probability >= max(_DETECTED, best.get(tag, 0.0)):
                best[tag] = probability
        if first is not None:
            best[first[0]] = first[1]
        with self._lock:
            image = (project_id, published_name, iteration_name)
            if image not in self._images and len(self._images) >= _MOST_COMBINATIONS:
                image = (OTHERS, OTHERS, OTHERS)
            self._images[image] = self._images.get(image, 0) + 1
            for tag, probability in best.items():
                key = (*image, tag)
                if key not in self._tags and len(self._tags) >= _MOST_COMBINATIONS:
                    key = (*image, OTHERS)
                number, total = self._tags.get(key, (0, 0.0))
                self._tags[key] = number + 1, total + probability

    def copy(self) -> tuple[Mapping[Published, int], Mapping[PublishedTag, tuple[int, float]]]:
        """Numbers of images, and of predicted tags with the sum of their confidence."""
        with self._lock:
            return dict(self._images), dict(self._tags)
