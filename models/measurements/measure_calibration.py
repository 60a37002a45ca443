"""Measure whether the calibration of heads, found without a fold each, fits the head of all images.

    python models/measurements/measure_calibration.py FOLDER [--sets NAME ...] [--images 150 600] [--draws 8]
        [--shrink 32] [--cache FOLDER]

FOLDER contains sets as for `measure.py`. In each draw, up to `--images` images of a set are for training, at
most 5/7 of it, and all others are tested. `--shrink 32` adds the sets with one tag per image, scaled to 32
pixels. Near-duplicates are not kept together.

Columns: images for training and for tests; the standard deviation of the scores of the head of all images on
the test images, divided by that of heads without a fold on the images of this fold; the natural logarithm of
the factor on its calibrated scores that has the lowest log loss on the test images, with its standard error
over the draws; log loss and calibration error without and with the factor that trainings use; and the
calibration error of perfect probabilities on as many images (`measuring.expected_calibration_error`).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy
from measure_few_images import with_error
from measure_late_layers import in_size
from measuring import (
    Photograph,
    calibration_error,
    classification_dataset,
    expected_calibration_error,
    load,
    log_loss,
    row,
    sets_in,
    targets_of,
)

from emulator.vision.classification.candidates import SCALE_OF_ALL_IMAGES
from emulator.vision.classification.cross_validation import TrainingSet, fit_heads
from emulator.vision.classification.dataset import ClassificationDataset, LabelledImage, distinct_images
from emulator.vision.classification.dataset import targets_of as training_targets
from emulator.vision.classification.features import Features, compute_features, training_views
from emulator.vision.classification.head import calibration_of, log_losses, probabilities
from emulator.vision.recipes.recipes import QUICK
from emulator.vision.training.folds import stratified_folds

_FOR_TRAINING = 5 / 7
_FACTORS = numpy.exp(numpy.linspace(-1, 1, 201))
HEADER = (
    "set", "images", "tested", "deviation of scores", "ln best factor", "log loss", "calibration error",
    "if perfect",
)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sets", nargs="*", metavar="NAME")
    parser.add_argument("--images", type=int, nargs="+", default=[150, 600])
    parser.add_argument("--draws", type=int, default=8)
    parser.add_argument("--shrink", type=int, metavar="SIDE")
    parser.add_argument("--cache", type=Path, help="folder of cached features")
    arguments = parser.parse_args()
    print(row(HEADER))
    print(row(("---",) * len(HEADER)))
    with tempfile.TemporaryDirectory() as scratch:
        cache = arguments.cache or Path(scratch) / "features"
        for folder in sets_in(arguments.folder):
            if arguments.sets and folder.name not in arguments.sets:
                continue
            photographs = load(folder)
            measure(folder.name, photographs, arguments.images, arguments.draws, cache)
            if arguments.shrink and all(len(photograph.tags) == 1 for photograph in photographs):
                small = [in_size(each, Path(scratch) / folder.name) for each in photographs]
                name = f"{folder.name} at {arguments.shrink} pixels"
                measure(name, small, arguments.images, arguments.draws, cache)
    return 0


def measure(name: str, photographs: list[Photograph], counts: list[int], draws: int, cache: Path) -> None:
    """Print the rows of a set."""
    tags = sorted({tag for photograph in photographs for tag in photograph.tags})
    multilabel = any(len(photograph.tags) != 1 for photograph in photographs)
    images = distinct_images(classification_dataset(photographs, tags, multilabel))
    by_path = {image.path: image for image in images}
    photographs = [each for each in photographs if str(each.path) in by_path]
    for count in sorted({min(count, round(_FOR_TRAINING * len(photographs))) for count in counts}):
        features = compute_features(
            images,
            backbone=QUICK.backbone,
            resolution=QUICK.resolution,
            views=training_views(QUICK, count),
            cache_folder=cache,
            progress=lambda share: None,
        )
        found = []
        for draw in range(draws):
            order = numpy.random.default_rng(draw).permutation(len(photographs))
            learned, tested = ([photographs[place] for place in part] for part in numpy.split(order, [count]))
            if all(any(tag in each.tags for each in learned) for tag in tags):
                of_learned = [by_path[str(each.path)] for each in learned]
                of_tested = [by_path[str(each.path)] for each in tested]
                targets_NT = targets_of(tested, tags)
                found.append(figures(of_learned, of_tested, targets_NT, features, tags, multilabel, draw))
        table = numpy.array(found)
        ratio, _, loss, loss_after, error, error_after, perfect = table.mean(axis=0).tolist()
        print(
            row(
                (
                    name,
                    count,
                    len(photographs) - count,
                    f"{ratio:.3f}",
                    with_error(table[:, 1], "{:+.3f}"),
                    f"{loss:.4f} / {loss_after:.4f}",
                    f"{error:.4f} / {error_after:.4f}",
                    f"{perfect:.4f}",
                )
            ),
            flush=True,
        )


def figures(
    learned: list[LabelledImage],
    tested: list[LabelledImage],
    targets_NT: numpy.ndarray,
    features: Features,
    tags: list[str],
    multilabel: bool,
    seed: int,
) -> tuple[float, ...]:
    """The figures of one draw, in the order of the table."""
    dataset = ClassificationDataset(tuple(learned), tuple(tags), multilabel)
    learned_NT = training_targets(dataset, learned)
    common = {
        "multilabel": multilabel,
        "inverse_regularisation": QUICK.inverse_regularisation(len(learned)),
        "roots": not multilabel,
    }
    training_set = TrainingSet.of(features, [image.key for image in learned], learned_NT, **common)
    head, held_out_NT = fit_heads(training_set, stratified_folds(learned_NT > 0, seed), lambda share: None)
    plain = Features(features.plain, {})
    test_set = TrainingSet.of(plain, [image.key for image in tested], targets_NT, **common)
    logits_NT = head.logits(test_set.features_RD)
    calibration = calibration_of(held_out_NT, learned_NT, multilabel=multilabel)

    def scored(factor: float) -> numpy.ndarray:
        return logits_NT * calibration.scale * factor + calibration.shift_T

    def loss(factor: float) -> float:
        return float(log_losses(scored(factor), targets_NT.astype(float), multilabel=multilabel).sum())

    before, after = (
        probabilities(scored(factor), multilabel=multilabel) for factor in (1.0, SCALE_OF_ALL_IMAGES)
    )
    return (
        deviation(logits_NT, multilabel) / deviation(held_out_NT, multilabel),
        float(numpy.log(min(_FACTORS, key=loss))),
        log_loss(before, targets_NT, multilabel),
        log_loss(after, targets_NT, multilabel),
        calibration_error(before, targets_NT, multilabel),
        calibration_error(after, targets_NT, multilabel),
        expected_calibration_error(after, multilabel),
    )


def deviation(logits_NT: numpy.ndarray, multilabel: bool) -> float:
    """Standard deviation of scores; with one tag per image, from the mean of an image."""
    return float((logits_NT if multilabel else logits_NT - logits_NT.mean(axis=1, keepdims=True)).std())


if __name__ == "__main__":
    sys.exit(main())
