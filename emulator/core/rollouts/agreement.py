"""Whether two models have the same result for an image."""

from collections.abc import Sequence
from typing import NamedTuple

from emulator.core.scored_rows.scores import TagProbability

# Boxes with this probability or more count, as in the service's portal.
_DETECTED = 0.5


class Agreement(NamedTuple):
    """The results of two models for an image.

    is_same: of classifiers, whether the most probable tags have the same name; of detectors, whether both
    found the same objects. matched: objects that both found. current, candidate: objects that only one found.
    """

    is_same: bool
    matched: int = 0
    current: int = 0
    candidate: int = 0


def compare(current: Sequence[TagProbability], candidate: Sequence[TagProbability]) -> Agreement:
    """The agreement of the predictions of two models of the same type for the same image.

    Tags are compared by name: those of imported models have ids of their own.
    """
    if any(one.box is not None for one in (*current, *candidate)):
        return _of_boxes(_detected(current), _detected(candidate))
    tops = [max(scores, key=lambda one: one.probability, default=None) for scores in (current, candidate)]
    first, second = (None if top is None else top.tag_name for top in tops)
    return Agreement(first == second)


def confidence(scores: Sequence[TagProbability]) -> float | None:
    """The probability of the most probable tag or, of a detector, object; None if it found no object."""
    counted = [one.probability for one in scores if one.box is None or one.probability >= _DETECTED]
    return max(counted, default=None)


def _detected(scores: Sequence[TagProbability]) -> list[TagProbability]:
    return [one for one in scores if one.box is not None and one.probability >= _DETECTED]


def _of_boxes(current: Sequence[TagProbability], candidate: Sequence[TagProbability]) -> Agreement:
    import numpy  # which the models have loaded; not at the start

    from emulator.vision.evaluation.detection import DEFAULT_OVERLAP_THRESHOLD, greedy_match

    numbers: dict[str, int] = {}
    groups, boxes, probabilities = [], [], []
    for scores in (current, candidate):
        tags = [numbers.setdefault(one.tag_name, len(numbers)) for one in scores]
        sides = [(one.box.left, one.box.top, one.box.width, one.box.height) for one in scores if one.box]
        groups.append(numpy.array(tags, numpy.int64))
        boxes.append(numpy.array(sides, numpy.float32).reshape(-1, 4))
        probabilities.append(numpy.array([one.probability for one in scores], numpy.float32))
    found = greedy_match(
        groups[0], boxes[0], groups[1], boxes[1], probabilities[1], DEFAULT_OVERLAP_THRESHOLD
    )
    matched = int((found >= 0).sum())
    only_current, only_candidate = len(current) - matched, len(candidate) - matched
    return Agreement(not only_current and not only_candidate, matched, only_current, only_candidate)
