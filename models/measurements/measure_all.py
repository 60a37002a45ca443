"""Write the quality table: quick and advanced training and baselines on all sets.

    python models/measurements/measure_all.py FOLDER [--sets NAME ...] [--seeds 0 1 2] [--quick-only]

FOLDER contains sets in folders, in any layout that `emulator.vision.read_dataset` detects; or folders of
images with a file `regions.json` for those with boxes (see `measuring.py`), while the others form a
classification set. Splits "train" and "test" of a set are used; any other set is split in four ways, so that
each image is tested once, and figures are means over the four. Sets with boxes are also classified: an image
has the tags of its boxes.

Methods for classification:

* quick, advanced: trainings of the domain General; advanced has 5 minutes per 500 images;
* logistic-regression: scikit-learn's, C = 1, on the same features and views;
* head-to-head: the head of quick training compared with that regression, over eight splits
  (`head_to_head.py`);
* fine-tuning: torchvision's reference recipe (`reference_finetuning.py`), with the time of advanced training.

Methods for detection: quick; advanced with 3 s per image, at least 2 minutes.

Every cell (a set, a method and a seed) is measured in its own process. Times are processor seconds, two for
each second of a budget. A measured cell is stored at once in a JSON file beside the table, so the script can
be stopped at any time: the next run leaves out the cells that were measured with the present code of the
training (`training_code.py`), the same budget and the same seed. The page has the mean and the standard
deviation over the seeds, which change folds, initial weights and augmentation, not the images; and it marks
figures that were measured with older code than others of their method. `--methods quick` measures one
method, `--only SET:METHOD` one cell again, `--render` only writes the page, and `--budget-scale 0.02` tries
everything with tiny budgets. `--shrink 32` adds each set of tags scaled to 32 pixels.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy
from head_to_head import compared, regression, training_set
from measuring import (
    REGIONS_FILE,
    SECONDS_AN_IMAGE,
    Chosen,
    accuracy,
    calibration_error,
    expected_calibration_error,
    mean_average_precision,
    processor_clock,
    read_regions,
    shrunk,
)
from quality_table import HEAD_TO_HEAD, METHODS, rendered
from training_code import version

from emulator import vision
from emulator.vision.classification.session import ClassifierSession
from emulator.vision.classification.train import warm_up
from emulator.vision.evaluation.classification import Evaluation
from emulator.vision.evaluation.detection import DetectionEvaluation
from emulator.vision.library.datasets import image_bytes

RESULTS = Path(__file__).parents[1] / "results"
WAYS = 4
OVERLAP = 0.5
SECONDS_AN_IMAGE_WITH_BOXES, LEAST_SECONDS_WITH_BOXES = 3.0, 120.0
SLOW = ("fine-tuning", "advanced")
WITHOUT_SEED = ("logistic-regression", HEAD_TO_HEAD)
BY_PRESENCE = " by presence"


@dataclass(frozen=True)
class Division:
    """Training and test images."""

    learned: vision.Dataset
    tested: vision.Dataset


@dataclass(frozen=True)
class Measured:
    """The result for one split.

    Attributes:
        figure: accuracy on the test images, or mean average precision.
        own: the same figure by the cross-validation of the training; None for baselines.
        perfect: the calibration error of right probabilities on as many images
            (`measuring.expected_calibration_error`); None for detectors.
        seconds, processor_seconds: of the training, by the clock and of this process.
        note: the chosen model, or the number of epochs.
    """

    figure: float
    own: float | None
    calibration_error: float
    seconds: float
    processor_seconds: float
    note: str = ""
    perfect: float | None = None


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sets", nargs="*", metavar="NAME")
    parser.add_argument("--methods", nargs="*", metavar="METHOD")
    parser.add_argument("--quick-only", action="store_true", help="leave out methods that take minutes")
    parser.add_argument("--only", metavar="SET:METHOD", help="measure one cell in this process")
    parser.add_argument("--render", action="store_true", help="only write the page, from stored cells")
    parser.add_argument("--out", type=Path, default=RESULTS / "quality.md")
    parser.add_argument("--kept", type=Path, help="the JSON file of the cells; by default beside --out")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], metavar="SEED")
    parser.add_argument("--shrink", type=int, metavar="SIDE")
    parser.add_argument("--budget-scale", type=float, default=1.0)
    arguments = parser.parse_args()
    kept = Kept(arguments.kept or arguments.out.with_suffix(".json"))
    sets = dict(sets_in(arguments.folder, arguments.shrink))
    if arguments.only:
        name, _, method = arguments.only.rpartition(":")
        if name not in sets or method not in methods_of(sets[name]()):
            print(f"there is no cell {arguments.only!r}; sets: {', '.join(sets)}", file=sys.stderr)
            return 1
        for seed in arguments.seeds:
            measured = cell(sets[name](), name, method, seed, arguments.budget_scale)
            kept.put(f"{arguments.only}:{seed}", measured)
    elif not arguments.render:
        for wanted in wanted_cells(sets, arguments):
            if not kept.has(wanted, arguments.budget_scale):
                measure_elsewhere(wanted, kept.path, arguments)
    if not kept.cells():
        print(f"{arguments.folder} has no set that can be measured", file=sys.stderr)
        return 1
    arguments.out.write_text(rendered(kept.cells()), encoding="utf-8")
    return 0


@dataclass(frozen=True)
class Wanted:
    """A cell to be measured."""

    set_name: str
    detection: bool
    method: str
    seed: int

    @property
    def key(self) -> str:
        """In the file of the cells."""
        return f"{self.set_name}:{self.method}:{self.seed}"


def wanted_cells(
    sets: dict[str, Callable[[], vision.Dataset]], arguments: argparse.Namespace
) -> Iterator[Wanted]:
    """Seed by seed, so that a run that is stopped has most sets once instead of a few sets often."""
    for seed in arguments.seeds:
        for name in arguments.sets or sets:
            dataset = sets[name]()
            for method in methods_of(dataset):
                if arguments.methods and method not in arguments.methods:
                    continue
                again = method in WITHOUT_SEED and seed != arguments.seeds[0]
                if not (again or (arguments.quick_only and method in SLOW)):
                    yield Wanted(name, dataset.detection, method, seed)


def methods_of(dataset: vision.Dataset) -> tuple[str, ...]:
    methods = METHODS[dataset.detection]
    return methods if dataset.detection else (*methods, HEAD_TO_HEAD)


class Kept:
    """Measured cells in a JSON file, which is replaced atomically."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def cells(self) -> dict[str, dict[str, Any]]:
        if not self.path.exists():
            return {}
        cells: dict[str, dict[str, Any]] = json.loads(self.path.read_text(encoding="utf-8"))
        return cells

    def has(self, wanted: Wanted, budget_scale: float) -> bool:
        """Whether the cell was measured with this budget and the present code of the training."""
        known = self.cells().get(wanted.key)
        present = version(wanted.detection, wanted.method)
        return known is not None and (known["code"], known["budget_scale"]) == (present, budget_scale)

    def put(self, name: str, measured: dict[str, Any]) -> None:
        cells = dict(sorted({**self.cells(), name: measured}.items()))
        unfinished = self.path.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(cells, indent=1) + "\n", encoding="utf-8")
        unfinished.replace(self.path)


