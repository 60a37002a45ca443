"""The head of quick training and scikit-learn's logistic regression on the same features, over eight splits.

One split into training and test images says little about methods that differ in one of 200 images. Cached
features cost nothing, so all images of a set are split eight times, three fifths for training, and the mean
difference has a standard error.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy
from measuring import accuracy, log_loss, mean_average_precision

from emulator.vision.classification.cross_validation import TrainingSet
from emulator.vision.classification.dataset import distinct_images, targets_of
from emulator.vision.classification.features import PLAIN, compute_features, training_views
from emulator.vision.classification.head import probabilities
from emulator.vision.concurrency import single_threaded_operations
from emulator.vision.library.datasets import Dataset, as_files
from emulator.vision.recipes.recipes import QUICK

DIVISIONS, LEARNED = 8, 0.6


@dataclass(frozen=True)
class Compared:
    """Means over the divisions.

    Attributes:
        own, other: accuracy, or mean average precision, of quick training and of scikit-learn.
        own_loss, other_loss: log loss of the tested images, before quick training calibrates.
        difference, error: of own less other, and the standard error of that.
    """

    own: float
    other: float
    own_loss: float
    other_loss: float
    difference: float
    error: float


def compared(dataset: Dataset, scratch: Path, seed: int) -> Compared:
    chosen = training_set(dataset, scratch, mirror=True)
    targets_NT = chosen.targets_NT
    figure = mean_average_precision if dataset.multilabel else accuracy
    rows = []
    for division in range(DIVISIONS):
        used_N = numpy.random.default_rng([seed, division]).random(len(targets_NT)) < LEARNED
        tested_ND = chosen.features_RD[: len(used_N)][~used_N]
        with single_threaded_operations():
            strength = QUICK.inverse_regularisation(int(used_N.sum()))
            head = replace(chosen, inverse_regularisation=strength).fit(used_N)
        own_NT = probabilities(head.logits(tested_ND), multilabel=dataset.multilabel)
        views = len(chosen.features_RD) // len(used_N)
        other = regression(
            chosen.features_RD[numpy.tile(used_N, views)], numpy.tile(targets_NT[used_N], (views, 1)), dataset
        )
        other_NT = numpy.asarray(other.predict_proba(tested_ND))
        truth_NT = targets_NT[~used_N] > 0
        rows.append(
            (
                figure(own_NT, truth_NT),
                figure(other_NT, truth_NT),
                log_loss(own_NT, truth_NT, dataset.multilabel),
                log_loss(other_NT, truth_NT, dataset.multilabel),
            )
        )
    table = numpy.array(rows)
    differences = table[:, 0] - table[:, 1]
    error = float(differences.std(ddof=1)) / math.sqrt(DIVISIONS)
    own, other_figure, own_loss, other_loss = table.mean(axis=0).tolist()
    return Compared(own, other_figure, own_loss, other_loss, float(differences.mean()), error)


def regression(features_RD: numpy.ndarray, targets_RT: numpy.ndarray, dataset: Dataset) -> Any:
    """scikit-learn's logistic regression with C = 1, fitted."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    plain: Any = LogisticRegression(C=1.0, max_iter=2000)
    with warnings.catch_warnings():
        # A tag that all training images of a split have, or none of them.
        warnings.simplefilter("ignore")
        if dataset.multilabel:
            return OneVsRestClassifier(plain).fit(features_RD, targets_RT)
        return plain.fit(features_RD, targets_RT.argmax(axis=1))


def training_set(dataset: Dataset, scratch: Path, *, mirror: bool) -> TrainingSet:
    """Features as in quick training, one row for each view of each image; C is 1."""
    with as_files(dataset) as files:
        images = distinct_images(files.dataset)
        features = compute_features(
            images,
            backbone=QUICK.backbone,
            resolution=QUICK.resolution,
            views=training_views(QUICK, len(images)) if mirror else (PLAIN,),
            cache_folder=scratch / "features",
            progress=lambda share: None,
        )
        readable = [image for image in images if image.key in features.plain]
        return TrainingSet.of(
            features,
            [image.key for image in readable],
            targets_of(files.dataset, readable),
            multilabel=dataset.multilabel,
            inverse_regularisation=1.0,
        )
