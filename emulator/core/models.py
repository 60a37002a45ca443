"""Trained models, kept ready to score: the few used last."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.store.blobs import BlobStore
from emulator.vision.memory import give_large_blocks_back

if TYPE_CHECKING:
    from emulator.vision.detection_scoring import DetectorSession
    from emulator.vision.exported_model import ExportedClassifier, ExportedDetector
    from emulator.vision.scoring import ClassifierSession

_KEPT = 8


class ModelCache:
    """Sessions by the blob of their model. Loading one keeps nobody waiting who needs another."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._sessions: OrderedDict[str, Any] = OrderedDict()
        self._loading: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def classifier(self, blob: str) -> "ClassifierSession | ExportedClassifier":
        """Of a classifier, trained or imported. Raises FileNotFoundError when its blob is gone."""
        session: ClassifierSession | ExportedClassifier = self._get(blob, _classifier)
        return session

    def detector(self, blob: str) -> "DetectorSession | ExportedDetector":
        """Of a detector, trained or imported. Raises FileNotFoundError when its blob is gone."""
        session: DetectorSession | ExportedDetector = self._get(blob, _detector)
        return session

    def _get(self, blob: str, load: Callable[[Path], Any]) -> Any:
        with self._lock:
            if blob in self._sessions:
                self._sessions.move_to_end(blob)
                return self._sessions[blob]
            loading = self._loading.setdefault(blob, threading.Lock())
        with loading:
            with self._lock:
                if blob in self._sessions:
                    return self._sessions[blob]
            try:
                give_large_blocks_back()
                session = load(self._blobs.path(blob))
                with self._lock:
                    self._sessions[blob] = session
                    while len(self._sessions) > _KEPT:
                        self._sessions.popitem(last=False)
            finally:
                with self._lock:
                    self._loading.pop(blob, None)
            return session

    def forget(self, blobs: Iterable[str]) -> None:
        """Let go of models that are no more: each holds tens of megabytes."""
        with self._lock:
            for blob in blobs:
                self._sessions.pop(blob, None)

    def clear(self) -> None:
        with self._lock:
            self._sessions.clear()


def _classifier(path: Path) -> "ClassifierSession | ExportedClassifier":
    from emulator.vision.scoring import ClassifierSession, ModelUnusable

    if not _is_export(path):
        return ClassifierSession(path)
    from emulator.vision.exported_model import ExportedClassifier, load_export

    session = load_export(path)
    if not isinstance(session, ExportedClassifier):
        raise ModelUnusable("The export is not a classifier.")
    return session


def _detector(path: Path) -> "DetectorSession | ExportedDetector":
    from emulator.vision.detection_scoring import DetectorSession
    from emulator.vision.scoring import ModelUnusable

    if not _is_export(path):
        return DetectorSession(path)
    from emulator.vision.exported_model import ExportedDetector, load_export

    session = load_export(path)
    if not isinstance(session, ExportedDetector):
        raise ModelUnusable("The export is not a detector.")
    return session


def _is_export(path: Path) -> bool:
    """Imported models are kept as the zips that they came as."""
    from emulator.vision.exported_model_files import is_zip

    with path.open("rb") as file:
        return is_zip(file.read(4))
