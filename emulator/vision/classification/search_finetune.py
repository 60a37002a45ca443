"""Fine-tuning as one of the attempts of an advanced training: what is planned, judged and kept. For the
worker."""

from __future__ import annotations

import logging
import math
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.vision.classification.candidates import Candidate
from emulator.vision.classification.dataset import LabelledImage
from emulator.vision.classification.finetune import (
    FineTuned,
    Pictures,
    averaged,
    fine_tune,
    measure_step,
    steps_per_epoch,
)
from emulator.vision.classification.head import FEATURE_LENGTH, LogitCalibration
from emulator.vision.classification.search import Search
from emulator.vision.classification.train import classifying_network
from emulator.vision.concurrency import ordered, processor_count
from emulator.vision.imaging.decode import ImageRejected, resize_to_square
from emulator.vision.imaging.image_array_file import ImageArrayFile
from emulator.vision.networks.ensembles import sum_classifiers, with_input_resolution
from emulator.vision.networks.graph import INPUT, Network
from emulator.vision.networks.onnx_writer import onnx_bytes
from emulator.vision.networks.weights import backbone_network
from emulator.vision.onnx_runtime import inference_session
from emulator.vision.recipes.recipes import AdvancedRecipe
from emulator.vision.training.budget import OutOfTime
from emulator.vision.training.errors import LossNotFinite

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Array = NDArray[numpy.floating]
    Rows = NDArray[numpy.integer]

_log = logging.getLogger(__name__)

_PICTURES_FILE = "pictures"
# Bytes of pictures that are kept in memory; and if there are more, how much of the free disk they may take,
# which others need too.
_MOST_IN_MEMORY, _MOST_OF_DISK = 300 * 2**20, 0.5
# What is left of the budget, less what scoring and writing take at the end.
_USABLE = 0.93
# A model that learned from everything is trained only with time for so much of what was planned; else the
# mean of those that left out a fold is better.
_ENOUGH_OF_PLAN = 0.6
# Epochs grow by about a quarter from one level to the next: how fast the machine is at a moment must not
# change what is learned.
EPOCH_LEVELS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 19, 24, 30, 38, 48, 60)


@dataclass(frozen=True)
class Plan:
    """How often every image is learned from, and how many models are trained that leave out a fold."""

    epochs: int
    folds: int


