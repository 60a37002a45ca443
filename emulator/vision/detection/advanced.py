"""Advanced training of detectors: all layers, at the scale that small objects need, never worse than quick
training. Runs in the worker process; PyTorch is imported by the functions.

It begins as a quick training and continues with the weights that were evaluated, so that nothing is trained
for the comparison alone. The network is fully convolutional: trained on small windows of images at their full
resolution, it detects in whole images of that resolution. Only images too large for one run are divided into
tiles.

Letters of shapes: N images, T tags.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.durable_files import write_atomically
from emulator.vision.backbones.base_models import starting_detector
from emulator.vision.detection.augment import CACHED_SIDE, ImageCache
from emulator.vision.detection.calibration import PlattScaling
from emulator.vision.detection.comparison import compare_detectors, mean_precision
from emulator.vision.detection.dataset import (
    BoxedImage,
    DetectionDataset,
    Example,
    TrainedDetector,
    distinct_images,
    tag_presence,
)
from emulator.vision.detection.finetune import (
    ImageSource,
    fine_tune_detector,
    measure_step,
    new_class_layers,
)
from emulator.vision.detection.large_image_crops import Crops
from emulator.vision.detection.novelty import with_filter
from emulator.vision.detection.quick import Evaluated, QuickTraining, held_out_factors
from emulator.vision.detection.results import detect_all, evaluate_detections, serialize_detector
from emulator.vision.detection.scale import Scale, choose_scale
from emulator.vision.detection.session import DetectorSession
from emulator.vision.detection.train import CHECK_REGIONS, require_torch
from emulator.vision.evaluation.detection import DetectionEvaluation
from emulator.vision.imaging.image_file import read_image_file
from emulator.vision.imaging.memory import trim_heap
from emulator.vision.networks.nanodet import published_weights
from emulator.vision.recipes.recipes import AdvancedDetectorRecipe, DetectorRecipe
from emulator.vision.training.attempts import AttemptLog, Measure, Outcome
from emulator.vision.training.budget import Budget, OutOfTime
from emulator.vision.training.errors import timed
from emulator.vision.training.progress import ProgressReporter
from emulator.vision.training.results import EVALUATION_FILE, MODEL_FILE, training_failures
from emulator.vision.training.stops import STOPS, add_stopped

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    FloatArray = NDArray[numpy.float32]

_log = logging.getLogger(__name__)

# Share of the remaining budget, without the time for scoring, that training may use.
_USABLE = 0.9
_MIN_PLANNED_SHARE = 0.6
_LEVEL_GROWTH = 1.1
# Largest shares of the remaining budget for decoding images and for cutting crops out of large ones.
_DECODING_SHARE, _CUTTING_SHARE = 0.5, 0.3
# Time that is kept for finishing quick training, over the time expected.
_RESERVED_FOR_FINISHING = 1.2
_QUICK, _ALL = "quick", "all layers"
# Second numbers of seeds, beside those of quick training.
_ALL_LAYERS, _FINISHING = 2, 3
# Fewer held-out images are not enough for a comparison.
_MIN_SCORED = 4


def train_advanced_detector(
    dataset: DetectionDataset,
    recipe: DetectorRecipe,
    advanced: AdvancedDetectorRecipe,
    *,
    budget_seconds: float,
    seed: int,
    output: Path,
    feature_cache: Path,
    progress: Callable[[float, str], None],
    base_model: Path | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> TrainedDetector:
    """Train the best detector that the budget allows and write it, with its evaluation, into `output`.

    The detector of quick training, as it is evaluated, is trained further with all layers. If it then detects
    better in the held-out images, it is finished on all images; otherwise the quick one is. It is as
    repeatable as `classification.advanced.train_advanced_classifier`.

    Args:
        recipe: of quick training, which is not shortened.
        budget_seconds: kept within a tenth, unless quick training alone takes longer.
        seed: of the folds, the crops and the initial weights.
        output: created if missing. Files are written atomically.
        feature_cache: folder of the feature cache, for thumbnails; trainings may share it.
        progress: called with the share that is done, 0..1 and never falling, and the name of the step.
        base_model: a detector of this program to start from, instead of the one of quick training.
        clock: returns seconds, from any origin.

    Raises:
        TrainingFailed: with a message for the user.
        ValueError: the tag of a box is not an index of a tag.
    """
    require_torch()
    images = distinct_images(dataset)
    reporter = ProgressReporter(progress, Budget(budget_seconds, clock))
    attempts = AttemptLog(Measure.AVERAGE_PRECISION, clock)
    seconds: dict[str, float] = {}
    start = None
    if base_model is not None:
        start = {**starting_detector(base_model), **new_class_layers(len(dataset.tags), seed)}
    quick = QuickTraining(dataset, recipe, seed, feature_cache)
    with training_failures(CHECK_REGIONS):
        published_weights()
        reporter.step = "Quick training"
        with timed(seconds, "quick"):
            quick.load(images, reporter, reporter)
            started = clock()
            evaluated = quick.evaluate(reporter, reporter)
            finishing = _RESERVED_FOR_FINISHING * recipe.finishing_share * (clock() - started)
            attempts.add(
                _QUICK,
                "Quick training without the held-out images; others must be better by more than chance.",
                figure=mean_precision(evaluated.evaluation),
                image_count=len(evaluated.evaluation.keys),
            )
        with timed(seconds, "training"):
            attempt = _Attempt(
                dataset, recipe, advanced, images, quick, evaluated, seed, reporter, finishing, attempts
            )
            result = attempt.run(start or evaluated.weights)
        chosen = _QUICK if result is None else _ALL
        _log.info("Chosen: %s", chosen)
        if result is None:
            reporter.step = "Quick training with all images"
            with timed(seconds, "finishing"):
                result = _Result(quick.finish(evaluated, reporter), evaluated.evaluation)
        reporter.step = "Writing the model"
        reporter()
        with timed(seconds, "writing"):
            output.mkdir(parents=True, exist_ok=True)
            write_atomically(output / EVALUATION_FILE, result.evaluation.content())
            write_atomically(output / MODEL_FILE, result.model)
    progress(1.0, "Done")
    readable = {example.key for example in quick.examples}
    return TrainedDetector(
        model_path=output / MODEL_FILE,
        evaluation_path=output / EVALUATION_FILE,
        seconds=seconds,
        image_count=len(quick.examples),
        skipped=tuple(image.key for image in images if image.key not in readable),
        report=attempts.report(chosen, budget_seconds),
    )


@dataclass(frozen=True)
class _Result:
    """A detector: the bytes of the model file, and its evaluation."""

    model: bytes
    evaluation: DetectionEvaluation


class _Attempt:
    """The training of all layers after a quick training."""

    def __init__(
        self,
        dataset: DetectionDataset,
        recipe: DetectorRecipe,
        advanced: AdvancedDetectorRecipe,
        images: list[BoxedImage],
        quick: QuickTraining,
        evaluated: Evaluated,
        seed: int,
        reporter: ProgressReporter,
        finishing: float,
        attempts: AttemptLog,
    ) -> None:
        """
        Args:
            evaluated: the detector of quick training.
            finishing: seconds that quick training needs if it is the result.
            attempts: what was tried so far.
        """
        self._dataset, self._recipe, self._advanced, self._images = dataset, recipe, advanced, images
        self._quick, self._evaluated, self._seed = quick, evaluated, seed
        self._reporter, self._finishing, self._attempts = reporter, finishing, attempts
        self._plan: str | None = None

    def run(self, start: Mapping[str, FloatArray]) -> _Result | None:
        """A detector with all layers trained, or None if the one of quick training is as good.

        Args:
            start: initial weights of all layers, not trained on the held-out images.
        """
        try:
            return self._fine_tuned(start)
        except STOPS as stop:
            add_stopped(self._attempts, _ALL, stop, self._plan)
        return None

    def _fine_tuned(self, start: Mapping[str, FloatArray]) -> _Result | None:
        import numpy

        reporter, advanced, dataset, seed = self._reporter, self._advanced, self._dataset, self._seed
        budget = reporter.budget.part(1.0, reserved=self._finishing)
        if not budget.seconds:
            raise OutOfTime("Quick training used the budget.")
        material = self._material(budget)
        scale, source, hidden = material.scale, material.source, material.hidden
        everything, shown = (
            material.everything,
            [
                example
                for example, is_hidden in zip(material.everything, material.is_hidden, strict=True)
                if not is_hidden
            ],
        )
        if not hidden or not shown:
            reason = "There are too few images to hold some out for the comparison."
            self._attempts.add(_ALL, reason, outcome=Outcome.SKIPPED)
            return None
        scored = replace(self._recipe, resolution=scale.resolution)
        tag_count = len(dataset.tags)
        content = serialize_detector(dataset, scored, start, PlattScaling(), scale.tiling)
        most = budget.left * advanced.share_of_scoring
        hidden, scoring = scorable_in_time(DetectorSession(content), hidden, most, budget.clock)
        fine_tuning = advanced.fine_tuning(len(everything))
        step_seconds = measure_step(everything, source, start, tag_count, fine_tuning, scale, budget.clock)
        share = (_USABLE - scoring / max(budget.left, scoring, 1e-6)) / (1 + advanced.finishing_share)
        steps = plan_steps(budget.left * share / max(step_seconds, 1e-6), len(everything), advanced)
        if not steps:
            needed = advanced.min_steps * step_seconds / max(share, 1e-6)
            raise OutOfTime(
                f"{advanced.min_steps} steps, the fewest that are tried, and the evaluation would take "
                f"{needed:.0f} s; {budget.left:.0f} s were left after quick training."
            )
        self._plan = f"{steps} steps at {scale.resolution} pixels without the held-out images"
        _log.info("%d steps of %.2f s, %s, %d crops", steps, step_seconds, scale, len(everything))
        reporter.step = "Training all layers"
        weights = fine_tune_detector(
            shown,
            source,
            start,
            tag_count,
            fine_tuning,
            scale,
            steps=steps,
            seed=(seed, _ALL_LAYERS),
            budget=budget.part(share),
            progress=reporter,
        )
        session = DetectorSession(serialize_detector(dataset, scored, weights, PlattScaling(), scale.tiling))
        detected = detect_all([(session, example) for example in hidden], reporter.until(budget))
        none_N = numpy.zeros(len(hidden), numpy.int8)
        evaluation, calibration = evaluate_detections(dataset, hidden, none_N, detected)
        before = self._evaluated.evaluation
        number = {key: place for place, key in enumerate(before.keys)}
        compared = before.subset([number[example.key] for example in hidden])
        _log.info(
            "Average precision: quick %.3f, all layers %.3f",
            compared.performance(overlap_threshold=0.5).average_precision,
            evaluation.performance(overlap_threshold=0.5).average_precision,
        )
        comparison = compare_detectors(compared, evaluation, seed, budget.check)
        if not comparison.is_significantly_better:
            self._note(str(comparison), comparison.after, len(hidden))
            return None
        rest = reporter.budget  # the time to finish quick training is not needed any more
        planned = round(advanced.finishing_share * steps)
        if rest.part(_USABLE).left > _MIN_PLANNED_SHARE * planned * step_seconds:
            reporter.step = "Training all layers with all images"
            self._plan += f", then {planned} with all images"
            weights = fine_tune_detector(
                everything,
                source,
                weights,
                tag_count,
                fine_tuning.slower(advanced.finishing_rate),
                scale,
                steps=planned,
                seed=(seed, _FINISHING),
                budget=rest.part(_USABLE),
                progress=reporter,
                factors_N=held_out_factors(numpy.array(material.is_hidden)),
            )
        # Tiles resemble crops of images, of which there are no references.
        change = None if scale.tiling else partial(with_filter, self._quick.examples, self._quick.images)
        model = serialize_detector(dataset, scored, weights, calibration, scale.tiling, change=change)
        self._note(str(comparison), comparison.after, len(hidden))
        return _Result(model, evaluation)

    def _note(self, reason: str, figure: float, image_count: int) -> None:
        self._attempts.add(_ALL, reason, figure=figure, image_count=image_count, plan=self._plan)

    def _material(self, budget: Budget) -> _Material:
        """The images or their crops, at the scale of the boxes."""
        import numpy

        advanced, reporter, quick = self._advanced, self._reporter, self._quick
        longest = float(numpy.median([max(size) for size in quick.sizes]))
        side = max(CACHED_SIDE, min(round(longest), advanced.resolutions[-1]))
        cache, examples = quick.images, quick.examples
        if side > CACHED_SIDE:
            cache.clear()
            trim_heap()  # up to half a gigabyte
            cache = ImageCache(side)
            examples = cache.load(self._images, reporter.until(budget.part(_DECODING_SHARE)))
            tag_presence(self._dataset, examples)
        scale = choose_scale(examples, advanced, quick.sizes)
        source: ImageSource = cache
        learned = [[example] for example in examples]
        if scale.tiling is not None:
            source = cutter = Crops(scale.tiling, scale.resolution, advanced.crop_size, self._seed)
            cache.clear()
            learned = cutter.load(examples, reporter.until(budget.part(_CUTTING_SHARE)))
        held_out = set(self._evaluated.evaluation.keys)
        return _Material(
            scale=scale,
            source=source,
            everything=[crop for crops in learned for crop in crops],
            is_hidden=[
                example.key in held_out
                for example, crops in zip(examples, learned, strict=True)
                for _ in crops
            ],
            hidden=[example for example in examples if example.key in held_out],
        )


@dataclass(frozen=True)
class _Material:
    """The data of a training.

    Attributes:
        source: provides the images of the examples trained on.
        everything: all examples: images, or crops of them.
        is_hidden: whether each of them is of a held-out image.
        hidden: the held-out images.
    """

    scale: Scale
    source: ImageSource
    everything: list[Example]
    is_hidden: list[bool]
    hidden: list[Example]


def scorable_in_time(
    session: DetectorSession, examples: Sequence[Example], seconds: float, clock: Callable[[], float]
) -> tuple[list[Example], float]:
    """The images that can be scored in a time (all, or the first half, quarter, ...), and the seconds for it.

    Raises:
        OutOfTime: there would be fewer than `_MIN_SCORED`.
    """
    started = clock()
    session.score(read_image_file(examples[0]))
    each = clock() - started
    count = len(examples)
    while count * each > seconds:
        count = -(-count // 2)
        if count < min(_MIN_SCORED, len(examples)):
            raise OutOfTime
    return list(examples[:count]), count * each


def plan_steps(steps_that_fit: float, image_count: int, recipe: AdvancedDetectorRecipe) -> int:
    """Steps of a training, or 0 if there is time for fewer than `recipe.min_steps`.

    They are on levels that grow by a tenth, so that small differences in speed do not change the model, and
    little of a budget is left.
    """
    most = min(steps_that_fit, recipe.steps(image_count))
    level = float(recipe.min_steps)
    if most < level:
        return 0
    while level * _LEVEL_GROWTH <= most:
        level *= _LEVEL_GROWTH
    return round(level)
