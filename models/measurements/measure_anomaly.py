"""Measure anomaly detection: trained on good images alone, tested on images with and without defects.

    python models/measurements/measure_anomaly.py FOLDER [--sets NAME ...] [--good 20 60] [--wrong 0.05 ...]

FOLDER has the set `pcb-defects` (`labels.jsonl`), whose boards become square crops: good ones without any
box, bad ones around a box. The other sets are crops of photographs of scikit-image: the training images from
the upper half, the test images from the lower one, and half of these with a drawn scratch or stain. They are
no photographs of defects. `objects` are sets of whole objects instead, where images of other tags are the
anomalies.

Prints rows of a table in Markdown: area under the ROC curve of images and of pixels, the shares of good and
bad test images above a probability of .5, processor seconds of training, and milliseconds for an image on one
processor, also as a multiple of those of a classifier. `--wrong` puts bad images among the good ones.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from io import BytesIO
from pathlib import Path

import numpy
from measuring import LabelledSet, checksum, load, load_boxes, row
from PIL import Image, ImageDraw

from emulator.vision.anomaly.train import train_anomaly_detector
from emulator.vision.classification.dataset import ClassificationDataset, LabelledImage
from emulator.vision.classification.features import backbone_session
from emulator.vision.classification.session import ClassifierSession
from emulator.vision.heat_maps.mapper import HeatMapper
from emulator.vision.recipes.recipes import ANOMALY, QUICK

_TRAINING, _TEST = 120, 60
_SEEDS = (0, 1, 2)
_TIMED = 30
Random = numpy.random.Generator
# An image, and where its defects are; None for whole objects.
Masked = tuple[Image.Image, numpy.ndarray | None]


@dataclass(frozen=True)
class Parts:
    """Good images to train on; good and bad ones to test; bad ones to hide among the good ones."""

    training: list[Masked]
    good: list[Masked]
    bad: list[Masked]
    hidden: list[Masked]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sets", nargs="+", default=None)
    parser.add_argument("--good", nargs="+", type=int, default=[_TRAINING], help="numbers of good images")
    parser.add_argument("--wrong", nargs="+", type=float, default=[0.0], help="shares of bad ones among them")
    parser.add_argument("--seeds", nargs="+", type=int, default=list(_SEEDS))
    arguments = parser.parse_args()
    makers = _makers(arguments.folder)
    columns = ("set", "good images", "of them bad", "image AUROC", "pixel AUROC", "good > .5", "bad > .5")
    print(row((*columns, "training, s", "image, ms", "classifiers")))
    print(row(("---",) * (len(columns) + 3)))
    for name in arguments.sets or list(makers):
        for count in arguments.good:
            for wrong in arguments.wrong:
                figures = [
                    measured(makers[name](numpy.random.default_rng(seed)), count, wrong, seed)
                    for seed in arguments.seeds
                ]
                mean, deviation = numpy.mean(figures, axis=0), numpy.std(figures, axis=0)
                shown = [f"{value:.3f} ± {spread:.3f}" for value, spread in zip(mean, deviation, strict=True)]
                cells = (name, count, f"{wrong:.0%}", *shown[:4], f"{mean[4]:.1f}", f"{mean[5]:.1f}")
                print(row((*cells, f"{mean[6]:.2f}")), flush=True)


def measured(parts: Parts, count: int, wrong: float, seed: int) -> tuple[float, ...]:
    """Image AUROC, pixel AUROC, shares of good and bad images above .5, seconds, milliseconds, multiple."""
    bad_ones = round(wrong * count)
    training = [*parts.training[: count - bad_ones], *parts.hidden[:bad_ones]]
    with tempfile.TemporaryDirectory() as folder:
        images = tuple(
            LabelledImage(str(path), checksum(path), (1,))
            for path in (_saved(image, Path(folder)) for image, _ in training)
        )
        dataset = ClassificationDataset(images, ("anomaly", "good"), multilabel=False, negative=0)
        begin = time.process_time()
        trained = train_anomaly_detector(
            dataset, ANOMALY, seed=seed, output=Path(folder) / "model", progress=lambda share, step: None
        )
        seconds = time.process_time() - begin
        session, mapper = ClassifierSession(trained.model_path), HeatMapper(trained.model_path)
        tested = [*parts.good, *parts.bad]
        probabilities = numpy.array([session.score(_encoded(image))[0] for image, _ in tested])
        is_bad = numpy.arange(len(tested)) >= len(parts.good)
        milliseconds, multiple = _times(session)
        return (
            roc_area(probabilities, is_bad),
            _pixel_area(mapper, tested),
            float((probabilities[~is_bad] > 0.5).mean()),
            float((probabilities[is_bad] > 0.5).mean()),
            seconds,
            milliseconds,
            multiple,
        )


def roc_area(scores: numpy.ndarray, is_bad: numpy.ndarray) -> float:
    """The share of pairs of a bad and a good one in which the bad one has the higher score."""
    order = numpy.argsort(scores, kind="stable")
    ranks = numpy.empty(len(scores))
    _, first, counts = numpy.unique(scores[order], return_index=True, return_counts=True)
    ranks[order] = numpy.repeat(first + (counts + 1) / 2, counts)
    bad = int(is_bad.sum())
    return float((ranks[is_bad].sum() - bad * (bad + 1) / 2) / (bad * (len(scores) - bad)))


def _pixel_area(mapper: HeatMapper, tested: list[Masked]) -> float:
    """Over every second pixel of every second row; NaN without masks."""
    if all(mask is None for _, mask in tested):
        return float("nan")
    values, truths = [], []
    for image, mask in tested:
        found = mapper.heat_map(_encoded(image))
        log_odds = numpy.log(found.values_HW.clip(1e-30)) - numpy.log1p(-found.values_HW.clip(max=1 - 1e-12))
        large = Image.fromarray(log_odds.astype(numpy.float32)).resize(image.size, Image.Resampling.BILINEAR)
        values.append(numpy.asarray(large)[::2, ::2].ravel())
        truth = numpy.zeros((image.height, image.width), bool) if mask is None else mask
        truths.append(truth[::2, ::2].ravel())
    return roc_area(numpy.concatenate(values), numpy.concatenate(truths))


def _times(session: ClassifierSession) -> tuple[float, float]:
    """Median processor milliseconds for decoded pixels, also as a multiple of a classifier's network."""

    def median(run: Callable[[], object]) -> float:
        taken = []
        for _ in range(_TIMED):
            begin = time.process_time()
            run()
            taken.append(time.process_time() - begin)
        return 1000 * float(numpy.median(taken))

    large = numpy.zeros((1, ANOMALY.resolution, ANOMALY.resolution, 3), numpy.uint8)
    small = numpy.zeros((1, QUICK.resolution, QUICK.resolution, 3), numpy.uint8)
    network = backbone_session(QUICK.backbone, QUICK.resolution)
    own = median(lambda: session.score_pixels(large))
    return own, own / median(lambda: network.run(None, {"image": small}))