def measure_elsewhere(wanted: Wanted, kept: Path, arguments: argparse.Namespace) -> None:
    """Measure a cell in its own process, without the caches and packages that another one has loaded."""
    print(wanted.key, file=sys.stderr, flush=True)
    command = [sys.executable, __file__, str(arguments.folder), "--out", str(arguments.out)]
    command += ["--only", f"{wanted.set_name}:{wanted.method}", "--seeds", str(wanted.seed)]
    command += ["--kept", str(kept)]
    command += ["--budget-scale", str(arguments.budget_scale)]
    command += ["--shrink", str(arguments.shrink)] if arguments.shrink else []
    if subprocess.run(command).returncode:
        print(f"{wanted.key} could not be measured", file=sys.stderr, flush=True)


# --- sets ---------------------------------------------------------------------------------------------------


def sets_in(folder: Path, shrink: int | None) -> Iterator[tuple[str, Callable[[], vision.Dataset]]]:
    """A reader for each set, by name."""
    for each in sorted(path for path in folder.iterdir() if path.is_dir()):
        if (each / REGIONS_FILE).is_file():
            boxes = read_regions(each)
            yield f"{each.name} detection", lambda boxes=boxes: boxes
            yield f"{each.name} classification", lambda each=each, boxes=boxes: without_tags(each, boxes.tags)
            continue
        try:
            dataset = vision.read_dataset(each)
        except ValueError as error:
            print(f"{each.name}: {error}", file=sys.stderr)
            continue
        yield each.name, lambda dataset=dataset: dataset
        if dataset.detection:
            yield each.name + BY_PRESENCE, lambda dataset=dataset: dataset.by_presence()
        elif shrink:
            yield f"{each.name} at {shrink} pixels", lambda dataset=dataset: in_size(dataset, shrink)


