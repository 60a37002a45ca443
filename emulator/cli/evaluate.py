"""What the command `evaluate` does: train on labelled pictures and say how good the model is."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from emulator import vision
from emulator.settings import CommandFailed
from emulator.vision.library.predict import Progress, no_progress

CROSS_VALIDATION, SPLIT = "cross-validation", "the split test"


@dataclass(frozen=True)
class Evaluated:
    """A set, and how good a model of it is.

    Attributes:
        judged_on: "cross-validation", "the split test", or the folder with other pictures.
        images: how many were learned from.
        seconds: the training took.
        skipped: pictures that could not be read, of either part.
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
    """Train on the set in a folder, and judge the model.

    It is judged on the set `test`; without one on the part "test" of a set that has parts "train" and "test",
    which is then not learned from; else by the training's own cross-validation. A terminal shows progress.

    Raises:
        CommandFailed: with one line for a person.
    """
    if budget is not None and not 0 <= budget < float("inf"):
        raise CommandFailed("--advanced: give a number of minutes")
    try:
        learned = vision.read_dataset(folder)
        tested = None if test is None else vision.read_dataset(test)
        judged_on = test or CROSS_VALIDATION
        if {"train", "test"} <= learned.splits:
            if tested is None:
                tested, judged_on = learned.part("test"), SPLIT
            learned = learned.part("train")
        with tempfile.TemporaryDirectory(prefix="custom-vision-") as output, shown_progress() as progress:
            started = time.perf_counter()
            trained = vision.train(
                learned, Path(output), domain=domain, budget=budget, seed=seed, progress=progress
            )
            seconds = time.perf_counter() - started
            report = trained.report
            if tested is not None:
                report = vision.evaluate(trained, tested, progress=progress)
    except (ValueError, OSError, vision.TrainingFailed) as error:
        raise CommandFailed(" ".join(str(error).split())) from error
    except ImportError as error:
        raise CommandFailed(
            f"training needs packages that are not installed: custom-vision-emulator[train] ({error})"
        ) from error
    skipped = tuple(dict.fromkeys((*trained.skipped, *report.skipped)))
    return Evaluated(folder, domain, budget, seed, judged_on, trained.images, seconds, skipped, report)


def as_json(done: Evaluated) -> str:
    """Everything, for programs."""
    return json.dumps(asdict(done), indent=2, ensure_ascii=False)


def as_table(done: Evaluated) -> str:
    """The figures of each tag and of all, for people."""
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
    """A bar on standard error, if that is a terminal and rich is installed."""
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
