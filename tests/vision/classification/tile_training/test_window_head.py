"""Learning which windows have what the tags of images say."""

import numpy
import pytest

from emulator.vision.classification.tile_training.window_head import Windows, fit_window_head
from emulator.vision.classification.tiles.layout import pooled

IMAGES, FEATURES = 60, 12


def bags(seed: int, *, normal: bool = False) -> tuple[Windows, numpy.ndarray]:
    """Images of 5 to 30 windows. One of them points along the axis of the tag of its image: of the first 20
    tag 0, of the next 20 tag 1; of the last 20 none."""
    random = numpy.random.default_rng(seed)
    counts = random.integers(5, 31, IMAGES)
    rows = random.normal(0, 1, (int(counts.sum()), FEATURES)).astype(numpy.float32)
    targets = numpy.zeros((IMAGES, 3 if normal else 2))
    for image, first in enumerate((counts.cumsum() - counts).tolist()):
        tag = image // 20
        if tag < 2:
            rows[first + int(random.integers(0, counts[image])), tag] = 6
        if tag < targets.shape[1]:
            targets[image, tag] = 1
    return Windows(rows, counts), targets


def image_scores(
    windows: Windows, targets: numpy.ndarray, negative: int | None, multilabel: bool
) -> numpy.ndarray:
    head = fit_window_head(
        windows,
        targets,
        numpy.ones(IMAGES, bool),
        multilabel=multilabel,
        negative=negative,
        inverse_regularisation=1.0,
    )
    tested, _ = bags(1)
    return numpy.array(
        [pooled(head.logits(tested.of(image)), negative, multilabel=multilabel) for image in range(IMAGES)]
    )


def test_one_window_decides() -> None:
    found = image_scores(*bags(0), None, True)

    assert ((found[:20] > 0) == [True, False]).all(axis=1).mean() > 0.9
    assert ((found[20:40] > 0) == [False, True]).all(axis=1).mean() > 0.9
    assert (found[40:] < 0).all(axis=1).mean() > 0.9


@pytest.mark.parametrize("negative", [2, None])
def test_with_one_tag_an_image_the_rest_is_an_image_of_none(negative: int | None) -> None:
    found = image_scores(*bags(0, normal=True), negative, False)

    assert (found.argmax(axis=1) == numpy.arange(IMAGES) // 20).mean() > 0.9


def test_images_without_a_negative_tag_are_those_without_others() -> None:
    found = image_scores(*bags(0, normal=True), 2, True)

    assert (found[40:, 2] > 0).mean() > 0.9 and (found[:40, 2] < 0).mean() > 0.9


def test_images_that_are_left_out_change_nothing() -> None:
    windows, targets = bags(0)
    used = numpy.arange(IMAGES) % 3 > 0
    changed = numpy.where(used[:, None], targets, 1 - targets)
    one, other = (
        fit_window_head(windows, each, used, multilabel=True, negative=None, inverse_regularisation=1.0)
        for each in (targets, changed)
    )

    assert numpy.array_equal(one.weight, other.weight) and numpy.array_equal(one.bias, other.bias)
