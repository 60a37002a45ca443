"""Training of object detectors. Runs in the worker process; PyTorch is imported by the functions.

Letters of shapes: N images, T tags.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.durable_files import write_atomically
from emulator.vision import _torchvision
from emulator.vision.boxes.box import BoxArrays, DetectedBox
from emulator.vision.concurrency import processor_count
from emulator.vision.detection.augment import ImageCache
from emulator.vision.detection.calibration import PlattScaling, calibrate
from emulator.vision.detection.dataset import (
    DetectionDataset,
    Example,
    TrainedDetector,
    distinct_images,
    tag_presence,
)
from emulator.vision.detection.quick import Head, train_heads
from emulator.vision.detection.session import DetectorSession
from emulator.vision.detection.tiles import Tiling
from emulator.vision.evaluation.detection import CALIBRATION_IOU, DetectionEvaluation
from emulator.vision.imaging.image_file import read_image_file
from emulator.vision.networks.model_file import ModelMetadata
from emulator.vision.networks.nanodet import detection_network, published_weights
from emulator.vision.networks.onnx_writer import onnx_bytes
from emulator.vision.networks.serialization import serialize
from emulator.vision.recipes.recipes import DetectorRecipe
from emulator.vision.training.errors import TrainingFailed, timed
from emulator.vision.training.folds import stratified_folds
from emulator.vision.training.results import EVALUATION_FILE, MODEL_FILE, training_failures

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    FloatArray = NDArray[numpy.float32]

CHECK_REGIONS = "Check that the regions lie on the objects"
# Share of progress at the end of each step: about its share of the time.
_IMAGES_DONE, _TRAINING_DONE, _EVALUATION_DONE = 0.05, 0.93, 0.98


def train_detector(
    dataset: DetectionDataset,
    recipe: DetectorRecipe,
    *,
    seed: int,
    output: Path,
    progress: Callable[[float, str], None],
) -> TrainedDetector:
    """Train a detector and write it, with its evaluation, into the folder `output`.

    The final model is trained on all images. Heads trained beside it, each without a fifth of the images (see
    `DetectorRecipe.folds`), detect on these held-out images: that is the evaluation, and the data of the
    calibration.

    The same images, tags, recipe and seed give the same bytes on the same machine.

    Args:
        seed: of the folds, the crops and the initial weights.
        output: created if missing. Files are written atomically.
        progress: called with the share that is done, 0..1 and never falling, and the name of the step.

    Raises:
        TrainingFailed: with a message for the user.
        ValueError: the tag of a box is not an index of a tag.
    """
    import numpy

    require_torch()
    images = distinct_images(dataset)
    seconds: dict[str, float] = {}
    cache = ImageCache()
    with training_failures(CHECK_REGIONS):
        published_weights()
        progress(0.0, "Looking at the images")
        with timed(seconds, "images"):
            examples = cache.load(
                images, lambda share: progress(_IMAGES_DONE * share, "Looking at the images")
            )
        has_NT = tag_presence(dataset, examples)
        fold_count, evaluated_folds = recipe.folds(len(examples))
        folds_N = stratified_folds(has_NT, seed, fold_count)
        # An empty fold needs no head, and a single image cannot be held out.
        folds = [fold for fold in range(evaluated_folds) if 0 < (folds_N == fold).sum() < len(examples)]
        with timed(seconds, "training"):
            final, *evaluated = train_heads(
                examples,
                cache,
                [Head(numpy.zeros(len(examples), bool)), *(Head(folds_N == fold) for fold in folds)],
                len(dataset.tags),
                recipe,
                seed=seed,
                progress=lambda share: progress(
                    _IMAGES_DONE + (_TRAINING_DONE - _IMAGES_DONE) * share, "Training"
                ),
            )
        with timed(seconds, "evaluation"):
            chosen = numpy.flatnonzero(numpy.isin(folds_N, folds)).tolist()
            sessions = {
                fold: DetectorSession(serialize_detector(dataset, recipe, head, PlattScaling()))
                for fold, head in zip(folds, evaluated, strict=True)
            }
            detected = detect_all(
                [(sessions[int(folds_N[number])], examples[number]) for number in chosen],
                lambda share: progress(
                    _TRAINING_DONE + (_EVALUATION_DONE - _TRAINING_DONE) * share, "Evaluating"
                ),
            )
            evaluation, calibration = evaluate_detections(
                dataset, [examples[number] for number in chosen], folds_N[chosen], detected
            )
        progress(_EVALUATION_DONE, "Writing the model")
        with timed(seconds, "writing"):
            output.mkdir(parents=True, exist_ok=True)
            write_atomically(output / EVALUATION_FILE, evaluation.content())
            write_atomically(output / MODEL_FILE, serialize_detector(dataset, recipe, final, calibration))
    progress(1.0, "Done")
    readable = {example.key for example in examples}
    return TrainedDetector(
        model_path=output / MODEL_FILE,
        evaluation_path=output / EVALUATION_FILE,
        seconds=seconds,
        image_count=len(examples),
        skipped=tuple(image.key for image in images if image.key not in readable),
    )


def require_torch() -> None:
    """Import the packages that training needs. Raises TrainingFailed if one is not installed."""
    try:
        import onnx  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        raise TrainingFailed(
            f"Training needs PyTorch; install the packages torch and onnx ({error})."
        ) from error
    try:
        _torchvision.load()
    except ImportError as error:
        raise TrainingFailed(
            "Training of detectors needs torchvision: install the version that belongs to your torch "
            f"({error})."
        ) from error


def detect_all(
    pairs: Sequence[tuple[DetectorSession, Example]], progress: Callable[[float], None]
) -> list[list[DetectedBox]]:
    """The detections of each pair's session on its image: several images at a time, each on one processor."""

    def detect(pair: tuple[DetectorSession, Example]) -> list[DetectedBox]:
        session, example = pair
        return session.score(read_image_file(example))

    results = []
    with ThreadPoolExecutor(processor_count(), thread_name_prefix="evaluation") as pool:
        for found in pool.map(detect, pairs):
            results.append(found)
            progress(len(results) / len(pairs))
    return results


