"""Training and exporting, without server and database: half of the library that `emulator.vision` is.

Each function does what the server has its worker do, on a folder or on images in memory. Nothing here has
rules of the service: no least number of images, no quotas.
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
from typing import Any

from emulator.files import write_atomically
from emulator.vision.classification.advanced import train_advanced_classifier
from emulator.vision.classification.session import ClassifierSession
from emulator.vision.classification.train import (
    ClassificationDataset,
    TrainedClassifier,
    train_classifier,
)
from emulator.vision.detection.advanced import train_advanced_detector
from emulator.vision.detection.dataset import DetectionDataset
from emulator.vision.detection.session import DetectorSession
from emulator.vision.detection.train import TrainedDetector, train_detector
from emulator.vision.evaluation.classification import DEFAULT_THRESHOLD, Evaluation
from emulator.vision.evaluation.detection import DEFAULT_OVERLAP_THRESHOLD, DetectionEvaluation
from emulator.vision.exported.load import Classifier, Detector
from emulator.vision.exports import formats as exports
from emulator.vision.library.datasets import Dataset, as_files
from emulator.vision.library.predict import Data, Progress, as_dataset, load_model, no_progress
from emulator.vision.library.reports import Report, classifier_report, detector_report
from emulator.vision.recipes.domains import Domain, DomainType, domains
from emulator.vision.recipes.recipes import (
    advanced_detector_recipe_for_domain,
    advanced_recipe_for_domain,
    detector_recipe_for_domain,
    recipe_for_domain,
)

# Beside the model: what it was trained as.
DESCRIPTION_FILE = "training.json"


class TrainingCancelled(Exception):
    """Somebody asked for the training to end."""


@dataclass(frozen=True)
class Trained:
    """What `train` made.

    Attributes:
        path: the model, in the folder that was named.
        report: by cross-validation, on images of the training that their model had not seen.
        domain: the id of the domain.
        tags: in the order of the model's outputs.
        seconds: how long it took.
        images: how many were learned from.
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
) -> Trained:
    """Train a model and write it into a folder as `model.onnx`, with what is known about it beside it.

    Args:
        data: see `read_dataset`, or a `Dataset`. It is learned from as a whole, whatever its splits: see
            `Dataset.part`.
        folder: made when missing. Files appear in it whole or not at all.
        domain: the name or id of a domain of the service; see `models/domains.toml`.
        budget: None for quick training; else seconds for advanced training.
        seed: the same data, domain, seed and machine give the same file, byte by byte; of advanced training
            see `advanced.train_advanced_classifier`.
        base_model: a model to start from; makes advanced training of it.
        feature_cache: a folder in which what pretrained networks say about images is kept for later
            trainings of the same images.
        progress: called with the share that is done, 0..1 and never falling, and what is being done.
        cancel: when it is set, the training ends with `TrainingCancelled`.
        clock: seconds since some moment; what the budget is counted in.

    Raises:
        TrainingFailed: with a message for a person.
        TrainingCancelled: `cancel` was set.
        ValueError: the data cannot be read, or there is no such domain.
    """
    dataset = as_dataset(data)
    chosen = domains().named(domain, "ObjectDetection" if dataset.detection else "Classification")
    output = Path(folder)
    with (
        as_files(dataset) as files,
        tempfile.TemporaryDirectory(prefix="custom-vision-")
        if feature_cache is None
        else nullcontext(feature_cache) as cache,
    ):
        common: dict[str, Any] = {
            "seed": seed,
            "output": output,
            "progress": _watched(progress or no_progress, cancel),
        }
        if budget is not None or base_model is not None:
            common["budget_seconds"] = budget or 0.0
            common["clock"] = clock
            common["base_model"] = None if base_model is None else Path(base_model)
        trained = _trained(files.dataset, chosen, Path(cache), common)
    skipped = tuple(files.names[key] for key in trained.skipped)
    result = Trained(
        path=trained.model_path,
        report=_own_report(trained, dataset, skipped),
        domain=chosen.id,
        tags=dataset.tags,
        seconds=sum(trained.seconds.values()),
        images=trained.image_count,
        skipped=skipped,
    )
    described = {"domain": chosen.id, "multilabel": dataset.multilabel, "seed": seed, "budget": budget}
    write_atomically(
        output / DESCRIPTION_FILE,
        json.dumps({**described, "report": asdict(result.report)}, indent=1).encode(),
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
    """Write a model as a file that the service's users take away; see `docs/export-formats.md`.

    Args:
        model: what `train` wrote, in a compact domain.
        platform, flavor: as the service names them: "ONNX", "TensorFlow" with "TensorFlowLite", ...
        folder: made when missing; the file in it is named like the platform.
        domain: name or id, if the model does not lie beside the file that says what it was trained as.
        created: the date that the file bears; now, if none is given.

    Returns:
        The file.

    Raises:
        ExportFailed: it cannot be made; the message says what to do.
        ValueError: the model cannot be read, or its domain has no such export.
        ModelUnusable: the model is none.
    """
    loaded = load_model(model)
    path, session = loaded.path, loaded.session
    if not isinstance(session, (ClassifierSession, DetectorSession)):
        raise ValueError(f"{path.name} is an export already")
    chosen = _domain_of(path, "ObjectDetection" if loaded.detects else "Classification", domain)
    refused = exports.refusal(chosen, platform, flavor)
    if refused is not None:
        raise ValueError(refused)
    identity = str(uuid.UUID(hashlib.sha256(path.read_bytes()).hexdigest()[:32]))
    order = exports.ExportOrder(
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
    name = f"{platform}{'.' + flavor if flavor else ''}{exports.FORMATS[platform, flavor].suffix}"
    return exports.write_export(order, Path(folder) / name, progress or no_progress)


def _watched(progress: Progress, cancel: threading.Event | None) -> Progress:
    def tell(share: float, step: str) -> None:
        if cancel is not None and cancel.is_set():
            raise TrainingCancelled("The training was cancelled.")
        progress(share, step)

    return tell


def _trained(
    dataset: ClassificationDataset | DetectionDataset, domain: Domain, cache: Path, common: dict[str, Any]
) -> TrainedClassifier | TrainedDetector:
    """Quick training, or advanced training where a budget is among what is common to both."""
    advanced = "budget_seconds" in common
    if isinstance(dataset, DetectionDataset):
        how = detector_recipe_for_domain(domain.id)
        if not advanced:
            return train_detector(dataset, how, **common)
        all_layers = advanced_detector_recipe_for_domain(domain.id)
        return train_advanced_detector(dataset, how, all_layers, **common)
    recipe = recipe_for_domain(domain.id)
    if not advanced:
        return train_classifier(dataset, recipe, feature_cache=cache, **common)
    attempts = advanced_recipe_for_domain(domain.id)
    return train_advanced_classifier(dataset, recipe, attempts, feature_cache=cache, **common)


def _own_report(
    trained: TrainedClassifier | TrainedDetector, dataset: Dataset, skipped: tuple[str, ...]
) -> Report:
    """What the training says about itself."""
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
    """The domain that is given, or the one that the file beside the model names."""
    if given is None:
        try:
            given = str(json.loads(model.with_name(DESCRIPTION_FILE).read_bytes())["domain"])
        except (OSError, KeyError, TypeError, ValueError):
            raise ValueError(
                f"beside {model.name} is no {DESCRIPTION_FILE} to say what domain it was trained in; name one"
            ) from None
    return domains().named(given, type)


def _classification_type(session: Classifier | Detector) -> str | None:
    if not isinstance(session, ClassifierSession):
        return None
    return "Multilabel" if session.multilabel else "Multiclass"
