"""Classification sets that show one kind of surface each, and photographs of anything else, for
`measure_unlike.py`. Made from scikit-image's images and the sets in a folder.

Training and test images come from different halves of a photograph, or from the training and test images of
their set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy
from measuring import REGIONS_FILE, Photograph, load, load_boxes
from PIL import Image, ImageDraw

from emulator.vision.library.readers import LABELS_FILE

_TRAINING, _TEST = 40, 25
_OTHER_SURFACES = 20
# Test images of a set of everyday photographs, at least.
_EVERYDAY = 50
# Photographs of scikit-image that show no surface.
_PHOTOGRAPHS = (
    "astronaut.png",
    "camera.png",
    "chelsea.png",
    "clock_motion.png",
    "coffee.png",
    "color.png",
    "horse.png",
    "hubble_deep_field.jpg",
    "logo.png",
    "moon.png",
    "motorcycle_left.png",
    "retina.jpg",
    "rocket.jpg",
)
# Parts of names: images of these sources are not unlike the set.
_RELATED: Mapping[str, tuple[str, ...]] = {
    "pcb": ("pcb",),
    "good boards": ("pcb",),
    "brick": ("brick", "ground"),
    "gravel": ("gravel", "ground"),
    "ground": ("brick", "gravel", "ground"),
    "documents": ("documents", "digits"),
    "digits": ("documents", "digits"),
}

Random = numpy.random.Generator
# Images by tag and whether they are for training.
Crops = dict[tuple[str, bool], list[Image.Image]]


@dataclass(frozen=True)
class SurfaceSet:
    """A set, and images of other subjects by their source."""

    name: str
    photographs: list[Photograph]
    unlike: dict[str, list[Path]]

    @property
    def multilabel(self) -> bool:
        return any(len(photograph.tags) != 1 for photograph in self.photographs)


def make_sets(sources: Path, folder: Path) -> list[SurfaceSet]:
    """Write the images of all sets into a folder.

    Args:
        sources: a folder of sets; the one with the name `pcb-defects` becomes surfaces, all others are
            unlike. Those with enough images are also sets themselves, to measure what a filter changes on
            everyday photographs.
    """
    random = numpy.random.default_rng(0)
    makers: dict[str, Callable[[Random], Crops]] = {
        "ground": _ground,
        "brick": lambda random: _with_defects("brick.png", random, _scratched),
        "gravel": lambda random: _with_defects("gravel.png", random, _stained),
        "histology": _histology,
        "documents": lambda random: _halves({"page": "page.png", "text": "text.png"}, 80, random),
        "digits": _digits,
    }
    if (sources / "pcb-defects" / LABELS_FILE).is_file():
        makers["pcb"] = lambda random: _boards(sources / "pcb-defects", random, by_defect=True)
        makers["good boards"] = lambda random: _boards(sources / "pcb-defects", random, by_defect=False)
    sets = {
        name: [
            Photograph(_written(image, folder / name / f"{tag} {number} {part}.png"), (tag,), part)
            for (tag, part), images in make(random).items()
            for number, image in enumerate(images)
        ]
        for name, make in makers.items()
    }
    others = {f"surface: {name}": _some_tested(photographs) for name, photographs in sets.items()}
    others["scikit-image"] = [
        _written(_opened(name), folder / "scikit-image" / f"{name}.png") for name in _PHOTOGRAPHS
    ]
    for path in sorted(sources.iterdir()):
        if path.name != "pcb-defects" and path.is_dir():
            images = _images_of(path)
            others[path.name] = images[:: max(1, len(images) // 60)]
            if (path / LABELS_FILE).is_file() and len(images) >= _EVERYDAY:
                sets[path.name] = load(path)
    return [
        SurfaceSet(
            name,
            photographs,
            {
                source: images
                for source, images in others.items()
                if not any(part in source for part in (name, *_RELATED.get(name, ())))
            },
        )
        for name, photographs in sets.items()
    ]


def _images_of(folder: Path) -> list[Path]:
    """The test images of a set, or all images of a folder with other labels."""
    if (folder / LABELS_FILE).is_file():
        return [photograph.path for photograph in load(folder) if not photograph.for_training]
    if (folder / REGIONS_FILE).is_file():
        return sorted(folder.glob("*/*.jpg"))
    return []


def _some_tested(photographs: list[Photograph]) -> list[Path]:
    tested = [photograph.path for photograph in photographs if not photograph.for_training]
    return tested[:: max(1, len(tested) // _OTHER_SURFACES)]


def _opened(name: str) -> Image.Image:
    with Image.open(str(resources.files("skimage") / "data" / name)) as image:
        return image.convert("RGB")


def _written(image: Image.Image, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


def _crop(image: Image.Image, training: bool, side: int, random: Random) -> Image.Image:
    """A random square of the left half of an image, for training, or of the right half."""
    half = image.width // 2
    left = int(random.integers(0, half - side + 1)) + (0 if training else half)
    top = int(random.integers(0, image.height - side + 1))
    return image.crop((left, top, left + side, top + side))


def _halves(names: Mapping[str, str], side: int, random: Random) -> Crops:
    opened = {tag: _opened(name) for tag, name in names.items()}
    return {
        (tag, training): [_crop(image, training, side, random) for _ in range(count)]
        for tag, image in opened.items()
        for training, count in ((True, _TRAINING), (False, _TEST))
    }


def _ground(random: Random) -> Crops:
    return _halves({name: f"{name}.png" for name in ("brick", "grass", "gravel")}, 128, random)


def _with_defects(name: str, random: Random, damage: Callable[[Image.Image, Random], None]) -> Crops:
    images = _halves({"good": name, "bad": name}, 160, random)
    for (tag, _), crops in images.items():
        if tag == "bad":
            for crop in crops:
                damage(crop, random)
    return images


def _scratched(image: Image.Image, random: Random) -> None:
    start, angle = random.integers(20, 140, 2), random.random() * 2 * numpy.pi
    end = start + random.integers(30, 90) * numpy.array([numpy.cos(angle), numpy.sin(angle)])
    ImageDraw.Draw(image).line((*start.tolist(), *end.tolist()), fill=(230, 230, 225), width=2)


def _stained(image: Image.Image, random: Random) -> None:
    left, top = random.integers(20, 120, 2).tolist()
    height = int(random.integers(10, 26))
    ImageDraw.Draw(image).ellipse((left, top, left + 1.3 * height, top + height), fill=(30, 25, 20))


def _histology(random: Random) -> Crops:
    """The most brown and the most blue of crops of stained tissue."""
    tissue = _opened("ihc.png")
    images = {}
    for training, count in ((True, _TRAINING), (False, _TEST)):
        crops = [_crop(tissue, training, 96, random) for _ in range(6 * count)]
        crops.sort(
            key=lambda crop: float(numpy.subtract(*numpy.asarray(crop, float)[..., [0, 2]].mean((0, 1))))
        )
        images["blue", training] = crops[: 2 * count : 2]
        images["brown", training] = crops[-2 * count :: 2]
    return images


def _digits(random: Random) -> Crops:
    from sklearn.datasets import load_digits

    digits = load_digits()
    images: Crops = {}
    for number in random.permutation(len(digits.images)).tolist():
        key = (str(digits.target[number]), True)
        if len(images.get(key, ())) == _TRAINING:
            key = (key[0], False)
        grey = Image.fromarray((255 - digits.images[number] * 255 / 16).astype(numpy.uint8))
        if len(images.setdefault(key, [])) < (_TRAINING if key[1] else _TEST):
            images[key].append(grey.resize((64, 64), Image.Resampling.BICUBIC).convert("RGB"))
    return images


def _boards(folder: Path, random: Random, *, by_defect: bool) -> Crops:
    """Crops around defects, by their tag or beside as many crops without defects."""
    boards = load_boxes(folder)
    assert boards is not None
    images: Crops = {}
    for boarded, training in [(each, True) for each in boards.training] + [
        (each, False) for each in boards.tested
    ]:
        with Image.open(boarded.path) as opened:
            board = opened.convert("RGB")
        edges = numpy.array([(box.left, box.top, box.width, box.height) for box in boarded.boxes], float)
        edges = edges.reshape(-1, 4) * ((board.width, board.height) * 2)
        for box, (left, top, width, height) in zip(boarded.boxes, edges, strict=True):
            key = (boards.tags[box.tag_index] if by_defect else "bad", training)
            middle = (left + width / 2, top + height / 2)
            _add(images, key, _square(board, middle, random))
            if not by_defect:
                break
        if not by_defect:
            middle = tuple(random.uniform(64, (board.width - 64, board.height - 64)))
            inside = numpy.abs(edges[:, :2] + edges[:, 2:] / 2 - middle) < 64 + edges[:, 2:] / 2 + 20
            if not inside.all(axis=1).any():
                _add(images, ("good", training), _square(board, middle, random))
    return images


def _square(board: Image.Image, middle: tuple[float, ...], random: Random) -> Image.Image:
    shifted = numpy.array(middle) + random.integers(-20, 21, 2) - 64
    left, top = shifted.clip(0, (board.width - 128, board.height - 128)).astype(int).tolist()
    return board.crop((left, top, left + 128, top + 128))


def _add(images: Crops, key: tuple[str, bool], image: Image.Image) -> None:
    if len(images.setdefault(key, [])) < (_TRAINING if key[1] else _TEST):
        images[key].append(image)
