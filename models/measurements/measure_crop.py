"""Measure compact classifiers in programs that prepare images in different ways.

    python models/measurements/measure_crop.py FOLDER [--seeds 3]

FOLDER contains sets, as for `measure.py`. For each set, 5, 10 and 50 training images per tag are drawn, and a
model is trained twice: for stretched images (`fit = "stretch"`), and for the centre of the image ("centre
crop"), as in General (compact). The table has means over the seeds:

* API: the figure of the Prediction API: accuracy, or the mean average precision for sets with several tags
  per image;
* stretched, square, tutorial: the figure of programs that stretch images, that scale the largest square in
  the centre to 224 pixels, and that scale this square to 256 pixels and crop the centre of 224; and the share
  of images that have the same tags as in the API: the most probable one, or all of at least 0.5;
* s: seconds of a training without cached features.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy
from measuring import (
    Photograph,
    accuracy,
    classification_dataset,
    draw,
    load,
    mean_average_precision,
    row,
    same_tags,
    scores_of,
    sets_in,
    targets_of,
)
from PIL import Image, ImageOps

from emulator.vision.classification.session import ClassifierSession
from emulator.vision.classification.train import train_classifier, warm_up
from emulator.vision.fit import Fit
from emulator.vision.recipes.recipes import QUICK

IMAGES_A_TAG = (5, 10, 50)
SIDE, SCALED = 224, 256
FITS: tuple[Fit, ...] = ("stretch", "centre crop")


def stretched(image: Image.Image) -> Image.Image:
    return image.resize((SIDE, SIDE), Image.Resampling.BILINEAR)


def square(image: Image.Image, side: int = SIDE) -> Image.Image:
    length = min(image.size)
    left, top = (image.width - length) // 2, (image.height - length) // 2
    cropped = image.crop((left, top, left + length, top + length))
    return cropped.resize((side, side), Image.Resampling.BILINEAR)


def tutorial(image: Image.Image) -> Image.Image:
    edge = (SCALED - SIDE) // 2
    return square(image, SCALED).crop((edge, edge, edge + SIDE, edge + SIDE))


PROGRAMS: tuple[Callable[[Image.Image], Image.Image], ...] = (stretched, square, tutorial)
HEADER = (
    "set",
    "images a tag",
    "figure",
    "fit",
    "API",
    *(name for program in PROGRAMS for name in (program.__name__, "same")),
    "s",
)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    sets = sets_in(arguments.folder)
    warm_up()
    print(row(HEADER))
    print(row(("---",) * len(HEADER)))
    for folder in sets:
        photographs = load(folder)
        multilabel = any(len(photograph.tags) != 1 for photograph in photographs)
        tags = sorted({tag for photograph in photographs for tag in photograph.tags})
        tested = [photograph for photograph in photographs if not photograph.for_training]
        for count in IMAGES_A_TAG:
            for fit in FITS:
                rows = [
                    measure(draw(photographs, tags, count, seed), tested, tags, multilabel, seed, fit)
                    for seed in range(arguments.seeds)
                ]
                figures = [f"{value:.3f}" for value in numpy.mean(rows, axis=0)]
                figure = "mAP" if multilabel else "accuracy"
                print(row((folder.name, count, figure, fit, *figures)), flush=True)
    return 0


def measure(
    chosen: list[Photograph],
    tested: list[Photograph],
    tags: list[str],
    multilabel: bool,
    seed: int,
    fit: Fit,
) -> list[float]:
    """The cells of a row from the API to the seconds."""
    with tempfile.TemporaryDirectory() as scratch:
        trained = train_classifier(
            classification_dataset(chosen, tags, multilabel),
            replace(QUICK, fit=fit, late_layers=False),
            seed=seed,
            output=Path(scratch, "model"),
            feature_cache=Path(scratch, "features"),
            progress=lambda share, step: None,
        )
        session = ClassifierSession(trained.model_path)
        api_NT, targets_NT = scores_of(trained.model_path, tested), targets_of(tested, tags)
    quality = mean_average_precision if multilabel else accuracy
    cells = [quality(api_NT, targets_NT)]
    for program in PROGRAMS:
        scores_NT = numpy.concatenate(
            [session.score_pixels(numpy.asarray(program(opened(each.path)))[None]) for each in tested]
        )
        cells += [quality(scores_NT, targets_NT), same_tags(scores_NT, api_NT, multilabel, 0.5)]
    return [*cells, sum(trained.seconds.values())]


def opened(path: Path) -> Image.Image:
    """The upright image in RGB."""
    with Image.open(path) as image:
        return ImageOps.exif_transpose(image).convert("RGB")


if __name__ == "__main__":
    sys.exit(main())
