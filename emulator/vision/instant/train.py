"""Training of instant models: the features of all images, and predictions for each without itself.

Axes: N images, F features, T tags, R images that others are compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from emulator.vision.boxes.box import BoxArrays
from emulator.vision.classification.dataset import (
    ClassificationDataset,
    LabelledImage,
    TrainedClassifier,
    check_every_tag_has_images,
    targets_of,
)
from emulator.vision.classification.dataset import distinct_images as distinct_labelled
from emulator.vision.classification.model import evaluation_bytes
from emulator.vision.concurrency import ordered, processor_count
from emulator.vision.detection.dataset import (
    BoxedImage,
    DetectionDataset,
    Example,
    TrainedDetector,
    tag_presence,
)
from emulator.vision.detection.dataset import distinct_images as distinct_boxed
from emulator.vision.evaluation.detection import DetectionEvaluation
from emulator.vision.imaging.decode import ImageRejected
from emulator.vision.imaging.image_file import ImageFile, read_image_file
from emulator.vision.instant import neighbors, scoring
from emulator.vision.instant.feature_memory import FeatureMemory
from emulator.vision.instant.features import image_features
from emulator.vision.instant.model import InstantModel
from emulator.vision.training.errors import TrainingFailed, timed
from emulator.vision.training.folds import members, stratified_folds
from emulator.vision.training.results import EVALUATION_FILE, MODEL_FILE, training_failures

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Floats = NDArray[numpy.float64]

_File = TypeVar("_File", bound=ImageFile)
# Images that are compared with all others at once: this bounds memory.
_BLOCK = 256
# For the distance that halves a share, this many images are compared with the others; in evaluations, each
# with this many others. Larger sets are sampled.
_MOST_FOR_HALF = 1024
_MOST_COMPARED = 8192
# Progress after the features, which take most of the time.
_FEATURES_DONE = 0.8
_LOOKING, _EVALUATING, _WRITING = "Looking at the images", "Evaluating", "Writing the model"


def train_instant(
    dataset: ClassificationDataset | DetectionDataset,
    *,
    seed: int,
    output: Path,
    memory: FeatureMemory,
    base_model: Path | None = None,
    progress: Callable[[float, str], None],
) -> TrainedClassifier | TrainedDetector:
    """Make an instant model and write it, with its evaluation, into the folder `output`.

    The same images, labels and seed give the same files, byte by byte, on every machine.

    Args:
        seed: determines the folds of the evaluation.
        output: created if missing.
        memory: of the features of images seen before; those of other images are added.
        base_model: must exist if given; it has no effect.
        progress: called with the fraction that is done, 0..1 and never falling, and the current step.

    Raises:
        TrainingFailed: with a message for the user.
        ImageFileDamaged: the bytes of an image have changed.
        ValueError: a label is not an index of a tag.
    """
    if base_model is not None and not base_model.exists():
        raise TrainingFailed(
            "The iteration of the custom base model is not there any more; choose another one to start from."
        )
    with training_failures("Check the images"):
        if isinstance(dataset, DetectionDataset):
            return _train_detector(dataset, seed, output, memory, progress)
        return _train_classifier(dataset, seed, output, memory, progress)


def _train_classifier(
    dataset: ClassificationDataset,
    seed: int,
    output: Path,
    memory: FeatureMemory,
    progress: Callable[[float, str], None],
) -> TrainedClassifier:
    import numpy

    images = distinct_labelled(dataset)
    seconds: dict[str, float] = {}
    with timed(seconds, "features"):
        readable, features_NF = _features(images, memory, progress)
    targets_NT = targets_of(dataset, readable)
    # Images unlike all others have the negative tag, with or without examples; anomaly detection has none.
    check_every_tag_has_images(dataset, targets_NT, but=dataset.negative)
    progress(_FEATURES_DONE, _EVALUATING)
    with timed(seconds, "evaluation"):
        has_NT = targets_NT > 0
        others = _Others(features_NF)
        held_out_NT = numpy.concatenate(
            [
                scoring.probabilities(
                    shares, has_NT[others.rows], multilabel=dataset.multilabel, negative=dataset.negative
                )
                for shares in others.shares(progress)
            ]
        )
        in_first_N = members((image.key for image in readable), dataset.held_out)
        folds_N = stratified_folds(has_NT, seed, first_N=in_first_N)
    model = InstantModel(
        labels=dataset.tags,
        multilabel=dataset.multilabel,
        negative=dataset.negative,
        half=others.half,
        keys=tuple(image.key for image in readable),
        features_KF=features_NF,
        targets_KT=has_NT,
        box_images=numpy.zeros(0, numpy.int32),
        box_tags=numpy.zeros(0, numpy.int32),
        boxes=numpy.zeros((0, 4)),
    )
    progress(0.98, _WRITING)
    with timed(seconds, "writing"):
        _write(output, model, evaluation_bytes(held_out_NT, targets_NT, folds_N, readable))
    progress(1.0, "Done")
    return TrainedClassifier(
        model_path=output / MODEL_FILE,
        evaluation_path=output / EVALUATION_FILE,
        seconds=seconds,
        image_count=len(readable),
        skipped=_skipped(images, readable),
    )


def _train_detector(
    dataset: DetectionDataset,
    seed: int,
    output: Path,
    memory: FeatureMemory,
    progress: Callable[[float, str], None],
) -> TrainedDetector:
    import numpy

    images = distinct_boxed(dataset)
    seconds: dict[str, float] = {}
    with timed(seconds, "features"):
        readable, features_NF = _features(images, memory, progress)
    examples = [Example.of(image) for image in readable]
    has_NT = tag_presence(dataset, examples)
    progress(_FEATURES_DONE, _EVALUATING)
    counts = [len(example.tags) for example in examples]
    box_images = numpy.repeat(numpy.arange(len(examples), dtype=numpy.int32), counts)
    box_tags = numpy.concatenate([example.tags for example in examples]).astype(numpy.int32)
    boxes = numpy.concatenate([example.boxes for example in examples])
    with timed(seconds, "evaluation"):
        others = _Others(features_NF)
        in_first_N = members((image.key for image in readable), dataset.held_out)
        known = scoring.KnownBoxes.of(len(others.rows), *_of_images(others.rows, box_images, box_tags, boxes))
        detected = [
            scoring.detections(shares_R, known) for shares in others.shares(progress) for shares_R in shares
        ]
        evaluation = DetectionEvaluation(
            keys=tuple(image.key for image in readable),
            folds=stratified_folds(has_NT, seed, first_N=in_first_N),
            tag_count=len(dataset.tags),
            truths=BoxArrays.of_images([image.boxes for image in readable]),
            detections=BoxArrays.of_images(detected),
            probabilities=numpy.array(
                [box.probability for of_image in detected for box in of_image], numpy.float32
            ),
        )
    model = InstantModel(
        labels=dataset.tags,
        multilabel=None,
        negative=None,
        half=others.half,
        keys=tuple(image.key for image in readable),
        features_KF=features_NF,
        targets_KT=numpy.zeros((len(examples), 0), bool),
        box_images=box_images,
        box_tags=box_tags,
        boxes=boxes,
    )
    progress(0.98, _WRITING)
    with timed(seconds, "writing"):
        _write(output, model, evaluation.content())
    progress(1.0, "Done")
    return TrainedDetector(
        model_path=output / MODEL_FILE,
        evaluation_path=output / EVALUATION_FILE,
        seconds=seconds,
        image_count=len(readable),
        skipped=_skipped(images, readable),
    )


def _of_images(
    chosen: NDArray[numpy.int64],
    box_images: NDArray[numpy.int32],
    box_tags: NDArray[numpy.int32],
    boxes: Floats,
) -> tuple[NDArray[numpy.int32], NDArray[numpy.int32], Floats]:
    """The boxes of some of the images, with new numbers of the images."""
    import numpy

    places = numpy.searchsorted(chosen, box_images)
    kept = chosen[numpy.minimum(places, len(chosen) - 1)] == box_images
    return places[kept].astype(numpy.int32), box_tags[kept], boxes[kept]


def _features(
    images: Sequence[_File], memory: FeatureMemory, progress: Callable[[float, str], None]
) -> tuple[list[_File], NDArray[numpy.int16]]:
    """The images that can be read, and their features (N, F)."""
    import numpy

    progress(0.0, _LOOKING)
    found = {image.key: known for image in images if (known := memory.get(image.key)) is not None}
    missing = [image for image in images if image.key not in found]

    def compute(image: _File) -> NDArray[numpy.int16] | None:
        try:
            return image_features(read_image_file(image))
        except (ImageRejected, OSError):
            return None

    if missing:
        with ThreadPoolExecutor(processor_count(), thread_name_prefix="instant features") as pool:
            for image, features in ordered(pool, compute, missing):
                if features is not None:
                    found[image.key] = features
                    memory.put(image.key, features)
                progress(_FEATURES_DONE * len(found) / len(images), _LOOKING)
    readable = [image for image in images if image.key in found]
    if not readable:
        return [], numpy.zeros((0, 0), numpy.int16)
    return readable, numpy.stack([found[image.key] for image in readable])


class _Others:
    """The other images that each image of a set is compared with.

    Attributes:
        rows: which images others are compared with, (R,), rising: all, or evenly spaced ones of a large set.
        half: the distance that halves a share.
    """

    def __init__(self, features_NF: NDArray[numpy.int16]) -> None:
        import numpy

        self._all = neighbors.directions(features_NF)
        self._count = len(features_NF)
        self.rows = _evenly(self._count, _MOST_COMPARED)
        self._compared = self._part(self.rows)
        self._distances_of_all: NDArray[numpy.int64] | None = None
        some = _evenly(self._count, _MOST_FOR_HALF)
        nearest = [some[:0]]
        for block in _blocks(some) if self._count > 1 else ():
            distances = self._distances(block)
            nearest.append(distances.min(axis=1))
            if len(block) == self._count:
                self._distances_of_all = distances
        self.half = neighbors.half_distance(numpy.concatenate(nearest))

    def shares(self, progress: Callable[[float, str], None]) -> Iterator[Floats]:
        """The shares of the others for each image, in blocks (n, R); 0 for the image itself."""
        import numpy

        for block in _blocks(numpy.arange(self._count)):
            # Those of a small set are known already.
            known = self._distances_of_all if len(block) == self._count else None
            yield neighbors.shares_of(self._distances(block) if known is None else known, self.half)
            done = (int(block[-1]) + 1) / self._count
            progress(_FEATURES_DONE + (0.97 - _FEATURES_DONE) * done, _EVALUATING)

    def _distances(self, block: NDArray[numpy.int64]) -> NDArray[numpy.int64]:
        """The distances from the others, (n, R); from itself it is larger than any."""
        distances = neighbors.distances(self._part(block), self._compared)
        distances[block[:, None] == self.rows] = neighbors.FARTHEST
        return distances

    def _part(self, rows: NDArray[numpy.int64]) -> tuple[Floats, Floats]:
        return self._all[0][rows], self._all[1][rows]


def _evenly(count: int, most: int) -> NDArray[numpy.int64]:
    """At most `most` numbers below `count`, evenly spaced, rising."""
    import numpy

    return numpy.arange(count) if count <= most else numpy.arange(most) * count // most


def _blocks(rows: NDArray[numpy.int64]) -> Iterator[NDArray[numpy.int64]]:
    for start in range(0, len(rows), _BLOCK):
        yield rows[start : start + _BLOCK]


def _write(output: Path, model: InstantModel, evaluation: bytes) -> None:
    output.mkdir(parents=True, exist_ok=True)
    # Not durably, which would take longer than all the rest: the caller stores the files elsewhere.
    (output / EVALUATION_FILE).write_bytes(evaluation)
    (output / MODEL_FILE).write_bytes(model.content())


def _skipped(
    images: Sequence[LabelledImage | BoxedImage], readable: Sequence[LabelledImage | BoxedImage]
) -> tuple[str, ...]:
    known = {image.key for image in readable}
    return tuple(image.key for image in images if image.key not in known)
