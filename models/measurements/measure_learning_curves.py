"""Draw learning curves: how good quick training is by the number of images per tag.

    python models/measurements/measure_learning_curves.py FOLDER [--sets NAME ...] [--counts 2 3 5 10 20 50]
        [--draws 3] [--shrink 32] [--render]

FOLDER contains sets as for `measure_all.py`; those without boxes and those with boxes "by presence" are
measured. From the training images of the first division of a set, images are drawn until each tag has the
given number (an image with several tags counts for each of them), and the model is tested on all its test
images. Counts that a tag has too few images for are left out.

Each training is stored at once in `models/results/learning_curves.json`, so the script can be stopped and
taken up: trainings of the present code (`training_code.py`) are not measured again. At the end, and with
`--render` alone, it writes the table `learning_curves.md` and the plot `learning_curves.svg` beside it, with
means and standard deviations over the draws. Older code is marked in the table. The plot needs matplotlib
(`pip install matplotlib`).
"""

from __future__ import annotations

import argparse
import re
import shlex
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy
from measure_all import RESULTS, Kept, divisions, sets_in
from measuring import row
from training_code import version

from emulator import vision
from emulator.vision.classification.train import warm_up

NAME = "learning_curves"
OLDER = "\\*"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sets", nargs="*", metavar="NAME")
    parser.add_argument("--counts", type=int, nargs="+", default=[2, 3, 5, 10, 20, 50])
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--shrink", type=int, metavar="SIDE")
    parser.add_argument(
        "--render", action="store_true", help="only write table and plot, from stored figures"
    )
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    arguments = parser.parse_args()
    kept = Kept(arguments.out / f"{NAME}.json")
    if not arguments.render:
        warm_up()
        sets = {
            name: read for name, read in sets_in(arguments.folder, arguments.shrink) if not read().detection
        }
        wanted = {name: sets[name]() for name in arguments.sets or sets}
        for key, dataset, count, draw in trainings(wanted, arguments.counts, arguments.draws):
            known = kept.cells().get(key)
            if known is None or known["code"] != version(False, "quick"):
                kept.put(key, measured(dataset, count, draw))
                print(key, f"{kept.cells()[key]['figure']:.3f}", file=sys.stderr, flush=True)
    cells = kept.cells()
    if not cells:
        print(f"{arguments.folder} has no set that can be measured", file=sys.stderr)
        return 1
    (arguments.out / f"{NAME}.md").write_text("\n".join(page(cells)) + "\n", encoding="utf-8")
    plot(cells, arguments.out / f"{NAME}.svg")
    return 0


def trainings(
    sets: dict[str, vision.Dataset], counts: Iterable[int], draws: int
) -> Iterator[tuple[str, vision.Dataset, int, int]]:
    """Key, set, images per tag and number of the draw; short trainings first."""
    for count in counts:
        for draw in range(draws):
            for name, dataset in sets.items():
                learned = divisions(dataset)[0].learned
                if all(
                    sum(tag in sample.tags for sample in learned.samples) >= count for tag in learned.tags
                ):
                    yield f"{name}:{count}:{draw}", dataset, count, draw


def measured(dataset: vision.Dataset, count: int, draw: int) -> dict[str, Any]:
    division = divisions(dataset)[0]
    learned = drawn(division.learned, count, draw)
    with tempfile.TemporaryDirectory() as scratch:
        trained = vision.train(learned, Path(scratch), seed=draw)
        report = vision.evaluate(trained, division.tested)
    return {
        "code": version(False, "quick"),
        "measured": datetime.now(UTC).isoformat(timespec="minutes"),
        "kind": "mAP" if dataset.multilabel else "accuracy",
        "images": len(learned.samples),
        "tested": len(division.tested.samples),
        "figure": report.average_precision if report.accuracy is None else report.accuracy,
        "calibration_error": report.calibration_error,
    }


def drawn(dataset: vision.Dataset, count: int, seed: int) -> vision.Dataset:
    """Images of a set, `count` of each tag; one with several tags counts for each of them."""
    random = numpy.random.default_rng(seed)
    chosen: list[int] = []
    for tag in dataset.tags:
        of_tag = [place for place, sample in enumerate(dataset.samples) if tag in sample.tags]
        missing = count - sum(place in chosen for place in of_tag)
        others = [place for place in random.permutation(of_tag).tolist() if place not in chosen]
        chosen += others[: max(0, missing)]
    return replace(dataset, samples=tuple(dataset.samples[place] for place in sorted(chosen)))


