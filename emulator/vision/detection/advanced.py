"""Advanced training of detectors: all layers, at the scale that small objects need, and never worse than
quick training. Runs in the worker process: the functions import PyTorch, the module does not.

The detector is made of convolutions alone, so that what learned from small windows of pictures at their full
resolution finds the same things in whole pictures of that resolution: every picture is looked at as if it
were cut into overlapping tiles, at the cost of one run. Only pictures too large for one run are really cut.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.files import write_atomically
from emulator.vision.backbones.base_models import starting_detector
from emulator.vision.boxes.box import BoxArrays
from emulator.vision.detection.augment import CACHED_SIDE, ImageCache
from emulator.vision.detection.calibration import Calibration
from emulator.vision.detection.crops import Crops
from emulator.vision.detection.dataset import DetectionDataset, Example, distinct_images, tag_presence
from emulator.vision.detection.finetune import ImageSource, fine_tune_detector, measure_step
from emulator.vision.detection.heads import new_class_layers
from emulator.vision.detection.scale import Scale, choose_scale, image_sizes
from emulator.vision.detection.session import DetectorSession
from emulator.vision.detection.train import (
    EVALUATION_FILE,
    MODEL_FILE,
    TrainedDetector,
    detect_all,
    evaluate_detections,
    serialize_detector,
    train_detector,
)
from emulator.vision.evaluation.detection import DetectionEvaluation
from emulator.vision.imaging.decode import ImageRejected
from emulator.vision.imaging.memory import trim_heap
from emulator.vision.networks.nanodet import published_weights
from emulator.vision.recipes.recipes import AdvancedDetectorRecipe, DetectorRecipe
from emulator.vision.training.budget import Budget, OutOfTime
from emulator.vision.training.errors import (
    LossNotFinite,
    TrainingFailed,
    storage_failure,
    timed,
)
from emulator.vision.training.folds import stratified_folds
from emulator.vision.training.progress import ProgressReporter

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    FloatArray = NDArray[numpy.float32]

_log = logging.getLogger(__name__)

# What is left of the budget, less what scoring and writing take.
_USABLE = 0.9
_OVERLAPS = (0.5, 0.75)
# Draws of images, with replacement, of which the new model has to win so many: what it wins by is then larger
# than its standard error.
_DRAWS, _DRAWS_TO_WIN = 200, 0.84
_ENOUGH_OF_PLAN = 0.6
# Of the budget, at most, for cutting large pictures into crops.
_SHARE_OF_CUTTING = 0.3
# Fewer images that a model has not seen say nothing about it.
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

    First quick training; then a detector of which all layers are trained and that leaves out a fifth of the
    images; if that finds more there than quick training's twin, one that leaves out nothing. What repeats and
    what does not is as for `advanced.train_advanced_classifier`.

    Args:
        recipe: what quick training does; nothing cuts it short.
        budget_seconds: kept within a tenth, unless quick training alone takes longer.
        seed: decides which images are evaluated, what views are learned from and how the new layers start.
        output: made when missing. Files appear in it whole or not at all.
        progress: called with the share that is done, 0..1 and never falling, and what is being done.
        base_model: a detector of this program to start from, instead of the published one.
        clock: seconds since some moment.

    Raises:
        TrainingFailed: with a message for a person.
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
        trim_heap()  # of many pictures that quick training has kept: a gigabyte
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
    """The bytes of both files."""

    model: bytes
    evaluation: bytes


def is_significantly_better(old: DetectionEvaluation, new: DetectionEvaluation, seed: int) -> bool:
    """Whether the new detections of the same images are better, and by more than chance.

    Better is a higher mean average precision, itself the mean of those at overlaps of 0.5 and 0.75. Chance is
    judged by drawing the images again, with replacement (the bootstrap of Efron, 1979).
    """
    import numpy

    random = numpy.random.default_rng(seed)
    count = len(old.keys)
    everything = numpy.ones(count)
    before, after = _Precision(old), _Precision(new)
    if after(everything) <= before(everything):
        return False
    wins = 0
    for _ in range(_DRAWS):
        weights = numpy.bincount(random.integers(count, size=count), minlength=count).astype(float)
        wins += after(weights) > before(weights)
    return wins >= _DRAWS_TO_WIN * _DRAWS


class _Precision:
    """Mean average precision of an evaluation in which each image counts with a weight."""

    def __init__(self, evaluation: DetectionEvaluation) -> None:
        import numpy

        self._evaluation = evaluation
        self._order = numpy.argsort(-evaluation.probabilities, kind="stable")
        self._found = [evaluation.hits(overlap)[self._order] for overlap in _OVERLAPS]

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
    """A detector of which all layers are trained, or None if quick training's is as good."""
    try:
        return _fine_tuned(dataset, recipe, advanced, start, quick, seed, reporter)
    except OutOfTime:
        _log.info("No time to train the whole detector")
    except LossNotFinite:
        _log.warning("The training became unstable: its loss was not a number any more")
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
    scoring = 0.0
    if scale.tiling is not None:
        untrained = {**start, **new_class_layers(tag_count, seed)}
        content = serialize_detector(dataset, scored, untrained, Calibration(), scale.tiling)
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
    session = DetectorSession(serialize_detector(dataset, scored, weights, Calibration(), scale.tiling))
    detected = detect_all([(session, example) for example in hidden], lambda share: reporter())
    none_N = numpy.zeros(len(hidden), numpy.int8)
    evaluation, calibration = evaluate_detections(dataset, hidden, none_N, detected)
    compared = select_images(quick, [example.key for example in hidden])
    _log.info(
        "Average precision: quick %.3f, all layers %.3f",
        compared.performance(overlap_threshold=0.5).average_precision,
        evaluation.performance(overlap_threshold=0.5).average_precision,
    )
    if not is_significantly_better(compared, evaluation, seed):
        return None
    if budget.part(_USABLE).left > _ENOUGH_OF_PLAN * steps * step_seconds:
        weights = train(everything, 1, _USABLE)
    content = serialize_detector(dataset, scored, weights, calibration, scale.tiling)
    return _Result(content, evaluation.content())


