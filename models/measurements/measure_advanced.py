"""Compare advanced with quick training of classifiers, on real photographs.

    python models/measurements/measure_advanced.py FOLDER [--sets NAME ...] [--images-a-tag 50]
        [--shrink SIDE] [--backbones FOLDER]

FOLDER contains sets as for `measure.py`. Images are drawn from each set, and both trainings use them. The
budget is five minutes per 500 images on two processors, in processor seconds, so that other programs do not
change the figures. `--shrink` scales images to SIDE pixels first.

Columns: tags; training images; test images; accuracy (or mean average precision in sets with several tags
per image) of "quick" and "advanced"; share of quick training's mistakes that advanced training does not make;
the figure that advanced training reports; calibration errors of both; processor seconds of the advanced
training; the selected model.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
import time
from pathlib import Path

from measuring import (
    SECONDS_AN_IMAGE,
    Chosen,
    Photograph,
    accuracy,
    calibration_error,
    classification_dataset,
    draw,
    load,
    mean_average_precision,
    processor_clock,
    row,
    scores_of,
    shrunk,
    targets_of,
)

from emulator.vision.classification.advanced import train_advanced_classifier
from emulator.vision.classification.train import train_classifier, warm_up
from emulator.vision.evaluation.classification import Evaluation
from emulator.vision.recipes.recipes import ADVANCED, QUICK

HEADER = (
    "set",
    "tags",
    "images",
    "test images",
    "figure",
    "quick",
    "advanced",
    "mistakes gone",
    "own",
    "calibration error",
    "processor s",
    "chosen",
)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sets", nargs="*")
    parser.add_argument("--images-a-tag", type=int, default=50)
    parser.add_argument("--shrink", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, help="folder of cached features, kept for the next run")
    parser.add_argument("--backbones", type=Path, help="networks of your own: backbones/ in a data folder")
    arguments = parser.parse_args()
    sets = sorted(path.parent for path in arguments.folder.glob("*/labels.jsonl"))
    sets = [folder for folder in sets if not arguments.sets or folder.name in arguments.sets]
    if not sets:
        print(f"{arguments.folder} has no such folder with a file labels.jsonl", file=sys.stderr)
        return 1
    Chosen.listen()
    warm_up()
    print(row(HEADER))
    print(row(("---",) * len(HEADER)))
    for folder in sets:
        with tempfile.TemporaryDirectory() as scratch:
            print(row(measured(folder, Path(scratch), arguments)), flush=True)
    return 0


def measured(folder: Path, scratch: Path, arguments: argparse.Namespace) -> tuple[object, ...]:
    photographs = load(folder)
    if arguments.shrink:
        photographs = [in_size(each, scratch, arguments.shrink) for each in photographs]
    multilabel = any(len(photograph.tags) != 1 for photograph in photographs)
    tags = sorted({tag for photograph in photographs for tag in photograph.tags})
    tested = [photograph for photograph in photographs if not photograph.for_training]
    chosen = draw(photographs, tags, arguments.images_a_tag, arguments.seed)
    dataset = classification_dataset(chosen, tags, multilabel)
    common = {
        "seed": arguments.seed,
        "feature_cache": arguments.cache or scratch / "features",
        "progress": lambda share, step: None,
    }
    quick = train_classifier(dataset, QUICK, output=scratch / "quick", **common)
    started = time.process_time()
    advanced = train_advanced_classifier(
        dataset,
        QUICK,
        ADVANCED,
        budget_seconds=SECONDS_AN_IMAGE * len(chosen),
        output=scratch / "advanced",
        clock=processor_clock,
        backbones=arguments.backbones,
        **common,
    )
    seconds = time.process_time() - started
    targets_NT = targets_of(tested, tags)
    figure = mean_average_precision if multilabel else accuracy
    scores = [scores_of(trained.model_path, tested) for trained in (quick, advanced)]
    before, after = (figure(scores_NT, targets_NT) for scores_NT in scores)
    own = Evaluation.load(advanced.evaluation_path)
    return (
        folder.name + (f" at {arguments.shrink} pixels" if arguments.shrink else ""),
        len(tags),
        len(chosen),
        len(tested),
        "mAP" if multilabel else "accuracy",
        f"{before:.3f}",
        f"{after:.3f}",
        f"{(after - before) / (1 - before):.0%}" if before < 1 else "none there",
        f"{figure(own.probabilities_NT, own.targets_NT):.3f} of {own.count}",
        " / ".join(f"{calibration_error(scores_NT, targets_NT, multilabel):.3f}" for scores_NT in scores),
        f"{seconds:.0f}",
        Chosen.name_of_last,
    )


def in_size(photograph: Photograph, scratch: Path, side: int) -> Photograph:
    path = scratch / f"{hashlib.sha256(str(photograph.path).encode()).hexdigest()}.png"
    path.write_bytes(shrunk(photograph.path.read_bytes(), side))
    return Photograph(path, photograph.tags, photograph.for_training)


if __name__ == "__main__":
    sys.exit(main())
