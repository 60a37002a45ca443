"""Sessions of models, ready to score: the few that were used last."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.store.blobs import BlobStore
from emulator.vision.imaging.memory import set_mmap_threshold

if TYPE_CHECKING:
    from emulator.vision.exported.load import Classifier, Detector

_KEPT = 8


class ModelCache:
    """Sessions by the blob of their model. While one is loading, others can be used.

    The methods that load raise FileNotFoundError when the blob is gone, and BlobDamaged.
    """

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._sessions: OrderedDict[str, Any] = OrderedDict()
        self._loading: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def classifier(self, blob: str) -> "Classifier":
        """The session of a trained or imported classifier."""
        session: Classifier = self._get(blob, _classifier)
        return session

    def detector(self, blob: str) -> "Detector":
        """The session of a trained or imported detector."""
        session: Detector = self._get(blob, _detector)
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
                set_mmap_threshold()
                session = load(self._blobs.verified_path(blob))
                with self._lock:
                    self._sessions[blob] = session
                    while len(self._sessions) > _KEPT:
                        self._sessions.popitem(last=False)
            finally:
                with self._lock:
                    self._loading.pop(blob, None)
            return session

    def forget(self, blobs: Iterable[str]) -> None:
        """Remove the sessions of deleted models, each of which takes tens of megabytes."""
        with self._lock:
            for blob in blobs:
                self._sessions.pop(blob, None)

    def clear(self) -> None:
        with self._lock:
            self._sessions.clear()


def _classifier(path: Path) -> "Classifier":
    from emulator.vision.exported.load import load_classifier

    return load_classifier(path)


def _detector(path: Path) -> "Detector":
    from emulator.vision.exported.load import load_detector

    return load_detector(path)
