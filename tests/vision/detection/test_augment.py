"""Augmented crops: boxes stay on their objects for all random parameters."""

from pathlib import Path

import numpy
import pytest
from PIL import Image

from emulator.vision.boxes.box import TaggedBox
from emulator.vision.detection import augment
from emulator.vision.detection.augment import ImageCache, random_crop
from emulator.vision.detection.dataset import BoxedImage, Example
from emulator.vision.imaging.image_file import ImageFileDamaged
from tests.support.vision.detection_images import kept, scene
from tests.support.vision.images import encoded

SIDE = 128


def example(boxes: list[tuple[float, float, float, float]], key: str = "k") -> Example:
    """From left, top, right, bottom."""
    return Example(
        key, "", numpy.array(boxes, float).reshape(-1, 4), numpy.arange(len(boxes), dtype=numpy.int64)
    )


def view(picture: Image.Image, shown: Example, seed: int):
    return random_crop(picture, shown, SIDE, numpy.random.default_rng(seed))


def load(images: list[BoxedImage], pictures: ImageCache | None = None) -> list[Example]:
    return (pictures or ImageCache()).load(images, lambda share: None)


@pytest.mark.parametrize("seed", range(40))
def test_boxes_stay_on_their_objects(seed: int) -> None:
    """A black square on white is located by its dark pixels."""
    picture = Image.new("RGB", (300, 200), "white")
    picture.paste("black", (120, 60, 180, 130))
    shown = example([(120 / 300, 60 / 200, 180 / 300, 130 / 200)])

    pixels, boxes, tags = view(picture, shown, seed)

    assert (pixels.shape, pixels.dtype, boxes.dtype) == ((SIDE, SIDE, 3), numpy.uint8, numpy.float32)
    assert tags.tolist() == [0]
    # The area outside of the image is grey, so the square consists of the darkest pixels.
    dark = pixels.mean(axis=2) < pixels.mean(axis=2).min() + 25
    rows, columns = numpy.flatnonzero(dark.any(axis=1)), numpy.flatnonzero(dark.any(axis=0))
    seen = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    assert boxes[0].tolist() == pytest.approx(seen, abs=1.6)


@pytest.mark.parametrize("size", [(300, 200), (25, 600), (1, 20), (640, 30)])
def test_boxes_lie_in_the_view_and_have_an_extent(size: tuple[int, int]) -> None:
    shown = example([(0, 0, 0.1, 0.2), (0.5, 0.5, 1, 1), (0.3, 0.2, 0.301, 0.201)])
    picture = Image.new("RGB", size, "green")

    for seed in range(30):
        _, boxes, tags = view(picture, shown, seed)
        assert len(boxes) == len(tags) >= 1
        assert (boxes >= -1e-3).all()
        assert (boxes <= SIDE + 1e-3).all()
        assert (boxes[:, 2:] > boxes[:, :2]).all()


def test_boxes_that_are_mostly_cut_off_are_left_out() -> None:
    shown = example([(0.0, 0.0, 0.1, 0.1), (0.9, 0.9, 1.0, 1.0), (0.45, 0.45, 0.55, 0.55)])
    picture = Image.new("RGB", (200, 200), "green")

    counts = {len(view(picture, shown, seed)[1]) for seed in range(40)}

    assert {1, 2, 3} <= counts


def test_images_without_objects_have_crops() -> None:
    pixels, boxes, tags = view(Image.new("RGB", (60, 40), "green"), example([]), 0)

    assert pixels.shape == (SIDE, SIDE, 3)
    assert (boxes.shape, tags.shape) == ((0, 4), (0,))


def test_views_differ_and_repeat() -> None:
    picture, boxes = scene(5)
    shown = example([(box.left, box.top, box.left + box.width, box.top + box.height) for box in boxes])

    views = [view(picture, shown, seed) for seed in (1, 1, 2)]

    assert (views[0][0] == views[1][0]).all()
    assert (views[0][1] == views[1][1]).all()
    assert (views[0][0] != views[2][0]).any()


def test_boxes_are_clipped_to_the_picture_and_empty_ones_left_out(tmp_path: Path) -> None:
    data = encoded(Image.new("RGB", (60, 40)))
    boxes = [
        TaggedBox(0, -0.5, 0.5, 1.0, 0.8),
        TaggedBox(1, 0.2, 0.2, 0.0, 0.5),
        TaggedBox(1, 1.5, 0.2, 0.3, 0.5),
    ]

    (loaded,) = load([kept(tmp_path, data, boxes)])

    assert loaded.boxes.tolist() == [[0.0, 0.5, 0.5, 1.0]]
    assert loaded.tags.tolist() == [0]


def test_unreadable_images_are_left_out(tmp_path: Path) -> None:
    good = kept(tmp_path, encoded(Image.new("RGB", (60, 40))), [])
    bad = kept(tmp_path, b"not a picture", [])
    gone = BoxedImage(str(tmp_path / "gone"), "gone", ())

    assert [each.key for each in load([bad, good, gone])] == [good.key]


def test_large_images_are_cached_small_and_upright(tmp_path: Path) -> None:
    picture = Image.new("RGB", (3000, 1500))
    exif = picture.getexif()
    exif[0x0112] = 6
    image = kept(tmp_path, encoded(picture, "JPEG", exif=exif), [])
    pictures = ImageCache()

    (loaded,) = load([image], pictures)

    assert pictures.get(loaded).size == (320, 640)


def test_memory_is_bounded_and_what_does_not_fit_is_decoded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(augment, "_MAX_CACHED_BYTES", 60 * 40 * 4 + 1)
    colours = ("red", "blue", "green")
    images = [kept(tmp_path, encoded(Image.new("RGB", (60, 40), colour)), []) for colour in colours]
    pictures = ImageCache()

    loaded = load(images, pictures)
    for image in images[1:]:
        Path(image.path).write_bytes(encoded(Image.new("RGB", (60, 40), "white")))

    assert pictures.get(loaded[0]).getpixel((0, 0)) == (255, 0, 0)
    with pytest.raises(ImageFileDamaged):  # it was read again
        pictures.get(loaded[1])
