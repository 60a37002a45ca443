"""Load models, predict, and evaluate models on labelled images.

Axes in names: N: images; T: tags.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from emulator.vision.boxes.box import Box, BoxArrays, DetectedBox
from emulator.vision.concurrency import processor_count
from emulator.vision.evaluation.classification import Evaluation
from emulator.vision.evaluation.common import DEFAULT_THRESHOLD
from emulator.vision.evaluation.detection import DEFAULT_OVERLAP_THRESHOLD, DetectionEvaluation
from emulator.vision.exported.load import Classifier, Detector, load_any
from emulator.vision.imaging.decode import ImageRejected
from emulator.vision.library.datasets import Dataset, Sample, image_bytes
from emulator.vision.library.readers import read_dataset
from emulator.vision.library.reports import Report, classifier_report, detector_report

if TYPE_CHECKING:
    from emulator.vision.library.datasets import ImageInput

Scores = TypeVar("Scores")
Progress = Callable[[float, str], None]
# A folder or file that `read_dataset` reads, or a dataset.
Data = str | Path | Dataset


class HasPath(Protocol):
    """An object with a model file, such as `Trained`."""

    @property
    def path(self) -> Path: ...


class BoundingBox(Box):
    """The box of a predicted object: fractions of the upright image's width and height, 0..1."""


@dataclass(frozen=True)
class Prediction:
    """A tag and its probability, 0..1. With a box, the probability that the box has an object of the tag."""

    tag: str
    probability: float
    bounding_box: BoundingBox | None = None


@dataclass(frozen=True)
class Model:
    """A loaded model, safe for concurrent use."""

    path: Path
    session: Classifier | Detector = field(repr=False)

    @property
    def tags(self) -> tuple[str, ...]:
        return tuple(self.session.labels)

    @property
    def detects(self) -> bool:
        """Whether it is a detector; else it is a classifier."""
        return isinstance(self.session, Detector)


def load_model(model: str | Path | HasPath | Model) -> Model:
    """Load a model once for many predictions: the file of `train`, or the zip of an export.

    Raises:
        ValueError: the file cannot be read.
        ModelUnusable: it is not a model.
    """
    if isinstance(model, Model):
        return model
    path = Path(model) if isinstance(model, (str, Path)) else model.path
    try:
        return Model(path, load_any(path))
    except OSError as error:
        raise ValueError(f"cannot read {str(path)!r}: {error.strerror or error}") from error


def predict(
    model: str | Path | HasPath | Model, image: str | ImageInput, *, threshold: float = 0.0
) -> list[Prediction]:
    """The predictions of a model for an image, by falling probability.

    Args:
        model: for many images, load it once with `load_model`.
        image: a file, the bytes of one, or RGB pixels (height, width, 3), uint8.
        threshold: predictions with a smaller probability are left out.

    Raises:
        ImageRejected: it is not an acceptable image.
        ValueError: a file cannot be read. (`ImageRejected` is a `ValueError`, too.)
        ModelUnusable: it is not a model.
    """
    loaded = load_model(model)
    found = _predictions(loaded, loaded.session.score(image_bytes(image)))
    return sorted(
        (each for each in found if each.probability >= threshold), key=lambda each: -each.probability
    )


