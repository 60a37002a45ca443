"""Training of classifiers. Runs in the worker process: the functions import PyTorch, the module does not.

Axes: N images, T tags.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.durable_files import write_atomically
from emulator.vision.classification.cross_validation import TrainingSet, fit_heads
from emulator.vision.classification.dataset import (
    ClassificationDataset,
    LabelledImage,
    TrainedClassifier,
    check_every_tag_has_images,
    distinct_images,
    novel_probabilities,
    regular_images,
    targets_of,
)
from emulator.vision.classification.features import backbone_session, compute_features, training_views
from emulator.vision.classification.head import (
    FEATURE_LENGTH,
    LinearHead,
    calibration_of,
    fit_linear_head,
    probabilities,
)
from emulator.vision.classification.novelty import NoveltyFilter, filtered
from emulator.vision.evaluation.classification import Evaluation
from emulator.vision.fit import Fit
from emulator.vision.networks.graph import Network, with_classifier
from emulator.vision.networks.model_file import ModelMetadata
from emulator.vision.networks.onnx_writer import onnx_bytes
from emulator.vision.networks.serialization import serialize
from emulator.vision.networks.weights import BaseWeightsMissing, backbone_network
from emulator.vision.recipes.recipes import QUICK, ClassifierRecipe
from emulator.vision.training.errors import TrainingFailed, timed
from emulator.vision.training.folds import stratified_folds
from emulator.vision.training.results import EVALUATION_FILE, MODEL_FILE, training_failures

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Array = NDArray[numpy.floating]

LOOK_AT_IMAGES = "Check that the images show what their tags say"
# Progress after the first two steps, by the approximate duration of each.
_FEATURES_DONE, _HEADS_DONE = 0.85, 0.98


def train_classifier(
    dataset: ClassificationDataset,
    recipe: ClassifierRecipe,
    *,
    seed: int,
    output: Path,
    feature_cache: Path,
    progress: Callable[[float, str], None],
) -> TrainedClassifier:
    """Train a classifier and write it, with its evaluation, into the folder `output`.

    The same images, tags, recipe and seed give the same model file, byte by byte, on the same machine.

    Args:
        seed: determines the folds of cross-validation.
        output: created if missing. Files are written atomically.
        feature_cache: folder of the features of images of earlier trainings; trainings may share it.
        progress: called with the fraction that is done, 0..1 and never falling, and the current step.

    Raises:
        TrainingFailed: with a message for the user.
        ValueError: a label is not an index of a tag.
    """
    images = distinct_images(dataset)
    seconds: dict[str, float] = {}
    with training_failures(LOOK_AT_IMAGES):
        progress(0.0, "Looking at the images")
        with timed(seconds, "features"):
            features = compute_features(
                images,
                backbone=recipe.backbone,
                resolution=recipe.resolution,
                views=training_views(recipe, len(images)),
                cache_folder=feature_cache,
                progress=lambda done: progress(_FEATURES_DONE * done, "Looking at the images"),
            )
        readable = [image for image in images if image.key in features.plain]
        targets_NT = targets_of(dataset, readable)
        check_every_tag_has_images(dataset, targets_NT)
        with timed(seconds, "heads"):
            training_set = TrainingSet.of(
                features,
                [image.key for image in readable],
                targets_NT,
                multilabel=dataset.multilabel,
                inverse_regularisation=recipe.inverse_regularisation(len(readable)),
                roots=not dataset.multilabel,
            )
            folds_N = stratified_folds(targets_NT > 0, seed)
            head, held_out_logits_NT = fit_heads(
                training_set,
                folds_N,
                lambda done: progress(
                    _FEATURES_DONE + (_HEADS_DONE - _FEATURES_DONE) * done, "Training and evaluating"
                ),
            )
            calibration = calibration_of(held_out_logits_NT, targets_NT, multilabel=dataset.multilabel)
            novelty = NoveltyFilter.fit(
                training_set,
                folds_N,
                regular_images(dataset, targets_NT),
                resolution=recipe.resolution,
            )
        progress(_HEADS_DONE, "Writing the model")
        with timed(seconds, "writing"):
            output.mkdir(parents=True, exist_ok=True)
            calibrated_NT = calibration.applied(held_out_logits_NT)
            novel_T = novel_probabilities(dataset)
            known_NT = probabilities(calibrated_NT, multilabel=dataset.multilabel)
            held_out_NT = filtered(known_NT, novelty.inliers_N, novel_T)
            evaluation = evaluation_bytes(held_out_NT, targets_NT, folds_N, readable)
            write_atomically(output / EVALUATION_FILE, evaluation)
            network = classifying_network(
                backbone_network(recipe.backbone, recipe.resolution),
                head.calibrated(calibration),
                multilabel=dataset.multilabel,
                roots=training_set.roots,
            )
            network = novelty.applied(network, novel_T)
            write_atomically(output / MODEL_FILE, model_bytes(dataset, network, recipe.fit))
    progress(1.0, "Done")
    return TrainedClassifier(
        model_path=output / MODEL_FILE,
        evaluation_path=output / EVALUATION_FILE,
        seconds=seconds,
        image_count=len(readable),
        skipped=tuple(image.key for image in images if image.key not in features.plain),
    )


def warm_up(recipe: ClassifierRecipe = QUICK) -> None:
    """Import packages, load the network, run it once and fit a small head: the first training starts faster.

    Raises:
        TrainingFailed: a package that trainings need is not installed.
    """
    import numpy

    try:
        session = backbone_session(recipe.backbone, recipe.resolution)
    except BaseWeightsMissing as error:
        raise TrainingFailed(str(error)) from error
    session.run(None, {"image": numpy.zeros((1, recipe.resolution, recipe.resolution, 3), numpy.uint8)})
    fit_linear_head(numpy.eye(2), numpy.eye(2), numpy.ones(2), multilabel=False, inverse_regularisation=1.0)


def classifying_network(
    backbone: Network, head: LinearHead, *, multilabel: bool, roots: bool = False
) -> Network:
    """The network from the image to probabilities.

    Args:
        roots: whether the head was fitted to the square roots of the features (see `TrainingSet`).
    """
    import numpy

    return with_classifier(
        backbone,
        head.weight.astype(numpy.float32),
        head.bias.astype(numpy.float32),
        feature_length=FEATURE_LENGTH,
        multilabel=multilabel,
        roots=roots,
    )


def model_bytes(dataset: ClassificationDataset, network: Network, fit: Fit) -> bytes:
    """The model file of a network of `classifying_network`, or of an ensemble of such networks, for images of
    this fit."""
    metadata = ModelMetadata(
        labels=dataset.tags,
        resolution=network.resolution,
        multilabel=dataset.multilabel,
        network=serialize(network),
        fit=fit,
    )
    return onnx_bytes(network, metadata.to_properties())


def evaluation_bytes(
    probabilities_NT: NDArray[numpy.float32],
    targets_NT: Array,
    folds_N: NDArray[numpy.int8],
    images: Sequence[LabelledImage],
) -> bytes:
    """The file for `evaluation.classification.Evaluation`."""
    return Evaluation(
        keys=tuple(image.key for image in images),
        folds=folds_N,
        probabilities_NT=probabilities_NT,
        targets_NT=targets_NT > 0,
    ).content()
