"""Functions shared by the scripts: labeled sets, draws from them, figures, rows of tables."""

from __future__ import annotations

import hashlib
import json
import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy
from PIL import Image

from emulator.vision.boxes.box import BoxArrays, DetectedBox, TaggedBox
from emulator.vision.classification.dataset import ClassificationDataset, LabelledImage
from emulator.vision.classification.session import ClassifierSession
from emulator.vision.detection.dataset import BoxedImage
from emulator.vision.evaluation.classification import average_precision
from emulator.vision.evaluation.curves import calibration_curve
from emulator.vision.evaluation.detection import DetectionEvaluation
from emulator.vision.library.datasets import Dataset, Region, Sample
from emulator.vision.library.readers import LABELS_FILE, read_labels

# Budgets are counted in processor seconds, so that other programs do not change the figures.
PROCESSORS = 2
# Budget of advanced training of classifiers: five minutes for 500 images.
SECONDS_AN_IMAGE = 300 / 500
REGIONS_FILE = "regions.json"


def processor_clock() -> float:
    """Processor seconds of this process, divided by two processors."""
    return time.process_time() / PROCESSORS


def row(cells: tuple[object, ...]) -> str:
    """A row of a table in Markdown."""
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


# --- classification -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Photograph:
    path: Path
    tags: tuple[str, ...]
    for_training: bool


def sets_in(folder: Path) -> list[Path]:
    """The folders of the sets in a folder, by name. Ends the program if there are none."""
    sets = sorted(path.parent for path in folder.glob(f"*/{LABELS_FILE}"))
    if not sets:
        sys.exit(f"{folder} has no folder with a file {LABELS_FILE}")
    return sets


def load(folder: Path) -> list[Photograph]:
    """The photographs of a set with `labels.jsonl`; boxes count as tags of their image."""
    return [
        Photograph(Path(str(sample.image)), sample.tags, sample.split == "train")
        for sample in read_labels(folder).samples
    ]


def draw(photographs: list[Photograph], tags: list[str], count: int, seed: int) -> list[Photograph]:
    """Training photographs, `count` of each tag; one with several tags counts for each of them."""
    chance = numpy.random.default_rng(seed)
    candidates = [photograph for photograph in photographs if photograph.for_training]
    chosen: list[Photograph] = []
    for tag in tags:
        of_tag = [candidates[index] for index in chance.permutation(len(candidates))]
        of_tag = [photograph for photograph in of_tag if tag in photograph.tags]
        have = sum(tag in photograph.tags for photograph in chosen)
        chosen += [photograph for photograph in of_tag if photograph not in chosen][: max(0, count - have)]
    return chosen


def classification_dataset(
    photographs: Sequence[Photograph], tags: Sequence[str], multilabel: bool
) -> ClassificationDataset:
    """The dataset as trainings expect it."""
    images = tuple(
        LabelledImage(
            str(photograph.path), checksum(photograph.path), tuple(tags.index(tag) for tag in photograph.tags)
        )
        for photograph in photographs
    )
    return ClassificationDataset(images, tuple(tags), multilabel)


def checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def scores_of(model: Path, photographs: Sequence[Photograph]) -> numpy.ndarray:
    """Probabilities of a classifier for photographs, (N, T)."""
    session = ClassifierSession(model)
    return numpy.array([session.score(photograph.path.read_bytes()) for photograph in photographs])


def targets_of(photographs: Sequence[Photograph], tags: Sequence[str]) -> numpy.ndarray:
    """True tags of photographs, (N, T)."""
    return numpy.array([[tag in photograph.tags for tag in tags] for photograph in photographs])


def accuracy(scores_NT: numpy.ndarray, targets_NT: numpy.ndarray) -> float:
    return float((scores_NT.argmax(axis=1) == targets_NT.argmax(axis=1)).mean())


def mean_average_precision(scores_NT: numpy.ndarray, targets_NT: numpy.ndarray) -> float:
    present = numpy.flatnonzero(targets_NT.any(axis=0))
    return float(numpy.mean([average_precision(scores_NT[:, tag], targets_NT[:, tag]) for tag in present]))


def same_tags(one_NT: numpy.ndarray, other_NT: numpy.ndarray, multilabel: bool, threshold: float) -> float:
    """The share of images with the same most probable tag; with several tags per image, with the same tags of
    at least the threshold."""
    if multilabel:
        return float(((one_NT >= threshold) == (other_NT >= threshold)).all(axis=1).mean())
    return float((one_NT.argmax(axis=1) == other_NT.argmax(axis=1)).mean())