def without_tags(folder: Path, tags: tuple[str, ...]) -> vision.Dataset:
    """The folders of images without boxes, except a folder of images to predict."""
    read = vision.read_folders(folder)
    return vision.Dataset.of(
        sample for sample in read.samples if sample.tags[0] not in tags and sample.tags[0].lower() != "test"
    )


def in_size(dataset: vision.Dataset, side: int) -> vision.Dataset:
    """The same photographs, scaled to squares."""
    samples = tuple(
        replace(sample, image=shrunk(image_bytes(sample.image), side)) for sample in dataset.samples
    )
    return replace(dataset, samples=samples)


def divisions(dataset: vision.Dataset) -> list[Division]:
    if {"train", "test"} <= dataset.splits:
        return [Division(dataset.part("train"), dataset.part("test"))]
    ways = []
    for way in range(WAYS):
        tested = tuple(sample for number, sample in enumerate(dataset.samples) if number % WAYS == way)
        learned = tuple(sample for number, sample in enumerate(dataset.samples) if number % WAYS != way)
        ways.append(Division(replace(dataset, samples=learned), replace(dataset, samples=tested)))
    return ways


# --- a cell -------------------------------------------------------------------------------------------------


def cell(dataset: vision.Dataset, name: str, method: str, seed: int, budget_scale: float) -> dict[str, Any]:
    """The stored content of a cell: means over the splits, and the figures of each split."""
    parts = divisions(dataset)
    about = {
        "detection": dataset.detection,
        "kind": "AP50" if dataset.detection else "mAP" if dataset.multilabel else "accuracy",
        "tags": len(dataset.tags),
        "images": len(parts[0].learned.samples),
        "tested": sum(len(part.tested.samples) for part in parts),
        "code": version(dataset.detection, method),
        "measured": datetime.now(UTC).isoformat(timespec="minutes"),
        "budget_scale": budget_scale,
        "machine": f"{platform.machine()}, {os.cpu_count()} processors",
    }
    Chosen.listen()
    if not dataset.detection:
        warm_up()
    if method == HEAD_TO_HEAD:
        with tempfile.TemporaryDirectory() as scratch:
            return {**about, **asdict(compared(dataset, Path(scratch), seed))}
    measured = []
    for part in parts:
        with tempfile.TemporaryDirectory() as scratch:
            one = by_method(method)(part, method, seed, budget_scale, Path(scratch))
        print(f"  {name}, {method}: {asdict(one)}", file=sys.stderr, flush=True)
        measured.append(one)
    owns = [one.own for one in measured if one.own is not None]
    floors = [one.perfect for one in measured if one.perfect is not None]
    return {
        **about,
        "divisions": len(parts),
        "figure": float(numpy.mean([one.figure for one in measured])),
        "own": float(numpy.mean(owns)) if owns else None,
        "calibration_error": float(numpy.mean([one.calibration_error for one in measured])),
        "perfect": float(numpy.mean(floors)) if floors else None,
        "seconds": float(numpy.mean([one.seconds for one in measured])),
        "processor_seconds": float(numpy.mean([one.processor_seconds for one in measured])),
        "note": "; ".join(dict.fromkeys(one.note for one in measured if one.note)),
    }


Method = Callable[[Division, str, int, float, Path], Measured]


def by_method(method: str) -> Method:
    return {"logistic-regression": logistic_regression, "fine-tuning": fine_tuning}.get(method, own_training)


