"""Compose large photographs with small defects (1/100 of a side) from small photographs.

    python models/measurements/large_photographs.py SET TO [--cells 4] [--filled 0.5]

SET is a set as for `measure_detection.py`, with a file `labels.jsonl` and photographs of equal size; TO
becomes such a set of JPEG files. Each photograph is used once, in a random cell of a square grid; the other
cells are flat and noisy. Training and test photographs are not mixed.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy
from PIL import Image


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("set", type=Path)
    parser.add_argument("to", type=Path)
    parser.add_argument("--cells", type=int, default=4, help="cells per side of a large photograph")
    parser.add_argument("--filled", type=float, default=0.5, help="share of the cells that have a photograph")
    arguments = parser.parse_args()
    lines = (arguments.set / "labels.jsonl").read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    random = numpy.random.default_rng(0)
    (arguments.to / "images").mkdir(parents=True, exist_ok=True)
    written = []
    for split in ("train", "test"):
        of_split = [entry for entry in entries if entry["split"] == split]
        a_picture = max(1, round(arguments.filled * arguments.cells**2))
        for first in range(0, len(of_split) - a_picture + 1, a_picture):
            name = f"images/{split}-{first // a_picture:03}.jpg"
            picture, boxes = laid_out(
                arguments.set, of_split[first : first + a_picture], arguments.cells, random
            )
            picture.save(arguments.to / name, quality=92)
            written.append(json.dumps({"file": name, "split": split, "boxes": boxes}))
    (arguments.to / "labels.jsonl").write_text("\n".join(written) + "\n", encoding="utf-8")
    print(f"{len(written)} photographs, the last of {picture.width} x {picture.height} pixels")


def laid_out(
    folder: Path, entries: list[dict], cells: int, random: numpy.random.Generator
) -> tuple[Image.Image, list[dict]]:
    """A large photograph composed of small ones, and its boxes."""
    parts = [Image.open(folder / entry["file"]).convert("RGB") for entry in entries]
    width, height = parts[0].size
    ground = random.normal(numpy.asarray(parts[0]).mean(axis=(0, 1)), 6, (height * cells, width * cells, 3))
    large = Image.fromarray(ground.clip(0, 255).astype(numpy.uint8))
    boxes = []
    for cell, part, entry in zip(random.permutation(cells**2).tolist(), parts, entries, strict=False):
        row, column = divmod(cell, cells)
        large.paste(part, (column * width, row * height))
        boxes += [
            {
                "tag": box["tag"],
                "left": (box["left"] + column) / cells,
                "top": (box["top"] + row) / cells,
                "width": box["width"] / cells,
                "height": box["height"] / cells,
            }
            for box in entry["boxes"]
        ]
    return large, boxes


if __name__ == "__main__":
    main()
