"""Features of images: the same integers everywhere."""

import hashlib

import numpy
import pytest

from emulator.vision.imaging.decode import ImageRejected
from emulator.vision.instant.feature_memory import FeatureMemory
from emulator.vision.instant.features import (
    CONSTANT,
    FEATURE_COUNT,
    RESOLUTION,
    features_of_pixels,
    image_features,
)
from tests.support.vision.shapes import shape_image

# Of pixels that follow from integers alone. Another value means that stored models no longer fit.
DIGEST = "d3f1e4b8782f43a5"


def computed_pixels() -> numpy.ndarray:
    rows, columns = numpy.mgrid[:RESOLUTION, :RESOLUTION]
    channels = [rows * columns % 251, (rows * 3 + columns) % 256, (rows ^ columns) & 255]
    return numpy.stack(channels, axis=2).astype(numpy.uint8)


def test_the_features_of_given_pixels_never_change() -> None:
    features = features_of_pixels(computed_pixels())
    assert features.dtype == numpy.int16
    assert hashlib.sha256(features.astype("<i2").tobytes()).hexdigest()[:16] == DIGEST


@pytest.mark.parametrize("value", [0, 255])
@pytest.mark.parametrize("channels", [[0], [1], [2], [0, 1], [0, 1, 2]])
def test_extreme_images_fit_into_16_bits(value: int, channels: list[int]) -> None:
    pixels = numpy.full((RESOLUTION, RESOLUTION, 3), 255 - value, numpy.uint8)
    pixels[..., channels] = value
    checks = pixels.copy()
    checks[(numpy.indices(pixels.shape[:2]) // 7).sum(axis=0) % 2 > 0] = 255 - value
    for image in (pixels, checks):
        features = features_of_pixels(image)
        assert features.shape == (FEATURE_COUNT,)
        # Integers beyond 16 bits would have wrapped around to the other sign.
        assert numpy.abs(features.astype(int)).max() < 30_000


def test_a_gray_image_has_the_constant_alone() -> None:
    features = features_of_pixels(numpy.full((RESOLUTION, RESOLUTION, 3), 128, numpy.uint8))
    assert features.tolist() == [0] * (FEATURE_COUNT - 1) + [CONSTANT]


def test_bytes_that_are_no_image_are_rejected() -> None:
    with pytest.raises(ImageRejected):
        image_features(b"not an image")


def test_the_memory_keeps_the_features_that_were_used_last() -> None:
    memory = FeatureMemory(most=2)
    features = {name: image_features(shape_image(name, 0)[0]) for name in ("circle", "square", "triangle")}
    memory.put("circle", features["circle"])
    memory.put("square", features["square"])
    assert memory.get("circle") is features["circle"]
    memory.put("triangle", features["triangle"])
    assert memory.get("square") is None
    assert memory.get("circle") is features["circle"]
