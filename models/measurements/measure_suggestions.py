"""Measure whether labeling images by uncertainty trains better models than labeling them in random order.

    python models/measurements/measure_suggestions.py FOLDER [--kind tags|cuttings|boxes]
        [--set NAME ...] [--seeds 10]

FOLDER contains sets as for `measure.py` and `measure_detection.py`. A third of each set is the test set,
another third for each seed. At first, a few of the other images of each tag are labeled. In each round, a
model is trained on the labeled images, and a batch of others gets its true tags: at random, or those that
the model is least certain of. The uncertainty is that of the emulator's responses, in the order of `sortBy`
`UncertaintyDescending`. Kinds:

* tags: classifiers of whole images (accuracy, or mAP if an image has several tags);
* cuttings: classifiers of objects, cropped with a margin of a quarter;
* boxes: detectors (AP50).

To save time, models are those of quick training without its evaluation and calibration. For each round, the
table has means over the seeds with standard errors: of random order, and of the difference of each other
order to it with the same seed. `as many at random` is the number of images that random order needs for the
final figure of another order. Below it: the share of right suggestions in each interval of probability, of
calibrated models for unlabeled images, by the first model and by one after `rounds` rounds in random order.

`--orders` compares other orders: `margin` between the two most probable tags, `greatest` and `sum` of the
entropies, `diverse` (batches spread over the features: farthest first, by gradients as in BADGE).
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import measuring
import numpy

from emulator.core.scored_rows.scores import TagProbability, uncertainty
from emulator.vision.boxes.box import DetectedBox, to_xyxy
from emulator.vision.boxes.geometry import pairwise_iou
from emulator.vision.classification.cross_validation import TrainingSet, fit_heads
from emulator.vision.classification.dataset import LabelledImage
from emulator.vision.classification.features import compute_features
from emulator.vision.classification.head import calibration_of, probabilities
from emulator.vision.concurrency import single_threaded_operations
from emulator.vision.detection.dataset import BoxedImage, DetectionDataset
from emulator.vision.detection.session import DetectorSession
from emulator.vision.detection.train import train_detector
from emulator.vision.imaging.decode import open_rgb
from emulator.vision.recipes.recipes import QUICK, QUICK_DETECTOR
from emulator.vision.training.folds import stratified_folds

HIGHEST = tuple(number / 10 for number in range(11))
MARGIN, SMALLEST_CUTTING = 0.25, 16


@dataclass(frozen=True)
class Plan:
    """Images labeled per tag at first, and per round; then `further` rounds in random order only."""

    first: int
    batch: int
    rounds: int
    further: int


PLANS = {"tags": Plan(5, 20, 8, 4), "cuttings": Plan(5, 20, 8, 4), "boxes": Plan(5, 10, 3, 2)}


@dataclass(frozen=True)
class Learned:
    """A model. figure: on the test images. scores: for each image that can be labeled. hits: whether each of
    these scores is right. gradients: for `diverse`, otherwise None."""

    figure: float
    scores: list[list[TagProbability]]
    hits: list[list[bool]]
    gradients: numpy.ndarray | None = None


class World(Protocol):
    """Images that can be labeled, and test images."""

    has_NT: numpy.ndarray  # noqa: N815 - true tags of images that can be labeled

    def learn(self, chosen: Sequence[int], seed: int, *, calibrated: bool = False) -> Learned: ...


Order = Callable[[Learned, numpy.ndarray, int], numpy.ndarray]


def by(measured: Callable[[Sequence[TagProbability]], float]) -> Order:
    def order(learned: Learned, left: numpy.ndarray, batch: int) -> numpy.ndarray:
        unsure = numpy.array([measured(learned.scores[index]) for index in left])
        return left[numpy.argsort(-unsure, kind="stable")[:batch]]

    return order


def margin(scores: Sequence[TagProbability]) -> float:
    first, second, *_ = [*sorted((score.probability for score in scores), reverse=True), 0.0, 0.0]
    return second - first


def diverse(learned: Learned, left: numpy.ndarray, batch: int) -> numpy.ndarray:
    """Farthest first, by the gradient of the loss at the most probable tag (Ash et al., 2020)."""
    assert learned.gradients is not None
    gradients = learned.gradients[left]
    chosen = [int((gradients**2).sum(axis=1).argmax())]
    distances = numpy.full(len(left), numpy.inf)
    while len(chosen) < min(batch, len(left)):
        distances = numpy.minimum(distances, ((gradients - gradients[chosen[-1]]) ** 2).sum(axis=1))
        distances[chosen] = -1
        chosen.append(int(distances.argmax()))
    return left[chosen]


ORDERS: dict[str, Order] = {
    "uncertainty": by(uncertainty),
    "margin": by(margin),
    "greatest": by(lambda scores: max((uncertainty([score]) for score in scores), default=0.0)),
    "sum": by(lambda scores: sum(uncertainty([score]) for score in scores)),
    "diverse": diverse,
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kind", choices=list(PLANS), action="append", default=[])
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--orders", nargs="+", choices=list(ORDERS), default=["uncertainty"])
    parser.add_argument("--cache", type=Path, help="folder of cached features, kept for the next run")
    arguments = parser.parse_args()
    found = False
    with tempfile.TemporaryDirectory() as scratch:
        cache = arguments.cache or Path(scratch, "features")
        for kind in arguments.kind or PLANS:
            for folder in sorted(arguments.folder.iterdir()):
                if arguments.set and folder.name not in arguments.set:
                    continue
                worlds = _worlds(kind, folder, Path(scratch), cache)
                if worlds is not None:
                    found = True
                    _compare(f"{folder.name}, {kind}", worlds, PLANS[kind], arguments.seeds, arguments.orders)
    if not found:
        print(f"{arguments.folder} has no sets", file=sys.stderr)
    return 0 if found else 1


# --- the rounds ---------------------------------------------------------------------------------------------


def _compare(
    title: str, world_of: Callable[[int], World], plan: Plan, seeds: int, orders: Sequence[str]
) -> None:
    chance: list[list[float]] = []
    reached: dict[str, list[list[float]]] = {name: [] for name in orders}
    said: list[tuple[float, bool]] = []
    sizes: list[int] = []
    for seed in range(seeds):
        world = world_of(seed)
        first = _first(world, plan.first, seed)
        learned = world.learn(first, seed)
        generator = numpy.random.default_rng([seed, 1])

        def at_random(
            learned: Learned, left: numpy.ndarray, batch: int, generator: numpy.random.Generator = generator
        ) -> numpy.ndarray:
            return generator.permutation(left)[:batch]

        figures, chosen = _rounds(world, first, learned, plan, plan.rounds + plan.further, at_random, seed)
        chance.append(figures)
        said += _said(world, first, seed)
        said += _said(world, chosen[: len(first) + plan.rounds * plan.batch], seed)
        for name in orders:
            reached[name].append(_rounds(world, first, learned, plan, plan.rounds, ORDERS[name], seed)[0])
        sizes.append(len(first))
    _print_rounds(title, round(numpy.mean(sizes)), plan, chance, reached)
    _print_hits(said)


def _first(world: World, count: int, seed: int) -> list[int]:
    """A number of images per tag; an image with several tags counts for each of them."""
    chosen: list[int] = []
    order = numpy.random.default_rng([seed, 0]).permutation(len(world.has_NT))
    for tag in range(world.has_NT.shape[1]):
        have = int(world.has_NT[chosen, tag].sum())
        of_tag = [int(index) for index in order if world.has_NT[index, tag] and index not in chosen]
        chosen += of_tag[: max(0, count - have)]
    return chosen


def _rounds(
    world: World, first: list[int], learned: Learned, plan: Plan, rounds: int, order: Order, seed: int
) -> tuple[list[float], list[int]]:
    """The figure after each round, and the labeled images at the end, in their order."""
    chosen, figures = list(first), [learned.figure]
    for _ in range(rounds):
        left = numpy.setdiff1d(numpy.arange(len(world.has_NT)), chosen)
        if len(left) < plan.batch:
            break
        chosen += order(learned, left, plan.batch).tolist()
        learned = world.learn(chosen, seed)
        figures.append(learned.figure)
    return figures, chosen


def _said(world: World, chosen: Sequence[int], seed: int) -> list[tuple[float, bool]]:
    """Probabilities of all suggestions for the other images, and whether each is right."""
    learned = world.learn(chosen, seed, calibrated=True)
    return [
        (score.probability, hit)
        for index in numpy.setdiff1d(numpy.arange(len(world.has_NT)), chosen)
        for score, hit in zip(learned.scores[index], learned.hits[index], strict=True)
    ]


# --- training images -----------------------------------------------------------------------------------


def _worlds(kind: str, folder: Path, scratch: Path, cache: Path) -> Callable[[int], World] | None:
    """A world for each seed with the images of a set; empty if the set is not of the kind."""
    boxed = measuring.load_boxes(folder)
    if kind == "boxes":
        return None if boxed is None else partial(_Boxes, boxed, scratch / "detector")
    if kind == "cuttings":
        if boxed is None:
            return None
        images, tags = _cut_out(boxed, scratch / folder.name), boxed.tags
    elif (folder / "labels.jsonl").is_file():
        photographs = measuring.load(folder)
        tags = tuple(sorted({tag for photograph in photographs for tag in photograph.tags}))
        images = [
            _labelled(photograph.path, tuple(tags.index(tag) for tag in photograph.tags))
            for photograph in photographs
        ]
    else:
        return None
    return partial(_Tags, list({image.key: image for image in images}.values()), tags, cache)


def _labelled(path: Path, labels: tuple[int, ...]) -> LabelledImage:
    return LabelledImage(str(path), hashlib.sha256(path.read_bytes()).hexdigest(), labels)


def _cut_out(boxed: measuring.LabelledSet, folder: Path) -> list[LabelledImage]:
    folder.mkdir(parents=True, exist_ok=True)
    images = []
    for number, image in enumerate((*boxed.training, *boxed.tested)):
        picture = open_rgb(Path(image.path).read_bytes())
        for place, box in enumerate(image.boxes):
            left, top = box.left - MARGIN * box.width, box.top - MARGIN * box.height
            right, bottom = left + (1 + 2 * MARGIN) * box.width, top + (1 + 2 * MARGIN) * box.height
            corners = (
                left * picture.width,
                top * picture.height,
                right * picture.width,
                bottom * picture.height,
            )
            cutting = picture.crop(tuple(round(corner) for corner in corners))  # type: ignore[arg-type]
            if min(cutting.size) >= SMALLEST_CUTTING:
                path = folder / f"{number}-{place}.png"
                cutting.save(path)
                images.append(_labelled(path, (box.tag_index,)))
    return images


class _Tags:
    """Images for classifiers: heads of quick training on cached features."""

    def __init__(self, images: Sequence[LabelledImage], tags: Sequence[str], cache: Path, seed: int) -> None:
        self._multilabel = any(len(image.labels) != 1 for image in images)
        self._features = compute_features(
            images,
            backbone=QUICK.backbone,
            resolution=QUICK.resolution,
            mirror=True,
            cache_folder=cache,
            progress=lambda share: None,
        )
        order = numpy.random.default_rng([seed, 2]).permutation(len(images))
        tested, self._images = ([images[index] for index in part] for part in _thirds(order))
        self.has_NT, self._tested_has_NT = (
            numpy.array([[tag in image.labels for tag in range(len(tags))] for image in part])
            for part in (self._images, tested)
        )
        self._rows, self._tested_rows = (
            self._training_set(part, numpy.zeros((len(part), 0))).features_RD[: len(part)]
            for part in (self._images, tested)
        )

    def learn(self, chosen: Sequence[int], seed: int, *, calibrated: bool = False) -> Learned:
        targets_NT = self.has_NT[chosen].astype(numpy.float64)
        training_set = self._training_set([self._images[index] for index in chosen], targets_NT)
        if calibrated:
            folds_N = stratified_folds(targets_NT > 0, seed)
            head, held_out_NT = fit_heads(training_set, folds_N, lambda share: None)
            head = head.calibrated(calibration_of(held_out_NT, targets_NT, multilabel=self._multilabel))
        else:
            with single_threaded_operations():
                head = training_set.fit(numpy.ones(len(chosen), bool))
        judge = measuring.mean_average_precision if self._multilabel else measuring.accuracy
        tested, found = (
            probabilities(head.logits(rows), multilabel=self._multilabel)
            for rows in (self._tested_rows, self._rows)
        )
        factors = found - numpy.eye(found.shape[1])[found.argmax(axis=1)]
        return Learned(
            judge(tested, self._tested_has_NT),
            [[_score(probability) for probability in row] for row in found.tolist()],
            self.has_NT.tolist(),
            (factors[:, :, None] * self._rows[:, None, :]).reshape(len(found), -1).astype(numpy.float32),
        )

    def _training_set(self, images: Sequence[LabelledImage], targets_NT: numpy.ndarray) -> TrainingSet:
        return TrainingSet.of(
            self._features,
            [image.key for image in images],
            targets_NT,
            multilabel=self._multilabel,
            inverse_regularisation=QUICK.inverse_regularisation(max(1, len(images))),
        )


class _Boxes:
    """Images for detectors."""

    def __init__(self, boxed: measuring.LabelledSet, scratch: Path, seed: int) -> None:
        images = (*boxed.training, *boxed.tested)
        order = numpy.random.default_rng([seed, 2]).permutation(len(images))
        self._tested, self._images = ([images[index] for index in part] for part in _thirds(order))
        self._tags, self._scratch = boxed.tags, scratch
        self.has_NT = numpy.array(
            [
                [any(box.tag_index == tag for box in image.boxes) for tag in range(len(boxed.tags))]
                for image in self._images
            ]
        )

    def learn(self, chosen: Sequence[int], seed: int, *, calibrated: bool = False) -> Learned:
        trained = train_detector(
            DetectionDataset(tuple(self._images[index] for index in chosen), self._tags),
            QUICK_DETECTOR if calibrated else replace(QUICK_DETECTOR, max_eval_folds=0),
            seed=seed,
            output=self._scratch,
            progress=lambda share, step: None,
        )
        session = DetectorSession(trained.model_path, threads=2)
        tested, found = (
            [session.score(Path(image.path).read_bytes()) for image in part]
            for part in (self._tested, self._images)
        )
        evaluation = measuring.evaluation(self._tested, len(self._tags), tested)
        return Learned(
            evaluation.performance(overlap_threshold=0.5).average_precision,
            [[_score(box.probability) for box in boxes] for boxes in found],
            [
                [_is_right(box, image) for box in boxes]
                for boxes, image in zip(found, self._images, strict=True)
            ],
        )


def _is_right(box: DetectedBox, image: BoxedImage) -> bool:
    marked = [each for each in image.boxes if each.tag_index == box.tag_index]
    if not marked:
        return False
    return bool(pairwise_iou(to_xyxy([box]), to_xyxy(marked)).max() >= 0.5)


def _score(probability: float) -> TagProbability:
    return TagProbability("", "", "Regular", probability)


def _thirds(order: numpy.ndarray) -> tuple[list[int], list[int]]:
    """A random third, and the rest."""
    third = len(order) // 3
    return order[:third].tolist(), order[third:].tolist()


# --- results -----------------------------------------------------------------------------------------


def _print_rounds(
    title: str, size: int, plan: Plan, chance: list[list[float]], reached: dict[str, list[list[float]]]
) -> None:
    at_random = numpy.array([row[: min(map(len, chance))] for row in chance])
    means = at_random.mean(axis=0)
    print(f"\n{title}: {len(chance)} seeds, {size} images at first\n")
    print(measuring.row(("images", "at random", *reached)))
    print(measuring.row(("---",) * (2 + len(reached))))
    differences = {
        name: numpy.array(rows)[:, : at_random.shape[1]] - at_random[:, : len(rows[0])]
        for name, rows in reached.items()
    }
    for number in range(min(plan.rounds + 1, len(means))):
        changes = [_difference(each[:, number]) if number else "" for each in differences.values()]
        spread = _error(at_random[:, number])
        print(measuring.row((size + number * plan.batch, f"{means[number]:.3f} ± {spread:.3f}", *changes)))
    all_rounds = [_difference(each[:, 1:].mean(axis=1)) for each in differences.values()]
    print(measuring.row(("mean of the rounds", "", *all_rounds)))
    counts = size + plan.batch * numpy.arange(len(means))
    needed = [
        _needed(counts, means, float(numpy.mean([row[-1] for row in rows]))) for rows in reached.values()
    ]
    print(measuring.row(("as many at random", "", *needed)), flush=True)


def _needed(counts: numpy.ndarray, means: numpy.ndarray, figure: float) -> str:
    """Number of images that random order needs for the figure, from its curve made monotonic."""
    rising = numpy.maximum.accumulate(means)
    if figure > rising[-1]:
        return f"more than {counts[-1]}"
    place = int(numpy.searchsorted(rising, figure))
    if place == 0:
        return str(counts[0])
    share = (figure - rising[place - 1]) / max(rising[place] - rising[place - 1], 1e-9)
    return f"{counts[place - 1] + share * (counts[place] - counts[place - 1]):.0f}"


def _print_hits(said: Sequence[tuple[float, bool]]) -> None:
    values, hits = (numpy.array(column) for column in zip(*said, strict=True))
    print(f"\n{measuring.row(('probability of a suggestion', 'suggestions', 'mean', 'right'))}")
    print(measuring.row(("---",) * 4))
    for low, high in pairwise(HIGHEST):
        inside = (values >= low) & ((values < high) | (high == 1.0))
        if inside.any():
            share = (f"{values[inside].mean():.2f}", f"{hits[inside].mean():.2f}")
            print(measuring.row((f"{low:.1f} to {high:.1f}", int(inside.sum()), *share)), flush=True)


def _difference(values: numpy.ndarray) -> str:
    return f"{values.mean():+.3f} ± {_error(values):.3f}"


def _error(values: numpy.ndarray) -> float:
    return float(values.std(ddof=1) / len(values) ** 0.5) if len(values) > 1 else float("nan")


if __name__ == "__main__":
    sys.exit(main())