def log_loss(scores_NT: numpy.ndarray, targets_NT: numpy.ndarray, multilabel: bool) -> float:
    """Mean over the images; with several tags per image, over images and tags."""
    if multilabel:
        return float(-numpy.log(numpy.where(targets_NT, scores_NT, 1 - scores_NT).clip(1e-7)).mean())
    return float(-numpy.log(scores_NT[targets_NT].clip(1e-7)).mean())


def error_of_predictions(probabilities: numpy.ndarray, hits: numpy.ndarray) -> float:
    """Expected calibration error, from probabilities and whether each prediction is right."""
    return calibration_curve(probabilities, hits).expected_error


def calibration_error(scores_NT: numpy.ndarray, targets_NT: numpy.ndarray, multilabel: bool) -> float:
    """Of all probabilities; if images have one tag each, of the highest per image."""
    if multilabel:
        return error_of_predictions(scores_NT.ravel(), targets_NT.ravel())
    return error_of_predictions(scores_NT.max(axis=1), scores_NT.argmax(axis=1) == targets_NT.argmax(axis=1))


def expected_calibration_error(scores_NT: numpy.ndarray, multilabel: bool, draws: int = 200) -> float:
    """The mean calibration error if every probability were right: of as many images, with random results.

    The calibration error of a finite test set has a positive bias; this is the bias of a perfect model.
    """
    random = numpy.random.default_rng(0)
    probabilities = scores_NT.ravel() if multilabel else scores_NT.max(axis=1)
    return float(
        numpy.mean(
            [
                error_of_predictions(probabilities, random.random(len(probabilities)) < probabilities)
                for _ in range(draws)
            ]
        )
    )


def shrunk(picture: bytes, side: int) -> bytes:
    """The image, scaled to a square."""
    with Image.open(BytesIO(picture)) as opened:
        small = opened.convert("RGB").resize((side, side), Image.Resampling.BILINEAR)
    encoded = BytesIO()
    small.save(encoded, "PNG")
    return encoded.getvalue()


# --- detection ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LabelledSet:
    name: str
    tags: tuple[str, ...]
    training: tuple[BoxedImage, ...]
    tested: tuple[BoxedImage, ...]


def read_regions(folder: Path) -> Dataset:
    """A set with `regions.json`, whose `regions` give `tag` and `box` (left, top, width, height) of images
    in the folder of that tag."""
    regions = json.loads((folder / REGIONS_FILE).read_text(encoding="utf-8"))["regions"]
    return Dataset.of(
        [
            Sample(folder / region["tag"] / name, regions=(Region(region["tag"], *region["box"]),))
            for name, region in sorted(regions.items())
        ],
        detection=True,
    )


def load_boxes(folder: Path) -> LabelledSet | None:
    """The set in a folder; None if it has no boxes. With `regions.json`, every fourth image is tested."""
    if (folder / LABELS_FILE).is_file():
        dataset = read_labels(folder)
        for_training = [sample.split == "train" for sample in dataset.samples]
    elif (folder / REGIONS_FILE).is_file():
        dataset = read_regions(folder)
        for_training = [number % 4 > 0 for number in range(len(dataset.samples))]
    else:
        return None
    if not dataset.detection:
        return None
    index = {tag: number for number, tag in enumerate(dataset.tags)}
    images = [
        BoxedImage(
            str(sample.image),
            checksum(Path(str(sample.image))),
            tuple(
                TaggedBox(index[each.tag], each.left, each.top, each.width, each.height)
                for each in sample.regions
            ),
        )
        for sample in dataset.samples
    ]
    return LabelledSet(
        folder.name,
        dataset.tags,
        tuple(image for image, trains in zip(images, for_training, strict=True) if trains),
        tuple(image for image, trains in zip(images, for_training, strict=True) if not trains),
    )


def evaluation(
    images: Sequence[BoxedImage], tag_count: int, found: Sequence[Sequence[DetectedBox]]
) -> DetectionEvaluation:
    """The evaluation of the detections in each image."""
    return DetectionEvaluation(
        tuple(image.key for image in images),
        numpy.zeros(len(images), numpy.int8),
        tag_count,
        BoxArrays.of_images([image.boxes for image in images]),
        BoxArrays.of_images(found),
        numpy.array([box.probability for boxes in found for box in boxes], numpy.float32),
    )


# --- progress of trainings --------------------------------------------------------------------------------


class Chosen(logging.Handler):
    """Log handler that stores which model an advanced training chose, and prints the other messages."""

    name_of_last = ""

    @classmethod
    def listen(cls) -> None:
        logger = logging.getLogger("emulator.vision")
        logger.setLevel(logging.INFO)
        logger.addHandler(cls())

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        print(f"  {message}", file=sys.stderr, flush=True)
        if message.startswith("Chosen: "):
            Chosen.name_of_last = message.removeprefix("Chosen: ")
