"""Load a model file of any origin: written by a real or an instant training, or the zip of an export."""

from __future__ import annotations

from pathlib import Path

from emulator.vision.classification.session import ClassifierSession
from emulator.vision.detection.session import DetectorSession
from emulator.vision.exported.files import is_zip
from emulator.vision.exported.model import ExportedClassifier, ExportedDetector, load_export
from emulator.vision.instant.model import is_instant
from emulator.vision.instant.session import InstantClassifier, InstantDetector
from emulator.vision.onnx_runtime import ModelUnusable, scoring_threads

Classifier = ClassifierSession | ExportedClassifier | InstantClassifier
Detector = DetectorSession | ExportedDetector | InstantDetector


def load_classifier(path: Path) -> Classifier:
    """Load a classifier, trained or exported, for a server.

    Raises:
        OSError: the file cannot be read.
        ModelUnusable, ExportUnusable: it is not a classifier.
    """
    if is_instant(path):
        return InstantClassifier(path)
    if not _is_export(path):
        return ClassifierSession(path, scoring_threads())
    session = load_export(path)
    if not isinstance(session, ExportedClassifier):
        raise ModelUnusable("The export is not a classifier.")
    return session


def load_detector(path: Path) -> Detector:
    """Load a detector, trained or exported, for a server.

    Raises:
        OSError: the file cannot be read.
        ModelUnusable, ExportUnusable: it is not a detector.
    """
    if is_instant(path):
        return InstantDetector(path)
    if not _is_export(path):
        return DetectorSession(path, scoring_threads())
    session = load_export(path)
    if not isinstance(session, ExportedDetector):
        raise ModelUnusable("The export is not a detector.")
    return session


def load_any(path: Path) -> Classifier | Detector:
    """Load a classifier or a detector.

    Raises:
        OSError: the file cannot be read.
        ModelUnusable, ExportUnusable: it is not a model.
    """
    if _is_export(path):
        return load_export(path)
    instant = is_instant(path)
    try:
        return InstantClassifier(path) if instant else ClassifierSession(path)
    except ModelUnusable:
        pass
    try:
        return InstantDetector(path) if instant else DetectorSession(path)
    except ModelUnusable as error:
        raise ModelUnusable(f"{path.name} is not a model of this program: {error}") from error


def _is_export(path: Path) -> bool:
    with path.open("rb") as file:
        return is_zip(file.read(4))
