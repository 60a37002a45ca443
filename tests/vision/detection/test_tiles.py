"""Tiles cover large images, and objects across their edges are detected once."""

import itertools

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as some
from PIL import Image

from emulator.vision.boxes.box import DetectedBox
from emulator.vision.detection import tiles as detection_tiles
from emulator.vision.detection.session import DetectorSession
from emulator.vision.detection.tiles import MAX_SIDE, Tiling, make_tiles, merge_tiles
from emulator.vision.recipes.recipes import ADVANCED_DETECTOR
from tests.support.vision.images import encoded

TILE = 96
TILING = Tiling(256, 32, whole=False)
COLOURS = ((255, 0, 0), (0, 0, 255))


class BrightSpots(DetectorSession):
    """A stand-in for a network: it detects every red or blue area of a tile exactly."""

    def __init__(self, tiling: Tiling, least: int = 1) -> None:
        self.resolution, self.tiling, self.looks = TILE, tiling, 0
        self._least = least

    def score_pixels(self, pixels: numpy.ndarray) -> list[DetectedBox]:
        assert pixels.shape == (TILE, TILE, 3)
        self.looks += 1
        found = []
        for tag, colour in enumerate(COLOURS):
            spots = (numpy.abs(pixels.astype(int) - colour) < 100).all(axis=2)
            for rows, columns in islands(spots):
                box = (columns[0], rows[0], columns[1] - columns[0], rows[1] - rows[0])
                if min(box[2:]) >= self._least:
                    found.append(DetectedBox(tag, 0.9, *(side / TILE for side in box)))
        return found


def islands(spots: numpy.ndarray) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """First row, row after the last, and the same of columns, of each group of connected pixels."""
    left, results = spots.copy(), []
    while left.any():
        group = numpy.zeros_like(left)
        group[tuple(numpy.argwhere(left)[0])] = True
        while True:
            padded = numpy.pad(group, 1)
            grown = left & (
                group | padded[2:, 1:-1] | padded[:-2, 1:-1] | padded[1:-1, 2:] | padded[1:-1, :-2]
            )
            if (grown == group).all():
                break
            group = grown
        rows, columns = numpy.flatnonzero(group.any(axis=1)), numpy.flatnonzero(group.any(axis=0))
        results.append(((rows[0], rows[-1] + 1), (columns[0], columns[-1] + 1)))
        left &= ~group
    return results


def found_in(
    size: tuple[int, int], objects: list[tuple[int, int, int, int]], session: BrightSpots
) -> list[tuple[float, ...]]:
    """Tags and boxes, in pixels, of the detections in an image with these objects (left, top, width, height);
    their tags take turns."""
    picture = Image.new("RGB", size, (200, 200, 200))
    for number, (left, top, width, height) in enumerate(objects):
        picture.paste(COLOURS[number % 2], (left, top, left + width, top + height))
    scale = numpy.tile(size, 2)
    return sorted(
        (box.tag_index, *(numpy.array([box.left, box.top, box.width, box.height]) * scale).round(1).tolist())
        for box in session.score(encoded(picture))
    )


@pytest.mark.parametrize("left", range(0, 233, 5))
def test_what_lies_across_edges_is_found_once_and_whole(left: int) -> None:
    objects = [(left, 83, 20, 24), (left, 150, 24, 18)]
    found = found_in((256, 256), objects, BrightSpots(TILING))

    assert len(found) == 2
    for (_, *box), there in zip(found, objects, strict=True):
        assert box == pytest.approx(there, abs=2)


