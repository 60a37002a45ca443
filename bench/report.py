"""Results of a benchmark, as a table for people and a JSON file for programs."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from rich import box
from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Measurement:
    """One row of the table.

    Attributes:
        what: name of the figure.
        ours: the emulator's figure, in `unit`.
        against: the peer or the floor of the comparison; empty without one.
        theirs: its figure, in `unit`.
        judged: the value that the budget limits: `ours`, ours / theirs, or ours - theirs.
        at_most, at_least: the budget; both None for a figure without one.
        samples: the single figures behind `ours` and `theirs`, for the JSON file.
    """

    what: str
    ours: float
    unit: str
    against: str = ""
    theirs: float | None = None
    judged: Literal["figure", "ratio", "difference"] = "figure"
    at_most: float | None = None
    at_least: float | None = None
    samples: dict[str, list[float]] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        return self.ours / self.theirs if self.theirs else None

    @property
    def difference(self) -> float | None:
        return None if self.theirs is None else self.ours - self.theirs

    @property
    def reached(self) -> bool | None:
        """True when the figure is within its budget; None without a budget."""
        value = {"figure": self.ours, "ratio": self.ratio, "difference": self.difference}[self.judged]
        if value is None or (self.at_most is None and self.at_least is None):
            return None
        return (self.at_most is None or value <= self.at_most) and (
            self.at_least is None or value >= self.at_least
        )

    @property
    def budget(self) -> str:
        limit = self.at_most if self.at_most is not None else self.at_least
        if limit is None:
            return ""
        sign = "<=" if self.at_most is not None else ">="
        if self.judged == "ratio":
            return f"ratio {sign} {limit:g}"
        return f"{'+' if self.judged == 'difference' else ''}{sign} {limit:g} {self.unit}"


def compared(
    what: str, unit: str, ours: Sequence[float], against: str, theirs: Sequence[float], **budget: float
) -> Measurement:
    """The medians of two sets of samples, with a budget for their ratio."""
    return Measurement(
        what,
        statistics.median(ours),
        unit,
        against,
        statistics.median(theirs),
        judged="ratio",
        samples={"ours": list(ours), "theirs": list(theirs)},
        **budget,
    )


def machine() -> str:
    """A general description of this machine."""
    return (
        f"{os.cpu_count()} processors ({platform.machine()}), {platform.system()}, "
        f"Python {platform.python_version()}"
    )


def table(measurements: Sequence[Measurement]) -> Table:
    rows = Table(box=box.MARKDOWN)
    for heading in ("What", "Ours", "Against", "Theirs", "Ratio", "Budget", "Reached"):
        rows.add_column(heading, justify="right" if heading in ("Ours", "Theirs", "Ratio") else "left")
    for one in measurements:
        rows.add_row(
            one.what,
            _figure(one.ours, one.unit),
            one.against,
            "" if one.theirs is None else _figure(one.theirs, one.unit),
            "" if one.ratio is None else f"{one.ratio:.2f}",
            one.budget,
            {True: "yes", False: "MISSED", None: ""}[one.reached],
        )
    return rows


def publish(name: str, measurements: Sequence[Measurement], load: float | None) -> None:
    """Print the table of one benchmark and write it, with every sample, to ``bench/results/NAME.json``."""
    Console(width=None if sys.stdout.isatty() else 160).print(table(measurements))
    RESULTS.mkdir(exist_ok=True)
    document = {
        "machine": machine(),
        "load_before": load,
        "measurements": [
            {**asdict(one), "ratio": one.ratio, "budget": one.budget, "reached": one.reached}
            for one in measurements
        ],
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _figure(value: float, unit: str) -> str:
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:.{digits}f} {unit}"
