"""Features for maps: statistics that need no network, those of a network, and images that cannot be read."""

from pathlib import Path

import numpy
import pytest

from emulator.vision.image_map.features import map_images, order_images
from emulator.vision.imaging.image_file import StoredImage
from emulator.vision.instant.features import image_features
from tests.support.images import pictures

GENERAL = "ee85a74c-405e-4adc-bb47-ffa8ca0c9f31"


def nothing(share: float, step: str) -> None:
    pass


@pytest.fixture
def images(tmp_path: Path) -> list[StoredImage]:
    import hashlib

    stored = []
    for data in [*pictures(10, "red"), *pictures(10, "blue")]:
        key = hashlib.sha256(data).hexdigest()
        path = tmp_path / key
        path.write_bytes(data)
        stored.append(StoredImage(str(path), key))
    return stored


def test_similar_images_are_near_each_other(images: list[StoredImage], tmp_path: Path) -> None:
    places = map_images(images, tmp_path / "cache", None, {}, nothing)
    red, blue = places[:10], places[10:]
    between = numpy.linalg.norm(red.mean(axis=0) - blue.mean(axis=0))
    assert between > 2 * numpy.linalg.norm(red - red.mean(axis=0), axis=1).mean()
    again = map_images(images, tmp_path / "cache", None, {}, nothing)
    assert again.tobytes() == places.tobytes()


def test_known_statistics_are_not_computed_again(images: list[StoredImage], tmp_path: Path) -> None:
    known = {image.key: image_features(Path(image.path).read_bytes()) for image in images}
    expected = map_images(images, tmp_path / "cache", None, {}, nothing)
    for image in images:
        Path(image.path).unlink()
    assert map_images(images, tmp_path / "other", None, known, nothing).tobytes() == expected.tobytes()


def test_images_that_cannot_be_read_have_no_place(images: list[StoredImage], tmp_path: Path) -> None:
    Path(images[3].path).unlink()
    places = map_images(images, tmp_path / "cache", None, {}, nothing)
    assert numpy.isnan(places[:, 0]).nonzero()[0].tolist() == [3]
    ranks = order_images(images, tmp_path / "cache", None, {}, nothing).ranks
    assert ranks[3] == 19
    assert sorted(ranks.tolist()) == list(range(20))


def test_no_images(tmp_path: Path) -> None:
    assert map_images([], tmp_path, None, {}, nothing).shape == (0, 2)
    assert order_images([], tmp_path, None, {}, nothing).ranks.shape == (0,)


def test_progress_rises(images: list[StoredImage], tmp_path: Path) -> None:
    reported: list[float] = []
    map_images(images, tmp_path / "cache", None, {}, lambda share, _: reported.append(share))
    assert reported == sorted(reported)
    assert reported[-1] == 1


@pytest.mark.slow
def test_the_network_of_quick_training(images: list[StoredImage], tmp_path: Path) -> None:
    places = map_images(images, tmp_path / "cache", GENERAL, {}, nothing)
    assert numpy.isfinite(places).all()
    assert not numpy.allclose(places, map_images(images, tmp_path / "cache", None, {}, nothing))
