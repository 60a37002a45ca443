"""Measure what training the late layers adds to quick training of classifiers.

    python models/measurements/measure_late_layers.py FOLDER [--sets NAME ...] [--draws 3] [--images 600]
        [--recipe FIELD=VALUE ...] [--results FILE]

FOLDER contains sets as for `measure.py`. The sets are those of `measure_few_images.py`, the sets of FOLDER
with several tags per image, and all photographs scaled to 32 pixels ("clothing at 32 pixels"). In each draw,
up to `--images` images are for training, at most 5/7 of the set, and all others are tested; sets made of
halves of photographs keep their division, and draws differ in the folds only. Both models are trained on the
same images: "head" without training layers, "quick" as by default. `--recipe` changes `LATE_LAYERS`, for
example `--recipe resolution=224 epochs=8 fine_tuning.learning_rate=1e-4`.

Columns: tags; images for training and for tests; accuracy, or mean average precision; both models' figures
and their difference, with its standard error over the draws; log losses; calibration errors, and what the
second model would have on as many images if its probabilities were right; the figure that the second training
reports; seconds, counted as processor seconds divided by two, without features that were computed before; in
how many of the draws the layers were trained, and chosen; time of scoring an image, relative to "head". With
`--results`, figures are stored after each draw, and draws that the file has are not measured again; `--cache`
keeps features for the next run.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
from measure_few_images import all_sets, with_error
from measuring import (
    Chosen,
    Photograph,
    accuracy,
    calibration_error,
    classification_dataset,
    expected_calibration_error,
    load,
    log_loss,
    mean_average_precision,
    row,
    scores_of,
    shrunk,
    targets_of,
)

from emulator.vision.classification.session import ClassifierSession
from emulator.vision.classification.train import train_classifier, warm_up
from emulator.vision.evaluation.classification import Evaluation
from emulator.vision.library.readers import LABELS_FILE
from emulator.vision.recipes.recipes import LATE_LAYERS, QUICK, LateLayersRecipe

_FOR_TRAINING = 5 / 7
_TINY = 32
# Sets whose tests are from other halves of photographs than their training images.
_DIVIDED = ("ground", "brick", "gravel", "histology", "documents", "digits", "pcb", "good boards")
_TIMED = 30
HEADER = (
    "set", "tags", "images", "tested", "figure", "head", "quick", "difference", "log loss",
    "calibration error", "if perfect", "own", "s", "trained", "chosen", "scoring",
)  # fmt: skip

Figures = dict[str, list[dict[str, Any]]]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sets", nargs="*", metavar="NAME")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--recipe", nargs="*", default=[], metavar="FIELD=VALUE")
    parser.add_argument("--results", type=Path)
    parser.add_argument("--render", action="store_true", help="only print the table of stored figures")
    parser.add_argument("--cache", type=Path, help="folder of cached features")
    arguments = parser.parse_args()
    stored: Path | None = arguments.results
    figures: Figures = json.loads(stored.read_text()) if stored and stored.is_file() else {}
    if not arguments.render:
        Chosen.listen()
        warm_up()
        recipe = changed(LATE_LAYERS, arguments.recipe)
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            for name, read in sets_in(arguments.folder, folder).items():
                if arguments.sets and name not in arguments.sets:
                    continue
                photographs = read()
                draws = figures.setdefault(name, [])
                while len(draws) < arguments.draws:
                    draws.append(
                        measured(
                            name,
                            photographs,
                            len(draws),
                            recipe,
                            folder,
                            arguments.cache or folder / "features",
                            arguments.images,
                        )
                    )
                    if stored:
                        stored.write_text(json.dumps(figures, indent=1))
    report(figures)
    return 0


def changed(recipe: LateLayersRecipe, changes: list[str]) -> LateLayersRecipe:
    """The recipe with fields such as `epochs=8`."""
    for change in changes:
        name, _, text = change.partition("=")
        part, _, inner = name.rpartition(".")
        owner: Any = getattr(recipe, part) if part else recipe
        before = getattr(owner, inner)
        value: Any = text if isinstance(before, str) else json.loads(text)
        value = tuple(value) if isinstance(before, tuple) else value
        owner = replace(owner, **{inner: value})
        recipe = replace(recipe, **{part: owner}) if part else owner
    return recipe


def sets_in(sources: Path, scratch: Path) -> dict[str, Callable[[], list[Photograph]]]:
    """A reader for each set, by name."""
    sets: dict[str, Callable[[], list[Photograph]]] = {}
    for name, photographs in all_sets(sources, scratch / "sets").items():
        sets[name] = lambda photographs=photographs: photographs
        if name not in _DIVIDED:
            sets[f"{name} at {_TINY} pixels"] = lambda name=name, photographs=photographs: [
                in_size(each, scratch / f"{name} small") for each in photographs
            ]
    for path in sorted(sources.glob(f"*/{LABELS_FILE}")):
        if any(len(photograph.tags) != 1 for photograph in load(path.parent)):
            sets[f"{path.parent.name} by presence"] = lambda path=path: load(path.parent)
    return sets


def in_size(photograph: Photograph, folder: Path) -> Photograph:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{hashlib.sha256(str(photograph.path).encode()).hexdigest()}.png"
    if not path.exists():
        path.write_bytes(shrunk(photograph.path.read_bytes(), _TINY))
    return replace(photograph, path=path)


def measured(
    name: str,
    photographs: list[Photograph],
    seed: int,
    recipe: LateLayersRecipe,
    scratch: Path,
    cache: Path,
    most_images: int,
) -> dict[str, Any]:
    """The figures of one draw."""
    learned, tested = divided(name, photographs, seed, most_images)
    tags = sorted({tag for photograph in photographs for tag in photograph.tags})
    multilabel = any(len(photograph.tags) != 1 for photograph in photographs)
    quality = mean_average_precision if multilabel else accuracy
    dataset = classification_dataset(learned, tags, multilabel)
    targets_NT = targets_of(tested, tags)
    found: dict[str, Any] = {
        "tags": len(tags),
        "images": len(learned),
        "tested": len(tested),
        "kind": "mAP" if multilabel else "accuracy",
    }
    sessions = []
    for method, most_seconds in (("head", 0.0), ("quick", recipe.most_seconds)):
        started = time.process_time()
        trained = train_classifier(
            dataset,
            QUICK,
            seed=seed,
            output=scratch / method,
            feature_cache=cache,
            progress=lambda share, step: None,
            late_layers=replace(recipe, most_seconds=most_seconds),
        )
        seconds = (time.process_time() - started) / 2
        scores_NT = scores_of(trained.model_path, tested)
        own = Evaluation.load(trained.evaluation_path)
        sessions.append(ClassifierSession(trained.model_path))
        found[method] = {
            "figure": quality(scores_NT, targets_NT),
            "log loss": log_loss(scores_NT, targets_NT, multilabel),
            "calibration error": calibration_error(scores_NT, targets_NT, multilabel),
            "if perfect": expected_calibration_error(scores_NT, multilabel),
            "own": quality(own.probabilities_NT, own.targets_NT),
            "seconds": seconds,
            "tuning": trained.seconds.get("late layers", 0.0),
        }
    found["chosen"] = (scratch / "head/model.onnx").read_bytes() != (
        scratch / "quick/model.onnx"
    ).read_bytes()
    found["scoring"] = relative_time(*sessions)
    print(f"  {name}, draw {seed}: {json.dumps(found)}", file=sys.stderr, flush=True)
    return found


def divided(
    name: str, photographs: list[Photograph], seed: int, most_images: int
) -> tuple[list[Photograph], list[Photograph]]:
    """Photographs for training, and for tests."""
    if name in _DIVIDED:
        parts: tuple[list[Photograph], list[Photograph]] = ([], [])
        for photograph in photographs:
            parts[not photograph.for_training].append(photograph)
        return parts
    order = [photographs[number] for number in numpy.random.default_rng(seed).permutation(len(photographs))]
    count = min(most_images, round(_FOR_TRAINING * len(order)))
    return order[:count], order[count:]


def relative_time(first: ClassifierSession, second: ClassifierSession) -> float:
    """Time of scoring an image with the second model, relative to the first: the shortest of some runs."""
    images = [
        numpy.zeros((1, session._resolution, session._resolution, 3), numpy.uint8)
        for session in (first, second)
    ]
    seconds: list[list[float]] = [[], []]
    for _ in range(_TIMED):
        for number, session in enumerate((first, second)):
            started = time.perf_counter()
            session.score_pixels(images[number])
            seconds[number].append(time.perf_counter() - started)
    first_seconds, second_seconds = (min(each) for each in seconds)
    return second_seconds / first_seconds


def report(figures: Figures) -> None:
    print(row(HEADER))
    print(row(("---",) * len(HEADER)))
    for name, draws in figures.items():
        if not draws:
            continue
        some = draws[0]

        def mean(method: str, what: str, draws: list[dict[str, Any]] = draws) -> float:
            return float(numpy.mean([draw[method][what] for draw in draws]))

        differences = [draw["quick"]["figure"] - draw["head"]["figure"] for draw in draws]
        print(
            row(
                (
                    name,
                    some["tags"],
                    some["images"],
                    some["tested"],
                    some["kind"],
                    f"{mean('head', 'figure'):.3f}",
                    f"{mean('quick', 'figure'):.3f}",
                    with_error(differences, "{:+.3f}"),
                    f"{mean('head', 'log loss'):.3f} / {mean('quick', 'log loss'):.3f}",
                    f"{mean('head', 'calibration error'):.3f} / {mean('quick', 'calibration error'):.3f}",
                    f"{mean('quick', 'if perfect'):.3f}",
                    f"{mean('quick', 'own'):.3f}",
                    f"{mean('head', 'seconds'):.1f} / {mean('quick', 'seconds'):.1f}",
                    f"{sum(draw['quick']['tuning'] > 1 for draw in draws)} of {len(draws)}",
                    sum(draw["chosen"] for draw in draws),
                    f"{numpy.mean([draw['scoring'] for draw in draws]):.2f}",
                )
            )
        )


if __name__ == "__main__":
    sys.exit(main())
