"""Near-duplicates are in one group, as far as cross-validation needs other images of their tags."""

from pathlib import Path

import numpy
import pytest
from PIL import Image

from emulator.vision.duplicates.groups import near_duplicate_groups
from emulator.vision.imaging.image_file import StoredImage
from tests.vision.duplicates.test_find import photograph, saved


def groups(
    pictures: list[StoredImage], tags: list[int], cache: Path, features: numpy.ndarray | None = None
) -> list[int]:
    targets = numpy.eye(max(tags) + 1, dtype=bool)[tags]
    everything_alike = numpy.ones((len(pictures), 4))
    found = near_duplicate_groups(
        pictures, targets, everything_alike if features is None else features, cache, lambda done: None
    )
    return found.tolist()


def test_copies_are_in_the_group_of_the_first(tmp_path: Path) -> None:
    seeds = [0, 1, 2, 3, 1, 2, 1, 4]
    pictures = [
        saved(tmp_path, str(number), photograph(seed), 60 + number) for number, seed in enumerate(seeds)
    ]

    assert groups(pictures, [0] * 8, tmp_path / "cache") == [0, 1, 2, 3, 1, 2, 1, 7]


def test_images_with_different_features_are_not_compared(tmp_path: Path) -> None:
    pictures = [saved(tmp_path, str(number), photograph(0), 60 + number) for number in range(4)]
    features = numpy.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9]])

    assert groups(pictures, [0, 0, 0, 0], tmp_path / "cache", features) == [0, 0, 2, 2]


@pytest.mark.parametrize(("copies", "expected"), [(2, [0, 0, 2, 3]), (3, [0, 1, 2, 3])])
def test_a_group_has_at_most_half_of_the_images_of_a_tag(
    tmp_path: Path, copies: int, expected: list[int]
) -> None:
    different = [photograph(seed) for seed in range(1, 5 - copies)]
    images = [photograph(0)] * copies + different
    pictures = [saved(tmp_path, str(number), image, 60 + 5 * number) for number, image in enumerate(images)]
    # Copies of this quality have similarities above every threshold, so that no division helps.
    assert groups(pictures, [0, 0, 0, 0], tmp_path / "cache") == expected


def test_a_large_group_is_divided_where_it_is_least_alike(tmp_path: Path) -> None:
    one, other = photograph(0), photograph(1)
    between = [Image.blend(one, other, part) for part in (0.0, 0.02, 0.45, 0.5)]
    pictures = [saved(tmp_path, str(number), image, 95) for number, image in enumerate(between)]

    assert groups(pictures, [0, 0, 0, 0], tmp_path / "cache") == [0, 0, 2, 2]


def test_no_images(tmp_path: Path) -> None:
    nothing = numpy.zeros((0, 1), bool)

    found = near_duplicate_groups([], nothing, numpy.zeros((0, 4)), tmp_path, lambda done: None)

    assert found.tolist() == []
