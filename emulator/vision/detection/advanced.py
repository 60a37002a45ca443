"""Advanced training of detectors: all layers, at the scale that small objects need, never worse than quick
training. Runs in the worker process; PyTorch is imported by the functions.

The network is fully convolutional: trained on small windows of images at their full resolution, it detects in
whole images of that resolution. Only images too large for one run are divided into tiles.

Letters of shapes: N images, T tags.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.durable_files import write_atomically
from emulator.vision.backbones.base_models import starting_detector
from emulator.vision.boxes.box import BoxArrays
from emulator.vision.detection.augment import CACHED_SIDE, ImageCache
from emulator.vision.detection.calibration import PlattScaling
from emulator.vision.detection.dataset import (
    DetectionDataset,
    Example,
    TrainedDetector,
    distinct_images,
    tag_presence,
)
from emulator.vision.detection.finetune import ImageSource, fine_tune_detector, measure_step
from emulator.vision.detection.large_image_crops import Crops
from emulator.vision.detection.quick import new_class_layers
from emulator.vision.detection.scale import Scale, choose_scale, image_sizes
from emulator.vision.detection.session import DetectorSession
from emulator.vision.detection.train import (
    detect_all,
    evaluate_detections,
    serialize_detector,
    train_detector,
)
from emulator.vision.evaluation.detection import DetectionEvaluation
from emulator.vision.imaging.decode import ImageRejected
from emulator.vision.imaging.image_file import read_image_file
from emulator.vision.imaging.memory import trim_heap
from emulator.vision.networks.nanodet import published_weights
from emulator.vision.recipes.recipes import AdvancedDetectorRecipe, DetectorRecipe
from emulator.vision.training.budget import Budget, OutOfTime
from emulator.vision.training.errors import LossNotFinite, TrainingFailed, storage_failure, timed
from emulator.vision.training.folds import stratified_folds
from emulator.vision.training.progress import ProgressReporter
from emulator.vision.training.results import EVALUATION_FILE, MODEL_FILE

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    FloatArray = NDArray[numpy.float32]

_log = logging.getLogger(__name__)

# Share of the remaining budget, without the time for scoring, that training may use.
_USABLE = 0.9
_IOU_THRESHOLDS = (0.5, 0.75)
# Bootstrap samples, and the share of them that the new model has to win: its gain then exceeds its standard
# error.
_SAMPLES, _WINS = 200, 0.84
_MIN_PLANNED_SHARE = 0.6
# Largest shares of the remaining budget for decoding images and for cutting crops out of large ones.
_DECODING_SHARE, _CUTTING_SHARE = 0.5, 0.3
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
    progress: Callable[[float, str], None],
    base_model: Path | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> TrainedDetector:
    """Train the best detector that the budget allows and write it, with its evaluation, into `output`.

    After quick training, all layers of a detector are trained without a fifth of the images. If it detects
    better on these than quick training's head without them, a final one is trained on all images. It is as
    repeatable as `classification.advanced.train_advanced_classifier`.

    Args:
        recipe: of quick training, which is not shortened.
        budget_seconds: kept within a tenth, unless quick training alone takes longer.
        seed: of the folds, the crops and the initial weights.
        output: created if missing. Files are written atomically.
        progress: called with the share that is done, 0..1 and never falling, and the name of the step.
        base_model: a detector of this program to start from, instead of the published one.
        clock: returns seconds, from any origin.

    Raises:
        TrainingFailed: with a message for the user.
        ValueError: the tag of a box is not an index of a tag.
    """
    reporter = ProgressReporter(progress, Budget(budget_seconds, clock))
    seconds: dict[str, float] = {}
    start = published_weights() if base_model is None else starting_detector(base_model)
    reporter.step = "Quick training"
    quick_folder = output / "quick"
    try:
        with timed(seconds, "quick"):
            quick = train_detector(
                dataset, recipe, seed=seed, output=quick_folder, progress=lambda share, step: reporter()
            )
        trim_heap()  # a gigabyte of images that quick training cached
        quick_evaluation = DetectionEvaluation.load(quick.evaluation_path)
        with timed(seconds, "training"):
            result = _attempt(dataset, recipe, advanced, start, quick_evaluation, seed, reporter)
        _log.info("Chosen: %s", "quick" if result is None else "all layers")
        reporter.step = "Writing the model"
        reporter()
        with timed(seconds, "writing"):
            if result is None:
                result = _Result(quick.model_path.read_bytes(), quick.evaluation_path.read_bytes())
            write_atomically(output / EVALUATION_FILE, result.evaluation)
            write_atomically(output / MODEL_FILE, result.model)
    except (ImageRejected, OSError) as error:
        raise storage_failure(error) from error
    finally:
        shutil.rmtree(quick_folder, ignore_errors=True)
    progress(1.0, "Done")
    return replace(
        quick,
        model_path=output / MODEL_FILE,
        evaluation_path=output / EVALUATION_FILE,
        seconds=seconds,
    )


@dataclass(frozen=True)
class _Result:
    """The bytes of the model file and of the evaluation file."""

    model: bytes
    evaluation: bytes


def is_significantly_better(
    old: DetectionEvaluation, new: DetectionEvaluation, seed: int, check: Callable[[], None] = lambda: None
) -> bool:
    """Whether the new detections in the same images are better by more than chance.

    The measure is mean average precision, averaged over IoU thresholds of 0.5 and 0.75. Chance is estimated
    by the bootstrap (Efron, 1979) over images. `check` is called before each sample, and may raise OutOfTime.
    """
    import numpy

    random = numpy.random.default_rng(seed)
    count = len(old.keys)
    everything = numpy.ones(count)
    before, after = _Precision(old), _Precision(new)
    if after(everything) <= before(everything):
        return False
    wins = 0
    for _ in range(_SAMPLES):
        check()
        weights = numpy.bincount(random.integers(count, size=count), minlength=count).astype(float)
        wins += after(weights) > before(weights)
    return wins >= _WINS * _SAMPLES


class _Precision:
    """Mean average precision of an evaluation whose images have weights."""

    def __init__(self, evaluation: DetectionEvaluation) -> None:
        import numpy

        self._evaluation = evaluation
        self._order = numpy.argsort(-evaluation.probabilities, kind="stable")
        self._found = [evaluation.hits(overlap)[self._order] for overlap in _IOU_THRESHOLDS]

    def __call__(self, weights: NDArray[numpy.float64]) -> float:
        import numpy

        evaluation = self._evaluation
        counts = weights[evaluation.detections.images[self._order]]
        tags = evaluation.detections.tags[self._order]
        objects = weights[evaluation.truths.images]
        figures = []
        for tag in range(evaluation.tag_count):
            actual = objects[evaluation.truths.tags == tag].sum()
            if not actual:
                continue
            of_tag = (tags == tag) & (counts > 0)
            for found in self._found:
                gained = counts[of_tag] * found[of_tag]
                precision = numpy.cumsum(gained) / numpy.cumsum(counts[of_tag])
                best_from_here = numpy.maximum.accumulate(precision[::-1])[::-1]
                figures.append(float((gained * best_from_here).sum() / actual))
        return sum(figures) / max(1, len(figures))


def select_images(evaluation: DetectionEvaluation, keys: Sequence[str]) -> DetectionEvaluation:
    """The evaluation of some of its images, in this order."""
    import numpy

    number = {key: row for row, key in enumerate(evaluation.keys)}
    rows = numpy.array([number[key] for key in keys], int)
    place = numpy.full(len(evaluation.keys), -1)
    place[rows] = numpy.arange(len(rows))

    def kept(boxes: BoxArrays) -> tuple[BoxArrays, NDArray[numpy.bool_]]:
        inside = place[boxes.images] >= 0
        images = place[boxes.images[inside]].astype(numpy.int32)
        return BoxArrays(images, boxes.tags[inside], boxes.ltwh[inside]), inside

    detections, shown = kept(evaluation.detections)
    return replace(
        evaluation,
        keys=tuple(keys),
        folds=evaluation.folds[rows],
        truths=kept(evaluation.truths)[0],
        detections=detections,
        probabilities=evaluation.probabilities[shown],
    )


def _attempt(
    dataset: DetectionDataset,
    recipe: DetectorRecipe,
    advanced: AdvancedDetectorRecipe,
    start: Mapping[str, FloatArray],
    quick: DetectionEvaluation,
    seed: int,
    reporter: ProgressReporter,
) -> _Result | None:
    """A detector with all layers trained, or None if the one of quick training is as good."""
    try:
        return _fine_tuned(dataset, recipe, advanced, start, quick, seed, reporter)
    except OutOfTime:
        _log.info("No time to train the whole detector")
    except LossNotFinite:
        _log.warning("The training became unstable: its loss became NaN or infinite")
    except MemoryError:
        _log.warning("Not enough memory to train the whole detector")
    except (ImageRejected, OSError, TrainingFailed) as error:
        _log.warning("The training of the whole detector ended: %s", error)
    return None


def _fine_tuned(
    dataset: DetectionDataset,
    recipe: DetectorRecipe,
    advanced: AdvancedDetectorRecipe,
    start: Mapping[str, FloatArray],
    quick: DetectionEvaluation,
    seed: int,
    reporter: ProgressReporter,
) -> _Result | None:
    import numpy

    budget = reporter.budget
    budget.check()
    material = _material(dataset, recipe, advanced, seed, reporter)
    scale, source, hidden = material.scale, material.source, material.hidden
    everything = material.everything
    if not hidden or not material.shown:
        return None
    scored = replace(recipe, resolution=scale.resolution)
    tag_count = len(dataset.tags)
    untrained = {**start, **new_class_layers(tag_count, seed)}
    content = serialize_detector(dataset, scored, untrained, PlattScaling(), scale.tiling)
    most = budget.left * advanced.share_of_scoring
    hidden, scoring = scorable_in_time(DetectorSession(content), hidden, most, budget.clock)
    step_seconds = measure_step(everything, source, start, tag_count, advanced, scale, budget.clock)
    share = (_USABLE - scoring / max(budget.left, scoring, 1e-6)) / 2
    steps = plan_steps(budget.left * share / max(step_seconds, 1e-6), len(everything), advanced)
    if not steps:
        raise OutOfTime
    _log.info("%d steps of %.2f s, %s, %d crops", steps, step_seconds, scale, len(everything))

    def train(which: Sequence[Example], number: int, share: float) -> dict[str, FloatArray]:
        reporter.step = f"Training ({number + 1} of 2)"
        return fine_tune_detector(
            which,
            source,
            start,
            tag_count,
            advanced,
            scale,
            steps=steps,
            seed=seed,
            budget=budget.part(share),
            progress=reporter,
        )

    weights = train(material.shown, 0, share)
    session = DetectorSession(serialize_detector(dataset, scored, weights, PlattScaling(), scale.tiling))
    detected = detect_all([(session, example) for example in hidden], reporter.until(budget))
    none_N = numpy.zeros(len(hidden), numpy.int8)
    evaluation, calibration = evaluate_detections(dataset, hidden, none_N, detected)
    compared = select_images(quick, [example.key for example in hidden])
    _log.info(
        "Average precision: quick %.3f, all layers %.3f",
        compared.performance(overlap_threshold=0.5).average_precision,
        evaluation.performance(overlap_threshold=0.5).average_precision,
    )
    if not is_significantly_better(compared, evaluation, seed, budget.check):
        return None
    if budget.part(_USABLE).left > _MIN_PLANNED_SHARE * steps * step_seconds:
        weights = train(everything, 1, _USABLE)
    content = serialize_detector(dataset, scored, weights, calibration, scale.tiling)
    return _Result(content, evaluation.content())


@dataclass(frozen=True)
class _Material:
    """The data of a training.

    Attributes:
        source: provides the images of the examples trained on.
        everything: all examples: images, or crops of them.
        shown: the examples that are not of held-out images.
        hidden: the held-out images.
    """

    scale: Scale
    source: ImageSource
    everything: list[Example]
    shown: list[Example]
    hidden: list[Example]


def _material(
    dataset: DetectionDataset,
    recipe: DetectorRecipe,
    advanced: AdvancedDetectorRecipe,
    seed: int,
    reporter: ProgressReporter,
) -> _Material:
    import numpy

    images = distinct_images(dataset)
    sizes = image_sizes(images)
    side = float(numpy.median([max(size) for size in sizes])) if sizes else 0.0
    cache = ImageCache(max(CACHED_SIDE, min(round(side), advanced.resolutions[-1])))
    examples = cache.load(images, reporter.until(reporter.budget.part(_DECODING_SHARE)))
    has_NT = tag_presence(dataset, examples)
    scale = choose_scale(examples, advanced, sizes)
    fold_count, _ = recipe.folds(len(examples))
    folds_N = stratified_folds(has_NT, seed, fold_count)
    source: ImageSource = cache
    learned = [[example] for example in examples]
    if scale.tiling is not None:
        source = cutter = Crops(scale.tiling, scale.resolution, advanced.crop_size, seed)
        del cache
        learned = cutter.load(examples, reporter.until(reporter.budget.part(_CUTTING_SHARE)))
    return _Material(
        scale=scale,
        source=source,
        everything=[crop for crops in learned for crop in crops],
        shown=[crop for crops, fold in zip(learned, folds_N, strict=True) if fold != 0 for crop in crops],
        hidden=[example for example, fold in zip(examples, folds_N, strict=True) if fold == 0],
    )


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

    They are on levels that grow by a quarter, so that small differences in speed do not change the model.
    """
    most = min(steps_that_fit, recipe.steps(image_count))
    level = float(recipe.min_steps)
    if most < level:
        return 0
    while level * 1.25 <= most:
        level *= 1.25
    return round(level)
