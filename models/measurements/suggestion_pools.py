"""Pools of images for `measure_suggestions.py`: images that can be labeled, test images, trained models.

Axes: N images that can be labeled, T tags, R rows of features, D features.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import measuring
import numpy

from emulator.core.scored_rows.scores import TagProbability
from emulator.vision.boxes.box import DetectedBox, to_xyxy
from emulator.vision.boxes.geometry import pairwise_iou
from emulator.vision.classification.cross_validation import TrainingSet, fit_heads
from emulator.vision.classification.dataset import LabelledImage
from emulator.vision.classification.features import MIRRORED, PLAIN, compute_features
from emulator.vision.classification.head import calibration_of, probabilities
from emulator.vision.concurrency import single_threaded_operations
from emulator.vision.detection.dataset import BoxedImage, DetectionDataset
from emulator.vision.detection.session import DetectorSession
from emulator.vision.detection.train import train_detector
from emulator.vision.imaging.decode import open_rgb
from emulator.vision.recipes.recipes import QUICK, QUICK_DETECTOR
from emulator.vision.training.folds import stratified_folds

# Margin around the box of an object, as a fraction of its sides, and the smallest side of a crop in pixels.
MARGIN, SMALLEST_CUTTING = 0.25, 16


@dataclass(frozen=True)
class Learned:
    """A trained model.

    Attributes:
        figure: accuracy or average precision on the test images.
        scores: the predictions for each image that can be labeled.
        hits: whether each of these predictions is correct.
        gradients: of the loss at the most probable tag, for the order `diverse`; None for detectors.
    """

    figure: float
    scores: list[list[TagProbability]]
    hits: list[list[bool]]
    gradients: numpy.ndarray | None = None


class Pool(Protocol):
    """Images that can be labeled, and test images."""

    has_NT: numpy.ndarray  # noqa: N815 - true tags of images that can be labeled

    def train(self, chosen: Sequence[int], seed: int, *, calibrated: bool = False) -> Learned: ...


def pools_of(kind: str, folder: Path, scratch: Path, cache: Path) -> Callable[[int], Pool] | None:
    """A function from a seed to the pool of a set; None if the set is not of the kind."""
    boxed = measuring.load_boxes(folder)
    if kind == "boxes":
        return None if boxed is None else partial(_DetectorPool, boxed, scratch / "detector")
    if kind == "cuttings":
        if boxed is None:
            return None
        images, tags = _object_crops(boxed, scratch / folder.name), boxed.tags
    elif (folder / "labels.jsonl").is_file():
        photographs = measuring.load(folder)
        tags = tuple(sorted({tag for photograph in photographs for tag in photograph.tags}))
        images = [
            _labelled(photograph.path, tuple(tags.index(tag) for tag in photograph.tags))
            for photograph in photographs
        ]
    else:
        return None
    return partial(_ClassifierPool, list({image.key: image for image in images}.values()), tags, cache)


def _labelled(path: Path, labels: tuple[int, ...]) -> LabelledImage:
    return LabelledImage(str(path), hashlib.sha256(path.read_bytes()).hexdigest(), labels)


def _object_crops(boxed: measuring.LabelledSet, folder: Path) -> list[LabelledImage]:
    folder.mkdir(parents=True, exist_ok=True)
    images = []
    for number, image in enumerate((*boxed.training, *boxed.tested)):
        picture = open_rgb(Path(image.path).read_bytes())
        for place, box in enumerate(image.boxes):
            left, top = box.left - MARGIN * box.width, box.top - MARGIN * box.height
            right, bottom = left + (1 + 2 * MARGIN) * box.width, top + (1 + 2 * MARGIN) * box.height
            corners = (
                left * picture.width,
                top * picture.height,
                right * picture.width,
                bottom * picture.height,
            )
            cutting = picture.crop(tuple(round(corner) for corner in corners))  # type: ignore[arg-type]
            if min(cutting.size) >= SMALLEST_CUTTING:
                path = folder / f"{number}-{place}.png"
                cutting.save(path)
                images.append(_labelled(path, (box.tag_index,)))
    return images


class _ClassifierPool:
    """Images for classifiers: heads of quick training on cached features."""

    def __init__(self, images: Sequence[LabelledImage], tags: Sequence[str], cache: Path, seed: int) -> None:
        self._multilabel = any(len(image.labels) != 1 for image in images)
        self._features = compute_features(
            images,
            backbone=QUICK.backbone,
            resolution=QUICK.resolution,
            views=(PLAIN, MIRRORED),
            cache_folder=cache,
            progress=lambda share: None,
        )
        order = numpy.random.default_rng([seed, 2]).permutation(len(images))
        tested, self._images = ([images[index] for index in part] for part in _thirds(order))
        self.has_NT, self._tested_has_NT = (
            numpy.array([[tag in image.labels for tag in range(len(tags))] for image in part])
            for part in (self._images, tested)
        )
        self._rows, self._tested_rows = (
            self._training_set(part, numpy.zeros((len(part), 0))).features_RD[: len(part)]
            for part in (self._images, tested)
        )

    def train(self, chosen: Sequence[int], seed: int, *, calibrated: bool = False) -> Learned:
        targets_NT = self.has_NT[chosen].astype(numpy.float64)
        training_set = self._training_set([self._images[index] for index in chosen], targets_NT)
        if calibrated:
            folds_N = stratified_folds(targets_NT > 0, seed)
            head, held_out_NT = fit_heads(training_set, folds_N, lambda share: None)
            head = head.calibrated(calibration_of(held_out_NT, targets_NT, multilabel=self._multilabel))
        else:
            with single_threaded_operations():
                head = training_set.fit(numpy.ones(len(chosen), bool))
        figure = measuring.mean_average_precision if self._multilabel else measuring.accuracy
        tested, found = (
            probabilities(head.logits(rows), multilabel=self._multilabel)
            for rows in (self._tested_rows, self._rows)
        )
        factors = found - numpy.eye(found.shape[1])[found.argmax(axis=1)]
        return Learned(
            figure=figure(tested, self._tested_has_NT),
            scores=[[_score(probability) for probability in row] for row in found.tolist()],
            hits=self.has_NT.tolist(),
            gradients=(factors[:, :, None] * self._rows[:, None, :])
            .reshape(len(found), -1)
            .astype(numpy.float32),
        )

    def _training_set(self, images: Sequence[LabelledImage], targets_NT: numpy.ndarray) -> TrainingSet:
        return TrainingSet.of(
            self._features,
            [image.key for image in images],
            targets_NT,
            multilabel=self._multilabel,
            inverse_regularisation=QUICK.inverse_regularisation(max(1, len(images))),
        )


class _DetectorPool:
    """Images for detectors."""

    def __init__(self, boxed: measuring.LabelledSet, scratch: Path, seed: int) -> None:
        images = (*boxed.training, *boxed.tested)
        order = numpy.random.default_rng([seed, 2]).permutation(len(images))
        self._tested, self._images = ([images[index] for index in part] for part in _thirds(order))
        self._tags, self._scratch = boxed.tags, scratch
        self.has_NT = numpy.array(
            [
                [any(box.tag_index == tag for box in image.boxes) for tag in range(len(boxed.tags))]
                for image in self._images
            ]
        )

    def train(self, chosen: Sequence[int], seed: int, *, calibrated: bool = False) -> Learned:
        trained = train_detector(
            DetectionDataset(tuple(self._images[index] for index in chosen), self._tags),
            QUICK_DETECTOR,  # always calibrated
            seed=seed,
            output=self._scratch,
            feature_cache=self._scratch / "features",
            progress=lambda share, step: None,
        )
        session = DetectorSession(trained.model_path, threads=2)
        tested, found = (
            [session.score(Path(image.path).read_bytes()) for image in part]
            for part in (self._tested, self._images)
        )
        evaluation = measuring.evaluation(self._tested, len(self._tags), tested)
        return Learned(
            figure=evaluation.performance(overlap_threshold=0.5).average_precision,
            scores=[[_score(box.probability) for box in boxes] for boxes in found],
            hits=[
                [_is_correct(box, image) for box in boxes]
                for boxes, image in zip(found, self._images, strict=True)
            ],
        )


def _is_correct(box: DetectedBox, image: BoxedImage) -> bool:
    marked = [each for each in image.boxes if each.tag_index == box.tag_index]
    if not marked:
        return False
    return bool(pairwise_iou(to_xyxy([box]), to_xyxy(marked)).max() >= 0.5)


def _score(probability: float) -> TagProbability:
    return TagProbability("", "", "Regular", probability)


def _thirds(order: numpy.ndarray) -> tuple[list[int], list[int]]:
    """A random third, and the rest."""
    third = len(order) // 3
    return order[:third].tolist(), order[third:].tolist()
