"""Measure classifiers that score tiles of large photographs with small defects, trained from tags alone.

    python models/measurements/measure_tiles.py SET [--rows 6] [--train 300] [--test 150] [--share 0.2]
        [--one-tag] [--seed 0] [--keep FOLDER]

SET is `pcb-defects` or a set like it: a `labels.jsonl` with boxes, and photographs of equal size. The
photographs that are measured show a tray of `--rows` x `--rows` parts of 160 pixels on a noisy ground, 200
pixels apart: cuts of boards. Nearly all parts have no defect; for each tag, a share of the photographs has
one part with defects of this tag, and the photograph has the tag. Boxes are not used otherwise. With
`--one-tag`, each photograph has one such part, or none and the tag `good`. Training and test photographs show
different boards.

Columns: figure (mean average precision; accuracy with `--one-tag`) of the default training without and with
tiles, and of guessing; calibration errors; the figure that the training reports of itself; seconds
(processor seconds / 2); time of scoring a photograph, relative to the model of whole images.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy
from measuring import (
    Photograph,
    accuracy,
    calibration_error,
    classification_dataset,
    load,
    mean_average_precision,
    processor_clock,
    row,
    scores_of,
    targets_of,
)
from PIL import Image

from emulator.vision.classification.train import train_classifier, warm_up
from emulator.vision.evaluation.classification import Evaluation
from emulator.vision.library.readers import LABELS_FILE
from emulator.vision.networks.model_file import TILING, read_model
from emulator.vision.recipes.recipes import QUICK

PART, PITCH = 160, 200
# Distance of parts that are considered on a board, of boxes from the edges of parts, and from empty ones.
_STEP, _INSIDE, _AWAY = 16, 8, 4
# Mean brightness of parts that show something.
_DARKEST, _BRIGHTEST = 40, 215
GOOD = "good"
HEADER = ("model", "figure", "guessing", "calibration error", "own", "s", "scoring", "tiles")


@dataclass(frozen=True)
class Part:
    """A square of a photograph, from its upper left corner in pixels."""

    file: str
    left: int
    top: int


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("set", type=Path)
    parser.add_argument("--rows", type=int, default=6)
    parser.add_argument("--train", type=int, default=300)
    parser.add_argument("--test", type=int, default=150)
    parser.add_argument("--share", type=float, default=0.2)
    parser.add_argument("--one-tag", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder of the photographs and models")
    parser.add_argument("--log", action="store_true", help="what trainings decide")
    arguments = parser.parse_args()
    if arguments.log:
        logging.basicConfig(level=logging.INFO)
    warm_up()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.keep or Path(scratch)
        if not (folder / LABELS_FILE).is_file():
            make_set(
                arguments.set,
                folder,
                rows=arguments.rows,
                counts={"train": arguments.train, "test": arguments.test},
                share=None if arguments.one_tag else arguments.share,
                random=numpy.random.default_rng(arguments.seed),
            )
        measure(load(folder), folder, arguments.seed)


def measure(photographs: list[Photograph], folder: Path, seed: int) -> None:
    tags = sorted({tag for photograph in photographs for tag in photograph.tags})
    multilabel = any(len(photograph.tags) != 1 for photograph in photographs)
    figure = mean_average_precision if multilabel else accuracy
    tested = [photograph for photograph in photographs if not photograph.for_training]
    targets_NT = targets_of(tested, tags)
    dataset = classification_dataset(
        [photograph for photograph in photographs if photograph.for_training], tags, multilabel
    )
    guessing = targets_NT.mean() if multilabel else targets_NT.mean(axis=0).max()
    print(row(HEADER), row(("---",) * len(HEADER)), sep="\n")
    usual = 0.0
    for name in ("whole images", "default"):
        started = processor_clock()
        trained = train_classifier(
            dataset,
            replace(QUICK, tiles=name == "default"),
            seed=seed,
            output=folder / name,
            feature_cache=folder / f"features of {name}",
            progress=lambda done, step: None,
        )
        seconds = processor_clock() - started
        started = time.process_time()
        scores_NT = scores_of(trained.model_path, tested)
        each = (time.process_time() - started) / len(tested)
        usual = usual or each
        own = Evaluation.load(trained.evaluation_path)
        cells = (
            name,
            f"{figure(scores_NT, targets_NT):.3f}",
            f"{guessing:.3f}",
            f"{calibration_error(scores_NT, targets_NT, multilabel):.3f}",
            f"{figure(own.probabilities_NT, own.targets_NT):.3f}",
            f"{seconds:.0f}",
            f"{each / usual:.1f}",
            TILING in read_model(trained.model_path.read_bytes())[0],
        )
        print(row(cells), flush=True)


def make_set(
    source: Path,
    folder: Path,
    *,
    rows: int,
    counts: dict[str, int],
    share: float | None,
    random: numpy.random.Generator,
) -> None:
    """Write photographs and their tags. `share` of them has each tag; None: one tag each, all as often."""
    lines = (source / LABELS_FILE).read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    (folder / "images").mkdir(parents=True, exist_ok=True)
    written = []
    for split, count in counts.items():
        good, defective = parts_of(source, [each for each in entries if each["split"] == split], random)
        kinds = sorted(defective)
        for number in range(count):
            if share is None:
                shown = [*kinds, GOOD][number % (len(kinds) + 1) :][:1]
            else:
                shown = [kind for kind in kinds if random.random() < share][: rows**2]
            chosen = [_any_of(defective[kind], random) for kind in shown if kind != GOOD]
            others = random.choice(len(good), rows**2 - len(chosen), replace=False)
            chosen += [good[index] for index in others.tolist()]
            name = f"images/{split}-{number:03}.jpg"
            tray(source, [chosen[place] for place in random.permutation(rows**2)], rows, random).save(
                folder / name, quality=92
            )
            written.append(json.dumps({"file": name, "split": split, "tags": shown}))
    (folder / LABELS_FILE).write_text("\n".join(written) + "\n", encoding="utf-8")


def parts_of(
    source: Path, entries: list[dict], random: numpy.random.Generator
) -> tuple[list[Part], dict[str, list[list[Part]]]]:
    """Parts without defects that hardly overlap, and parts with defects of one tag, by tag and board."""
    good: list[Part] = []
    defective: dict[str, list[list[Part]]] = defaultdict(list)
    for entry in entries:
        board = numpy.asarray(Image.open(source / entry["file"]).convert("L"))
        height, width = board.shape
        edges = numpy.array(
            [[box["left"], box["top"], box["width"], box["height"]] for box in entry["boxes"]]
        ) * [width, height, width, height]
        begin, end = edges[:, :2], edges[:, :2] + edges[:, 2:]
        tags = numpy.array([box["tag"] for box in entry["boxes"]])
        empty: list[Part] = []
        with_tag: dict[str, list[Part]] = defaultdict(list)
        for top in range(0, height - PART + 1, _STEP):
            for left in range(0, width - PART + 1, _STEP):
                corner = numpy.array([left, top])
                touched = ((begin < corner + PART + _AWAY) & (end > corner - _AWAY)).all(axis=1)
                whole = ((begin > corner + _INSIDE) & (end < corner + PART - _INSIDE)).all(axis=1)
                part = Part(entry["file"], left, top)
                mean = board[top : top + PART, left : left + PART].mean()
                if not touched.any() and _DARKEST < mean < _BRIGHTEST:
                    empty.append(part)
                elif touched.any() and (touched == whole).all() and len(set(tags[touched])) == 1:
                    with_tag[str(tags[touched][0])].append(part)
        good += _apart([empty[index] for index in random.permutation(len(empty))])
        for tag, found in with_tag.items():
            defective[tag].append(found)
    return good, defective


def _apart(parts: list[Part]) -> list[Part]:
    kept: list[Part] = []
    for part in parts:
        if all(max(abs(part.left - each.left), abs(part.top - each.top)) >= PART // 2 for each in kept):
            kept.append(part)
    return kept


def _any_of(parts_by_board: list[list[Part]], random: numpy.random.Generator) -> Part:
    parts = parts_by_board[int(random.integers(len(parts_by_board)))]
    return parts[int(random.integers(len(parts)))]


def tray(source: Path, parts: list[Part], rows: int, random: numpy.random.Generator) -> Image.Image:
    """A photograph of parts in rows, each somewhere in its place."""
    ground = random.normal(120, 6, (rows * PITCH, rows * PITCH, 3)).clip(0, 255)
    photograph = Image.fromarray(ground.astype(numpy.uint8))
    for place, part in enumerate(parts):
        row_number, column = divmod(place, rows)
        across, down = random.integers(0, PITCH - PART + 1, 2).tolist()
        corner = (column * PITCH + across, row_number * PITCH + down)
        with Image.open(source / part.file) as board:
            cut = board.crop((part.left, part.top, part.left + PART, part.top + PART))
            photograph.paste(cut.convert("RGB"), corner)
    return photograph


if __name__ == "__main__":
    main()
