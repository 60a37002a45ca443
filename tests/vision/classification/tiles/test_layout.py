"""The tiles of images of all sizes, and the score of an image from those of its windows."""

import json

import numpy
import pytest

from emulator.vision.classification.tiles.layout import TileLayout, TileScoring, pooled

LAYOUT = TileLayout(overlap=36, most=64)
TILE = 224
SIZES = [(224, 224), (600, 600), (1200, 1200), (1600, 1067), (4000, 3000), (10_240, 410), (410, 10_240)]


@pytest.mark.parametrize("size", [*SIZES, (2000, 100), (400, 30), (32, 32), (1, 25), (10_240, 10_240)])
def test_they_cover_the_image_and_are_not_too_many(size: tuple[int, int]) -> None:
    windows = LAYOUT.windows(*size, TILE)
    scale = LAYOUT.scale(*size, TILE)

    assert 1 <= len(windows) <= LAYOUT.most and len(windows) == LAYOUT.count(*size, TILE)
    assert (windows[:, :2].min(axis=0) <= 1e-6).all()
    assert (windows[:, 2:].max(axis=0) >= numpy.array(size) - 1e-6).all()
    numpy.testing.assert_allclose(windows[:, 2:] - windows[:, :2], TILE / scale)
    for axis in (0, 1):
        starts = numpy.unique(windows[:, axis].round(6))
        assert (numpy.diff(starts) <= (TILE - LAYOUT.overlap) / scale + 1e-3).all(), "neighbours overlap"


@pytest.mark.parametrize(
    ("size", "scale", "count"), [((600, 600), 1, 9), ((1600, 1067), 1, 54), ((32, 32), 7, 1)]
)
def test_images_keep_their_scale_unless_they_have_too_many_tiles(
    size: tuple[int, int], scale: float, count: int
) -> None:
    assert LAYOUT.scale(*size, TILE) == scale
    assert LAYOUT.count(*size, TILE) == count


def test_tiles_follow_row_by_row() -> None:
    windows = TileLayout(0, 6).windows(30, 20, 10)

    assert windows[:, :2].tolist() == [[0, 0], [10, 0], [20, 0], [0, 10], [10, 10], [20, 10]]


def test_an_image_with_too_many_tiles_is_as_large_as_they_allow() -> None:
    scale = LAYOUT.scale(4000, 3000, TILE)
    a_little_larger = TileLayout(36, 10_000).count(round(4000 * scale * 1.2), round(3000 * scale * 1.2), TILE)

    assert scale < 1 and a_little_larger > LAYOUT.most


def test_decoders_may_return_smaller_copies_of_images_that_are_scaled_down() -> None:
    target = LAYOUT.shorter_side(TILE)

    assert LAYOUT.scale(2 * target, 2 * target, TILE) <= 0.5
    assert LAYOUT.scale(target, target, TILE) <= 1


def test_scoring_is_stored_as_json() -> None:
    scoring = TileScoring(LAYOUT, 0.5, (1.0, -2.0), negative=1)

    assert TileScoring.from_json(scoring.to_json(), TILE, 2) == scoring


@pytest.mark.parametrize(
    "change",
    [
        {"layout": None},
        {"layout": {"overlap": 36}},
        {"layout": {"overlap": 200, "most": 4}},
        {"layout": {"overlap": 36, "most": 100_000}},
        {"shifts": None},
        {"scale": "x"},
        {"negative": []},
        {"negative": 1},
        {"shifts": [0.0, 0.0]},
    ],
)
def test_other_content_is_refused(change: dict[str, object]) -> None:
    content = json.loads(TileScoring(LAYOUT, 1.0, (0.0,)).to_json()) | change

    with pytest.raises(ValueError, match=r"tiles|could not convert"):
        TileScoring.from_json(json.dumps(content), TILE, 1)


def test_the_score_of_an_image_is_a_smooth_maximum() -> None:
    scores = numpy.array([[0.0, -30.0], [5.0, 700.0], [5.0, -700.0]])

    found = pooled(scores, None, multilabel=True)
    numpy.testing.assert_allclose(found, [numpy.log(1 + 2 * numpy.exp(5)), 700])


@pytest.mark.parametrize(("multilabel", "expected"), [(True, -4.0), (False, 0.0)])
def test_the_negative_tag_is_probable_where_others_are_not(multilabel: bool, expected: float) -> None:
    found = pooled(numpy.array([[4.0, 9.0, 1.0]]), 1, multilabel=multilabel)

    assert found.tolist() == [4.0, expected, 1.0]


@pytest.mark.parametrize("multilabel", [True, False])
def test_probabilities_are_calibrated(multilabel: bool) -> None:
    scoring = TileScoring(LAYOUT, 2.0, (0.0, 1.0))
    found = scoring.probabilities(numpy.array([[1.0, 0.5]]), multilabel=multilabel)

    expected = 1 / (1 + numpy.exp([-2.0, -2.0])) if multilabel else [0.5, 0.5]
    numpy.testing.assert_allclose(found, expected)