def budget_of(part: Division, budget_scale: float) -> float:
    count = len(part.learned.samples)
    if part.learned.detection:
        return budget_scale * max(LEAST_SECONDS_WITH_BOXES, SECONDS_AN_IMAGE_WITH_BOXES * count)
    return budget_scale * SECONDS_AN_IMAGE * count


def own_training(part: Division, method: str, seed: int, budget_scale: float, scratch: Path) -> Measured:
    Chosen.name_of_last = ""
    started, worked = time.perf_counter(), time.process_time()
    trained = vision.train(
        part.learned,
        scratch,
        seed=seed,
        budget=budget_of(part, budget_scale) if method == "advanced" else None,
        clock=processor_clock,
    )
    seconds, processor_seconds = time.perf_counter() - started, time.process_time() - worked
    own = own_figure(trained, part.learned)
    if not part.learned.detection:
        session = ClassifierSession(trained.path)
        scores_NT = numpy.array([session.score(image_bytes(each.image)) for each in part.tested.samples])
        result = measured_scores(scores_NT, truth_of(part), part, seconds, processor_seconds)
        return replace(result, own=own, note=Chosen.name_of_last)
    report = vision.evaluate(trained, part.tested, overlap_threshold=OVERLAP)
    return Measured(
        figure=report.average_precision,
        own=own,
        calibration_error=report.calibration_error,
        seconds=seconds,
        processor_seconds=processor_seconds,
        note=Chosen.name_of_last,
    )


def own_figure(trained: vision.Trained, learned: vision.Dataset) -> float:
    path = trained.path.with_name("evaluation.npz")
    if learned.detection:
        return DetectionEvaluation.load(path).performance(overlap_threshold=OVERLAP).average_precision
    own = Evaluation.load(path)
    return figure_of(learned)(own.probabilities_NT, own.targets_NT)


def figure_of(dataset: vision.Dataset) -> Callable[[numpy.ndarray, numpy.ndarray], float]:
    return mean_average_precision if dataset.multilabel else accuracy


def logistic_regression(
    part: Division, method: str, seed: int, budget_scale: float, scratch: Path
) -> Measured:
    """Logistic regression on the features and views of quick training."""
    started, worked = time.perf_counter(), time.process_time()
    learned = training_set(part.learned, scratch, mirror=True)
    views = len(learned.features_RD) // len(learned.targets_NT)
    trained = regression(learned.features_RD, numpy.tile(learned.targets_NT, (views, 1)), part.learned)
    seconds, processor_seconds = time.perf_counter() - started, time.process_time() - worked
    tested = training_set(part.tested, scratch, mirror=False)
    scores_NT = numpy.asarray(trained.predict_proba(tested.features_RD))
    return measured_scores(scores_NT, tested.targets_NT > 0, part, seconds, processor_seconds)


def fine_tuning(
    part: Division,
    method: str,
    seed: int,
    budget_scale: float,
    scratch: Path,
    *,
    clock: Callable[[], float] = processor_clock,
) -> Measured:
    from reference_finetuning import fine_tuned

    started, worked = time.perf_counter(), time.process_time()
    tuned = fine_tuned(
        part.learned,
        part.tested,
        budget_seconds=budget_of(part, budget_scale),
        seed=seed,
        clock=clock,
    )
    seconds, processor_seconds = time.perf_counter() - started, time.process_time() - worked
    result = measured_scores(tuned.scores_NT, truth_of(part), part, seconds, processor_seconds)
    return replace(result, note=f"{tuned.epochs:.0f} epochs")


def truth_of(part: Division) -> numpy.ndarray:
    """The true tags of the test images, (N, T)."""
    return numpy.array([[tag in each.tags for tag in part.learned.tags] for each in part.tested.samples])


def measured_scores(
    scores_NT: numpy.ndarray,
    truth_NT: numpy.ndarray,
    part: Division,
    seconds: float,
    processor_seconds: float,
) -> Measured:
    """The figures of probabilities of the test images."""
    multilabel = part.learned.multilabel
    return Measured(
        figure=figure_of(part.learned)(scores_NT, truth_NT),
        own=None,
        calibration_error=calibration_error(scores_NT, truth_NT, multilabel),
        seconds=seconds,
        processor_seconds=processor_seconds,
        perfect=expected_calibration_error(scores_NT, multilabel),
    )


if __name__ == "__main__":
    sys.exit(main())
