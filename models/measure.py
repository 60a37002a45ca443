"""Measure how good quick trainings are, on real photographs that they have not seen.

    python models/measure.py FOLDER [--seeds 3]

FOLDER holds sets: folders with a file `labels.jsonl`, one object a line with `file` (relative to the set),
`split` ("train" or "test") and either `tags` or `boxes`, whose `tag`s then count as the tags of the image.
Of each set, 5, 10 and 50 training images a tag are drawn, as often as there are seeds, and a model is trained
on each draw through the same functions that the emulator calls. The table gives means over the draws:

* accuracy: share of test images whose most probable tag is right (sets with one tag an image);
* mAP: mean over the tags of the average precision (sets with several);
* own: the same figure as the training itself measures it, by cross-validation;
* log loss and calibration error: how honest the probabilities are; the calibration error is the mean distance
  between probability and share of hits, over ten equal intervals weighted by their images;
* s: seconds, with the features computed before.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy

from emulator.vision.classifier import ClassificationDataset, LabelledImage, train_classifier, warm_up
from emulator.vision.metrics import Evaluation, average_precision
from emulator.vision.recipes import QUICK
from emulator.vision.scoring import ClassifierSession

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
class Photograph:
    path: Path
    tags: tuple[str, ...]
    for_training: bool


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
    sets = sorted(path.parent for path in arguments.folder.glob("*/labels.jsonl"))
    if not sets:
        print(f"{arguments.folder} has no folder with a file labels.jsonl", file=sys.stderr)
        return 1
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


def load(folder: Path) -> list[Photograph]:
    photographs = []
    for line in (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        tags = entry["tags"] if "tags" in entry else {box["tag"] for box in entry["boxes"]}
        photographs.append(Photograph(folder / entry["file"], tuple(sorted(tags)), entry["split"] == "train"))
    return photographs


def draw(photographs: list[Photograph], tags: list[str], count: int, seed: int) -> list[Photograph]:
    """Training photographs, `count` of each tag; one with several tags counts for each of them."""
    chance = numpy.random.default_rng(seed)
    candidates = [photograph for photograph in photographs if photograph.for_training]
    chosen: list[Photograph] = []
    for tag in tags:
        of_tag = [candidates[index] for index in chance.permutation(len(candidates))]
        of_tag = [photograph for photograph in of_tag if tag in photograph.tags]
        have = sum(tag in photograph.tags for photograph in chosen)
        chosen += [photograph for photograph in of_tag if photograph not in chosen][: max(0, count - have)]
    return chosen


def measure(
    chosen: list[Photograph],
    tested: list[Photograph],
    tags: list[str],
    multilabel: bool,
    seed: int,
    scratch: Path,
) -> Result:
    images = tuple(
        LabelledImage(
            str(photograph.path),
            hashlib.sha256(photograph.path.read_bytes()).hexdigest(),
            tuple(tags.index(tag) for tag in photograph.tags),
        )
        for photograph in chosen
    )
    dataset = ClassificationDataset(images, tuple(tags), multilabel)
    for _ in range(2):  # the second time, features come from the cache
        trained = train_classifier(
            dataset,
            QUICK,
            seed=seed,
            output=scratch / "model",
            feature_cache=scratch / "features",
            progress=lambda share, step: None,
        )
    session = ClassifierSession(trained.model_path)
    scores_NT = numpy.array([session.score(photograph.path.read_bytes()) for photograph in tested])
    targets_NT = numpy.array([[tag in photograph.tags for tag in tags] for photograph in tested])
    own = Evaluation.load(trained.evaluation_path)
    quality = mean_average_precision if multilabel else accuracy
    return Result(
        figure=quality(scores_NT, targets_NT),
        own_figure=quality(own.probabilities_NT, own.targets_NT),
        log_loss=log_loss(scores_NT, targets_NT, multilabel),
        calibration_error=calibration_error(scores_NT, targets_NT, multilabel),
        seconds=sum(trained.seconds.values()),
    )


def accuracy(scores_NT: numpy.ndarray, targets_NT: numpy.ndarray) -> float:
    return float((scores_NT.argmax(axis=1) == targets_NT.argmax(axis=1)).mean())


def mean_average_precision(scores_NT: numpy.ndarray, targets_NT: numpy.ndarray) -> float:
    present = numpy.flatnonzero(targets_NT.any(axis=0))
    return float(numpy.mean([average_precision(scores_NT[:, tag], targets_NT[:, tag]) for tag in present]))


def log_loss(scores_NT: numpy.ndarray, targets_NT: numpy.ndarray, multilabel: bool) -> float:
    """Mean over the images; with several tags an image, over images and tags."""
    if multilabel:
        return float(-numpy.log(numpy.where(targets_NT, scores_NT, 1 - scores_NT).clip(1e-7)).mean())
    return float(-numpy.log(scores_NT[targets_NT].clip(1e-7)).mean())


def calibration_error(scores_NT: numpy.ndarray, targets_NT: numpy.ndarray, multilabel: bool) -> float:
    if multilabel:
        probabilities, hits = scores_NT.ravel(), targets_NT.ravel()
    else:
        probabilities, hits = scores_NT.max(axis=1), scores_NT.argmax(axis=1) == targets_NT.argmax(axis=1)
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