def evaluate_detections(
    dataset: DetectionDataset,
    examples: Sequence[Example],
    folds_N: NDArray[numpy.int8],
    detected: Sequence[Sequence[DetectedBox]],
) -> tuple[DetectionEvaluation, PlattScaling]:
    """The evaluation of detections, with probabilities calibrated on it, and that calibration.

    Args:
        examples: the images.
        folds_N: the fold of each image.
        detected: the boxes of each image, uncalibrated.
    """
    import numpy

    truths = BoxArrays.of(
        [
            (number, tag, left, top, right - left, bottom - top)
            for number, example in enumerate(examples)
            for tag, (left, top, right, bottom) in zip(example.tags, example.boxes, strict=True)
        ]
    )
    uncalibrated = DetectionEvaluation(
        keys=tuple(example.key for example in examples),
        folds=folds_N,
        tag_count=len(dataset.tags),
        truths=truths,
        detections=BoxArrays.of_images(detected),
        probabilities=numpy.array([box.probability for found in detected for box in found], numpy.float32),
    )
    calibration = calibrate(uncalibrated.probabilities, uncalibrated.hits(CALIBRATION_IOU))
    return uncalibrated.with_probabilities(calibration.probabilities(uncalibrated.probabilities)), calibration


def serialize_detector(
    dataset: DetectionDataset,
    recipe: DetectorRecipe,
    head: Mapping[str, FloatArray],
    calibration: PlattScaling,
    tiling: Tiling | None = None,
) -> bytes:
    """The model file: the published backbone and neck with this head.

    Args:
        head: weights of the head's layers, by name; weights of other layers replace the published ones.
        calibration: becomes part of the classification layers.
        tiling: how images are divided into tiles, if they are.
    """
    import numpy

    calibrated = dict(head)
    for name, weight in head.items():
        if ".classes." in name:
            offset = calibration.offset if name.endswith(".bias") else 0.0
            calibrated[name] = (weight * calibration.slope + offset).astype(numpy.float32)
    network = detection_network(
        {**published_weights(), **calibrated},
        recipe.resolution,
        input_resolution=recipe.input_resolution,
    )
    metadata = ModelMetadata(
        labels=dataset.tags,
        resolution=network.resolution,
        network=serialize(network),
        tiling=None if tiling is None else tiling.to_json(),
    )
    return onnx_bytes(network, metadata.to_properties())
