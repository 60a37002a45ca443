"""The page of `measure_all.py`, from the measured cells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy
from measuring import row

HEAD_TO_HEAD = "head-to-head"
# Keys: whether the set has boxes.
METHODS = {False: ("logistic-regression", "quick", "fine-tuning", "advanced"), True: ("quick", "advanced")}


# Figures that are averaged over the seeds, and those with a deviation.
AVERAGED = ("figure", "own", "calibration_error", "perfect", "seconds", "processor_seconds")
WITH_DEVIATION = ("figure", "calibration_error")
OLDER = "\\*"


def rendered(cells: dict[str, dict[str, Any]]) -> str:
    """The page in Markdown.

    Args:
        cells: by set, method and seed, separated by colons. `code` is the version of the training code, None
            for baselines, "" if it was not recorded, and `measured` the time, which tells the newest code.
    """
    by_seed: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for name, kept in cells.items():
        set_name, method, _ = name.rsplit(":", 2)
        by_seed.setdefault(set_name, {}).setdefault(method, []).append(kept)
    newest = newest_code(cells)
    by_set = {
        name: {
            method: over_seeds(kept, newest.get((kept[0]["detection"], method)))
            for method, kept in methods.items()
        }
        for name, methods in by_seed.items()
    }
    machines = sorted({kept["machine"] for kept in cells.values()})
    shortened = [
        f"{name}, {method} {kept['budget_scale']:g}"
        for name, methods in sorted(by_set.items())
        for method, kept in sorted(methods.items())
        if kept["budget_scale"] != 1
    ]
    seeds = sorted({kept["seeds"] for methods in by_set.values() for kept in methods.values()} - {1})
    older = any(kept["older"] for methods in by_set.values() for kept in methods.values())
    lines = [
        "# How good trainings are",
        "",
        "`python models/measurements/measure_all.py FOLDER` writes this page; its docstring defines the data",
        "splits and the methods. [defaults.md](../defaults.md) lists the defaults chosen with these figures.",
        "Every model was tested on images that it had not been trained on. In a test set of fewer than 100",
        "images, one image is worth a percentage point or more.",
        "",
        f"Machine: {'; '.join(machines)}. Budgets were counted in processor seconds, two per budget second."
        + (f" Another budget than usual, as a factor: {', '.join(shortened)}." if shortened else ""),
    ]
    if seeds:
        numbers = " or ".join(str(number) for number in seeds)
        lines += [
            "",
            f"Figures with ± are mean and standard deviation of {numbers} seeds; others, of one.",
        ]
    if older:
        lines += [
            "",
            f"{OLDER} Measured with older code than others of the column, or before it was recorded.",
        ]
    for detection, title in ((False, "Classification"), (True, "Object detection")):
        chosen = {
            name: kept for name, kept in by_set.items() if next(iter(kept.values()))["detection"] is detection
        }
        if chosen:
            lines += ["", f"## {title}", "", *tables(chosen, METHODS[detection])]
    both = {name: kept[HEAD_TO_HEAD] for name, kept in by_set.items() if HEAD_TO_HEAD in kept}
    if both:
        lines += ["", "## Quick training beside scikit-learn", "", *comparison(both)]
    return "\n".join(lines) + "\n"


def tables(by_set: dict[str, dict[str, dict[str, Any]]], methods: tuple[str, ...]) -> Iterator[str]:
    named = [method.replace("-", " ") for method in methods]
    yield row(("set", "tags", "images", "tested", "", *named, "mistakes gone", "own"))
    yield row(("---",) * (len(methods) + 7))
    gone = []
    for name, kept in sorted(by_set.items()):
        some = next(iter(kept.values()))
        share = mistakes_gone(kept)
        gone += [] if share is None else [share]
        counts = (some["tags"], some["images"], some["tested"], some["kind"])
        figures = (shown(kept, method, "figure") for method in methods)
        own = " / ".join(shown(kept, method, "own") for method in ("quick", "advanced"))
        mark = OLDER * any(kept[method]["older"] for method in ("quick", "advanced") if method in kept)
        yield row((name, *counts, *figures, "-" if share is None else f"{share:.0%}{mark}", own))
    yield ""
    yield (
        "`mistakes gone`: the share of quick training's mistakes that advanced training does not make; "
        + (
            f"{numpy.mean(gone):.0%} on average over the sets where quick training makes any. "
            if gone
            else "none was measured. "
        )
        + "`own`: the figures that quick and advanced training report from cross-validation."
    )
    yield ""
    if any(one.get("perfect") is not None for kept in by_set.values() for one in kept.values()):
        yield "Calibration errors, and in brackets that of right probabilities on as many test images: chance"
        yield "alone gives it, and no model has less on average:"
    else:
        yield "Calibration errors:"
    yield ""
    yield row(("set", *named))
    yield row(("---",) * (len(methods) + 1))
    for name, kept in sorted(by_set.items()):
        yield row((name, *(calibration(kept, method) for method in methods)))
    yield ""
    yield "Training seconds (wall clock / processor time), and the model that advanced training chose:"
    yield ""
    yield row(("set", *named, "advanced training chose"))
    yield row(("---",) * (len(methods) + 2))
    for name, kept in sorted(by_set.items()):
        yield row(
            (
                name,
                *(times(kept, method) for method in methods),
                kept.get("advanced", {}).get("note", "-") or "-",
            )
        )


def comparison(by_set: dict[str, dict[str, Any]]) -> Iterator[str]:
    yield "Both heads on the same features: means over eight random splits of a set's images, three fifths"
    yield "for training. Log losses are those before the calibration of quick training."
    yield ""
    yield row(("set", "", "quick", "scikit-learn", "difference", "log loss, quick", "log loss, scikit-learn"))
    yield row(("---",) * 7)
    for name, one in sorted(by_set.items()):
        difference = f"{one['difference']:+.4f} ± {one['error']:.4f}"
        figures = f"{one['own']:.3f}", f"{one['other']:.3f}", difference
        yield row((name, one["kind"], *figures, f"{one['own_loss']:.3f}", f"{one['other_loss']:.3f}"))


def newest_code(cells: dict[str, dict[str, Any]]) -> dict[tuple[bool, str], str]:
    """The version of the training code of the newest cell of each task and method."""
    newest: dict[tuple[bool, str], tuple[str, str]] = {}
    for name, kept in cells.items():
        if kept["code"]:
            key = kept["detection"], name.rsplit(":", 2)[1]
            newest[key] = max(newest.get(key, ("", "")), (kept["measured"], kept["code"]))
    return {key: code for key, (_, code) in newest.items()}


def over_seeds(cells: list[dict[str, Any]], newest: str | None) -> dict[str, Any]:
    """One cell of those of several seeds, of the newest code that a set was measured with.

    Returns:
        The first cell with means, `deviations` by the names of figures, the number of `seeds`, and whether
        it is `older` than the newest code of its method.
    """
    code = max(cells, key=lambda kept: str(kept["measured"]))["code"]
    alike = [kept for kept in cells if kept["code"] == code]
    joined = {**alike[0], "seeds": len(alike), "older": code not in (None, newest), "deviations": {}}
    for what in AVERAGED:
        values = [kept[what] for kept in alike if kept.get(what) is not None]
        if values:
            joined[what] = float(numpy.mean(values))
        if what in WITH_DEVIATION and len(values) > 1:
            joined["deviations"][what] = float(numpy.std(values, ddof=1))
    joined["note"] = "; ".join(dict.fromkeys(kept["note"] for kept in alike if kept.get("note")))
    return joined


def shown(kept: dict[str, dict[str, Any]], method: str, what: str) -> str:
    one = kept.get(method, {})
    value = one.get(what)
    if value is None:
        return "-"
    deviation = one["deviations"].get(what)
    text = f"{value:.3f}" if deviation is None else f"{value:.3f} ± {deviation:.3f}"
    return text + OLDER * one["older"]


def calibration(kept: dict[str, dict[str, Any]], method: str) -> str:
    floor = kept.get(method, {}).get("perfect")
    return shown(kept, method, "calibration_error") + (f" ({floor:.3f})" if floor is not None else "")


def times(kept: dict[str, dict[str, Any]], method: str) -> str:
    if method not in kept:
        return "-"
    one = kept[method]
    text = f"{one['seconds']:.1f} / {one['processor_seconds']:.1f}"
    return f"{text} ({one['note']})" if method == "fine-tuning" and one["note"] else text


def mistakes_gone(kept: dict[str, dict[str, Any]]) -> float | None:
    if not {"quick", "advanced"} <= kept.keys():
        return None
    before, after = kept["quick"]["figure"], kept["advanced"]["figure"]
    return (after - before) / (1 - before) if before < 1 else None