@dataclass(frozen=True)
class _Material:
    """What is learned from and judged by.

    Attributes:
        source: has the pictures of what is learned from.
        everything: pictures, or crops of them, at their scale.
        shown: those of everything that are not of hidden pictures.
        hidden: the pictures that are left out.
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
    pictures = ImageCache(max(CACHED_SIDE, min(round(side), advanced.resolutions[-1])))
    examples = pictures.load(images, lambda share: reporter())
    has_NT = tag_presence(dataset, examples)
    scale = choose_scale(examples, advanced, sizes)
    fold_count, _ = recipe.folds(len(examples))
    folds_N = stratified_folds(has_NT, seed, fold_count)
    source: ImageSource = pictures
    learned = [[example] for example in examples]
    if scale.tiling is not None:
        source = cutter = Crops(scale.tiling, scale.resolution, advanced.crop_size, seed)
        del pictures
        learned = cutter.load(examples, reporter.until(reporter.budget.part(_SHARE_OF_CUTTING)))
    return _Material(
        scale,
        source,
        everything=[crop for crops in learned for crop in crops],
        shown=[crop for crops, fold in zip(learned, folds_N, strict=True) if fold != 0 for crop in crops],
        hidden=[example for example, fold in zip(examples, folds_N, strict=True) if fold == 0],
    )


def scorable_in_time(
    session: DetectorSession, examples: Sequence[Example], seconds: float, clock: Callable[[], float]
) -> tuple[list[Example], float]:
    """As many of the pictures as can be scored in the time, all, a half, a quarter, ..., and the seconds that
    it will take.

    Raises:
        OutOfTime: that would be too few to judge by.
    """
    started = clock()
    session.score(Path(examples[0].path).read_bytes())
    each = clock() - started
    count = len(examples)
    while count * each > seconds:
        count = -(-count // 2)
        if count < min(_MIN_SCORED, len(examples)):
            raise OutOfTime
    return list(examples[:count]), count * each


def plan_steps(steps_that_fit: float, image_count: int, recipe: AdvancedDetectorRecipe) -> int:
    """Steps of a training, or 0 if time is short: levels that grow by a quarter, for the sake of
    repeatability."""
    most = min(steps_that_fit, recipe.steps(image_count))
    level = float(recipe.min_steps)
    if most < level:
        return 0
    while level * 1.25 <= most:
        level *= 1.25
    return round(level)
