"""Measure whether the figures that classifiers report are those of fresh test images.

    python models/measurements/measure_own_figures.py FOLDER [--sets NAME ...] [--draws 8] [--copies]
        [--late-layers] [--cache FOLDER]

FOLDER contains sets as for `measure.py`. In each draw, 5/7 of the images of a set (at most 600) are for
training, and all others are tested. With `--copies`, each of up to 250 training images has a copy: a brighter
one, one of half the size, or one without 2% of each side. The head alone is trained, unless `--late-layers`
is given.

Columns: images for training and for tests; accuracy, or mean average precision, as the training reports it
and on the test images, and the mean difference with its standard error over the draws; the same for the
log loss; the calibration error on the test images, and what a model of perfectly calibrated probabilities
would have on as many images (`measuring.expected_calibration_error`).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy
from measure_few_images import with_error
from measure_near_duplicates import cropped, halved
from measuring import (
    Photograph,
    accuracy,
    calibration_error,
    classification_dataset,
    expected_calibration_error,
    load,
    log_loss,
    mean_average_precision,
    row,
    scores_of,
    sets_in,
    targets_of,
)
from PIL import Image

from emulator.vision.classification.train import train_classifier, warm_up
from emulator.vision.evaluation.classification import Evaluation
from emulator.vision.imaging.decode import open_rgb
from emulator.vision.recipes.recipes import QUICK

_FOR_TRAINING, _MOST_IMAGES = 5 / 7, 600
_MOST_COPIED = 250
_COPIES: tuple[Callable[[Image.Image], Image.Image], ...] = (
    lambda image: cropped(image, 0.02),
    lambda image: image.point(lambda value: min(255, int(value * 1.1 + 5))),
    halved,
)
HEADER = (
    "set", "images", "tested", "figure", "own", "test", "difference", "log loss, difference",
    "calibration error", "if perfect",
)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sets", nargs="*", metavar="NAME")
    parser.add_argument("--draws", type=int, default=8)
    parser.add_argument("--copies", action="store_true", help="add a copy of each training image")
    parser.add_argument("--late-layers", action="store_true", help="train late layers where they are better")
    parser.add_argument("--cache", type=Path, help="folder of cached features")
    arguments = parser.parse_args()
    warm_up()
    print(row(HEADER))
    print(row(("---",) * len(HEADER)))
    with tempfile.TemporaryDirectory() as scratch:
        for folder in sets_in(arguments.folder):
            if arguments.sets and folder.name not in arguments.sets:
                continue
            measure(
                folder,
                arguments.draws,
                Path(scratch),
                arguments.cache or Path(scratch) / "features",
                copies=arguments.copies,
                late_layers=arguments.late_layers,
            )
    return 0


def measure(folder: Path, draws: int, scratch: Path, cache: Path, *, copies: bool, late_layers: bool) -> None:
    """Print the row of a set."""
    photographs = load(folder)
    tags = sorted({tag for photograph in photographs for tag in photograph.tags})
    multilabel = any(len(photograph.tags) != 1 for photograph in photographs)
    quality = mean_average_precision if multilabel else accuracy
    found = []
    for draw in range(draws):
        order = numpy.random.default_rng(draw).permutation(len(photographs))
        count = min(_MOST_IMAGES, round(_FOR_TRAINING * len(order)))
        learned = [photographs[number] for number in order[:count]]
        tested = [photographs[number] for number in order[count:]]
        if copies:
            learned = learned[:_MOST_COPIED]
            learned += [copied(each, number, scratch / "copies") for number, each in enumerate(learned)]
        trained = train_classifier(
            classification_dataset(learned, tags, multilabel),
            replace(QUICK, late_layers=late_layers),
            seed=draw,
            output=scratch / "model",
            feature_cache=cache,
            progress=lambda share, step: None,
        )
        own = Evaluation.load(trained.evaluation_path)
        scores_NT, targets_NT = scores_of(trained.model_path, tested), targets_of(tested, tags)
        found.append(
            (
                quality(own.probabilities_NT, own.targets_NT),
                quality(scores_NT, targets_NT),
                log_loss(own.probabilities_NT, own.targets_NT, multilabel),
                log_loss(scores_NT, targets_NT, multilabel),
                calibration_error(scores_NT, targets_NT, multilabel),
                expected_calibration_error(scores_NT, multilabel),
            )
        )
    figures = numpy.array(found)
    means = figures.mean(axis=0)
    print(
        row(
            (
                folder.name,
                len(learned),
                len(tested),
                "mAP" if multilabel else "accuracy",
                f"{means[0]:.3f}",
                f"{means[1]:.3f}",
                with_error(figures[:, 0] - figures[:, 1], "{:+.3f}"),
                with_error(figures[:, 2] - figures[:, 3], "{:+.3f}"),
                f"{means[4]:.3f}",
                f"{means[5]:.3f}",
            )
        ),
        flush=True,
    )


def copied(photograph: Photograph, number: int, folder: Path) -> Photograph:
    """A near-duplicate of a photograph, written into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{number}.jpg"
    copy = _COPIES[number % len(_COPIES)](open_rgb(photograph.path.read_bytes()))
    copy.save(path, quality=80)
    return replace(photograph, path=path)


if __name__ == "__main__":
    sys.exit(main())
