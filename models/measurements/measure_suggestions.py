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
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import measuring
import numpy
from suggestion_pools import Learned, Pool, pools_of

from emulator.core.scored_rows.scores import TagProbability, uncertainty

HIGHEST = tuple(number / 10 for number in range(11))


@dataclass(frozen=True)
class Plan:
    """Images labeled per tag at first, and per round; then `further` rounds in random order only."""

    first: int
    batch: int
    rounds: int
    further: int


PLANS = {"tags": Plan(5, 20, 8, 4), "cuttings": Plan(5, 20, 8, 4), "boxes": Plan(5, 10, 3, 2)}


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
                pool_of = pools_of(kind, folder, Path(scratch), cache)
                if pool_of is not None:
                    found = True
                    _compare(
                        f"{folder.name}, {kind}", pool_of, PLANS[kind], arguments.seeds, arguments.orders
                    )
    if not found:
        print(f"{arguments.folder} has no sets", file=sys.stderr)
    return 0 if found else 1


# --- the rounds ---------------------------------------------------------------------------------------------


def _compare(
    title: str, pool_of: Callable[[int], Pool], plan: Plan, seeds: int, orders: Sequence[str]
) -> None:
    chance: list[list[float]] = []
    reached: dict[str, list[list[float]]] = {name: [] for name in orders}
    suggestions: list[tuple[float, bool]] = []
    sizes: list[int] = []
    for seed in range(seeds):
        pool = pool_of(seed)
        first = _first(pool, plan.first, seed)
        learned = pool.train(first, seed)
        generator = numpy.random.default_rng([seed, 1])

        def at_random(
            learned: Learned, left: numpy.ndarray, batch: int, generator: numpy.random.Generator = generator
        ) -> numpy.ndarray:
            return generator.permutation(left)[:batch]

        figures, chosen = _rounds(pool, first, learned, plan, plan.rounds + plan.further, at_random, seed)
        chance.append(figures)
        suggestions += _suggestions(pool, first, seed)
        suggestions += _suggestions(pool, chosen[: len(first) + plan.rounds * plan.batch], seed)
        for name in orders:
            reached[name].append(_rounds(pool, first, learned, plan, plan.rounds, ORDERS[name], seed)[0])
        sizes.append(len(first))
    _print_rounds(title, round(numpy.mean(sizes)), plan, chance, reached)
    _print_hits(suggestions)


def _first(pool: Pool, count: int, seed: int) -> list[int]:
    """A number of images per tag; an image with several tags counts for each of them."""
    chosen: list[int] = []
    order = numpy.random.default_rng([seed, 0]).permutation(len(pool.has_NT))
    for tag in range(pool.has_NT.shape[1]):
        have = int(pool.has_NT[chosen, tag].sum())
        of_tag = [int(index) for index in order if pool.has_NT[index, tag] and index not in chosen]
        chosen += of_tag[: max(0, count - have)]
    return chosen


def _rounds(
    pool: Pool, first: list[int], learned: Learned, plan: Plan, rounds: int, order: Order, seed: int
) -> tuple[list[float], list[int]]:
    """The figure after each round, and the labeled images at the end, in their order."""
    chosen, figures = list(first), [learned.figure]
    for _ in range(rounds):
        left = numpy.setdiff1d(numpy.arange(len(pool.has_NT)), chosen)
        if len(left) < plan.batch:
            break
        chosen += order(learned, left, plan.batch).tolist()
        learned = pool.train(chosen, seed)
        figures.append(learned.figure)
    return figures, chosen


def _suggestions(pool: Pool, chosen: Sequence[int], seed: int) -> list[tuple[float, bool]]:
    """Probabilities of all suggestions for the other images, and whether each is right."""
    learned = pool.train(chosen, seed, calibrated=True)
    return [
        (score.probability, hit)
        for index in numpy.setdiff1d(numpy.arange(len(pool.has_NT)), chosen)
        for score, hit in zip(learned.scores[index], learned.hits[index], strict=True)
    ]


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


def _print_hits(suggestions: Sequence[tuple[float, bool]]) -> None:
    values, hits = (numpy.array(column) for column in zip(*suggestions, strict=True))
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
