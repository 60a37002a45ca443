"""The command `evaluate`: train on labelled images and report how good the model is."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from emulator import vision
from emulator.cli.errors import CommandFailed
from emulator.vision.imaging.decode import silence_pillow_warnings
from emulator.vision.library.predict import Progress, no_progress

CROSS_VALIDATION, SPLIT = "cross-validation", "the split test"


@click.command()
@click.argument(
    "folder",
    help="Labelled images: a folder for each tag, labels.jsonl, or boxes in COCO's or YOLO's format.",
)
@click.option(
    "--domain", metavar="NAME|ID", default="General", show_default=True, help="The domain to train in."
)
@click.option("--advanced", metavar="MINUTES", type=float, help="Use advanced training with this budget.")
@click.option(
    "--test", metavar="FOLDER", help="Images to test with; default: the split test, or cross-validation."
)
@click.option(
    "--seed", metavar="NUMBER", type=int, default=0, show_default=True, help="Seed of everything random."
)
@click.option("--json", "json_wanted", is_flag=True, help="Print JSON instead of a table.")
def evaluate(
    folder: str, domain: str, advanced: float | None, test: str | None, seed: int, json_wanted: bool
) -> None:
    """Train on labelled images, without a server, and print how good the model is on unseen ones."""
    silence_pillow_warnings()
    budget = None if advanced is None else 60 * advanced
    done = run(folder, domain=domain, budget=budget, test=test, seed=seed)
    print(as_json(done) if json_wanted else as_table(done))


@dataclass(frozen=True)
class Evaluated:
    """A data set, and the report of a model trained on it.

    Attributes:
        judged_on: the test images: "cross-validation", "the split test", or the folder of another data set.
        images: number of training images.
        seconds: duration of the training.
        skipped: training and test images that could not be read.
    """

    folder: str
    domain: str
    budget: float | None
    seed: int
    judged_on: str
    images: int
    seconds: float
    skipped: tuple[str, ...]
    report: vision.Report


def run(folder: str, *, domain: str, budget: float | None, test: str | None, seed: int) -> Evaluated:
    """Train on the data set in a folder and evaluate the model. A terminal shows progress.

    The test images are those of the folder `test`; by default the split "test" of a data set with the splits
    "train" and "test"; otherwise the report is that of the training's cross-validation.

    Args:
        budget: in seconds; None for quick training.

    Raises:
        CommandFailed: the message is one line.
    """
    if budget is not None and not 0 <= budget < float("inf"):
        raise CommandFailed("--advanced: give a number of minutes")
    try:
        training_set = vision.read_dataset(folder)
        test_set = None if test is None else vision.read_dataset(test)
        judged_on = test or CROSS_VALIDATION
        if {"train", "test"} <= training_set.splits:
            if test_set is None:
                test_set, judged_on = training_set.part("test"), SPLIT
            training_set = training_set.part("train")
        with tempfile.TemporaryDirectory(prefix="custom-vision-") as output, shown_progress() as progress:
            started = time.perf_counter()
            trained = vision.train(
                training_set, Path(output), domain=domain, budget=budget, seed=seed, progress=progress
            )
            seconds = time.perf_counter() - started
            report = trained.report
            if test_set is not None:
                report = vision.evaluate(trained, test_set, progress=progress)
    except (ValueError, OSError, vision.TrainingFailed) as error:
        raise CommandFailed(" ".join(str(error).split())) from error
    except ImportError as error:
        raise CommandFailed(
            f"training needs packages that are not installed: custom-vision-emulator[train] ({error})"
        ) from error
    skipped = tuple(dict.fromkeys((*trained.skipped, *report.skipped)))
    return Evaluated(
        folder=folder,
        domain=domain,
        budget=budget,
        seed=seed,
        judged_on=judged_on,
        images=trained.images,
        seconds=seconds,
        skipped=skipped,
        report=report,
    )


def as_json(done: Evaluated) -> str:
    """All figures, for programs."""
    return json.dumps(asdict(done), indent=2, ensure_ascii=False)


def as_table(done: Evaluated) -> str:
    """A table with the figures of each tag and of all tags together."""
    report = done.report
    boxes = report.overlap_threshold is not None
    head = ["tag", "images", *(["objects"] if boxes else []), "precision", "recall", "AP"]
    rows = [
        [each.tag, str(each.images), *([str(each.objects)] if boxes else []), *_shares(each)]
        for each in report.tags
    ]
    total = sum(each.objects or 0 for each in report.tags)
    rows.append(["all", str(report.images), *([str(total)] if boxes else []), *_shares(report)])
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, ["-" * width for width in widths], *rows)
    ]
    at = f"probability {report.threshold:g}"
    at += f", overlap {report.overlap_threshold:g}" if boxes else ""
    how = "by" if done.judged_on == CROSS_VALIDATION else "on"
    notes = [
        f"precision and recall at {at}, judged {how} {done.judged_on}",
        *([f"accuracy           {report.accuracy:.3f}"] if report.accuracy is not None else []),
        f"calibration error  {report.calibration_error:.3f}",
        f"trained            {done.images} images in {done.seconds:.1f} s ({done.domain}, "
        + ("quick)" if done.budget is None else f"advanced, at most {done.budget:.0f} s)"),
    ]
    if done.skipped:
        more = f" and {len(done.skipped) - 1} more" if len(done.skipped) > 1 else ""
        notes.append(f"not readable       {done.skipped[0]}{more}")
    return "\n".join([*lines, "", *notes])


def _shares(figures: vision.Report | vision.TagReport) -> list[str]:
    return [f"{each:.3f}" for each in (figures.precision, figures.recall, figures.average_precision)]


@contextmanager
def shown_progress() -> Iterator[Progress]:
    """A progress bar on standard error, when that is a terminal and rich is installed."""
    if not sys.stderr.isatty():
        yield no_progress
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
    except ImportError:
        yield no_progress
        return
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda share, step: bar.update(task, completed=share, description=step)