# --- sets ---------------------------------------------------------------------------------------------------


def _makers(folder: Path) -> dict[str, Callable[[Random], Parts]]:
    makers: dict[str, Callable[[Random], Parts]] = {}
    boards = load_boxes(folder / "pcb-defects")
    if boards is not None:
        for side in (96, 128, 224):
            makers[f"boards, {side} px"] = lambda random, side=side: _boards(boards, side, random)
    for name, damage in (("brick", _scratch), ("grass", _stain), ("gravel", _stain)):
        for way, damaged in (("scratch", _scratch), ("stain", _stain)):
            if damaged is damage or name == "brick":
                makers[f"{name}, {way}"] = lambda random, name=name, damaged=damaged: _surface(
                    f"{name}.png", damaged, random
                )
    if (folder / "clothing").is_dir():
        for tag in ("shoes", "pants"):
            makers[f"objects: {tag}"] = lambda random, tag=tag: _objects(folder / "clothing", tag, random)
    return makers


def _boards(boards: LabelledSet, side: int, random: Random) -> Parts:
    """Crops of boards: three good ones of each, and one around a defect."""
    good: dict[bool, list[Masked]] = {True: [], False: []}
    bad: dict[bool, list[Masked]] = {True: [], False: []}
    for images, for_training in ((boards.training, True), (boards.tested, False)):
        for boarded in images:
            with Image.open(boarded.path) as opened:
                board = opened.convert("RGB")
            size = numpy.array([board.width, board.height])
            edges = numpy.array([box.xyxy for box in boarded.boxes]) * numpy.tile(size, 2)
            for _ in range(3):
                for _ in range(20):
                    corner = random.integers(0, size - side + 1)
                    outside = (edges[:, :2] >= corner + side) | (edges[:, 2:] <= corner)
                    if outside.any(axis=1).all():
                        good[for_training].append(_crop(board, corner, side, edges))
                        break
            defect = edges[random.integers(len(edges))]
            middle = (defect[:2] + defect[2:]) / 2 + random.uniform(-0.25, 0.25, 2) * side
            corner = (middle - side / 2).clip(0, size - side).astype(int)
            bad[for_training].append(_crop(board, corner, side, edges))
    return Parts(
        _some(good[True], _TRAINING, random),
        _some(good[False], _TEST, random),
        _some(bad[False], _TEST, random),
        _some(bad[True], _TEST, random),
    )


