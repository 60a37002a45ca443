"""Train and export models, without a server and a database.

The functions do what the server's worker does, on a folder or on images in memory. Rules of the service, such
as minimum numbers of images and quotas, do not apply.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from emulator.durable_files import write_atomically
from emulator.vision.classification.dataset import TrainedClassifier
from emulator.vision.detection.dataset import TrainedDetector
from emulator.vision.domain_training import training_for_domain
from emulator.vision.evaluation.classification import Evaluation
from emulator.vision.evaluation.common import DEFAULT_THRESHOLD
from emulator.vision.evaluation.detection import DEFAULT_OVERLAP_THRESHOLD, DetectionEvaluation
from emulator.vision.exported.load import Classifier, Detector
from emulator.vision.exported.model import ExportedClassifier, ExportedDetector
from emulator.vision.exports import formats
from emulator.vision.library.datasets import Dataset, as_files, with_anomaly_tag
from emulator.vision.library.predict import Data, Progress, as_dataset, load_model, no_progress
from emulator.vision.library.reports import Report, classifier_report, detector_report
from emulator.vision.recipes.domains import Domain, DomainType, domains
from emulator.vision.recipes.recipes import LATE_LAYERS

# Written beside the model: the arguments and the report of its training.
DESCRIPTION_FILE = "training.json"

_CONTAINER = "DockerFile"
_NO_CONTAINERS = (
    "An export to DockerFile contains the emulator's server, so only the server writes it: train and export "
    "an iteration of a project. The command `custom-vision-emulator serve-model` serves other exports."
)


class TrainingCancelled(Exception):
    """The training was cancelled."""


@dataclass(frozen=True)
class Trained:
    """The result of `train`.

    Attributes:
        path: the model file, in the given folder.
        report: cross-validated: each image is scored by a model that was not trained on it.
        domain: the id of the domain.
        tags: in the order of the model's outputs.
        seconds: the duration.
        images: the number of training images.
        skipped: images that could not be read or decoded.
    """

    path: Path
    report: Report
    domain: str
    tags: tuple[str, ...]
    seconds: float
    images: int
    skipped: tuple[str, ...]


def train(
    data: Data,
    folder: str | Path,
    *,
    domain: str = "General",
    budget: float | None = None,
    seed: int = 0,
    base_model: str | Path | None = None,
    feature_cache: str | Path | None = None,
    progress: Progress | None = None,
    cancel: threading.Event | None = None,
    clock: Callable[[], float] = time.perf_counter,
    quick_seconds: float = LATE_LAYERS.most_seconds,
) -> Trained:
    """Train a model and write it to a folder as `model.onnx`, together with its evaluation and a description.

    Args:
        data: see `read_dataset`, or a `Dataset`. The images of all its splits are trained on; see
            `Dataset.part`.
        folder: created if missing. Files are written completely or not at all.
        domain: the name or id of a domain of the service; see `models/domains.toml`.
        budget: seconds for advanced training; None for quick training.
        seed: the same data, domain, seed and machine give the same file, byte for byte; for advanced training
            see `train_advanced_classifier`.
        base_model: a model to start from; implies advanced training.
        feature_cache: a folder in which features of images are kept for later trainings with the same images,
            and the number formats that were measured on this machine.
        progress: called with the completed share, 0..1, never falling, and the name of the step.
        cancel: when set, the training ends with `TrainingCancelled`.
        clock: returns seconds, for the budget.
        quick_seconds: longest quick training of a classifier, in seconds on two processors; 0: without
            training layers of the network.

    Raises:
        TrainingFailed: with a message for the user.
        TrainingCancelled: `cancel` was set.
        ValueError: the data cannot be read, or there is no such domain.
    """
    dataset = as_dataset(data)
    chosen = domains().named(domain, "ObjectDetection" if dataset.detection else "Classification")
    if chosen.detects_anomalies:
        dataset = with_anomaly_tag(dataset)
    output = Path(folder)
    with (
        as_files(dataset) as files,
        tempfile.TemporaryDirectory(prefix="custom-vision-")
        if feature_cache is None
        else nullcontext(feature_cache) as cache,
    ):
        training = training_for_domain(
            files.dataset,
            chosen.id,
            budget_seconds=budget,
            seed=seed,
            output=output,
            feature_cache=Path(cache),
            base_model=None if base_model is None else Path(base_model),
            clock=clock,
            quick_seconds=quick_seconds,
            number_formats=None if feature_cache is None else Path(cache) / "number-formats",
        )
        trained = training(progress=_cancellable(progress or no_progress, cancel))
    skipped = tuple(files.names[key] for key in trained.skipped)
    result = Trained(
        path=trained.model_path,
        report=_cross_validated_report(trained, dataset, skipped),
        domain=chosen.id,
        tags=dataset.tags,
        seconds=sum(trained.seconds.values()),
        images=trained.image_count,
        skipped=skipped,
    )
    arguments = {"domain": chosen.id, "multilabel": dataset.multilabel, "seed": seed, "budget": budget}
    write_atomically(
        output / DESCRIPTION_FILE,
        json.dumps({**arguments, "report": asdict(result.report)}, indent=1).encode(),
    )
    return result


def export(
    model: str | Path | Trained,
    platform: str,
    folder: str | Path,
    *,
    flavor: str | None = None,
    domain: str | None = None,
    created: datetime | None = None,
    progress: Progress | None = None,
) -> Path:
    """Export a model as a file in one of the service's formats; see `docs/exports.md`.

    Args:
        model: the result or model file of `train`, in a compact domain.
        platform, flavor: in the service's terms: "ONNX", "TensorFlow" with "TensorFlowLite", ...
        folder: created if missing; the file in it is named after the platform.
        domain: name or id; needed if `training.json` is not beside the model.
        created: the date in the file; None is now.

    Returns:
        The path of the file.

    Raises:
        ExportFailed: the export cannot be made; the message says what to do.
        ValueError: the model cannot be read, or its domain does not have this export. Containers
            ("DockerFile") are exported by the server only.
        ModelUnusable: it is not a model.
    """
    loaded = load_model(model)
    path, session = loaded.path, loaded.session
    if isinstance(session, ExportedClassifier | ExportedDetector):
        raise ValueError(f"{path.name} is an export already")
    chosen = _domain_of(path, "ObjectDetection" if loaded.detects else "Classification", domain)
    refused = formats.refusal(chosen, platform, flavor)
    if refused is not None:
        raise ValueError(_NO_CONTAINERS if platform == _CONTAINER and chosen.exportable else refused)
    identity = str(uuid.UUID(hashlib.sha256(path.read_bytes()).hexdigest()[:32]))
    order = formats.ExportOrder(
        model=str(path),
        platform=platform,
        flavor=flavor,
        domain=chosen.name,
        domain_type=chosen.type,
        classification_type=_classification_type(session),
        labels=loaded.tags,
        project_id=identity,
        iteration_id=identity,
        created=created or datetime.now(UTC),
    )
    name = f"{platform}{'.' + flavor if flavor else ''}{formats.FORMATS[platform, flavor].suffix}"
    return formats.write_export(order, Path(folder) / name, progress or no_progress)


def _cancellable(progress: Progress, cancel: threading.Event | None) -> Progress:
    def report_progress(share: float, step: str) -> None:
        if cancel is not None and cancel.is_set():
            raise TrainingCancelled("The training was cancelled.")
        progress(share, step)

    return report_progress


def _cross_validated_report(
    trained: TrainedClassifier | TrainedDetector, dataset: Dataset, skipped: tuple[str, ...]
) -> Report:
    """The figures of the cross-validation."""
    if isinstance(trained, TrainedDetector):
        return detector_report(
            DetectionEvaluation.load(trained.evaluation_path),
            dataset.tags,
            threshold=DEFAULT_THRESHOLD,
            overlap_threshold=DEFAULT_OVERLAP_THRESHOLD,
            skipped=skipped,
        )
    return classifier_report(
        Evaluation.load(trained.evaluation_path),
        dataset.tags,
        multilabel=dataset.multilabel,
        threshold=DEFAULT_THRESHOLD,
        skipped=skipped,
    )


def _domain_of(model: Path, type: DomainType, given: str | None) -> Domain:
    """The given domain, or the one in the description beside the model."""
    if given is None:
        try:
            given = str(json.loads(model.with_name(DESCRIPTION_FILE).read_bytes())["domain"])
        except (OSError, KeyError, TypeError, ValueError):
            raise ValueError(
                f"beside {model.name} is no {DESCRIPTION_FILE} to say what domain it was trained in; name one"
            ) from None
    return domains().named(given, type)


def _classification_type(session: Classifier | Detector) -> str | None:
    if isinstance(session, Detector):
        return None
    return "Multilabel" if session.multilabel else "Multiclass"
