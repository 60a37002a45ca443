"""The models of a fine-tuning, one without each fold: pieces that other machines can train. In the worker
only.

Axes: R rows of images, D features, T tags.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emulator.vision.classification.dataset import LabelledImage
from emulator.vision.classification.finetune import FineTuned, TrainingImages, fine_tune
from emulator.vision.classification.head import FEATURE_LENGTH
from emulator.vision.classification.resized_images import resized_images
from emulator.vision.concurrency import processor_count
from emulator.vision.fit import Fit
from emulator.vision.imaging.decode import resize_to_square
from emulator.vision.imaging.image_file import read_image_file
from emulator.vision.networks.ensembles import with_input_resolution
from emulator.vision.networks.graph import INPUT, Network
from emulator.vision.networks.onnx_writer import onnx_bytes
from emulator.vision.onnx_runtime import inference_session
from emulator.vision.recipes.recipes import FineTuningRecipe
from emulator.vision.training.budget import Budget
from emulator.vision.training.number_formats import FormatsInUse, number_formats_of
from emulator.vision.training.pieces import Outside

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession

    Array = NDArray[numpy.floating]
    Rows = NDArray[numpy.integer]

Progress = Callable[[float], None]


@dataclass(frozen=True)
class FoldData:
    """What the models of all folds have in common.

    Attributes:
        targets_NT: 1 where the image has the tag, else 0.
        folds_N: the fold of each image, from 0.
        fits: how images become square for training; `fit`: for scoring.
        beside_resolution: another input size to score held-out images at.
        seed: the model of each fold adds the number of the fold.
    """

    images: Sequence[LabelledImage]
    targets_NT: Array  # noqa: N815 - the suffix names the axes
    folds_N: NDArray[numpy.int8]  # noqa: N815
    multilabel: bool
    fits: tuple[Fit, ...]
    fit: Fit
    backbone: Network
    recipe: FineTuningRecipe
    epochs: int
    seed: int
    beside_resolution: int


@dataclass(frozen=True)
class Fold:
    """One of the models. number: from 0. is_hidden: whether it is trained without the fold of this number."""

    number: int
    is_hidden: bool


@dataclass(frozen=True)
class TrainedFold:
    """A model, and its scores of the images that were hidden from it.

    Attributes:
        alone_RT: logits (R, T) at the input size of training; None if no image was hidden.
        beside_RT: at the other input size.
    """

    model: FineTuned
    alone_RT: Array | None = None  # noqa: N815
    beside_RT: Array | None = None  # noqa: N815


def train_fold(
    data: FoldData, fold: Fold, images: TrainingImages, budget: Budget, progress: Progress, scoring: Progress
) -> TrainedFold:
    """Train a model and score the images that were hidden from it.

    Args:
        budget: of the training.
        progress, scoring: called during training and scoring, with the fraction that is done or 0. Their
            exceptions end the work.

    Raises:
        LossNotFinite: the loss is NaN or infinite.
    """
    import numpy

    hidden_N = (data.folds_N == fold.number) & fold.is_hidden
    model = fine_tune(
        data.backbone,
        images,
        numpy.flatnonzero(~hidden_N),
        data.recipe,
        epochs=data.epochs,
        seed=data.seed + fold.number,
        budget=budget,
        progress=progress,
    )
    if not fold.is_hidden:
        return TrainedFold(model)
    hidden = numpy.flatnonzero(hidden_N)
    resolution = data.backbone.resolution
    alone_RT = beside_RT = scores_of(data.images, model, data.fit, resolution, hidden, scoring)
    if data.beside_resolution != resolution:
        beside_RT = scores_of(data.images, model, data.fit, data.beside_resolution, hidden, scoring)
    return TrainedFold(model, alone_RT, beside_RT)


def train_fold_outside(shared: tuple[FoldData, FormatsInUse], fold: Fold, outside: Outside) -> TrainedFold:
    """`train_fold` in another process, which reads the images itself."""
    data, formats = shared
    budget = Budget(outside.seconds)

    def checked(done: float) -> None:
        budget.check()

    with (
        number_formats_of(formats),
        resized_images(
            data.images,
            data.targets_NT,
            multilabel=data.multilabel,
            fits=data.fits,
            side=data.backbone.resolution,
            scratch=outside.scratch,
            progress=checked,
        ) as images,
    ):
        return train_fold(data, fold, images, budget, _ignored, _ignored)


def _ignored(done: float) -> None:
    """The process that waits for the fold reports its own progress."""


def scores_of(
    images: Sequence[LabelledImage],
    model: FineTuned,
    fit: Fit,
    resolution: int,
    rows: Rows,
    progress: Progress,
) -> NDArray[numpy.float64]:
    """Logits (R, T) of these images at an input size, by the network in ONNX Runtime as in scoring.

    Args:
        fit: how images become square.
        progress: called after each image, with 0. Its exceptions end the work.
    """
    import numpy

    session = session_at(model.backbone, resolution)
    features_RD = features_of(images, session, fit, resolution, rows.tolist(), progress)
    lengths = numpy.linalg.norm(features_RD, axis=1, keepdims=True)
    return model.head.logits(features_RD * (FEATURE_LENGTH / numpy.maximum(lengths, 1e-12)))


def features_of(
    images: Sequence[LabelledImage],
    session: InferenceSession,
    fit: Fit,
    resolution: int,
    rows: Sequence[int],
    progress: Progress,
) -> NDArray[numpy.float64]:
    """Features (R, D) of these images; see `scores_of`."""
    import numpy

    def features(row: int) -> NDArray[numpy.float32]:
        pixels = resize_to_square(read_image_file(images[row]), resolution, fit)
        (result,) = session.run(None, {INPUT: pixels[None]})
        vector: NDArray[numpy.float32] = result[0]
        return vector

    features_RD = []
    with ThreadPoolExecutor(processor_count(), thread_name_prefix="evaluation") as pool:
        for vector in pool.map(features, rows):
            features_RD.append(vector)
            progress(0.0)
    return numpy.stack(features_RD).astype(numpy.float64)


def session_at(backbone: Network, resolution: int) -> InferenceSession:
    """A session of the network at an input size, one thread per run."""
    return inference_session(onnx_bytes(with_input_resolution(backbone, resolution), {}), threads=1)
