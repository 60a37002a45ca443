"""Measure classifiers of few images: 2, 3, 5 and 10 per tag.

    python models/measurements/measure_few_images.py FOLDER [--draws 10] [--counts 2 3 5 10]
        [--heads NAME ...] [--results FILE]

FOLDER contains sets as for `measure.py`. The sets are those of `surface_sets.py`, sets in FOLDER whose images
have one tag each, and the boxes of sets with boxes, cut out. Images to train on are drawn from the training
images of a set, which is then tested on at most `_MOST_TESTED` of its test images; a set with fewer than
`_FEWEST_TESTED` of these is tested on all images that were not drawn. Heads are fitted to features of the
network of quick training, as in quick training ("quick"), and, with the same draws, in other ways:

* C x 0.3, C x 3: with stronger and weaker regularisation;
* centroids: the tag whose mean feature is nearest, as a linear head of the same calibration;
* features: of the features themselves instead of their square roots;
* crops: with four more views of each training image, random crops of 60 to 100% of its sides, half of them
  mirrored.

The first table has accuracies of quick training, with standard errors over the draws; the second has means
over the sets, with differences to quick training and standard errors over the sets. "If perfect" is the
calibration error that right probabilities would have on as many images. "Own" is the accuracy that
cross-validation reports; "beyond" is the share of own test images that the filter of
`emulator/vision/classification/novelty.py` takes for unlike the training. With `--results`, figures are
stored after each set, and sets that the file has are not measured again.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy
from measuring import (
    Photograph,
    accuracy,
    calibration_error,
    checksum,
    expected_calibration_error,
    load,
    load_boxes,
    log_loss,
    row,
)
from PIL import Image
from surface_sets import make_sets

from emulator.vision.boxes.box import TaggedBox
from emulator.vision.classification.cross_validation import TrainingSet, fit_heads
from emulator.vision.classification.dataset import LabelledImage
from emulator.vision.classification.features import (
    MIRRORED,
    PLAIN,
    Features,
    backbone_session,
    compute_features,
)
from emulator.vision.classification.head import FEATURE_LENGTH, LinearHead, calibration_of, probabilities
from emulator.vision.classification.novelty import NoveltyFilter
from emulator.vision.library.readers import LABELS_FILE
from emulator.vision.recipes.recipes import QUICK
from emulator.vision.training.folds import stratified_folds

_MOST_TESTED, _FEWEST_TESTED = 150, 25
_SMALLEST_BOX = 20  # pixels
_HEADS = ("quick", "C x 0.3", "C x 3", "centroids", "features", "crops")
_CROPS, _SMALLEST_CROP = 4, 0.6
_QUICK = _HEADS[0]

# By set and images per tag: for each draw, the figures of each head.
Figures = dict[str, dict[str, list[dict[str, list[float]]]]]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--counts", type=int, nargs="+", default=[2, 3, 5, 10])
    parser.add_argument("--heads", nargs="+", choices=_HEADS, default=_HEADS)
    parser.add_argument("--results", type=Path)
    arguments = parser.parse_args()
    counts, stored = arguments.counts, arguments.results
    heads = (_QUICK, *(head for head in arguments.heads if head != _QUICK))
    figures: Figures = json.loads(stored.read_text()) if stored and stored.is_file() else {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, photographs in all_sets(arguments.folder, Path(scratch) / "sets").items():
            if name in figures:
                continue
            features = features_of(photographs, Path(scratch) / "features")
            crops: dict[str, list[numpy.ndarray]] = {}
            figures[name] = {
                str(count): [
                    measured(photographs, features, crops, count, seed, heads)
                    for seed in range(arguments.draws)
                ]
                for count in counts
            }
            if stored:
                stored.write_text(json.dumps(figures))
    report(figures, [str(count) for count in counts], heads)
    return 0


def report(figures: Figures, counts: list[str], heads: Sequence[str]) -> None:
    print(row(("set", *counts)))
    print(row(("---",) * (1 + len(counts))))
    for name, by_count in figures.items():
        cells = [
            with_error([draw[_QUICK][0] for draw in by_count[count]], "{:.3f}")
            if all(by_count[count])
            else ""
            for count in counts
        ]
        print(row((name, *cells)))
    print()
    print(
        row(
            (
                "images per tag",
                "sets",
                "head",
                "accuracy",
                "log loss",
                "calibration error",
                "if perfect",
                "own",
                "beyond",
            )
        )
    )
    print(row(("---",) * 9))
    for count in counts:
        draws_of_sets = [by_count[count] for by_count in figures.values() if all(by_count[count])]
        means = {
            head: numpy.array([numpy.mean([draw[head] for draw in draws], axis=0) for draws in draws_of_sets])
            for head in heads
        }
        quick = means[_QUICK]
        print(row((count, len(quick), _QUICK, *(f"{value:.3f}" for value in quick.mean(axis=0)))))
        for head in heads[1:]:
            changes = [with_error(each, "{:+.3f}") for each in (means[head] - quick).T[:3]]
            print(row((count, len(quick), head, *changes, "", "", "")))


def with_error(values: list[float] | numpy.ndarray, style: str) -> str:
    """The mean and its standard error."""
    error = numpy.std(values, ddof=1) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return f"{style.format(numpy.mean(values))} ± {error:.3f}"


def all_sets(sources: Path, folder: Path) -> dict[str, list[Photograph]]:
    """Photographs with one tag each, by set."""
    sets = {each.name: each.photographs for each in make_sets(sources, folder) if not each.multilabel}
    for path in sorted(sources.glob(f"*/{LABELS_FILE}")):
        boxes = load_boxes(path.parent)
        if boxes is None:
            photographs = load(path.parent)
            if all(len(photograph.tags) == 1 for photograph in photographs):
                sets.setdefault(path.parent.name, photographs)
        elif path.parent.name != "pcb-defects":
            name = f"boxes of {boxes.name}"
            sets[name] = [
                Photograph(cut, (boxes.tags[box.tag_index],), image in boxes.training)
                for image in (*boxes.training, *boxes.tested)
                for number, box in enumerate(image.boxes)
                if (cut := cut_out(Path(image.path), box, folder / name / f"{image.key} {number}.png"))
            ]
    return sets


def cut_out(source: Path, box: TaggedBox, path: Path) -> Path | None:
    """Write a box of an image to a file; None if it is tiny."""
    with Image.open(source) as image:
        left, top = int(box.left * image.width), int(box.top * image.height)
        width, height = int(box.width * image.width), int(box.height * image.height)
        if min(width, height) < _SMALLEST_BOX:
            return None
        path.parent.mkdir(parents=True, exist_ok=True)
        image.convert("RGB").crop((left, top, left + width, top + height)).save(path)
    return path


def features_of(photographs: list[Photograph], cache: Path) -> Features:
    images = [LabelledImage(str(each.path), checksum(each.path), ()) for each in photographs]
    return compute_features(
        images,
        backbone=QUICK.backbone,
        resolution=QUICK.resolution,
        views=(PLAIN, MIRRORED),
        cache_folder=cache,
        progress=lambda done: None,
    )


def crops_of(path: Path, key: str) -> list[numpy.ndarray]:
    """Features of random crops of an image."""
    random = numpy.random.default_rng(int(key[:16], 16))
    session = backbone_session(QUICK.backbone, QUICK.resolution)
    found = []
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    for _ in range(_CROPS):
        share = numpy.array(image.size) * random.uniform(_SMALLEST_CROP, 1.0, 2)
        corner = random.uniform(0, numpy.array(image.size) - share)
        side = (QUICK.resolution, QUICK.resolution)
        cut = image.resize(side, Image.Resampling.BILINEAR, box=(*corner, *(corner + share)))
        pixels = numpy.asarray(cut)[:, :: -1 if random.random() < 0.5 else 1]
        (vector,) = session.run(None, {"image": numpy.ascontiguousarray(pixels)[None]})
        found.append(vector[0])
    return found


def measured(
    photographs: list[Photograph],
    features: Features,
    crops: dict[str, list[numpy.ndarray]],
    count: int,
    seed: int,
    heads: Sequence[str],
) -> dict[str, list[float]]:
    """The figures of each head in one draw; empty if the set has too few images.

    Args:
        crops: features of crops by key, which is filled as needed.
    """
    tags = sorted({photograph.tags[0] for photograph in photographs})
    of_tag_N = numpy.array([tags.index(photograph.tags[0]) for photograph in photographs])
    for_training_N = numpy.array([photograph.for_training for photograph in photographs])
    divided = (~for_training_N).sum() >= _FEWEST_TESTED
    usable_N = for_training_N if divided else numpy.ones(len(photographs), bool)
    random = numpy.random.default_rng([seed, count])
    drawn: list[int] = []
    for tag in range(len(tags)):
        candidates = random.permutation(numpy.flatnonzero(usable_N & (of_tag_N == tag)))
        if len(candidates) < count + (not divided):
            return {}
        drawn += candidates[:count].tolist()
    tested_N = ~for_training_N if divided else ~numpy.isin(numpy.arange(len(photographs)), drawn)
    tested = random.permutation(numpy.flatnonzero(tested_N))[:_MOST_TESTED]
    keys = [checksum(photograph.path) for photograph in photographs]
    targets_NT = numpy.eye(len(tags))[of_tag_N]
    training_set = TrainingSet.of(
        features,
        [keys[number] for number in drawn],
        targets_NT[drawn],
        multilabel=False,
        inverse_regularisation=QUICK.inverse_regularisation(len(drawn)),
        roots=True,
    )
    tested_ED = scaled(numpy.stack([features.plain[keys[number]] for number in tested]).astype(float))
    folds_N = stratified_folds(targets_NT[drawn] > 0, seed)
    novelty = NoveltyFilter.fit(
        training_set, folds_N, numpy.ones(len(drawn), bool), resolution=QUICK.resolution
    )
    distances_E = 1 - (tested_ED @ novelty.references_KD.T).max(axis=1) / FEATURE_LENGTH
    for number in drawn if "crops" in heads else ():
        if keys[number] not in crops:
            crops[keys[number]] = crops_of(photographs[number].path, keys[number])
    views = zip(*(crops.get(keys[number], ()) for number in drawn), strict=True)
    cropped_RD = numpy.array([crop for view in views for crop in view])
    figures = {}
    for name in heads:
        altered = alternative(name, training_set, cropped_RD)
        own_ED = scaled(numpy.sqrt(tested_ED)) if altered.roots else tested_ED
        # Heads lie in the space of the images that they are fitted to: there, the same are found much sooner.
        base, _ = numpy.linalg.qr(altered.features_RD.T)
        altered, own_ED = replace(altered, features_RD=altered.features_RD @ base), own_ED @ base
        if name == "centroids":
            head, held_out_NT = centroid_heads(altered, folds_N)
        else:
            head, held_out_NT = fit_heads(altered, folds_N, lambda done: None)
        calibration = calibration_of(held_out_NT, targets_NT[drawn], multilabel=False)
        scores_ET = probabilities(calibration.applied(head.logits(own_ED)), multilabel=False)
        targets_ET = targets_NT[tested] > 0
        figures[name] = [
            accuracy(scores_ET, targets_ET),
            log_loss(scores_ET, targets_ET, multilabel=False),
            calibration_error(scores_ET, targets_ET, multilabel=False),
            expected_calibration_error(scores_ET, multilabel=False),
            accuracy(held_out_NT, targets_NT[drawn]),
            float((distances_E > novelty.limit).mean()),
        ]
    return figures


def scaled(vectors: numpy.ndarray) -> numpy.ndarray:
    scaled: numpy.ndarray = vectors * (FEATURE_LENGTH / numpy.linalg.norm(vectors, axis=1, keepdims=True))
    return scaled


def alternative(name: str, training_set: TrainingSet, cropped_RD: numpy.ndarray) -> TrainingSet:
    if name.startswith("C x "):
        factor = float(name.removeprefix("C x "))
        strength = factor * training_set.inverse_regularisation
        return replace(training_set, inverse_regularisation=strength)
    if name == "crops":
        rows_RD = numpy.concatenate([training_set.features_RD, scaled(numpy.sqrt(cropped_RD.astype(float)))])
        images_R = numpy.tile(numpy.arange(len(training_set.targets_NT)), 2 + _CROPS)
        # Six views instead of two have three times the weight.
        strength = training_set.inverse_regularisation * 2 / (2 + _CROPS)
        return replace(training_set, features_RD=rows_RD, images_R=images_R, inverse_regularisation=strength)
    if name == "features":
        return replace(training_set, features_RD=training_set.directions(), roots=False)
    return training_set


def centroid_heads(training_set: TrainingSet, folds_N: numpy.ndarray) -> tuple[LinearHead, numpy.ndarray]:
    """As `fit_heads`."""

    def head(used_N: numpy.ndarray) -> LinearHead:
        rows = numpy.flatnonzero(used_N[training_set.images_R])
        targets_RT = training_set.targets_NT[training_set.images_R[rows]]
        means_TD = (targets_RT / targets_RT.sum(axis=0).clip(min=1)).T @ training_set.features_RD[rows]
        centred_TD = means_TD - means_TD.mean(axis=0)
        # On a scale on which logits have the usual size; the calibration does the rest.
        weight_DT = centred_TD.T * (4 / (centred_TD**2).sum(axis=1).mean())
        return LinearHead(weight_DT, -((means_TD + means_TD.mean(axis=0)).T * weight_DT).sum(axis=0) / 2)

    logits_NT = numpy.zeros_like(training_set.targets_NT)
    for fold in range(int(folds_N.max()) + 1):
        hidden_N = folds_N == fold
        logits_NT[hidden_N] = head(~hidden_N).logits(training_set.features_RD[: len(folds_N)][hidden_N])
    return head(numpy.ones(len(folds_N), bool)), logits_NT


if __name__ == "__main__":
    sys.exit(main())
