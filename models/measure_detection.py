"""Measure how good trainings of detectors are, on real photographs that they have not seen.

    python models/measure_detection.py FOLDER [--seeds 1] [--set NAME ...] [--advanced-minutes 10]

FOLDER holds sets: folders with a file `labels.jsonl`, one object a line with `file` (relative to the set),
`split` ("train" or "test") and `boxes` (`tag`, and `left`, `top`, `width`, `height` as fractions of the
image); or with a file `regions.json`, whose `regions` give `tag` and `box` of each image in the folder named
like the tag: every fourth of those is tested. A model is trained through the function that the emulator
calls. The table gives means over the seeds:

* AP50, AP75: mean over the tags of the area under the precision-recall curve, at overlaps of .5 and .75;
* own AP50: the same as the training itself measures it, by cross-validation;
* precision, recall: at a probability of .5 and an overlap of .3, which are the service's defaults;
* calibration error: mean distance between probability and share of hits, over ten equal intervals weighted by
  their detections;
* s: seconds of the training.

Trainings are quick ones, or with `--advanced-minutes` advanced ones with that budget. It is counted in
processor seconds, of which a minute has 120, so that figures do not depend on what else the machine does.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy

from emulator.vision.advanced_detection import train_advanced_detector
from emulator.vision.detection_boxes import DetectedBox
from emulator.vision.detection_metrics import Boxes, DetectionEvaluation
from emulator.vision.detection_scoring import DetectorSession
from emulator.vision.detector import Box, BoxedImage, DetectionDataset, train_detector
from emulator.vision.recipes import ADVANCED_DETECTOR, QUICK_DETECTOR

PROCESSORS = 2
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


@dataclass(frozen=True)
class LabelledSet:
    name: str
    tags: tuple[str, ...]
    training: tuple[BoxedImage, ...]
    tested: tuple[BoxedImage, ...]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--advanced-minutes", type=float)
    arguments = parser.parse_args()
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
    for each in sets:
        figures = numpy.mean(
            [measure(each, seed, arguments.advanced_minutes) for seed in range(arguments.seeds)], axis=0
        )
        *shares, seconds = figures.tolist()
        counts = (len(each.tags), len(each.training), len(each.tested))
        print(row((each.name, *counts, *(f"{share:.3f}" for share in shares), f"{seconds:.0f}")), flush=True)
    return 0


def load(folder: Path) -> LabelledSet | None:
    """The set in a folder; none if it has no boxes."""
    labels, regions = folder / "labels.jsonl", folder / "regions.json"
    entries: list[tuple[Path, bool, list[tuple[str, list[float]]]]] = []
    if labels.is_file():
        for line in labels.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            if "boxes" not in entry:
                return None
            marked = [
                (box["tag"], [box[side] for side in ("left", "top", "width", "height")])
                for box in entry["boxes"]
            ]
            entries.append((folder / entry["file"], entry["split"] == "train", marked))
    elif regions.is_file():
        content = json.loads(regions.read_text(encoding="utf-8"))["regions"]
        for number, (name, region) in enumerate(sorted(content.items())):
            path = folder / region["tag"] / name
            entries.append((path, number % 4 > 0, [(region["tag"], region["box"])]))
    if not entries:
        return None
    tags = tuple(sorted({tag for _, _, marked in entries for tag, _ in marked}))
    images = [
        (
            for_training,
            BoxedImage(
                str(path),
                hashlib.sha256(path.read_bytes()).hexdigest(),
                tuple(Box(tags.index(tag), *place) for tag, place in marked),
            ),
        )
        for path, for_training, marked in entries
    ]
    training = tuple(image for for_training, image in images if for_training)
    tested = tuple(image for for_training, image in images if not for_training)
    return LabelledSet(folder.name, tags, training, tested)


def measure(each: LabelledSet, seed: int, minutes: float | None) -> tuple[float, ...]:
    with tempfile.TemporaryDirectory() as output:
        dataset = DetectionDataset(each.training, each.tags)
        common = {"seed": seed, "output": Path(output), "progress": lambda share, step: None}
        if minutes is None:
            trained = train_detector(dataset, QUICK_DETECTOR, **common)
        else:
            trained = train_advanced_detector(
                dataset,
                QUICK_DETECTOR,
                ADVANCED_DETECTOR,
                budget_seconds=60 * minutes,
                clock=lambda: time.process_time() / PROCESSORS,
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
        calibration_error(tested.probabilities, tested.hits(0.5)),
        sum(trained.seconds.values()),
    )


def evaluation(
    images: Sequence[BoxedImage], tag_count: int, found: Sequence[Sequence[DetectedBox]]
) -> DetectionEvaluation:
    """Of what was found in each image."""

    def places(boxes: Sequence[Sequence[Box | DetectedBox]]) -> Boxes:
        return Boxes.of(
            [
                (number, box.tag_index, box.left, box.top, box.width, box.height)
                for number, of_image in enumerate(boxes)
                for box in of_image
            ]
        )

    return DetectionEvaluation(
        tuple(image.key for image in images),
        numpy.zeros(len(images), numpy.int8),
        tag_count,
        places([image.boxes for image in images]),
        places(found),
        numpy.array([box.probability for boxes in found for box in boxes], numpy.float32),
    )


def corners(boxes: Sequence[Box | DetectedBox]) -> numpy.ndarray:
    """Left, top, right and bottom of each."""
    return numpy.array([(box.left, box.top, box.left + box.width, box.top + box.height) for box in boxes])


def calibration_error(probabilities: numpy.ndarray, hits: numpy.ndarray) -> float:
    intervals = (probabilities * 10).astype(int).clip(0, 9)
    distances = [
        abs(probabilities[inside].mean() - hits[inside].mean()) * inside.mean()
        for inside in (intervals == interval for interval in range(10))
        if inside.any()
    ]
    return float(sum(distances))


def row(cells: tuple[object, ...]) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


if __name__ == "__main__":
    sys.exit(main())