def _crop(board: Image.Image, corner: numpy.ndarray, side: int, edges: numpy.ndarray) -> Masked:
    left, top = corner.tolist()
    mask = numpy.zeros((side, side), bool)
    inside = numpy.rint(edges - numpy.tile(corner, 2)).clip(0, side).astype(int)
    for x0, y0, x1, y1 in inside.tolist():
        mask[y0:y1, x0:x1] = True
    return board.crop((left, top, left + side, top + side)), mask


def _surface(name: str, damage: Callable[[Image.Image, Random], Masked], random: Random) -> Parts:
    with Image.open(str(resources.files("skimage") / "data" / name)) as opened:
        surface = opened.convert("RGB")

    def crops(count: int, *, upper: bool) -> list[Image.Image]:
        half, found = surface.height // 2, []
        for _ in range(count):
            left = int(random.integers(0, surface.width - 128 + 1))
            top = int(random.integers(0, half - 128 + 1)) + (0 if upper else half)
            found.append(surface.crop((left, top, left + 128, top + 128)))
        return found

    untouched = numpy.zeros((128, 128), bool)
    return Parts(
        [(image, untouched) for image in crops(_TRAINING, upper=True)],
        [(image, untouched) for image in crops(_TEST, upper=False)],
        [damage(image, random) for image in crops(_TEST, upper=False)],
        [damage(image, random) for image in crops(_TEST, upper=True)],
    )


def _scratch(image: Image.Image, random: Random) -> Masked:
    """A line of one or two pixels, 15 to 45 long, 50 to 90 levels lighter or darker than the surface."""
    middle, angle = random.uniform(30, 98, 2), random.uniform(0, numpy.pi)
    reach = random.uniform(7, 22) * numpy.array([numpy.cos(angle), numpy.sin(angle)])
    line = [*(middle - reach), *(middle + random.uniform(-3, 3, 2)), *(middle + reach)]
    width, mask = int(random.integers(1, 3)), Image.new("L", image.size)
    level = float(numpy.asarray(image).mean() + random.choice([-1, 1]) * random.uniform(50, 90))
    shade = round(min(255.0, max(0.0, level)))
    ImageDraw.Draw(image).line(line, fill=(shade, shade, shade), width=width)
    ImageDraw.Draw(mask).line(line, fill=255, width=width + 2)
    return image, numpy.asarray(mask) > 0


def _stain(image: Image.Image, random: Random) -> Masked:
    """An ellipse of 10 to 24 pixels, through which half of the surface shows."""
    left, top = random.integers(16, 90, 2).tolist()
    width, height = random.integers(10, 25, 2).tolist()
    mask = Image.new("L", image.size)
    ImageDraw.Draw(mask).ellipse((left, top, left + width, top + height), fill=255)
    pixels, inside = numpy.asarray(image, float).copy(), numpy.asarray(mask) > 0
    pixels[inside] = pixels[inside] / 2 + random.choice([0, 110])
    return Image.fromarray(pixels.clip(0, 255).astype(numpy.uint8)), inside


def _objects(folder: Path, tag: str, random: Random) -> Parts:
    photographs = load(folder)

    def opened(*, for_training: bool, with_tag: bool) -> list[Masked]:
        chosen = [
            each
            for each in photographs
            if each.for_training == for_training and (tag in each.tags) == with_tag
        ]
        images: list[Masked] = []
        for number in random.permutation(len(chosen))[:_TEST].tolist():
            with Image.open(chosen[number].path) as photograph:
                images.append((photograph.convert("RGB").resize((320, 320)), None))
        return images

    return Parts(
        opened(for_training=True, with_tag=True),
        opened(for_training=False, with_tag=True),
        opened(for_training=False, with_tag=False),
        opened(for_training=True, with_tag=False),
    )


def _some(items: list[Masked], count: int, random: Random) -> list[Masked]:
    return [items[number] for number in random.permutation(len(items))[:count].tolist()]


def _encoded(image: Image.Image) -> bytes:
    encoded = BytesIO()
    image.save(encoded, "PNG")
    return encoded.getvalue()


def _saved(image: Image.Image, folder: Path) -> Path:
    data = _encoded(image)
    path = folder / f"{len(list(folder.iterdir()))}.png"
    path.write_bytes(data)
    return path


if __name__ == "__main__":
    main()
