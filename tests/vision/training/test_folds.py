import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.vision.training.folds import members, stratified_folds


def one_hot(counts: list[int]) -> numpy.ndarray:
    return numpy.repeat(numpy.eye(len(counts), dtype=bool), counts, axis=0)


@given(st.lists(st.integers(5, 40), min_size=2, max_size=6), st.integers(0, 10))
def test_every_fold_has_its_share_of_every_tag(counts: list[int], seed: int) -> None:
    targets = one_hot(counts)

    folds = stratified_folds(targets, seed)

    assert set(folds) == set(range(5))
    sizes = numpy.bincount(folds)
    assert sizes.max() - sizes.min() <= 1 + len(counts) // 2
    for tag, count in enumerate(counts):
        in_fold = numpy.bincount(folds[targets[:, tag]], minlength=5)
        assert in_fold.min() >= count // 5
        assert in_fold.max() <= -(-count // 5)


@given(
    st.lists(st.sets(st.integers(0, 3), max_size=4), min_size=30, max_size=80),
    st.integers(0, 10),
)
def test_several_tags_an_image(labels: list[set[int]], seed: int) -> None:
    targets = numpy.array([[tag in tags for tag in range(4)] for tags in labels])
    # Five images of each tag alone, so that every tag can be in every fold.
    targets = numpy.concatenate([targets, one_hot([5, 5, 5, 5])])

    folds = stratified_folds(targets, seed)

    assert folds.min() == 0
    assert folds.max() == 4
    for tag in range(4):
        in_fold = numpy.bincount(folds[targets[:, tag]], minlength=5)
        assert in_fold.min() >= 1
        assert in_fold.max() - in_fold.min() <= max(3, targets[:, tag].sum() // 4)


@pytest.mark.parametrize(("smallest", "folds"), [(1, 2), (2, 2), (3, 3), (5, 5), (50, 5)])
def test_there_are_no_more_folds_than_images_of_a_tag(smallest: int, folds: int) -> None:
    assert len(set(stratified_folds(one_hot([smallest, 60]), 0))) == folds


def test_images_without_tags_are_spread_evenly() -> None:
    targets = numpy.concatenate([one_hot([10, 10]), numpy.zeros((50, 2), bool)])

    assert numpy.bincount(stratified_folds(targets, 3)[20:]).tolist() == [10] * 5


def test_the_seed_decides() -> None:
    targets = one_hot([20, 20])

    assert stratified_folds(targets, 1).tolist() == stratified_folds(targets, 1).tolist()
    assert stratified_folds(targets, 1).tolist() != stratified_folds(targets, 2).tolist()


@given(
    st.lists(st.sets(st.integers(0, 3), max_size=3), min_size=2, max_size=40),
    st.sets(st.integers(0, 39)),
    st.integers(0, 3),
)
def test_images_of_the_first_fold_are_in_it_as_far_as_half_of_each_tag_allows(
    labels: list[set[int]], first: set[int], seed: int
) -> None:
    used = sorted({tag for tags in labels for tag in tags})
    targets = numpy.array([[tag in tags for tag in used] for tags in labels], bool)
    wanted = members((str(number) for number in range(len(labels))), {str(number) for number in first})

    folds = stratified_folds(targets, seed, first_N=wanted)

    assert folds.min() >= 0
    in_first = wanted & (folds == 0)
    left = wanted & (folds > 0)
    counts, kept = targets.sum(axis=0), targets[in_first].sum(axis=0)
    # Each image that is elsewhere has a tag, half of whose images are in the first fold; or half of all are.
    full = kept >= counts // 2
    half = in_first.sum() >= len(labels) // 2
    assert all(half or full[targets[row]].any() for row in numpy.flatnonzero(left))


def test_no_wanted_images_change_nothing() -> None:
    targets = one_hot([7, 12])
    nothing = numpy.zeros(19, bool)

    assert stratified_folds(targets, 1, first_N=nothing).tolist() == stratified_folds(targets, 1).tolist()


def test_a_fifth_of_the_images_is_the_first_fold() -> None:
    targets = one_hot([20, 20])
    wanted = numpy.zeros(40, bool)
    wanted[[0, 5, 6, 7, 20, 30, 31, 39]] = True

    folds = stratified_folds(targets, 2, first_N=wanted)

    assert ((folds == 0) == wanted).all()
    assert numpy.bincount(folds).tolist() == [8] * 5


def test_images_of_a_group_are_in_one_fold() -> None:
    targets = one_hot([30, 30])
    # Groups of three images, some of them with both tags.
    groups = numpy.random.default_rng(0).permutation(60) // 3

    folds = stratified_folds(targets, 0, groups_N=groups)

    assert all(len(set(folds[groups == group])) == 1 for group in range(20))
    assert numpy.bincount(folds).tolist() == [12] * 5
    for tag in range(2):
        assert numpy.bincount(folds[targets[:, tag]], minlength=5).min() >= 3


def test_a_large_group_does_not_make_its_fold_larger() -> None:
    targets = one_hot([50, 50])
    groups = numpy.arange(100)
    groups[45:55] = 45

    folds = stratified_folds(targets, 0, groups_N=groups)

    assert len(set(folds[45:55])) == 1
    assert numpy.bincount(folds).tolist() == [20] * 5


def test_groups_of_one_image_change_nothing() -> None:
    targets = one_hot([20, 20])

    alone = stratified_folds(targets, 1, groups_N=numpy.arange(40))

    assert alone.tolist() == stratified_folds(targets, 1).tolist()


def test_a_group_is_in_the_first_fold_with_one_of_its_images() -> None:
    targets = one_hot([20, 20])
    groups = numpy.arange(40)
    groups[[3, 8, 9]] = 3
    wanted = numpy.zeros(40, bool)
    wanted[[8, 30]] = True

    folds = stratified_folds(targets, 0, first_N=wanted, groups_N=groups)

    assert folds[[3, 8, 9, 30]].tolist() == [0] * 4
    assert numpy.bincount(folds).tolist() == [8] * 5
