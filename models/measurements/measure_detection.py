"""Measure trainings of detectors on real photographs.

    python models/measurements/measure_detection.py FOLDER [--seeds 1] [--set NAME ...]
        [--advanced-minutes 10 [--without-tiles]] [--copies]

FOLDER contains sets: folders with a file `labels.jsonl`, one object per line with `file` (relative to the
set), `split` ("train" or "test") and `boxes` (`tag`, and `left`, `top`, `width`, `height` as fractions of
the image); or with a file `regions.json`, whose `regions` have `tag` and `box` of each image in the folder
of that tag, of which every fourth is tested. Models are trained with the emulator's functions. The table has
means over the seeds:

* AP50, AP75: mean over the tags of the area under the precision-recall curve, at overlaps of .5 and .75;
* own AP50: the same by the cross-validation of the training;
* precision, recall: at a probability of .5 and an overlap of .3, the service's defaults;
* calibration error: mean distance between probability and share of hits (overlap of .3), over ten equal
  intervals weighted by their detections;
* s: seconds of the training.

Trainings are quick, or advanced with the budget `--advanced-minutes`, in processor seconds, 120 per minute,
so that other programs do not change the figures. `--without-tiles` disables tiles, for comparison. With
`--copies`, up to 120 training images are used, each with a copy: re-encoded, brighter, or of half the size.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy
from measure_near_duplicates import COPIES
from measuring import LabelledSet, checksum, error_of_predictions, evaluation, processor_clock, row
from measuring import load_boxes as load

from emulator.vision.detection.advanced import train_advanced_detector
from emulator.vision.detection.dataset import BoxedImage, DetectionDataset
from emulator.vision.detection.session import DetectorSession
from emulator.vision.detection.train import train_detector
from emulator.vision.evaluation.detection import DetectionEvaluation
from emulator.vision.imaging.decode import open_rgb
from emulator.vision.recipes.recipes import (
    ADVANCED_DETECTOR,
    QUICK_DETECTOR,
    AdvancedDetectorRecipe,
)

_MOST_COPIED = 120
# Kinds of copies on which boxes have the same place.
_KINDS = ("encoded", "lighter", "halved")
HEADER = (
    "set",
    "tags",
    "images",
    "test images",
    "AP50",
    "AP75",
    "own AP50",
    "precision",
    "recall",
    "calibration error",
    "s",
)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--advanced-minutes", type=float)
    parser.add_argument("--without-tiles", action="store_true")
    parser.add_argument("--copies", action="store_true", help="add a copy of each training image")
    arguments = parser.parse_args()
    recipe = replace(ADVANCED_DETECTOR, tiles_below=0) if arguments.without_tiles else ADVANCED_DETECTOR
    logging.basicConfig(level=logging.INFO, format="  %(message)s")
    sets = [
        loaded
        for folder in sorted(arguments.folder.iterdir())
        if (not arguments.set or folder.name in arguments.set) and (loaded := load(folder)) is not None
    ]
    if not sets:
        print(f"{arguments.folder} has no set with boxes", file=sys.stderr)
        return 1
    print(row(HEADER))
    print(row(("---",) * len(HEADER)))
    with tempfile.TemporaryDirectory() as scratch:
        for number, loaded in enumerate(sets):
            each = with_copies(loaded, Path(scratch) / str(number)) if arguments.copies else loaded
            figures = numpy.mean(
                [measure(each, seed, arguments.advanced_minutes, recipe) for seed in range(arguments.seeds)],
                axis=0,
            )
            *shares, seconds = figures.tolist()
            counts = (len(each.tags), len(each.training), len(each.tested))
            cells = (each.name, *counts, *(f"{share:.3f}" for share in shares), f"{seconds:.0f}")
            print(row(cells), flush=True)
    return 0


def with_copies(each: LabelledSet, folder: Path) -> LabelledSet:
    """A part of the training images, evenly spaced, with copies of them, written into a folder."""
    folder.mkdir()
    originals = each.training[:: -(-len(each.training) // _MOST_COPIED)]
    copies = []
    for number, image in enumerate(originals):
        change, quality = COPIES[_KINDS[number % len(_KINDS)]]
        path = folder / f"{number}.jpg"
        change(open_rgb(Path(image.path).read_bytes())).save(path, quality=quality)
        copies.append(BoxedImage(str(path), checksum(path), image.boxes))
    return replace(each, training=(*originals, *copies))


def measure(
    each: LabelledSet, seed: int, minutes: float | None, advanced: AdvancedDetectorRecipe = ADVANCED_DETECTOR
) -> tuple[float, ...]:
    with tempfile.TemporaryDirectory() as output:
        dataset = DetectionDataset(each.training, each.tags)
        common = {
            "seed": seed,
            "output": Path(output),
            "feature_cache": Path(output) / "features",
            "progress": lambda share, step: None,
        }
        if minutes is None:
            trained = train_detector(dataset, QUICK_DETECTOR, **common)
        else:
            trained = train_advanced_detector(
                dataset,
                QUICK_DETECTOR,
                advanced,
                budget_seconds=60 * minutes,
                clock=processor_clock,
                **common,
            )
        own = DetectionEvaluation.load(trained.evaluation_path)
        session = DetectorSession(trained.model_path)
    found = [session.score(Path(image.path).read_bytes()) for image in each.tested]
    tested = evaluation(each.tested, len(each.tags), found)
    defaults = tested.performance()
    return (
        tested.performance(overlap_threshold=0.5).average_precision,
        tested.performance(overlap_threshold=0.75).average_precision,
        own.performance(overlap_threshold=0.5).average_precision,
        defaults.precision,
        defaults.recall,
        error_of_predictions(tested.probabilities, tested.hits()),
        sum(trained.seconds.values()),
    )


if __name__ == "__main__":
    sys.exit(main())
