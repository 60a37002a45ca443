"""A given number of folds: tags may have fewer images than there are folds."""

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.vision.training.folds import stratified_folds


@given(
    st.lists(st.sets(st.integers(0, 3), max_size=3), min_size=1, max_size=60),
    st.integers(2, 12),
    st.integers(0, 9),
)
def test_every_image_is_in_a_fold_and_every_tag_spread(labels: list[set[int]], count: int, seed: int) -> None:
    targets = numpy.array([[tag in tags for tag in range(4)] for tags in labels])

    folds = stratified_folds(targets, seed, count)

    assert folds.min() >= 0
    assert folds.max() < count
    if max(map(len, labels)) <= 1:
        for tag in range(4):
            in_fold = numpy.bincount(folds[targets[:, tag]], minlength=count)
            assert in_fold.max(initial=0) <= -(-targets[:, tag].sum() // count)


@pytest.mark.parametrize("rare", [1, 3])
def test_the_first_fold_has_a_rare_tag(rare: int) -> None:
    targets = numpy.zeros((300, 2), bool)
    targets[:rare, 0] = True
    targets[rare:, 1] = True

    assert (stratified_folds(targets, 0, 5)[:rare] == 0).sum() == 1
