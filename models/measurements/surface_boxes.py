"""Detection sets that show one kind of surface each, drawn on scikit-image's photographs."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import numpy
from PIL import Image, ImageDraw

from emulator.vision.library.readers import LABELS_FILE

_TRAINING, _TEST = 60, 30
_SIDE = 400
Random = numpy.random.Generator
# Tag, and left, top, right, bottom in pixels.
Marked = list[tuple[str, tuple[float, float, float, float]]]
Maker = Callable[[bool, Random], tuple[Image.Image, Marked]]


def make_boxed_sets(folder: Path) -> list[Path]:
    """Write the sets into a folder, each with `labels.jsonl`, and return their folders."""
    makers: dict[str, Maker] = {
        "brick boxes": lambda training, random: _damaged("brick.png", training, random),
        "gravel boxes": lambda training, random: _damaged("gravel.png", training, random),
        "discs": lambda training, random: _discs(random),
    }
    for name, make in makers.items():
        random = numpy.random.default_rng(0)
        (folder / name / "images").mkdir(parents=True)
        lines = []
        for training, count in ((True, _TRAINING), (False, _TEST)):
            split = "train" if training else "test"
            for number in range(count):
                image, marked = make(training, random)
                file = f"images/{split} {number}.png"
                image.save(folder / name / file)
                boxes = [_box(tag, edges, image.size) for tag, edges in marked]
                lines.append(json.dumps({"file": file, "split": split, "boxes": boxes}))
        (folder / name / LABELS_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [folder / name for name in makers]


def _box(tag: str, edges: tuple[float, float, float, float], size: tuple[int, int]) -> dict[str, object]:
    left, top, right, bottom = (numpy.clip(edges, 0, size * 2) / numpy.array(size * 2)).tolist()
    return {"tag": tag, "left": left, "top": top, "width": right - left, "height": bottom - top}


def _damaged(name: str, training: bool, random: Random) -> tuple[Image.Image, Marked]:
    """A crop with scratches and stains, of the left half of a photograph for training, else of the right."""
    with Image.open(str(resources.files("skimage") / "data" / name)) as opened:
        photograph = opened.convert("RGB")
    side, half = int(random.integers(180, 240)), photograph.width // 2
    left = int(random.integers(0, half - side + 1)) + (0 if training else half)
    top = int(random.integers(0, photograph.height - side + 1))
    image = photograph.crop((left, top, left + side, top + side)).resize((_SIDE, _SIDE))
    draw, marked = ImageDraw.Draw(image), []
    for _ in range(int(random.integers(1, 4))):
        if random.random() < 0.5:
            angle = 2 * numpy.pi * random.random()
            start = random.integers(30, _SIDE - 30, 2)
            along = numpy.array([numpy.cos(angle), numpy.sin(angle)])
            end = (start + random.integers(50, 160) * along).clip(5, _SIDE - 6)
            draw.line((*start.tolist(), *end.tolist()), fill=(230, 230, 225), width=4)
            low, high = numpy.minimum(start, end) - 3, numpy.maximum(start, end) + 3
            marked.append(("scratch", (*low.tolist(), *high.tolist())))
        else:
            x, y = random.integers(20, _SIDE - 80, 2).tolist()
            height = int(random.integers(18, 50))
            edges = (float(x), float(y), x + 1.3 * height, float(y + height))
            draw.ellipse(edges, fill=(30, 25, 20))
            marked.append(("stain", edges))
    return image, marked


def _discs(random: Random) -> tuple[Image.Image, Marked]:
    """Red discs, and a few larger blue ones with a dark core, on a pale ground, as blood cells."""
    width, height = 640, 480
    ground = numpy.array([235, 215, 220]) + random.normal(0, 5, 3)
    pixels = (ground + random.normal(0, 4, (height, width, 3))).clip(0, 255).astype(numpy.uint8)
    image = Image.fromarray(pixels)
    draw, marked = ImageDraw.Draw(image), []
    for _ in range(int(random.integers(8, 18))):
        is_large = random.random() < 0.15
        radius = int(random.integers(26, 40) * (1.4 if is_large else 1))
        x, y = int(random.integers(radius, width - radius)), int(random.integers(radius, height - radius))
        colour = numpy.array([120, 80, 160] if is_large else [200, 140, 150]) + random.normal(0, 8, 3)
        fill = tuple(colour.clip(0, 255).astype(int).tolist())
        edges = (float(x - radius), float(y - radius), float(x + radius), float(y + radius))
        draw.ellipse(edges, fill=fill)
        if is_large:
            core = radius // 2
            draw.ellipse((x - core, y - core, x + core, y + core), fill=(80, 40, 130))
        marked.append(("large" if is_large else "small", edges))
    return image, marked
