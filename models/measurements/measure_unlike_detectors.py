"""Measure how often detectors find objects in images unlike all of their training.

    python models/measurements/measure_unlike_detectors.py FOLDER [--seeds 2] [--sets NAME ...]

FOLDER contains sets as for `measure_detection.py`. Detectors are trained quickly on these, and on sets that
show one kind of surface each: scratches and stains drawn on brick and on gravel, and discs on a pale ground
(`surface_boxes.py`). They then score the test images of their set, and images of other subjects: those of the
other sets and of `surface_sets.py`. Each model is measured without and with its filter
(`emulator/vision/detection/novelty.py`), with means over the seeds:

* unlike >= .9, >= .5: share of images of other subjects with a box of at least that probability; worst: of
  the worst source, .9;
* AP50 and calibration error on own test images, as in `measure_detection.py`;
* beyond: share of own test images whose scores the filter at least halves.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy
import torch
from measuring import LabelledSet, error_of_predictions, evaluation, load_boxes, row
from surface_boxes import make_boxed_sets
from surface_sets import make_sets

from emulator.vision.boxes.box import DetectedBox
from emulator.vision.boxes.geometry import detected_boxes, resolution_of
from emulator.vision.detection.dataset import DetectionDataset
from emulator.vision.detection.train import train_detector
from emulator.vision.imaging.decode import resize_to_square
from emulator.vision.networks.graph import Network
from emulator.vision.networks.model_file import NETWORK, read_model
from emulator.vision.networks.nanodet import DISTANCES, SCORES
from emulator.vision.networks.serialization import deserialize
from emulator.vision.networks.torch_runner import run_operations
from emulator.vision.recipes.recipes import QUICK_DETECTOR

MOST_OF_A_SOURCE = 20
HEADER = ("set", "filter", "unlike >= .9", "worst", "unlike >= .5", "AP50", "calibration error", "beyond")
# Parts of names: images of these sources are not unlike the set.
RELATED = {
    "brick boxes": ("brick", "ground"),
    "gravel boxes": ("gravel", "ground"),
    "pcb-defects": ("pcb", "good boards"),
    "fruit-detection": ("fruit", "produce"),
    "lab-produce": ("fruit", "produce"),
}
Found = tuple[list[DetectedBox], list[DetectedBox]]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--sets", nargs="+")
    arguments = parser.parse_args()
    print(row(HEADER))
    print(row(("---",) * len(HEADER)))
    with tempfile.TemporaryDirectory() as scratch:
        sources = unlike_sources(arguments.folder, Path(scratch) / "classification")
        for each in boxed_sets(arguments.folder, Path(scratch) / "boxes"):
            if arguments.sets and each.name not in arguments.sets:
                continue
            unlike = {
                source: paths
                for source, paths in sources.items()
                if not any(part in source for part in (each.name, *RELATED.get(each.name, ())))
            }
            results = [measure(each, unlike, seed, Path(scratch)) for seed in range(arguments.seeds)]
            for filtered, figures in enumerate(numpy.mean(results, axis=0)):
                cells = (f"{figure:.3f}" for figure in figures)
                print(row((each.name, ("no", "yes")[filtered], *cells)), flush=True)
    return 0


def boxed_sets(folder: Path, scratch: Path) -> Iterator[LabelledSet]:
    for path in (*sorted(folder.iterdir()), *make_boxed_sets(scratch)):
        loaded = load_boxes(path) if path.is_dir() else None
        if loaded is not None:
            yield loaded


def unlike_sources(folder: Path, scratch: Path) -> dict[str, list[Path]]:
    """Images by their source, of all sets that can be made."""
    found: dict[str, list[Path]] = {}
    for each in make_sets(folder, scratch):
        for source, paths in each.unlike.items():
            found[source] = paths[:: -(-len(paths) // MOST_OF_A_SOURCE)]
    for path in sorted(folder.iterdir()):
        loaded = load_boxes(path) if path.is_dir() else None
        if loaded is not None:
            found[path.name] = [Path(image.path) for image in loaded.tested][:MOST_OF_A_SOURCE]
    return found


def measure(
    each: LabelledSet, unlike: dict[str, list[Path]], seed: int, scratch: Path
) -> list[tuple[float, ...]]:
    """The figures without and with the filter."""
    trained = train_detector(
        DetectionDataset(each.training, each.tags),
        QUICK_DETECTOR,
        seed=seed,
        output=scratch / "model",
        feature_cache=scratch / "features",
        progress=lambda share, step: None,
    )
    properties, weights = read_model(trained.model_path.read_bytes())
    network = deserialize(properties[NETWORK], weights)
    own = [detected(network, Path(image.path)) for image in each.tested]
    others = {source: [detected(network, path) for path in paths] for source, paths in unlike.items()}
    beyond = [bool(first) and highest(second) < highest(first) / 2 for first, second in own]
    rows = []
    for version in (0, 1):
        tested = evaluation(each.tested, len(each.tags), [found[version] for found in own])
        certain = {source: [highest(found[version]) for found in images] for source, images in others.items()}
        every = numpy.concatenate([numpy.array(scores) for scores in certain.values()])
        rows.append(
            (
                float((every >= 0.9).mean()),
                max(float((numpy.array(scores) >= 0.9).mean()) for scores in certain.values()),
                float((every >= 0.5).mean()),
                tested.performance(overlap_threshold=0.5).average_precision,
                error_of_predictions(tested.probabilities, tested.hits()),
                float(numpy.mean(beyond)),
            )
        )
    return rows


def highest(found: list[DetectedBox]) -> float:
    return max((box.probability for box in found), default=0.0)


def detected(network: Network, path: Path) -> Found:
    """The boxes without and with the filter."""
    pixels = resize_to_square(path.read_bytes(), network.resolution)
    tensors = {network.input: torch.tensor(pixels[None])}
    weights = {name: torch.tensor(weight) for name, weight in network.weights.items()}
    with torch.inference_mode():
        run_operations(network.operations, weights, tensors)
    distances = tensors[DISTANCES][0].numpy()
    first, second = (
        detected_boxes(tensors[name][0].numpy(), distances, resolution_of(len(distances)))
        for name in (f"{SCORES}.known", SCORES)
    )
    return first, second


if __name__ == "__main__":
    sys.exit(main())
