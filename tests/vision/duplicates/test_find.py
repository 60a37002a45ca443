"""Copies of images are found, also scaled, mirrored, cropped and brighter ones; other images are not."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
from PIL import Image, ImageOps

from emulator.vision.duplicates import find
from emulator.vision.duplicates.align import align, detail_correlation, downscaled
from emulator.vision.duplicates.find import DEFAULT_SIMILARITY, find_near_duplicates
from emulator.vision.imaging.image_file import StoredImage
from tests.support.vision.images import DATA

COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "the same": lambda image: image,
    "half the size": lambda image: image.resize((image.width // 2, image.height // 2)),
    "wider": lambda image: image.resize((image.width * 3 // 2, image.height)),
    "mirrored": ImageOps.mirror,
    "cropped at all sides": lambda image: cropped(image, 0.04, 0.03, 0.05, 0.02),
    "cropped at one side": lambda image: cropped(image, 0.05, 0, 0, 0),
    "lighter": lambda image: image.point(lambda value: min(255, int(value * 1.1 + 8))),
    "all of it": lambda image: cropped(ImageOps.mirror(image).resize((90, 90)), 0.03, 0.02, 0.03, 0.01),
}


def cropped(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    width, height = image.size
    return image.crop(
        (round(left * width), round(top * height), round(width * (1 - right)), round(height * (1 - bottom)))
    )


def photograph(seed: int, common: int = -1) -> Image.Image:
    """Smooth random colours: coarse structure, from `common` if given, and individual details."""
    random, rough = numpy.random.default_rng(seed), numpy.random.default_rng(seed if common < 0 else common)
    coarse = Image.fromarray(rough.integers(0, 255, (7, 7, 3), numpy.uint8)).resize((180, 180), 3)
    fine = Image.fromarray(random.integers(0, 255, (30, 30, 3), numpy.uint8)).resize((180, 180), 3)
    return Image.blend(coarse, fine, 0.4)


def saved(folder: Path, name: str, image: Image.Image, quality: int = 85) -> StoredImage:
    path = folder / f"{name}.jpg"
    image.save(path, quality=quality)
    return StoredImage(str(path), hashlib.sha256(path.read_bytes()).hexdigest())


def nothing(_share: float, _text: str) -> None:
    pass


@pytest.mark.parametrize("copy", COPIES)
def test_copies_are_found_among_others(tmp_path: Path, copy: str) -> None:
    # All have the same coarse structure, as images of the same object do; their details differ.
    originals = [photograph(seed, common=seed % 3) for seed in range(9)]
    pictures = [saved(tmp_path, f"original {seed}", image) for seed, image in enumerate(originals)]
    pictures += [saved(tmp_path, f"copy {seed}", COPIES[copy](originals[seed]), 60) for seed in (2, 7)]

    pairs = find_near_duplicates(pictures, tmp_path / "cache", nothing)

    alike = {(first, second) for first, second, similarity, _ in pairs if similarity >= DEFAULT_SIMILARITY}
    assert alike == {(2, 9), (7, 10)}
    if copy in ("mirrored", "all of it"):
        assert all(mirrored for first, second, _, mirrored in pairs if (first, second) in alike)


def test_thumbnails_are_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [saved(tmp_path, str(seed), photograph(seed // 2), 60 + seed) for seed in range(6)]
    before = find_near_duplicates(pictures, tmp_path / "cache", nothing)
    monkeypatch.setattr(find, "resize_to_square", None)
    assert find_near_duplicates(pictures, tmp_path / "cache", nothing) == before
    assert [pair[:2] for pair in before if pair[2] >= DEFAULT_SIMILARITY] == [(0, 1), (2, 3), (4, 5)]


def test_progress_rises_to_the_end(tmp_path: Path) -> None:
    reported: list[float] = []
    pictures = [saved(tmp_path, str(seed), photograph(seed // 2), 60 + seed) for seed in range(80)]
    find_near_duplicates(pictures, tmp_path / "cache", lambda share, _: reported.append(share))
    assert reported == sorted(reported)
    assert reported[-1] == 1.0
    assert len(reported) > 3


def test_what_cannot_be_read_is_like_nothing(tmp_path: Path) -> None:
    whole = saved(tmp_path, "whole", photograph(1))
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(Path(whole.path).read_bytes()[:300])
    blank = [saved(tmp_path, f"blank {grey}", Image.new("RGB", (50, 50), (grey,) * 3)) for grey in (9, 10)]
    pictures = [
        whole,
        StoredImage(str(broken), hashlib.sha256(broken.read_bytes()).hexdigest()),
        StoredImage(str(tmp_path / "gone"), "c" * 64),
    ]
    assert find_near_duplicates([*pictures, *blank], tmp_path / "cache", nothing) == []
    assert find_near_duplicates([], tmp_path / "cache", nothing) == []


def test_images_with_equal_colours_but_other_shapes_are_not_alike(tmp_path: Path) -> None:
    # Red beside green of the same lightness, under different patterns of grey.
    red_less_green = numpy.where(numpy.arange(64) < 32, 1, -1)[None, :, None] * numpy.array([60, -31, 0])
    pictures = []
    for seed in range(2):
        grey = numpy.random.default_rng(seed).integers(-15, 16, (16, 16, 1)).repeat(4, 0).repeat(4, 1)
        image = Image.fromarray((128 + red_less_green + grey).astype(numpy.uint8))
        pictures.append(saved(tmp_path, str(seed), image))

    assert find_near_duplicates(pictures, tmp_path / "cache", nothing) == []


def test_a_thumbnail_is_moved_to_where_it_fits() -> None:
    pixels = numpy.asarray(photograph(5).convert("L").resize((96, 96)), numpy.float32)
    whole = Image.fromarray(pixels)
    parts = [(0, 0, 96, 96), (4, 2, 96, 96), (2, 3, 92, 90)]
    moved = numpy.stack([numpy.asarray(whole.resize((64, 64), 3, box=part)) for part in parts])
    fixed = numpy.repeat(numpy.asarray(whole.resize((64, 64), 3))[None], len(parts), axis=0)

    _, rough = align(downscaled(fixed), downscaled(moved), numpy.zeros((3, 4), numpy.float32), 12)
    correlation, places = align(fixed, moved, rough, 8)

    for (left, top, right, bottom), place in zip(parts, places, strict=True):
        width, height = (right - left) / 96, (bottom - top) / 96
        expected = (
            1 / width - 1,
            1 / height - 1,
            (0.5 - (left + right) / 192) / width,
            (0.5 - (top + bottom) / 192) / height,
        )
        assert place == pytest.approx(expected, abs=0.004)
    assert (correlation > 0.99).all()
    assert (detail_correlation(fixed, moved, places) > 0.95).all()


@pytest.mark.slow
def test_photographs(tmp_path: Path) -> None:
    """Among photographs of ten kinds of clothes no duplicates are reported, and copies of them are found."""
    folder = DATA / "clothing"
    if not folder.is_dir():
        pytest.skip("the photographs are not in ../shared/data/clothing (labels.jsonl, images)")
    lines = (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()[::6]
    files = [folder / json.loads(line)["file"] for line in lines]
    pictures = [StoredImage(str(file), hashlib.sha256(file.read_bytes()).hexdigest()) for file in files]
    count = len(pictures)
    for number, copy in enumerate(COPIES):
        with Image.open(files[number]) as image:
            pictures.append(saved(tmp_path, copy, COPIES[copy](image.convert("RGB"))))

    pairs = find_near_duplicates(pictures, tmp_path / "cache", nothing)

    alike = {(first, second) for first, second, similarity, _ in pairs if similarity >= DEFAULT_SIMILARITY}
    assert alike == {(number, count + number) for number in range(len(COPIES))}
