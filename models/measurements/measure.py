"""Measure quick trainings of classifiers on real photographs.

    python models/measurements/measure.py FOLDER [--seeds 3]

FOLDER contains sets: folders with a file `labels.jsonl`, one object per line with `file` (relative to the
set), `split` ("train" or "test") and either `tags` or `boxes`, whose `tag`s count as tags of the image. For
each set and seed, 5, 10 and 50 training images per tag are drawn, and a model is trained with the emulator's
functions. The table has means over the seeds:

* accuracy: share of test images whose most probable tag is right (sets with one tag per image);
* mAP: mean over the tags of the average precision (sets with several tags per image);
* own: the same figure by the cross-validation of the training;
* log loss; calibration error: the mean distance between probability and share of hits, over ten equal
  intervals weighted by their images;
* s: seconds of a training with cached features.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy
from measuring import (
    Photograph,
    accuracy,
    calibration_error,
    classification_dataset,
    draw,
    load,
    log_loss,
    mean_average_precision,
    row,
    scores_of,
    sets_in,
    targets_of,
)

from emulator.vision.classification.train import train_classifier, warm_up
from emulator.vision.evaluation.classification import Evaluation
from emulator.vision.recipes.recipes import QUICK

IMAGES_A_TAG = (5, 10, 50)
HEADER = (
    "set",
    "tags",
    "images a tag",
    "test images",
    "figure",
    "",
    "own",
    "log loss",
    "calibration error",
    "s",
)


@dataclass(frozen=True)
class Result:
    figure: float
    own_figure: float
    log_loss: float
    calibration_error: float
    seconds: float


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
    with tempfile.TemporaryDirectory() as scratch:
        for folder in sets:
            photographs = load(folder)
            multilabel = any(len(photograph.tags) != 1 for photograph in photographs)
            tags = sorted({tag for photograph in photographs for tag in photograph.tags})
            tested = [photograph for photograph in photographs if not photograph.for_training]
            for count in IMAGES_A_TAG:
                draws = [draw(photographs, tags, count, seed) for seed in range(arguments.seeds)]
                results = [
                    measure(chosen, tested, tags, multilabel, seed, Path(scratch))
                    for seed, chosen in enumerate(draws)
                ]
                means = numpy.mean([list(vars(result).values()) for result in results], axis=0)
                figure, own, log_loss, calibration_error, seconds = means
                print(
                    row(
                        (
                            folder.name,
                            len(tags),
                            count if len(draws[0]) >= count * len(tags) or multilabel else f"up to {count}",
                            len(tested),
                            "mAP" if multilabel else "accuracy",
                            f"{figure:.3f}",
                            f"{own:.3f}",
                            f"{log_loss:.3f}",
                            f"{calibration_error:.3f}",
                            f"{seconds:.2f}",
                        )
                    ),
                    flush=True,
                )
    return 0


def measure(
    chosen: list[Photograph],
    tested: list[Photograph],
    tags: list[str],
    multilabel: bool,
    seed: int,
    scratch: Path,
) -> Result:
    dataset = classification_dataset(chosen, tags, multilabel)
    for _ in range(2):  # the second time, features come from the cache
        trained = train_classifier(
            dataset,
            QUICK,
            seed=seed,
            output=scratch / "model",
            feature_cache=scratch / "features",
            progress=lambda share, step: None,
        )
    scores_NT, targets_NT = scores_of(trained.model_path, tested), targets_of(tested, tags)
    own = Evaluation.load(trained.evaluation_path)
    quality = mean_average_precision if multilabel else accuracy
    return Result(
        figure=quality(scores_NT, targets_NT),
        own_figure=quality(own.probabilities_NT, own.targets_NT),
        log_loss=log_loss(scores_NT, targets_NT, multilabel),
        calibration_error=calibration_error(scores_NT, targets_NT, multilabel),
        seconds=sum(trained.seconds.values()),
    )


if __name__ == "__main__":
    sys.exit(main())
