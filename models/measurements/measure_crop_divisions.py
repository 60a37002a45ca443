"""Compare models for stretched images with models for the centre of images, with standard errors.

    python models/measurements/measure_crop_divisions.py FOLDER [--divisions 10]

FOLDER contains sets, as for `measure.py`. Heads of quick training are fitted on 5, 10 and 50 images per tag,
which are drawn from the training images of the set ("given": the test images are those of the set) or from
all its images ("random": the test images are all others). "large" is a training of more than 500 images, on
90% of the images; models for stretched images then have no mirrored view. The figure is accuracy, or the mean
average precision for sets with several tags per image:

* stretch: of a model for stretched images in the Prediction API;
* crop: of a model for the centre of images in the Prediction API;
* crop, stretched: of this model in a program that stretches images;
* after the differences to "stretch": standard errors, by bootstrap over the images of the set and over the
  divisions;
* same: share of images with the same tags in the API and in the program that stretches images;
* probability: mean absolute difference of their probabilities, of the API's most probable tag; with several
  tags per image, of all tags.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy
from measuring import (
    Photograph,
    accuracy,
    checksum,
    draw,
    load,
    mean_average_precision,
    row,
    same_tags,
    sets_in,
    targets_of,
)

from emulator.vision.classification.cross_validation import TrainingSet
from emulator.vision.classification.dataset import LabelledImage
from emulator.vision.classification.features import (
    MIRRORED,
    PLAIN,
    Features,
    View,
    compute_features,
    training_views,
)
from emulator.vision.classification.head import FEATURE_LENGTH, LinearHead, probabilities
from emulator.vision.concurrency import single_threaded_operations
from emulator.vision.recipes.recipes import QUICK

CROP = View("centre crop")
LARGE = training_views(replace(QUICK, fit="centre crop"), QUICK.mirror_up_to + 1)[1]
IMAGES_A_TAG = (5, 10, 50)
BOOTSTRAPS = 200
# Sets with fewer test images are left out.
FEWEST_TESTED = 20
HEADER = (
    "set", "images a tag", "test", "figure", "stretch", "crop", "-", "crop, stretched", "-",
    "same", "probability",
)  # fmt: skip


@dataclass(frozen=True)
class LabelledFeatures:
    """Images of a set, their targets, and features by view and key."""

    photographs: tuple[Photograph, ...]
    tags: tuple[str, ...]
    keys: tuple[str, ...]
    targets_NT: numpy.ndarray  # noqa: N815
    views: dict[View, dict[str, numpy.ndarray]]

    @property
    def multilabel(self) -> bool:
        return any(len(photograph.tags) != 1 for photograph in self.photographs)

    def head(self, rows: Sequence[int], plain: View, second: View | None) -> LinearHead:
        chosen = [self.keys[number] for number in rows]
        augmented = {key: self.views[MIRRORED][key] for key in chosen if second and second.includes(key)}
        training_set = TrainingSet.of(
            Features({key: self.views[plain][key] for key in chosen}, augmented),
            chosen,
            self.targets_NT[rows].astype(float),
            multilabel=self.multilabel,
            inverse_regularisation=QUICK.inverse_regularisation(len(chosen)),
            roots=not self.multilabel,
        )
        with single_threaded_operations():
            return training_set.fit(numpy.ones(len(chosen), bool))

    def logits(self, head: LinearHead, view: View) -> numpy.ndarray:
        features_ND = numpy.stack([self.views[view][key] for key in self.keys]).astype(float)
        if not self.multilabel:
            features_ND = numpy.sqrt(features_ND)
        features_ND *= FEATURE_LENGTH / numpy.linalg.norm(features_ND, axis=1, keepdims=True)
        return head.logits(features_ND)


@dataclass(frozen=True)
class Division:
    """The rows that were tested, and the logits of all rows: of the model for stretched images, and of the
    model for cropped images on cropped and on stretched ones."""

    tested: numpy.ndarray
    logits: tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--divisions", type=int, default=10)
    arguments = parser.parse_args()
    sets = sets_in(arguments.folder)
    print(row(HEADER))
    print(row(("---",) * len(HEADER)))
    for folder in sets:
        found = with_features(load(folder))
        for count, given in product(IMAGES_A_TAG, (True, False)):
            divided = [divide(found, count, seed, given) for seed in range(arguments.divisions)]
            divided = [division for division in divided if len(division.tested) >= FEWEST_TESTED]
            if divided:
                report(folder.name, count, "given" if given else "random", found, divided)
        if len(found.keys) * 0.9 > QUICK.mirror_up_to:
            divided = [divide_large(found, seed) for seed in range(arguments.divisions)]
            report(folder.name, "large", "random", found, divided)
    return 0


def with_features(photographs: Sequence[Photograph]) -> LabelledFeatures:
    """The images of a set that differ, with their features."""
    by_key = {checksum(photograph.path): photograph for photograph in photographs}
    images = [LabelledImage(str(photograph.path), key, ()) for key, photograph in by_key.items()]
    views: dict[View, dict[str, numpy.ndarray]] = {}
    with tempfile.TemporaryDirectory() as cache:
        for pair in ((PLAIN, MIRRORED), (CROP, MIRRORED)):
            computed = compute_features(
                images,
                backbone=QUICK.backbone,
                resolution=QUICK.resolution,
                views=pair,
                cache_folder=Path(cache),
                progress=lambda share: None,
            )
            views |= {pair[0]: dict(computed.plain), pair[1]: dict(computed.augmented)}
    tags = tuple(sorted({tag for photograph in photographs for tag in photograph.tags}))
    every = tuple(by_key.values())
    return LabelledFeatures(every, tags, tuple(by_key), targets_of(every, tags), views)


def divide(found: LabelledFeatures, count: int, seed: int, given: bool) -> Division:
    """Train on `count` images of each tag."""
    pool = [
        photograph if given else replace(photograph, for_training=True) for photograph in found.photographs
    ]
    number = {photograph.path: place for place, photograph in enumerate(pool)}
    chosen = [number[photograph.path] for photograph in draw(pool, list(found.tags), count, seed)]
    tested = numpy.array([not (given and photograph.for_training) for photograph in pool])
    tested[chosen] = False
    return fitted(found, chosen, numpy.flatnonzero(tested), MIRRORED, MIRRORED)


def divide_large(found: LabelledFeatures, seed: int) -> Division:
    """Train on 90% of the images, as trainings of more than 500 images do."""
    shuffled = numpy.random.default_rng(seed).permutation(len(found.keys))
    tested = len(shuffled) // 10
    return fitted(found, shuffled[tested:].tolist(), shuffled[:tested], None, LARGE)


def fitted(
    found: LabelledFeatures,
    chosen: list[int],
    tested: numpy.ndarray,
    second_stretched: View | None,
    second_cropped: View,
) -> Division:
    before = found.head(chosen, PLAIN, second_stretched)
    after = found.head(chosen, CROP, second_cropped)
    logits = (found.logits(before, PLAIN), found.logits(after, CROP), found.logits(after, PLAIN))
    return Division(tested, logits)


def report(
    name: str, count: int | str, test: str, found: LabelledFeatures, divisions: Sequence[Division]
) -> None:
    quality = mean_average_precision if found.multilabel else accuracy
    figures = figures_of(quality, found, divisions, numpy.arange(len(found.keys)))
    random = numpy.random.default_rng(0)
    resampled = [
        figures_of(
            quality,
            found,
            [divisions[number] for number in random.integers(0, len(divisions), len(divisions))],
            random.integers(0, len(found.keys), len(found.keys)),
        )
        for _ in range(BOOTSTRAPS)
    ]
    errors = numpy.std([each[1:3] - each[0] for each in resampled], axis=0)
    stretch, crop, stretched = (f"{value:.3f}" for value in figures)
    differences = [
        f"{value - figures[0]:+.3f} ± {error:.3f}" for value, error in zip(figures[1:], errors, strict=True)
    ]
    figure = "mAP" if found.multilabel else "accuracy"
    same = f"{numpy.mean([agreement(each, found.multilabel) for each in divisions]):.3f}"
    probability = f"{numpy.mean([difference(each, found.multilabel) for each in divisions]):.3f}"
    compared = (stretch, crop, differences[0], stretched, differences[1], same, probability)
    cells = (name, count, test, figure, *compared)
    print(row(cells), flush=True)


def figures_of(
    quality: Callable[[numpy.ndarray, numpy.ndarray], float],
    found: LabelledFeatures,
    divisions: Sequence[Division],
    sample: numpy.ndarray,
) -> numpy.ndarray:
    """Means over the divisions of the three figures, on the tested images among those of a sample."""
    rows = []
    for division in divisions:
        used = sample[numpy.isin(sample, division.tested)]
        if not len(used):
            continue
        rows.append([quality(logits_NT[used], found.targets_NT[used]) for logits_NT in division.logits])
    return numpy.mean(rows, axis=0)


def agreement(division: Division, multilabel: bool) -> float:
    """With several tags per image, the tags are those whose uncalibrated probability is at least 0.5."""
    _, one_NT, other_NT = (logits_NT[division.tested] for logits_NT in division.logits)
    return same_tags(one_NT, other_NT, multilabel, 0)


def difference(division: Division, multilabel: bool) -> float:
    """Of probabilities, which are not calibrated."""
    one_NT, other_NT = (
        probabilities(logits_NT[division.tested], multilabel=multilabel) for logits_NT in division.logits[1:]
    )
    differences_NT = numpy.abs(one_NT - other_NT)
    if multilabel:
        return float(differences_NT.mean())
    return float(differences_NT[numpy.arange(len(one_NT)), one_NT.argmax(axis=1)].mean())


if __name__ == "__main__":
    sys.exit(main())
