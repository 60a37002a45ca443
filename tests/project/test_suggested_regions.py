"""The script that compares the regions suggested by a detector with boxes at random places."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from emulator.vision.boxes.box import DetectedBox, TaggedBox
from emulator.vision.detection.dataset import BoxedImage

MEASUREMENTS = Path(__file__).parents[2] / "models" / "measurements"


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(MEASUREMENTS))
        import measure_suggested_regions  # type: ignore[import-not-found]

        yield measure_suggested_regions


def image(key: str, *tags: int) -> BoxedImage:
    return BoxedImage(f"{key}.png", key, tuple(TaggedBox(tag, 0.1, 0.1, 0.2, 0.2) for tag in tags))


def test_suggestions_count_once_for_each_object_of_their_tag(script: ModuleType) -> None:
    tested = (image("a", 0, 1), image("b", 0))
    each = script.measuring.LabelledSet("some", ("x", "y"), (), tested)
    right = DetectedBox(0, 0.9, 0.1, 0.1, 0.2, 0.2)
    found = [
        [
            right,
            DetectedBox(0, 0.7, 0.1, 0.1, 0.2, 0.21),
            DetectedBox(1, 0.6, 0.6, 0.6, 0.2, 0.2),
        ],
        [DetectedBox(1, 0.2, 0.1, 0.1, 0.2, 0.2)],
    ]
    assert script.figures_from(each, found, 0.1) == (2.0, 1 / 4, 1 / 3)
    assert script.figures_from(each, found, 0.8) == (0.5, 1.0, 1 / 3)
    assert script.figures_from(each, found, 0.95) == (0.0, 0.0, 0.0)


def test_boxes_at_random_places_keep_size_tag_and_probability(script: ModuleType) -> None:
    box = DetectedBox(1, 0.9, 0.1, 0.1, 0.3, 0.2)
    wide = DetectedBox(0, 0.5, 0.0, 0.1, 1.0, 0.2)
    moved = script.moved([[box, wide], []], 0)
    assert [len(boxes) for boxes in moved] == [2, 0]
    first, second = moved[0]
    assert (first.width, first.height, first.tag_index, first.probability) == (0.3, 0.2, 1, 0.9)
    assert first.left != box.left
    assert 0 <= first.left <= 0.7
    assert (second.left, second.width) == (0.0, 1.0)
    assert script.moved([[box, wide], []], 0) == moved


def test_each_tag_has_as_many_images_as_asked_for(script: ModuleType) -> None:
    training = tuple(image(f"{number}", *tags) for number, tags in enumerate([[0], [0, 1], [1], [0], [1]]))
    each = script.measuring.LabelledSet("some", ("x", "y"), training, ())
    chosen = script.drawn(each, 2, 0)
    for tag in (0, 1):
        assert sum(any(box.tag_index == tag for box in one.boxes) for one in chosen) >= 2
    assert len(set(chosen)) == len(chosen) <= 4
