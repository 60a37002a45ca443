"""The results of a training of a detector: detections in held-out images, calibration, the model file.

Letters of shapes: N images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from emulator.vision.boxes.box import BoxArrays, DetectedBox
from emulator.vision.concurrency import processor_count
from emulator.vision.detection.calibration import PlattScaling, calibrate
from emulator.vision.detection.dataset import DetectionDataset, Example
from emulator.vision.detection.session import DetectorSession
from emulator.vision.detection.tiles import Tiling
from emulator.vision.evaluation.detection import DetectionEvaluation
from emulator.vision.imaging.image_file import read_image_file
from emulator.vision.networks.graph import Network
from emulator.vision.networks.model_file import ModelMetadata
from emulator.vision.networks.nanodet import detection_network, published_weights
from emulator.vision.networks.onnx_writer import onnx_bytes
from emulator.vision.networks.serialization import serialize
from emulator.vision.recipes.recipes import DetectorRecipe

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    FloatArray = NDArray[numpy.float32]


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
    # At the overlap of performance figures: thin objects that are found rarely overlap by more.
    calibration = calibrate(uncalibrated.probabilities, uncalibrated.hits())
    return uncalibrated.with_probabilities(calibration.probabilities(uncalibrated.probabilities)), calibration


def serialize_detector(
    dataset: DetectionDataset,
    recipe: DetectorRecipe,
    head: Mapping[str, FloatArray],
    calibration: PlattScaling,
    tiling: Tiling | None = None,
    *,
    change: Callable[[Network], Network] | None = None,
) -> bytes:
    """The model file: the published backbone and neck with this head.

    Args:
        head: weights of the head's layers, by name; weights of other layers replace the published ones.
        calibration: becomes part of the classification layers.
        tiling: how images are divided into tiles, if they are.
        change: adds to the network, such as `novelty.with_filter`.
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
    if change is not None:
        network = change(network)
    metadata = ModelMetadata(
        labels=dataset.tags,
        resolution=network.resolution,
        network=serialize(network),
        tiling=None if tiling is None else tiling.to_json(),
    )
    return onnx_bytes(network, metadata.to_properties())
