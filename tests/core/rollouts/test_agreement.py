"""When two models have the same result for an image."""

import pytest

from emulator.core.rollouts.agreement import Agreement, compare, confidence
from emulator.core.scored_rows.scores import TagProbability
from emulator.vision.boxes.box import Box

LEFT, RIGHT = Box(0.0, 0.0, 0.4, 1.0), Box(0.5, 0.0, 0.4, 1.0)


def tag(name: str, probability: float, box: Box | None = None, tag_id: str = "") -> TagProbability:
    return TagProbability(tag_id, name, "Regular", probability, box)


def test_classifiers_agree_on_the_name_of_the_most_probable_tag() -> None:
    current = [tag("red", 0.6, tag_id="1"), tag("blue", 0.4)]
    assert compare(current, [tag("red", 0.9, tag_id="2"), tag("green", 0.1)]) == Agreement(True)
    assert compare(current, [tag("blue", 0.6), tag("red", 0.4)]) == Agreement(False)


@pytest.mark.parametrize(
    ("candidate", "expected"),
    [
        ([tag("red", 0.5, LEFT), tag("red", 0.9, RIGHT)], Agreement(True, matched=2)),
        # A little moved: the IoU is 0.6.
        ([tag("red", 0.9, Box(0.1, 0.0, 0.4, 1.0)), tag("red", 0.9, RIGHT)], Agreement(True, matched=2)),
        ([tag("red", 0.9, LEFT), tag("blue", 0.9, RIGHT)], Agreement(False, 1, 1, 1)),
        ([tag("red", 0.9, LEFT), tag("red", 0.49, RIGHT)], Agreement(False, 1, 1, 0)),
        ([tag("red", 0.9, LEFT), tag("red", 0.9, LEFT), tag("red", 0.9, RIGHT)], Agreement(False, 2, 0, 1)),
        ([], Agreement(False, 0, 2, 0)),
    ],
)
def test_detectors_agree_on_objects(candidate: list[TagProbability], expected: Agreement) -> None:
    current = [tag("red", 0.9, LEFT), tag("red", 0.8, RIGHT), tag("blue", 0.1, LEFT)]
    assert compare(current, candidate) == expected


def test_detectors_agree_that_there_is_nothing() -> None:
    assert compare([], []) == Agreement(True)
    assert compare([tag("red", 0.1, LEFT)], []) == Agreement(True)


def test_the_confidence_is_that_of_the_most_probable_tag_or_object() -> None:
    assert confidence([tag("red", 0.3), tag("blue", 0.7)]) == 0.7
    assert confidence([tag("red", 0.6, LEFT), tag("red", 0.8, RIGHT)]) == 0.8
    assert confidence([tag("red", 0.4, LEFT)]) is None
