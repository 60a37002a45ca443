"""Measure the regions that a detector of few images suggests, compared with boxes at random places.

    python models/measurements/measure_suggested_regions.py FOLDER [--set NAME ...] [--images 15] [--seeds 2]

FOLDER contains sets as for `measure_detection.py`. A detector is trained quickly on `--images` training
images of each tag (15 is the least that the service trains a detector on), and suggests regions in the test
images. A suggestion is right if it overlaps an object of its tag by .5 or more, each object once. By chance:
the same suggestions, moved to random places of their images. Means over the seeds, with standard errors.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import measuring
import numpy

from emulator.vision.boxes.box import DetectedBox
from emulator.vision.detection.dataset import BoxedImage, DetectionDataset
from emulator.vision.detection.session import DetectorSession
from emulator.vision.detection.train import train_detector
from emulator.vision.recipes.recipes import QUICK_DETECTOR

OVERLAP = 0.5
THRESHOLDS = (0.1, 0.3, 0.5, 0.8)
HEADER = (
    "set",
    "images",
    "from",
    "suggestions per image",
    "right",
    "by chance",
    "objects found",
    "by chance",
)

Found = list[list[DetectedBox]]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--images", type=int, default=15)
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    sets = [
        loaded
        for folder in sorted(arguments.folder.iterdir())
        if (not arguments.set or folder.name in arguments.set)
        and (loaded := measuring.load_boxes(folder)) is not None
    ]
    if not sets:
        print(f"{arguments.folder} has no set with boxes", file=sys.stderr)
        return 1
    print(measuring.row(HEADER))
    print(measuring.row(("---",) * len(HEADER)))
    for each in sets:
        runs = [measured(each, arguments.images, seed) for seed in range(arguments.seeds)]
        figures = numpy.array([rows for _, rows in runs])
        for number, threshold in enumerate(THRESHOLDS):
            cells = [with_error(values) for values in figures[:, number].T]
            print(measuring.row((each.name, runs[0][0], threshold, *cells)), flush=True)
    return 0


def with_error(values: numpy.ndarray) -> str:
    if len(values) < 2:
        return f"{values.mean():.2f}"
    return f"{values.mean():.2f} ± {values.std(ddof=1) / len(values) ** 0.5:.2f}"


def measured(each: measuring.LabelledSet, count: int, seed: int) -> tuple[int, list[list[float]]]:
    """The number of training images, and for each threshold the figures of the table."""
    images = drawn(each, count, seed)
    with tempfile.TemporaryDirectory() as scratch:
        trained = train_detector(
            DetectionDataset(tuple(images), each.tags),
            QUICK_DETECTOR,
            seed=seed,
            output=Path(scratch),
            feature_cache=Path(scratch) / "features",
            progress=lambda share, step: None,
        )
        session = DetectorSession(trained.model_path)
        found = [session.score(Path(image.path).read_bytes()) for image in each.tested]
    chance = moved(found, seed)
    rows = []
    for threshold in THRESHOLDS:
        per_image, right, recall = figures_from(each, found, threshold)
        _, right_by_chance, recall_by_chance = figures_from(each, chance, threshold)
        rows.append([per_image, right, right_by_chance, recall, recall_by_chance])
    return len(images), rows


def drawn(each: measuring.LabelledSet, count: int, seed: int) -> list[BoxedImage]:
    """Training images, `count` of each tag; one with several tags counts for each of them."""
    random = numpy.random.default_rng(seed)
    chosen: list[BoxedImage] = []
    for tag in range(len(each.tags)):
        of_tag = [each.training[place] for place in random.permutation(len(each.training))]
        of_tag = [image for image in of_tag if any(box.tag_index == tag for box in image.boxes)]
        missing = count - sum(image in chosen for image in of_tag)
        chosen += [image for image in of_tag if image not in chosen][: max(0, missing)]
    return chosen


def moved(found: Found, seed: int) -> Found:
    """The same boxes at random places of their images."""
    random = numpy.random.default_rng(seed)
    return [
        [
            replace(
                box,
                left=float(random.uniform(0, max(0.0, 1 - box.width))),
                top=float(random.uniform(0, max(0.0, 1 - box.height))),
            )
            for box in boxes
        ]
        for boxes in found
    ]


def figures_from(
    each: measuring.LabelledSet, found: Sequence[Sequence[DetectedBox]], threshold: float
) -> tuple[float, float, float]:
    """Suggestions per image, the share of right ones (0 without any), and that of the objects found."""
    kept = [[box for box in boxes if box.probability >= threshold] for boxes in found]
    hits = int(measuring.evaluation(each.tested, len(each.tags), kept).hits(OVERLAP).sum())
    suggested, objects = sum(map(len, kept)), sum(len(image.boxes) for image in each.tested)
    return suggested / len(kept), hits / max(1, suggested), hits / objects


if __name__ == "__main__":
    sys.exit(main())
