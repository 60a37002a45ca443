"""Training of object detectors. Runs in the worker process; PyTorch is imported by the functions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from emulator.durable_files import write_atomically
from emulator.vision import _torchvision
from emulator.vision.detection.dataset import DetectionDataset, TrainedDetector, distinct_images
from emulator.vision.detection.quick import QuickTraining
from emulator.vision.networks.nanodet import published_weights
from emulator.vision.recipes.recipes import DetectorRecipe
from emulator.vision.training.errors import TrainingFailed, timed
from emulator.vision.training.results import EVALUATION_FILE, MODEL_FILE, training_failures

CHECK_REGIONS = "Check that the regions lie on the objects"
# Share of progress at the end of each step: about its share of the time.
_IMAGES_DONE, _COMPARED, _TRAINING_DONE, _EVALUATION_DONE, _FINISHING_DONE = 0.05, 0.08, 0.72, 0.75, 0.98


def train_detector(
    dataset: DetectionDataset,
    recipe: DetectorRecipe,
    *,
    seed: int,
    output: Path,
    feature_cache: Path,
    progress: Callable[[float, str], None],
) -> TrainedDetector:
    """Train a detector and write it, with its evaluation, into the folder `output`.

    It is trained without a part of the images, detects in these (the evaluation, and the data of the
    calibration), and is trained further on all images, see `quick`.

    The same images, tags, recipe and seed give the same bytes on the same machine.

    Args:
        seed: of the folds, the crops and the initial weights.
        output: created if missing. Files are written atomically.
        feature_cache: folder of the feature cache, for thumbnails; trainings may share it.
        progress: called with the share that is done, 0..1 and never falling, and the name of the step.

    Raises:
        TrainingFailed: with a message for the user.
        ValueError: the tag of a box is not an index of a tag.
    """
    require_torch()
    images = distinct_images(dataset)
    seconds: dict[str, float] = {}
    quick = QuickTraining(dataset, recipe, seed, feature_cache)

    def part(first: float, last: float, step: str) -> Callable[[float], None]:
        return lambda share: progress(first + (last - first) * share, step)

    with training_failures(CHECK_REGIONS):
        published_weights()
        progress(0.0, "Looking at the images")
        with timed(seconds, "images"):
            quick.load(
                images,
                part(0.0, _IMAGES_DONE, "Looking at the images"),
                part(_IMAGES_DONE, _COMPARED, "Comparing the images"),
            )
        with timed(seconds, "training"):
            evaluated = quick.evaluate(
                part(_COMPARED, _TRAINING_DONE, "Training"),
                part(_TRAINING_DONE, _EVALUATION_DONE, "Evaluating"),
            )
        with timed(seconds, "finishing"):
            model = quick.finish(
                evaluated, part(_EVALUATION_DONE, _FINISHING_DONE, "Training with all images")
            )
        progress(_FINISHING_DONE, "Writing the model")
        with timed(seconds, "writing"):
            output.mkdir(parents=True, exist_ok=True)
            write_atomically(output / EVALUATION_FILE, evaluated.evaluation.content())
            write_atomically(output / MODEL_FILE, model)
    progress(1.0, "Done")
    readable = {example.key for example in quick.examples}
    return TrainedDetector(
        model_path=output / MODEL_FILE,
        evaluation_path=output / EVALUATION_FILE,
        seconds=seconds,
        image_count=len(quick.examples),
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
