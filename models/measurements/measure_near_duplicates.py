"""Measure how well copies of photographs are separated from other photographs.

    python models/measurements/measure_near_duplicates.py FOLDER [--set clothing]

FOLDER contains sets as for `measure.py`. 30 random photographs of each set are copied: re-encoded (JPEG of
quality 40), scaled to half the size, mirrored, brightened, cropped by 3% and by 5% on every side, and all of
it at once. For each method of comparison, the table has

* for each kind of copy, the share of copies that are found at the threshold at which at most three pairs of
  the set's own photographs are (sets contain a few true duplicates);
* s: processor seconds per image, without cached features.

Methods: the emulator's, by details (`emulator/vision/duplicates/find.py`); the cosine similarity of the
features of quick training; and, if the package ImageHash is installed, its perceptual hash of 64 bits. All
compare mirror images too. The most similar pairs of the set's own photographs are printed on standard error.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy
from PIL import Image, ImageOps

from emulator.vision.classification.features import MIRRORED, PLAIN, compute_features
from emulator.vision.duplicates.find import DEFAULT_SIMILARITY, find_near_duplicates
from emulator.vision.imaging.decode import open_rgb
from emulator.vision.imaging.image_file import StoredImage
from emulator.vision.recipes.recipes import QUICK

COPIED = 30
OWN_PAIRS = 3
Compare = Callable[[list[StoredImage], Path], numpy.ndarray]


def cropped(image: Image.Image, part: float) -> Image.Image:
    width, height = image.size
    return image.crop(
        (round(part * width), round(part * height), round((1 - part) * width), round((1 - part) * height))
    )


def halved(image: Image.Image) -> Image.Image:
    return image.resize((max(1, image.width // 2), max(1, image.height // 2)))


COPIES: dict[str, tuple[Callable[[Image.Image], Image.Image], int]] = {
    "encoded": (lambda image: image, 40),
    "halved": (halved, 90),
    "mirrored": (ImageOps.mirror, 90),
    "lighter": (lambda image: image.point(lambda value: min(255, int(value * 1.15 + 8))), 90),
    "crop 3%": (lambda image: cropped(image, 0.03), 90),
    "crop 5%": (lambda image: cropped(image, 0.05), 90),
    "all": (lambda image: halved(cropped(ImageOps.mirror(image), 0.03)), 60),
}


def own(pictures: list[StoredImage], cache: Path) -> numpy.ndarray:
    similarities = numpy.zeros((len(pictures), len(pictures)))
    for first, second, similarity, _ in find_near_duplicates(pictures, cache, lambda _share, _text: None):
        similarities[first, second] = similarities[second, first] = similarity
    return similarities


def features(pictures: list[StoredImage], cache: Path) -> numpy.ndarray:
    found = compute_features(
        pictures,
        backbone=QUICK.backbone,
        resolution=QUICK.resolution,
        views=(PLAIN, MIRRORED),
        cache_folder=cache,
        progress=lambda _share: None,
    )
    plain, mirrored = (
        numpy.array([view[picture.key] for picture in pictures], numpy.float32)
        for view in (found.plain, found.augmented)
    )
    plain /= numpy.linalg.norm(plain, axis=1, keepdims=True)
    mirrored /= numpy.linalg.norm(mirrored, axis=1, keepdims=True)
    return numpy.maximum(plain @ plain.T, plain @ mirrored.T)


def perceptual_hash(pictures: list[StoredImage], _cache: Path) -> numpy.ndarray:
    import imagehash

    images = [open_rgb(Path(picture.path).read_bytes()) for picture in pictures]
    plain = numpy.array([imagehash.phash(image).hash.ravel() for image in images], numpy.float32) * 2 - 1
    mirrored = numpy.array([imagehash.phash(ImageOps.mirror(image)).hash.ravel() for image in images])
    return numpy.maximum(plain @ plain.T, plain @ (mirrored * 2.0 - 1).T) / plain.shape[1]


def picture_file(path: Path) -> StoredImage:
    return StoredImage(str(path), hashlib.sha256(path.read_bytes()).hexdigest())


def measure(folder: Path, ways: dict[str, Compare]) -> None:
    lines = (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()
    originals = [picture_file(folder / json.loads(line)["file"]) for line in lines]
    count = len(originals)
    chosen = random.Random(0).sample(range(count), min(COPIED, count))
    with tempfile.TemporaryDirectory() as made:
        copies: dict[str, list[StoredImage]] = {}
        for name, (copy, quality) in COPIES.items():
            copies[name] = []
            for number in chosen:
                path = Path(made) / f"{name} {number}.jpg"
                copy(open_rgb(Path(originals[number].path).read_bytes())).save(path, quality=quality)
                copies[name].append(picture_file(path))
        for way, compare in ways.items():
            started = time.process_time()
            among = compare(originals, Path(made) / way)
            seconds = (time.process_time() - started) / count
            pairs = numpy.sort(among[numpy.triu_indices(count, 1)])[::-1]
            cells = [folder.name, str(count), way]
            for pictures in copies.values():
                similarities = compare(originals + pictures, Path(made) / way)
                hits = sum(
                    similarities[number, count + place] > pairs[OWN_PAIRS]
                    for place, number in enumerate(chosen)
                )
                cells.append(f"{hits / len(chosen):.0%}")
            print("| " + " | ".join([*cells, f"{seconds:.3f}"]) + " |", flush=True)
            if way == "details":
                similar = ", ".join(f"{pair:.2f}" for pair in pairs[:6])
                found = int((pairs >= DEFAULT_SIMILARITY).sum())
                note = f"  most similar: {similar}; {found} pairs reach the default threshold"
                print(note, file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--set", action="append", default=[])
    arguments = parser.parse_args()
    ways: dict[str, Compare] = {"details": own, "features": features}
    try:
        import imagehash  # noqa: F401

        ways["hash"] = perceptual_hash
    except ImportError:
        print("no column for perceptual hashes: pip install ImageHash", file=sys.stderr)
    header = ["set", "images", "way", *COPIES, "s"]
    print("| " + " | ".join(header) + " |")
    print("|" + "---|" * len(header))
    for folder in sorted(path.parent for path in arguments.folder.glob("*/labels.jsonl")):
        if not arguments.set or folder.name in arguments.set:
            measure(folder, ways)
    return 0


if __name__ == "__main__":
    sys.exit(main())