def planned(epochs_that_fit: float, image_count: int, fold_count: int, recipe: AdvancedRecipe) -> Plan | None:
    """What there is time for; None where it is too short.

    Every image of a fold that is left out is one more to judge by; but a well trained model comes first.

    Args:
        epochs_that_fit: how often all images together can be learned from in the time there is.
    """
    share = 1 - 1 / fold_count

    def epochs(folds: int) -> float:
        return epochs_that_fit / (1 + folds * share)

    folds = max(recipe.min_folds, -(-recipe.min_eval_images * fold_count // image_count))
    folds = min(fold_count, folds)
    while folds > 1 and epochs(folds) < recipe.cross_validation_min_epochs:
        folds -= 1
    while folds < fold_count and epochs(folds + 1) >= recipe.max_epochs:
        folds += 1
    if epochs(folds) < recipe.min_epochs:
        return None
    most = min(epochs(folds), recipe.max_epochs)
    return Plan(max(level for level in EPOCH_LEVELS if level <= most), folds)


def try_fine_tuning(search: Search, scratch: Path) -> None:
    """A network whose coarse layers are trained, by itself and beside the best so far: if there is time, and
    anything left to gain.

    Args:
        scratch: a folder for pictures in the size that is trained in; they are removed at the end.
    """
    if search.judge.is_perfect(search.best):
        return
    search.reporter.step = "Fine-tuning"
    try:
        with _pictures(search, scratch) as (backbone, pictures):
            attempt = _Attempt(search, backbone, pictures)
            candidates = attempt.candidates()
            if any(search.judge.replaces(each, search.best) for each in candidates):
                attempt.learn_from_everything()
            search.consider(candidates)
    except OutOfTime:
        _log.info("No time to fine-tune")
    except (ImageRejected, OSError) as error:
        _log.warning("Fine-tuning ended: %s", error)
    except LossNotFinite:
        _log.warning("Fine-tuning became unstable: its loss was not a number any more")
    except MemoryError:
        _log.warning("Not enough memory or disk space to fine-tune")
    except ImportError as error:
        _log.warning("Fine-tuning was skipped: %s", error)


class _Attempt:
    """Models without one fold each, what they say about it, and at last one that leaves out nothing."""

    def __init__(self, search: Search, backbone: Network, pictures: Pictures) -> None:
        import numpy

        self._search, self._backbone, self._pictures = search, backbone, pictures
        self._recipe = search.advanced.fine_tuning
        self._budget = search.reporter.budget
        self._step_seconds = measure_step(
            backbone, len(search.dataset.tags), pictures, self._recipe, self._budget.clock
        )
        self._fold_count = int(search.folds_N.max()) + 1
        epoch_seconds = max(self._step_seconds, 1e-6) * steps_per_epoch(len(search.images), self._recipe)
        plan = planned(
            self._budget.left * _USABLE / epoch_seconds,
            len(search.images),
            self._fold_count,
            search.advanced,
        )
        if plan is None:
            raise OutOfTime
        self._plan = plan
        _log.info("%s, %.2f s a step at %d pixels", plan, self._step_seconds, backbone.resolution)
        self._models: list[FineTuned] = []
        self._rows: Rows = numpy.flatnonzero(search.folds_N < plan.folds)
        self._alone: Candidate | None = None

    def candidates(self) -> list[Candidate]:
        """The fine-tuned network, and if the model is not to be exported, it and the best so far together."""
        import numpy

        search = self._search
        together = search.advanced.backbones is not None
        larger = max(self._backbone.resolution, search.best.make(LogitCalibration()).resolution)
        alone_NT = numpy.zeros_like(search.targets_NT)
        beside_NT = numpy.zeros_like(search.targets_NT)
        for fold in range(self._plan.folds):
            hidden_N = search.folds_N == fold
            model = self._train(numpy.flatnonzero(~hidden_N), fold)
            self._models.append(model)
            hidden = numpy.flatnonzero(hidden_N)
            alone_NT[hidden] = _scores(model, self._backbone.resolution, search.images, hidden)
            beside_NT[hidden] = alone_NT[hidden]
            if together and larger != self._backbone.resolution:
                beside_NT[hidden] = _scores(model, larger, search.images, hidden)
        self._alone = Candidate("fine-tuned", self._rows, alone_NT[self._rows], self._make)
        if not together:
            return [self._alone]
        beside = replace(self._alone, logits_ET=beside_NT[self._rows])
        return [self._alone, *(self._with_best(beside, share) for share in search.advanced.blend_weights)]

    def learn_from_everything(self) -> None:
        """Train one more model, if there is time for most of the plan, and then give the mean of all: they
        have learned from all images together, and each makes other mistakes."""
        import numpy

        everything = numpy.arange(len(self._search.images))
        steps = self._plan.epochs * steps_per_epoch(len(everything), self._recipe)
        if self._budget.left > _ENOUGH_OF_PLAN * steps * self._step_seconds:
            self._models.append(self._train(everything, self._plan.folds))
        assert self._alone is not None
        mean = averaged(self._models)
        scores_ET = _scores(mean, self._backbone.resolution, self._search.images, self._rows)
        judge, together = self._search.judge, replace(self._alone, logits_ET=scores_ET)
        # The mean has seen these images, so it must know them better. Where it does not, the members have
        # gone ways too different to have a middle.
        if judge.loss(together) <= judge.loss(self._alone):
            self._models = [mean]
        else:
            _log.info("The mean of %d models is worse than each of them", len(self._models))

    def _train(self, used: Rows, number: int) -> FineTuned:
        """The next of all models; it may take its share of the time that is left."""
        shares = [1 - 1 / self._fold_count] * self._plan.folds + [1.0]
        self._search.reporter.step = f"Fine-tuning ({number + 1} of {len(shares)})"
        return fine_tune(
            self._backbone,
            self._pictures,
            used,
            self._recipe,
            epochs=self._plan.epochs,
            seed=self._search.seed + number,
            budget=self._budget.part(_USABLE * shares[number] / sum(shares[number:])),
            progress=self._search.reporter,
        )

    def _make(self, calibration: LogitCalibration) -> Network:
        chosen = self._models[-1]
        return classifying_network(
            chosen.backbone,
            chosen.head.calibrated(calibration),
            multilabel=self._search.dataset.multilabel,
        )

    def _with_best(self, tuned: Candidate, share: float) -> Candidate:
        """Both together: the mean of their calibrated scores, `share` of it of the best so far."""
        import numpy

        judge, frozen = self._search.judge, self._search.best
        own, others = judge.calibration(tuned).share(1 - share), judge.calibration(frozen).share(share)
        places = numpy.searchsorted(frozen.rows, tuned.rows)
        logits_ET = own.applied(tuned.logits_ET) + others.applied(frozen.logits_ET[places])

        def make(calibration: LogitCalibration) -> Network:
            # Their scores are added: the shift of the sum is given to one of them.
            scale = LogitCalibration(calibration.scale)
            members = [tuned.make(calibration.after(own)), frozen.make(scale.after(others))]
            return sum_classifiers(members, max(member.resolution for member in members))

        return Candidate(f"{tuned.name} beside {share:.0%} of {frozen.name}", tuned.rows, logits_ET, make)


@contextmanager
def _pictures(search: Search, scratch: Path) -> Iterator[tuple[Network, Pictures]]:
    """The network that is trained further, and all pictures in its size: in memory, or if many, on disk."""
    import numpy

    # Networks that the user has brought can be started from, but are not trained through.
    start = None if search.start is None or search.start.has_nodes else search.start
    backbone = start or backbone_network(search.recipe.backbone, _resolution(search))
    side, path = backbone.resolution, scratch / _PICTURES_FILE
    shape = (len(search.images), side, side, 3)
    size = math.prod(shape)
    pixels: NDArray[numpy.uint8] | ImageArrayFile
    if size <= _MOST_IN_MEMORY:
        pixels = numpy.empty(shape, numpy.uint8)
    elif size <= _MOST_OF_DISK * shutil.disk_usage(scratch).free:
        pixels = ImageArrayFile(path, side)
    else:
        raise MemoryError
    tell = search.reporter.until(search.reporter.budget.part(0.5))
    try:
        with ThreadPoolExecutor(processor_count(), thread_name_prefix="pictures") as pool:
            pictures = ordered(
                pool, lambda image: resize_to_square(Path(image.path).read_bytes(), side), search.images
            )
            for number, (_, picture) in enumerate(pictures):
                pixels[number] = picture
                tell(0.0)
        yield backbone, Pictures(pixels, search.targets_NT, search.dataset.multilabel)
    finally:
        if isinstance(pixels, ImageArrayFile):
            pixels.remove()


def _resolution(search: Search) -> int:
    """The size to fine-tune in. Models that are exported keep theirs."""
    advanced = search.advanced
    if advanced.backbones is None:
        return search.recipe.resolution
    if search.best.make(LogitCalibration()).resolution == advanced.large_resolution:
        return advanced.large_resolution
    tiny = search.usual_side() <= advanced.tiny_side
    return advanced.tiny_resolution if tiny else advanced.resolution


def _scores(
    model: FineTuned, resolution: int, images: Sequence[LabelledImage], rows: Rows
) -> NDArray[numpy.float64]:
    """Scores (R, T) of these images, by the network as it will run on pictures of that size."""
    import numpy

    session = inference_session(onnx_bytes(with_input_resolution(model.backbone, resolution), {}), threads=1)

    def features(row: int) -> NDArray[numpy.float32]:
        picture = resize_to_square(Path(images[row].path).read_bytes(), resolution)
        (result,) = session.run(None, {INPUT: picture[None]})
        vector: NDArray[numpy.float32] = result[0]
        return vector

    with ThreadPoolExecutor(processor_count(), thread_name_prefix="evaluation") as pool:
        features_RD = numpy.stack(list(pool.map(features, rows.tolist()))).astype(numpy.float64)
    lengths = numpy.linalg.norm(features_RD, axis=1, keepdims=True)
    return model.head.logits(features_RD * (FEATURE_LENGTH / numpy.maximum(lengths, 1e-12)))
