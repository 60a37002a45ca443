"""Sample images."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from emulator.testing import images


def opened(data: bytes) -> Image.Image:
    return Image.open(BytesIO(data))


def test_the_same_arguments_give_the_same_image() -> None:
    first = images.sample("red", 3), images.scene("cat", "dog", number=2)
    images.sample.cache_clear()
    images.scene.cache_clear()
    assert (images.sample("red", 3), images.scene("cat", "dog", number=2)) == first


def test_images_of_a_tag_differ_and_have_its_color() -> None:
    for tag in ("red", "blue", "something else"):
        data = images.samples(tag, 20)
        assert len({*data}) == 20
        for one in data:
            mean = np.asarray(opened(one), dtype=float).mean(axis=(0, 1))
            assert np.abs(mean - images.color_of(tag)).max() < 30
    assert images.samples("red", 2, start=5) == images.samples("red", 7)[5:]
    assert images.sample("red", seed=1) != images.sample("red", seed=2)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "BMP", "GIF"])
def test_formats_and_sizes(format: str) -> None:
    for data in (
        images.solid("green", (40, 30), format),
        images.gradient(size=(40, 30), format=format),
        images.sample("x", size=(40, 30), format=format),
        images.scene("x", size=(40, 30), format=format).data,
    ):
        image = opened(data)
        assert (image.format, image.size) == (format, (40, 30))


def test_other_formats_and_sizes_are_refused() -> None:
    assert opened(images.solid(format="jpg")).format == "JPEG"
    for make in (images.solid, images.gradient, images.sample, images.scene):
        arguments = ("x",) if make is images.scene else ()
        with pytest.raises(ValueError, match="one of PNG, JPEG, BMP, GIF, not 'tif'"):
            make(*arguments, format="tif")
        with pytest.raises(ValueError, match="at least 8 x 8 pixels, not 0 x 9"):
            make(*arguments, size=(0, 9))


def test_a_solid_image_has_one_color_and_a_gradient_goes_to_the_right() -> None:
    assert opened(images.solid("green")).getcolors() == [(96 * 72, images.COLORS["green"])]
    row = np.asarray(opened(images.gradient("white", "black")).convert("L"), dtype=int)[30]
    assert row[0] > 200
    assert row[-1] < 60
    assert (np.diff(row) <= 0).all()


@pytest.mark.parametrize("tags", [("red circle",), ("blue", "green triangle"), tuple("abcdefghijkl")])
def test_boxes_hold_their_objects_and_do_not_overlap(tags: tuple[str, ...]) -> None:
    for number in range(20):
        scene = images.scene(*tags, number=number)
        pixels = np.asarray(opened(scene.data))
        height, width = pixels.shape[:2]
        covered = np.zeros((height, width), dtype=int)
        assert sorted(box.tag for box in scene.boxes) == sorted(tags)
        for box in scene.boxes:
            left, top = round(box.left * width), round(box.top * height)
            right, bottom = left + round(box.width * width), top + round(box.height * height)
            assert 0 <= left < right <= width
            assert 0 <= top < bottom <= height
            covered[top:bottom, left:right] += 1
            found = (pixels == images.color_of(box.tag)).all(axis=2)
            rows, columns = np.nonzero(found[top:bottom, left:right])
            assert (rows.min(), columns.min()) == (0, 0)
            assert rows.max() == bottom - top - 1
            assert right - left - 2 <= columns.max()
        assert covered.max() == 1
        background = (pixels != pixels[0, 0]).any(axis=2)
        assert not (background & (covered == 0)).any() or covered[0, 0]


@pytest.mark.parametrize("count", [0, 13])
def test_a_scene_has_a_limited_number_of_objects(count: int) -> None:
    with pytest.raises(ValueError, match="a scene has 1 to 12 objects"):
        images.scene(*["tag"] * count)