@pytest.mark.parametrize("size", [(512, 512), (512, 128), (160, 410), (1024, 64), (128, 128)])
def test_pictures_of_all_shapes_are_looked_at_in_their_own_shape(size: tuple[int, int]) -> None:
    scale = TILING.side / numpy.sqrt(size[0] * size[1])
    side = round(24 / scale)
    places = [(0, 0), (size[0] // 2, (size[1] - side) // 2), (size[0] - side, size[1] - side)]
    session = BrightSpots(TILING)
    found = found_in(size, [(*place, side, side) for place in places], session)

    assert [tag for tag, *_ in found] == [0, 0, 1]
    for place, (_, *box) in zip((places[0], places[2], places[1]), found, strict=True):
        assert box == pytest.approx((*place, side, side), abs=2 / scale)
    assert session.looks == len(make_tiles(*size, TILE, TILING))


def test_long_objects_are_detected_in_the_whole_image() -> None:
    long, small = (20, 20, 200, 60), (40, 200, 16, 16)
    alone = found_in((256, 256), [long, small], BrightSpots(TILING))
    together = found_in((256, 256), [long, small], BrightSpots(Tiling(256, 32, whole=True)))

    assert len([box for box in alone if box[0] == 0]) > 1, "without that look, it is in pieces"
    assert len(together) == 2
    assert together[0][1:] == pytest.approx(long, abs=4)
    assert together[1][1:] == pytest.approx(small, abs=2)


def test_objects_cut_by_every_tile_are_still_reported() -> None:
    """Cut boxes stay if no uncut box covers them, or only one with a much lower probability."""
    tiles = make_tiles(256, 256, TILE, TILING)
    pieces = [[DetectedBox(0, 0.8, 0.0, 0.4, 1.0, 0.2)] for _ in tiles]
    long = DetectedBox(0, 0.7, 0.0, 0.0, 1.0, 1.0)
    tiling = Tiling(256, 32, whole=True)

    assert [box.probability for box in merge_tiles(256, 256, tiling, tiles, pieces, [long])] == [0.7]
    assert len(merge_tiles(256, 256, tiling, tiles, pieces, [])) == len(tiles)
    unsure = DetectedBox(0, 0.1, 0.0, 0.0, 1.0, 1.0)
    assert len(merge_tiles(256, 256, tiling, tiles, pieces, [unsure])) == len(tiles) + 1
    other_tag = DetectedBox(1, 0.7, 0.0, 0.0, 1.0, 1.0)
    assert len(merge_tiles(256, 256, tiling, tiles, pieces, [other_tag])) == len(tiles) + 1


def test_nothing_found_is_nothing() -> None:
    tiles = make_tiles(300, 200, TILE, TILING)
    assert merge_tiles(300, 200, TILING, tiles, [[] for _ in tiles], []) == []


@given(
    some.integers(1, 10_240),
    some.floats(0.04, 25.0),
    some.integers(960, MAX_SIDE),
    some.integers(*ADVANCED_DETECTOR.overlaps),
)
def test_tiles_cover_the_picture_and_their_cores_share_it(
    width: int, aspect: float, side: int, overlap: int
) -> None:
    height = max(1, round(width * aspect))
    tiling = Tiling(side, overlap, whole=True)
    tiles = make_tiles(width, height, 960, tiling)

    assert len(tiles) <= detection_tiles.MAX_TILES or not 0.04 <= height / width <= 25
    for axis, length in enumerate(tiling.scaled(width, height)):
        spans = sorted({(tile.window[axis], tile.window[axis + 2]) for tile in tiles})
        cores = sorted({(tile.core[axis], tile.core[axis + 2]) for tile in tiles})
        assert spans[0][0] == 0
        assert spans[-1][1] >= length - 1e-6
        assert cores[0][0] == -numpy.inf
        assert cores[-1][1] == numpy.inf
        for (before, after), (one, other) in zip(
            itertools.pairwise(spans), itertools.pairwise(cores), strict=True
        ):
            assert before[1] - after[0] >= overlap - 1e-6
            assert one[1] == other[0]
            # An object no longer than the overlap lies inside of the tile whose core contains its centre.
            assert before[1] - one[1] >= overlap / 2 - 1e-6
            assert other[0] - after[0] >= overlap / 2 - 1e-6


def test_a_tiling_survives_in_metadata() -> None:
    assert Tiling.from_json(TILING.to_json(), TILE) == TILING


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", "null", '{"side": 256, "overlap": 32}', '{"side": "x", "overlap": 1, "whole": true}',
        '{"side": 1e9, "overlap": 32, "whole": true}', '{"side": 50, "overlap": 32, "whole": true}',
        '{"side": 5120, "overlap": 32, "whole": true}', '{"side": 256, "overlap": 90, "whole": true}',
        '{"side": 256, "overlap": -1, "whole": true}',
    ],
)  # fmt: skip
def test_text_that_is_not_a_tiling_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Tiling.from_json(text, TILE)


def test_recipes_stay_within_the_limits_of_scoring() -> None:
    assert ADVANCED_DETECTOR.largest_side <= MAX_SIDE
    assert ADVANCED_DETECTOR.overlaps[1] <= ADVANCED_DETECTOR.resolutions[-1] // 2
