"""Measure the size of exports and the time to write them, for every format.

    python models/measurements/measure_exports.py [--tags 10]

Models with the published weights and random heads are exported in this process, three times in each format.
The table has the size of the zip file in megabytes (10^6 bytes) and the median time in seconds. Formats whose
packages are not installed are listed below it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy

from emulator.vision.classification import model as classifier
from emulator.vision.classification.dataset import ClassificationDataset
from emulator.vision.classification.head import FEATURE_LENGTH, LinearHead
from emulator.vision.detection import results as detector
from emulator.vision.detection.calibration import PlattScaling
from emulator.vision.detection.dataset import DetectionDataset
from emulator.vision.exports.formats import FORMATS, ExportFailed, ExportOrder, write_export
from emulator.vision.networks.nanodet import published_weights
from emulator.vision.networks.weights import backbone_network
from emulator.vision.recipes.domains import domains
from emulator.vision.recipes.recipes import ClassifierRecipe, DetectorRecipe, recipe_for_domain

RUNS = 3
COMPACT, S1 = "General (compact)", "General (compact) [S1]"
DOMAINS = tuple(
    (name, task, domains().named(name, task).id)
    for task in ("Classification", "ObjectDetection")
    for name in (COMPACT, S1)
)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tags", type=int, default=10)
    tags = tuple(f"tag {number}" for number in range(parser.parse_args().tags))
    missing: dict[str, None] = {}
    print("| Platform | Flavor | " + " | ".join(f"{task[:9]}, {name}" for name, task, _ in DOMAINS) + " |")
    print("|---|---|" + "---|" * len(DOMAINS))
    with tempfile.TemporaryDirectory() as folder:
        models = {domain: stored_model(Path(folder), *domain[1:], tags) for domain in DOMAINS}
        for platform, flavor in FORMATS:
            cells = []
            for domain, model in models.items():
                order = ExportOrder(
                    model=str(model),
                    platform=platform,
                    flavor=flavor,
                    domain=domain[0],
                    domain_type=domain[1],
                    classification_type="Multiclass" if domain[1] == "Classification" else None,
                    labels=tags,
                    project_id="0" * 32,
                    iteration_id="1" * 32,
                    created=datetime(2026, 1, 1, tzinfo=UTC),
                )
                try:
                    size, seconds = measured(order, Path(folder))
                    cells.append(f"{size / 1e6:.1f} MB, {seconds:.2f} s")
                except ExportFailed as failure:
                    cells.append("-")
                    missing[str(failure)] = None
            print(f"| {platform} | {flavor or ''} | " + " | ".join(cells) + " |", flush=True)
    print(*missing, sep="\n", file=sys.stderr)
    return 0


def measured(order: ExportOrder, folder: Path) -> tuple[int, float]:
    """Size in bytes and median time in seconds."""

    def runs() -> Iterator[float]:
        for _ in range(RUNS):
            started = time.perf_counter()
            write_export(order, folder / "export", lambda share, step: None)
            yield time.perf_counter() - started

    seconds = statistics.median(runs())
    return (folder / "export").stat().st_size, seconds


def stored_model(folder: Path, task: str, domain_id: str, tags: tuple[str, ...]) -> Path:
    random = numpy.random.default_rng(0)
    if task == "Classification":
        head = LinearHead(random.normal(size=(1280, len(tags))) / FEATURE_LENGTH, numpy.zeros(len(tags)))
        dataset = ClassificationDataset((), tags, multilabel=False)
        recipe = recipe_for_domain(ClassifierRecipe, domain_id)
        backbone = backbone_network(recipe.backbone, recipe.resolution)
        network = classifier.classifying_network(backbone, head, multilabel=False)
        content = classifier.model_bytes(dataset, network, recipe.fit)
    else:
        layers = {name: weight for name, weight in published_weights().items() if name.startswith("head.")}
        layers |= {
            name: numpy.resize(weight, (len(tags), *weight.shape[1:]))
            for name, weight in layers.items()
            if ".classes." in name
        }
        boxed = DetectionDataset((), tags)
        recipe = recipe_for_domain(DetectorRecipe, domain_id)
        content = detector.serialize_detector(boxed, recipe, layers, PlattScaling())
    path = folder / f"{domain_id}.onnx"
    path.write_bytes(content)
    return path


if __name__ == "__main__":
    sys.exit(main())
