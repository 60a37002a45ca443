"""Quick training of detectors. PyTorch; for the worker alone.

The layers are trained without a part of the images first. The detections in these images are the training's
evaluation, and calibrate the model. The same weights are then trained further on all images, for a shorter
time and at lower learning rates. So no model is trained for the evaluation alone.

Letters of shapes: N images, T tags.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.vision.detection.augment import ImageCache
from emulator.vision.detection.calibration import PlattScaling
from emulator.vision.detection.dataset import BoxedImage, DetectionDataset, Example, tag_presence
from emulator.vision.detection.finetune import fine_tune_detector, new_class_layers
from emulator.vision.detection.novelty import with_filter
from emulator.vision.detection.results import detect_all, evaluate_detections, serialize_detector
from emulator.vision.detection.scale import Scale, choose_resolution, image_sizes
from emulator.vision.detection.session import DetectorSession
from emulator.vision.duplicates.groups import near_duplicate_groups
from emulator.vision.evaluation.detection import DetectionEvaluation
from emulator.vision.networks.nanodet import published_weights
from emulator.vision.recipes.recipes import DetectorFineTuningRecipe, DetectorRecipe
from emulator.vision.training.budget import Budget
from emulator.vision.training.folds import members, stratified_folds

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    FloatArray = NDArray[numpy.float32]

Progress = Callable[[float], None]

# Second numbers of the seeds of both parts of a training.
_WITHOUT_HELD_OUT, _FINISHING = 0, 1
# How many times as often as others held-out images are learned from at the end: they were not before.
_HELD_OUT_FACTOR = 3.0


@dataclass(frozen=True)
class Evaluated:
    """A detector that was trained without the held-out images.

    Attributes:
        weights: of all layers, by name.
        evaluation: its detections in the held-out images.
        calibration: fitted to them; the evaluation's probabilities are calibrated.
    """

    weights: Mapping[str, FloatArray]
    evaluation: DetectionEvaluation
    calibration: PlattScaling


class QuickTraining:
    """A quick training: `load`, `evaluate` and `finish`, in this order.

    Attributes:
        images: the decoded images.
        examples: the images that could be read.
        sizes: widths and heights of some of the images, in pixels.
    """

    def __init__(
        self, dataset: DetectionDataset, recipe: DetectorRecipe, seed: int, feature_cache: Path
    ) -> None:
        """
        Args:
            feature_cache: folder of the feature cache, for thumbnails.
        """
        self._dataset, self._recipe, self._seed = dataset, recipe, seed
        self._feature_cache = feature_cache
        self.images = ImageCache()
        self.examples: list[Example] = []
        self.sizes: list[tuple[int, int]] = []

    def load(self, images: list[BoxedImage], decoding: Progress, comparing: Progress) -> None:
        """Decode the images, and choose those that are held out.

        Raises:
            TrainingFailed: none could be read, or none of a tag.
        """
        self.examples = self.images.load(images, decoding)
        has_NT = tag_presence(self._dataset, self.examples)
        first_N = members((example.key for example in self.examples), self._dataset.held_out)
        groups_N = near_duplicate_groups(self.examples, has_NT, None, self._feature_cache, comparing)
        self.held_out_N = held_out_images(
            has_NT, self._recipe, self._seed, first_N=first_N, groups_N=groups_N
        )
        self.sizes = image_sizes(images)
        recipe = self._recipe
        sides = (recipe.resolution, *recipe.larger_resolutions)
        resolution = choose_resolution(self.examples, sides, recipe.wanted_side, self.sizes)
        self._scale = Scale(resolution, resolution / recipe.resolution)
        self._scored = replace(recipe, resolution=resolution)

    @cached_property
    def _steps(self) -> int:
        return self._recipe.steps(len(self.examples), self._scale.magnification)

    def evaluate(self, training: Progress, scoring: Progress) -> Evaluated:
        """Train without the held-out images, and detect in these.

        Raises:
            LossNotFinite: the loss is not finite.
        """
        import numpy

        hidden = [self.examples[number] for number in numpy.flatnonzero(self.held_out_N)]
        shown = [self.examples[number] for number in numpy.flatnonzero(~self.held_out_N)]
        tag_count = len(self._dataset.tags)
        weights = self._trained(
            shown,
            {**published_weights(), **new_class_layers(tag_count, self._seed)},
            self._recipe.fine_tuning(len(self.examples)),
            steps=self._steps,
            part=_WITHOUT_HELD_OUT,
            progress=training,
        )
        session = DetectorSession(serialize_detector(self._dataset, self._scored, weights, PlattScaling()))
        detected = detect_all([(session, example) for example in hidden], scoring)
        folds_N = numpy.zeros(len(hidden), numpy.int8)
        evaluation, calibration = evaluate_detections(self._dataset, hidden, folds_N, detected)
        return Evaluated(weights, evaluation, calibration)

    def finish(self, evaluated: Evaluated, progress: Progress) -> bytes:
        """Train further on all images. Returns the model file.

        Raises:
            LossNotFinite: the loss is not finite.
        """
        recipe = self._recipe.fine_tuning(len(self.examples))
        weights = self._trained(
            self.examples,
            evaluated.weights,
            recipe.slower(self._recipe.finishing_rate),
            steps=max(1, round(self._recipe.finishing_share * self._steps)),
            part=_FINISHING,
            progress=progress,
            factors_N=held_out_factors(self.held_out_N),
        )
        return serialize_detector(
            self._dataset,
            self._scored,
            weights,
            evaluated.calibration,
            change=partial(with_filter, self.examples, self.images),
        )

    def _trained(
        self,
        examples: list[Example],
        start: Mapping[str, FloatArray],
        recipe: DetectorFineTuningRecipe,
        *,
        steps: int,
        part: int,
        progress: Progress,
        factors_N: NDArray[numpy.float64] | None = None,
    ) -> dict[str, FloatArray]:
        return fine_tune_detector(
            examples,
            self.images,
            start,
            len(self._dataset.tags),
            recipe,
            self._scale,
            steps=steps,
            seed=(self._seed, part),
            budget=Budget(math.inf),
            progress=progress,
            factors_N=factors_N,
        )


def held_out_images(
    has_NT: NDArray[numpy.bool_],
    recipe: DetectorRecipe,
    seed: int,
    *,
    first_N: NDArray[numpy.bool_] | None = None,
    groups_N: NDArray[numpy.integer] | None = None,
) -> NDArray[numpy.bool_]:
    """Which of N images (with T tags) evaluate the training: a fifth to a third, evenly of all tags.

    At least one image of each tag is learned from, so a single image is not held out.

    Args:
        first_N: images that are to be among them, see `stratified_folds`.
        groups_N: images of one group are held out together, or none of them; None: every image is a group.
    """
    import numpy

    folds_N = stratified_folds(has_NT, seed, recipe.folds(len(has_NT)), first_N=first_N, groups_N=groups_N)
    held_out_N: NDArray[numpy.bool_] = folds_N == 0
    if groups_N is None:
        groups_N = numpy.arange(len(has_NT))
    for tag in range(has_NT.shape[1]):
        of_tag_N = has_NT[:, tag]
        if not (of_tag_N & ~held_out_N).any():
            held_out_N[groups_N == groups_N[of_tag_N.argmax()]] = False
    return held_out_N


def held_out_factors(held_out_N: NDArray[numpy.bool_]) -> NDArray[numpy.float64]:
    """How many times as often as otherwise to look at each image when training is finished."""
    import numpy

    return numpy.where(held_out_N, _HELD_OUT_FACTOR, 1.0)
