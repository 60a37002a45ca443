"""Training of anomaly detectors. Runs in the worker process: functions import PyTorch, the module does not.

Axes: N images, L layers, P patches, C channels, F folds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from emulator.durable_files import write_atomically
from emulator.vision.anomaly.calibration import Calibration, probably_not_good
from emulator.vision.anomaly.memory import LayerMemory
from emulator.vision.anomaly.network import (
    Layer,
    anomaly_network,
    layers_of,
    patches_network,
    scores_network,
)
from emulator.vision.classification.dataset import (
    ClassificationDataset,
    LabelledImage,
    TrainedClassifier,
    distinct_images,
    targets_of,
)
from emulator.vision.classification.model import evaluation_bytes, model_bytes
from emulator.vision.concurrency import ordered, processor_count
from emulator.vision.imaging.decode import ImageRejected, resize_to_square
from emulator.vision.imaging.image_file import read_image_file
from emulator.vision.networks.graph import INPUT, Network
from emulator.vision.networks.onnx_writer import onnx_bytes
from emulator.vision.networks.weights import backbone_network
from emulator.vision.onnx_runtime import inference_session
from emulator.vision.recipes.recipes import AnomalyRecipe
from emulator.vision.training.errors import TrainingFailed, timed
from emulator.vision.training.folds import stratified_folds
from emulator.vision.training.results import EVALUATION_FILE, MODEL_FILE, training_failures

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Floats = NDArray[numpy.floating]

_Result = TypeVar("_Result")
# Fewer do not tell how much good images differ from each other.
GOOD_IMAGES_MINIMUM = 5
_LOOKING, _COMPARING, _WRITING = "Looking at the images", "Comparing the images", "Writing the model"
_SEEN, _REMEMBERED, _COMPARED = 0.4, 0.5, 0.9


def train_anomaly_detector(
    dataset: ClassificationDataset,
    recipe: AnomalyRecipe,
    *,
    seed: int,
    output: Path,
    progress: Callable[[float, str], None],
) -> TrainedClassifier:
    """Train on the good images, and write the model, with its evaluation, into the folder `output`.

    The model is a classifier of two tags. It remembers patches of good images (`memory`); how far held-out
    good images are from the memories of the others gives the limit (`calibration`). Good images that are far
    from all others are left out. Images of the negative tag are known anomalies: they are not remembered, but
    scored for the evaluation, and can move the limit.

    The same images, tags, recipe and seed give the same model file, byte by byte, on the same machine.

    Args:
        dataset: with a tag of good images and a negative tag, which may have no images.
        seed: determines the folds and the patches that are considered.
        output: created if missing. Files are written atomically.
        progress: called with the fraction that is done, 0..1 and never falling, and the current step.

    Raises:
        TrainingFailed: with a message for the user.
    """
    import numpy

    anomaly = _anomaly_tag(dataset)
    seconds: dict[str, float] = {}
    with training_failures("Check that the images show good parts"):
        images = distinct_images(dataset)
        good = [image for image in images if anomaly not in image.labels]
        progress(0.0, _LOOKING)
        backbone = backbone_network(recipe.backbone, recipe.resolution)
        layers = layers_of(backbone, recipe.strides)
        with timed(seconds, "patches"):
            patches = _sampled_patches(
                patches_network(backbone, layers),
                layers,
                good,
                recipe,
                seed,
                lambda done: progress(done * _SEEN, _LOOKING),
            )
        readable = [image for image in good if image.key in patches]
        if len(readable) < GOOD_IMAGES_MINIMUM:
            raise TrainingFailed(
                f"Not enough images of good parts: {len(readable)} could be read, and at least "
                f"{GOOD_IMAGES_MINIMUM} are needed."
            )
        others = [image for image in images if anomaly in image.labels]
        with timed(seconds, "memories"):
            known = readable + others
            is_good_N = numpy.arange(len(known)) < len(readable)
            folds_N = stratified_folds(is_good_N[:, None], seed)
            without = {
                f"without.{fold}": _memories(
                    [patches[image.key] for image, of in zip(readable, folds_N, strict=False) if of != fold],
                    recipe,
                )
                for fold in range(int(folds_N.max()) + 1)
            }
        progress(_REMEMBERED, _COMPARING)
        with timed(seconds, "scores"):
            scores = _scores(
                scores_network(backbone, layers, without),
                known,
                folds_N,
                lambda done: progress(_REMEMBERED + (_COMPARED - _REMEMBERED) * done, _COMPARING),
            )
            is_known_N = numpy.array([image.key in scores for image in known])
            known = [image for image in known if image.key in scores]
            is_good_N, folds_N = is_good_N[is_known_N], folds_N[is_known_N]
            scores_NL = numpy.array([scores[image.key] for image in known])
            good_N = numpy.flatnonzero(is_good_N)
            good_N = good_N[~probably_not_good(scores_NL[good_N])]
            calibration = Calibration.fit(scores_NL[good_N], scores_NL[~is_good_N])
            memories = _memories([patches[known[number].key] for number in good_N.tolist()], recipe)
        progress(_COMPARED, _WRITING)
        with timed(seconds, "writing"):
            output.mkdir(parents=True, exist_ok=True)
            anomaly_N = 1 / (1 + numpy.exp(-calibration.log_odds(scores_NL).clip(-80, 80)))
            probabilities_NT = numpy.stack([1 - anomaly_N, anomaly_N], axis=1)
            if anomaly == 0:
                probabilities_NT = probabilities_NT[:, ::-1]
            write_atomically(
                output / EVALUATION_FILE,
                evaluation_bytes(
                    probabilities_NT.astype(numpy.float32), targets_of(dataset, known), folds_N, known
                ),
            )
            network = anomaly_network(
                backbone,
                layers,
                memories,
                weight_L=calibration.weight_L,
                bias=calibration.bias,
                anomaly=anomaly,
            )
            write_atomically(output / MODEL_FILE, model_bytes(dataset, network, "stretch"))
    progress(1.0, "Done")
    kept = {image.key for image in known}
    return TrainedClassifier(
        model_path=output / MODEL_FILE,
        evaluation_path=output / EVALUATION_FILE,
        seconds=seconds,
        image_count=len(known),
        skipped=tuple(image.key for image in images if image.key not in kept),
    )


def _anomaly_tag(dataset: ClassificationDataset) -> int:
    if dataset.negative is None or len(dataset.tags) != 2:
        raise TrainingFailed(
            "Anomaly detection needs one tag of good images, and a negative tag for anomalies, which may "
            f"have no images; there are {len(dataset.tags)} tags."
        )
    return dataset.negative


def _sampled_patches(
    network: Network,
    layers: Sequence[Layer],
    images: Sequence[LabelledImage],
    recipe: AnomalyRecipe,
    seed: int,
    progress: Callable[[float], None],
) -> dict[str, list[Floats]]:
    """Patches of each image at random places, for each layer (P, C) in half precision, by the image's key.

    Images that cannot be read or decoded are left out.
    """
    import numpy

    wanted = max(1, -(-recipe.sampled_patches // max(1, len(images))))
    found: dict[str, list[Floats]] = {}

    def sampled(numbered: tuple[int, LabelledImage], outputs: Sequence[Floats]) -> list[Floats]:
        random = numpy.random.default_rng([seed, numbered[0]])
        parts = []
        for layer, features_1CHW in zip(layers, outputs, strict=True):
            patches_PC = features_1CHW[0].reshape(layer.channels, -1).T
            places = random.permutation(len(patches_PC))[:wanted]
            parts.append(patches_PC[places].astype(numpy.float16))
        return parts

    for (_, image), parts in _run(network, list(enumerate(images)), sampled, progress):
        found[image.key] = parts
    return found


def _memories(patches: Sequence[Sequence[Floats]], recipe: AnomalyRecipe) -> list[LayerMemory]:
    """A memory for each layer, from the patches of images."""
    import numpy

    return [
        LayerMemory.fit(numpy.concatenate(of_layer), recipe.references)
        for of_layer in zip(*patches, strict=True)
    ]


def _scores(
    network: Network,
    images: Sequence[LabelledImage],
    folds_N: NDArray[numpy.int8],
    progress: Callable[[float], None],
) -> dict[str, Floats]:
    """The scores (L,) of each image by the memories without its fold, by the image's key."""

    def of_fold(numbered: tuple[int, LabelledImage], outputs: Sequence[Floats]) -> Floats:
        scores: Floats = outputs[int(folds_N[numbered[0]])][0].astype(float)
        return scores

    numbered = list(enumerate(images))
    return {image.key: scores for (_, image), scores in _run(network, numbered, of_fold, progress)}


def _run(
    network: Network,
    images: Sequence[tuple[int, LabelledImage]],
    reduce: Callable[[tuple[int, LabelledImage], Sequence[Floats]], _Result],
    progress: Callable[[float], None],
) -> list[tuple[tuple[int, LabelledImage], _Result]]:
    """Run a network on numbered images, each in a thread, and reduce its outputs at once, which are large.

    Images that cannot be read or decoded are left out.
    """
    import numpy

    session = inference_session(onnx_bytes(network, {}), threads=1)

    def compute(numbered: tuple[int, LabelledImage]) -> _Result | None:
        try:
            pixels = resize_to_square(read_image_file(numbered[1]), network.resolution)
        except (ImageRejected, OSError):
            return None
        return reduce(numbered, session.run(None, {INPUT: numpy.ascontiguousarray(pixels)[None]}))

    results = []
    with ThreadPoolExecutor(processor_count(), thread_name_prefix="patches") as pool:
        for done, (numbered, result) in enumerate(ordered(pool, compute, images), 1):
            if result is not None:
                results.append((numbered, result))
            progress(done / len(images))
    return results