# --- table and plot -----------------------------------------------------------------------------------------


def curves(cells: dict[str, dict[str, Any]]) -> dict[str, dict[int, list[dict[str, Any]]]]:
    """The cells of all draws by set and images per tag, in ascending order, of the newest code of each."""
    found: dict[str, dict[int, list[dict[str, Any]]]] = {}
    for key, cell in cells.items():
        name, count, _ = key.rsplit(":", 2)
        found.setdefault(name, {}).setdefault(int(count), []).append(cell)
    return {
        name: {count: of_newest_code(draws) for count, draws in sorted(by_count.items())}
        for name, by_count in sorted(found.items())
    }


def of_newest_code(draws: list[dict[str, Any]]) -> list[dict[str, Any]]:
    newest = max(draws, key=lambda cell: str(cell["measured"]))["code"]
    return [cell for cell in draws if cell["code"] == newest]


def mean_and_deviation(draws: list[dict[str, Any]], what: str) -> tuple[float, float]:
    values = [cell[what] for cell in draws]
    return float(numpy.mean(values)), float(numpy.std(values, ddof=1)) if len(values) > 1 else 0.0


def page(cells: dict[str, dict[str, Any]]) -> Iterator[str]:
    newest = max(cells.values(), key=lambda cell: str(cell["measured"]))["code"]
    yield "# Learning curves"
    yield ""
    yield "Quick training by the number of images per tag. The first lines of the script define table and"
    yield "plot, which this command measures:"
    yield ""
    yield from ("```sh", command(cells), "```")
    yield ""
    yield f"![Accuracy by images per tag]({NAME}.svg)"
    yield ""
    yield "Means and standard deviations over the draws:"
    yield ""
    yield row(("set", "figure", "images per tag", "images", "tested", "draws", "quick", "calibration error"))
    yield row(("---",) * 8)
    older = False
    for name, by_count in curves(cells).items():
        for count, draws in by_count.items():
            mark = "" if draws[0]["code"] == newest else OLDER
            older |= bool(mark)
            images = f"{numpy.mean([cell['images'] for cell in draws]):.0f}"
            figures = []
            for what in ("figure", "calibration_error"):
                mean, deviation = mean_and_deviation(draws, what)
                figures.append(f"{mean:.3f}" + f" ± {deviation:.3f}" * (len(draws) > 1) + mark)
            yield row((name, draws[0]["kind"], count, images, draws[0]["tested"], len(draws), *figures))
    if older:
        yield ""
        yield f"{OLDER} Measured with older code of the training than others."


def command(cells: Iterable[str]) -> str:
    """The command that measures the cells with these keys."""
    names, counts, draws = zip(*(key.rsplit(":", 2) for key in cells), strict=True)
    arguments = ["--sets", *(shlex.quote(name) for name in sorted(set(names)))]
    arguments += ["--counts", *(str(count) for count in sorted({int(count) for count in counts}))]
    arguments += ["--draws", str(1 + max(int(draw) for draw in draws))]
    sides = {found[1] for name in names if (found := re.search(r" at (\d+) pixels$", name))}
    arguments += [f"--shrink {side}" for side in sorted(sides)]
    return f"python models/measurements/measure_learning_curves.py FOLDER {' '.join(arguments)}"


def plot(cells: dict[str, dict[str, Any]], path: Path) -> None:
    try:
        import matplotlib
    except ImportError:
        print("There is no plot: it needs matplotlib (pip install matplotlib).", file=sys.stderr)
        return
    matplotlib.use("svg")
    # Text instead of outlines, and the same file each time.
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": NAME})
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    for name, by_count in curves(cells).items():
        points = [mean_and_deviation(draws, "figure") for draws in by_count.values()]
        kind = next(iter(by_count.values()))[0]["kind"]
        axes.errorbar(
            list(by_count),
            [mean for mean, _ in points],
            yerr=[deviation for _, deviation in points],
            label=f"{name} ({kind})",
            marker="o",
            markersize=4,
            capsize=3,
        )
    counts = sorted({count for by_count in curves(cells).values() for count in by_count})
    axes.set_xscale("log")
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.minorticks_off()
    axes.set_xlabel("images per tag")
    axes.set_ylabel("accuracy or mAP on test images")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")
    pyplot.close(figure)


if __name__ == "__main__":
    sys.exit(main())
