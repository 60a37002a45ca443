"""Stretched and cropped images, as the networks take them."""

from io import BytesIO

import numpy
import pytest
from PIL import Image

from emulator.vision.exported.preprocess import Preprocessing
from emulator.vision.fit import resized_side
from emulator.vision.imaging.decode import resize_to_square
from tests.support.vision.images import encoded, photograph


def striped(size: tuple[int, int]) -> bytes:
    """Red with green on the outer quarters of the longer side."""
    pixels = numpy.full((size[1], size[0], 3), (255, 0, 0), numpy.uint8)
    long_axis = pixels if size[1] >= size[0] else pixels.transpose(1, 0, 2)
    edge = max(size) // 4
    long_axis[:edge] = long_axis[-edge:] = (0, 255, 0)
    return encoded(Image.fromarray(pixels))


@pytest.mark.parametrize("size", [(800, 400), (400, 800)])
def test_a_crop_shows_the_centre_and_a_stretched_image_everything(size: tuple[int, int]) -> None:
    cropped = resize_to_square(striped(size), 224, "centre crop")
    stretched = resize_to_square(striped(size), 224)

    assert cropped.shape == stretched.shape == (224, 224, 3)
    assert (cropped == (255, 0, 0)).all()
    assert (stretched[..., 1] > 250).mean() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("size", [(256, 256), (400, 256), (256, 301)])
def test_nothing_is_scaled_where_the_shorter_side_is_256(size: tuple[int, int]) -> None:
    data = encoded(photograph(size))
    with Image.open(BytesIO(data)) as opened:
        left, top = (size[0] - 224) / 2, (size[1] - 224) / 2
        if left % 1 or top % 1:
            box = (left, top, left + 224, top + 224)
            expected = opened.resize((224, 224), Image.Resampling.BILINEAR, box=box)
        else:
            expected = opened.crop((int(left), int(top), int(left) + 224, int(top) + 224))
        assert numpy.array_equal(resize_to_square(data, 224, "centre crop"), numpy.asarray(expected))


@pytest.mark.parametrize("size", [(25 * 40, 40), (40, 25 * 40), (1, 1), (3, 2)])
def test_extreme_sizes_are_cropped(size: tuple[int, int]) -> None:
    assert resize_to_square(encoded(photograph(size)), 224, "centre crop").shape == (224, 224, 3)


@pytest.mark.parametrize("size", [(640, 480), (300, 451), (97, 233)])
def test_exported_models_crop_in_the_same_way(size: tuple[int, int]) -> None:
    data = encoded(photograph(size))
    rule = Preprocessing("centre of resized", 224, 224, bgr=False, divisor=1, planes=False)

    assert numpy.array_equal(rule.tensor(data)[0], resize_to_square(data, 224, "centre crop"))


def test_the_resized_side_is_that_of_the_service() -> None:
    assert resized_side(224) == 256
