"""Measure how certain classifiers are about images unlike all of their training.

    python models/measurements/measure_unlike.py FOLDER [--seeds 3] [--multilabel] [--sets NAME ...]

FOLDER contains sets as for `measure.py`. Classifiers are trained quickly, on sets that show one kind of
surface each (`surface_sets.py`), and on sets of everyday photographs in FOLDER, on 10 and on 40 images per
tag. They then score the test images of their set, and images of other subjects: those of the other sets,
scikit-image's photographs, and other surfaces.
Each model is measured without and with its filter (`emulator/vision/classification/novelty.py`), with means
over the seeds:

* unlike >= .9: share of images of other subjects with a tag of at least .9; worst: of the worst source;
* AUROC: of the highest probability, own test images against the others;
* accuracy (mAP where images have several tags) and calibration error on own test images, as in `measure.py`;
  the change of both by the filter has a standard error over the seeds;
* own >= .9: share of own test images with a tag of at least .9.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy
import torch
from measuring import (
    accuracy,
    calibration_error,
    classification_dataset,
    draw,
    mean_average_precision,
    row,
    targets_of,
)
from surface_sets import SurfaceSet, make_sets

from emulator.vision.classification.features import backbone_session
from emulator.vision.classification.train import train_classifier, warm_up
from emulator.vision.imaging.decode import resize_to_square
from emulator.vision.networks.graph import INPUT, Network
from emulator.vision.networks.model_file import NETWORK, read_model
from emulator.vision.networks.serialization import deserialize
from emulator.vision.networks.torch_runner import run_operations
from emulator.vision.recipes.recipes import QUICK

IMAGES_A_TAG = (10, 40)
CERTAIN = 0.9
UNFILTERED = "probabilities.known"
HEADER = (
    "set",
    "images a tag",
    "filter",
    "unlike >= .9",
    "worst",
    "AUROC",
    "accuracy",
    "calibration error",
    "own >= .9",
)


@dataclass(frozen=True)
class Result:
    certain: float
    worst: float
    auroc: float
    accuracy: float
    calibration_error: float
    own_certain: float


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--multilabel", action="store_true")
    parser.add_argument("--sets", nargs="+")
    arguments = parser.parse_args()
    warm_up()
    features = Features()
    print(row(HEADER))
    print(row(("---",) * len(HEADER)))
    with tempfile.TemporaryDirectory() as scratch:
        for each in make_sets(arguments.folder, Path(scratch) / "sets"):
            if arguments.sets and each.name not in arguments.sets:
                continue
            for count in IMAGES_A_TAG:
                pairs = [
                    measure(each, count, seed, arguments.multilabel, features, Path(scratch))
                    for seed in range(arguments.seeds)
                ]
                report(each.name, count, pairs)
    return 0


def report(name: str, count: int, pairs: list[tuple[Result, Result]]) -> None:
    values = numpy.array([[list(vars(result).values()) for result in pair] for pair in pairs])
    means = values.mean(axis=0)
    changes = values[:, 1] - values[:, 0]
    errors = changes.std(axis=0, ddof=1) / len(pairs) ** 0.5 if len(pairs) > 1 else changes[0] * 0
    for filtered, figures in enumerate(means):
        cells = [f"{figure:.3f}" for figure in figures]
        if filtered:
            for place in (3, 4):
                cells[place] += f" ({changes.mean(axis=0)[place]:+.3f} ± {errors[place]:.3f})"
        print(row((name, count, "yes" if filtered else "no", *cells)), flush=True)


def measure(
    each: SurfaceSet, count: int, seed: int, multilabel: bool, features: Features, scratch: Path
) -> tuple[Result, Result]:
    """Without and with the filter."""
    tags = sorted({tag for photograph in each.photographs for tag in photograph.tags})
    multilabel = multilabel or each.multilabel
    tested = [photograph for photograph in each.photographs if not photograph.for_training]
    chosen = draw(each.photographs, tags, count, seed)
    trained = train_classifier(
        classification_dataset(chosen, tags, multilabel),
        QUICK,
        seed=seed,
        output=scratch / "model",
        feature_cache=scratch / "features",
        progress=lambda share, step: None,
    )
    properties, weights = read_model(trained.model_path.read_bytes())
    network = deserialize(properties[NETWORK], weights)
    own = scored(network, features, [photograph.path for photograph in tested])
    unlike = {source: scored(network, features, paths) for source, paths in each.unlike.items()}
    targets_NT = targets_of(tested, tags)
    first, second = (
        figures(
            own[version], {source: both[version] for source, both in unlike.items()}, targets_NT, multilabel
        )
        for version in (0, 1)
    )
    return first, second


def scored(
    network: Network, features: Features, paths: Sequence[Path]
) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Probabilities (N, T) without and with the filter."""
    (first,) = (place for place, step in enumerate(network.operations) if step.kind == "l2_normalise")
    (name,) = network.operations[first].inputs
    tensors = {name: torch.from_numpy(numpy.stack([features.of(path) for path in paths]))}
    weights = {name: torch.tensor(weight) for name, weight in network.weights.items()}
    run_operations(network.operations[first:], weights, tensors)
    return tensors[UNFILTERED].numpy(), tensors[network.output].numpy()


class Features:
    """Features of images by the network of quick training; each is computed once."""

    def __init__(self) -> None:
        self._session = backbone_session(QUICK.backbone, QUICK.resolution)
        self._known: dict[Path, numpy.ndarray] = {}

    def of(self, path: Path) -> numpy.ndarray:
        if path not in self._known:
            pixels = resize_to_square(path.read_bytes(), QUICK.resolution, QUICK.fit)
            (self._known[path],) = self._session.run(None, {INPUT: pixels[None]})[0]
        return self._known[path]


def figures(
    own_NT: numpy.ndarray, unlike: dict[str, numpy.ndarray], targets_NT: numpy.ndarray, multilabel: bool
) -> Result:
    certain = {source: float((scores.max(axis=1) >= CERTAIN).mean()) for source, scores in unlike.items()}
    highest = numpy.concatenate([scores.max(axis=1) for scores in unlike.values()])
    own = own_NT.max(axis=1)
    return Result(
        certain=float((highest >= CERTAIN).mean()),
        worst=max(certain.values()),
        auroc=float((own[:, None] > highest).mean() + (own[:, None] == highest).mean() / 2),
        accuracy=(mean_average_precision if multilabel else accuracy)(own_NT, targets_NT),
        calibration_error=calibration_error(own_NT, targets_NT, multilabel),
        own_certain=float((own >= CERTAIN).mean()),
    )


if __name__ == "__main__":
    sys.exit(main())