def evaluate(
    model: str | Path | HasPath | Model,
    data: Data,
    *,
    threshold: float = DEFAULT_THRESHOLD,
    overlap_threshold: float = DEFAULT_OVERLAP_THRESHOLD,
    progress: Progress | None = None,
) -> Report:
    """Evaluate a model on labelled images that it was not trained on.

    `Trained.report` has the cross-validated figures of the training itself.

    Args:
        data: see `read_dataset`, or a `Dataset`. Its tags must be tags of the model.
        threshold: of probability, for precision, recall and confusion, 0..1.
        overlap_threshold: the IoU from which a box counts as correct; for detectors.

    Raises:
        ValueError: the data cannot be read, do not match the kind of model, or have a tag that the model does
            not have; or no image can be decoded.
        ModelUnusable: it is not a model.
    """
    loaded, dataset = load_model(model), as_dataset(data)
    if loaded.detects != dataset.detection:
        raise ValueError(
            "the model finds objects, but the images have no boxes"
            if loaded.detects
            else "the model classifies images, but the data have boxes; take `by_presence()` of them"
        )
    unknown = sorted(set(dataset.tags) - set(loaded.tags))
    if unknown:
        raise ValueError(f"the model does not know the tag '{unknown[0]}'; it knows {', '.join(loaded.tags)}")
    skipped: list[str] = []
    session, report_progress = loaded.session, progress or no_progress
    if isinstance(session, Detector):
        found = _found(list(_scored(dataset, session.score, skipped, report_progress)), loaded.tags)
        return detector_report(
            found, loaded.tags, threshold=threshold, overlap_threshold=overlap_threshold, skipped=skipped
        )
    # Old exports do not record it; then the data decide.
    multilabel = dataset.multilabel if session.multilabel is None else session.multilabel
    if not multilabel and any(len(sample.tags) != 1 for sample in dataset.samples):
        raise ValueError("the model gives an image one tag, but some images have several tags or none")
    classified = _classified(list(_scored(dataset, session.score, skipped, report_progress)), loaded.tags)
    return classifier_report(
        classified, loaded.tags, multilabel=multilabel, threshold=threshold, skipped=skipped
    )


def as_dataset(data: Data) -> Dataset:
    return data if isinstance(data, Dataset) else read_dataset(data)


def no_progress(share: float, step: str) -> None:
    """Ignore progress."""


def _predictions(model: Model, scores: Sequence[float | DetectedBox]) -> Iterator[Prediction]:
    for number, score in enumerate(scores):
        if isinstance(score, float):
            yield Prediction(model.tags[number], score)
        else:
            place = BoundingBox(score.left, score.top, score.width, score.height)
            yield Prediction(model.tags[score.tag_index], score.probability, place)


def _scored(
    dataset: Dataset, score: Callable[[bytes], Scores], skipped: list[str], report_progress: Progress
) -> Iterator[tuple[Sample, Scores]]:
    """The scores of each image. Names of images that cannot be decoded are added to `skipped`."""
    with ThreadPoolExecutor(processor_count(), thread_name_prefix="scoring") as pool:

        def scores_of(sample: Sample) -> Scores | None:
            try:
                return score(image_bytes(sample.image))
            except ImageRejected:
                return None

        for number, (sample, scores) in enumerate(
            zip(dataset.samples, pool.map(scores_of, dataset.samples), strict=True)
        ):
            if scores is None:
                skipped.append(sample.name)
            else:
                yield sample, scores
            report_progress((number + 1) / len(dataset.samples), "Evaluating")
    if len(skipped) == len(dataset.samples):
        raise ValueError("none of the images can be decoded")


def _classified(scored: Sequence[tuple[Sample, list[float]]], tags: Sequence[str]) -> Evaluation:
    import numpy

    targets_NT = numpy.array([[tag in sample.tags for tag in tags] for sample, _ in scored])
    return Evaluation(
        keys=_keys(len(scored)),
        folds=numpy.zeros(len(scored), numpy.int8),
        probabilities_NT=numpy.array([scores for _, scores in scored], numpy.float32),
        targets_NT=targets_NT,
    )


def _found(scored: Sequence[tuple[Sample, list[DetectedBox]]], tags: Sequence[str]) -> DetectionEvaluation:
    import numpy

    return DetectionEvaluation(
        keys=_keys(len(scored)),
        folds=numpy.zeros(len(scored), numpy.int8),
        tag_count=len(tags),
        truths=BoxArrays.of(
            [
                (number, tags.index(region.tag), region.left, region.top, region.width, region.height)
                for number, (sample, _) in enumerate(scored)
                for region in sample.regions
            ]
        ),
        detections=BoxArrays.of_images([boxes for _, boxes in scored]),
        probabilities=numpy.array([box.probability for _, boxes in scored for box in boxes], numpy.float32),
    )


def _keys(count: int) -> tuple[str, ...]:
    """Evaluations identify images by checksums; these are placeholders."""
    return tuple(f"{number:064x}" for number in range(count))
