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
    from emulator.vision.heat_maps.mapper import HeatMapper

_KEPT = 8


class ModelCache:
    """Sessions by the blob of their model and their use. While one is loading, others can be used.

    The methods that load raise FileNotFoundError when the blob is gone, and BlobDamaged.
    """

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._sessions: OrderedDict[tuple[str, Callable[[Path], Any]], Any] = OrderedDict()
        self._loading: dict[tuple[str, Callable[[Path], Any]], threading.Lock] = {}
        self._lock = threading.Lock()

    def classifier(self, blob: str) -> "Classifier":
        """The session of a trained or imported classifier."""
        session: Classifier = self._get(blob, _classifier)
        return session

    def detector(self, blob: str) -> "Detector":
        """The session of a trained or imported detector."""
        session: Detector = self._get(blob, _detector)
        return session

    def heat_mapper(self, blob: str) -> "HeatMapper":
        """What makes heat maps with a trained model. Raises NoHeatMap if the model has none."""
        mapper: HeatMapper = self._get(blob, _heat_mapper)
        return mapper

    def _get(self, blob: str, load: Callable[[Path], Any]) -> Any:
        key = (blob, load)
        with self._lock:
            if key in self._sessions:
                self._sessions.move_to_end(key)
                return self._sessions[key]
            loading = self._loading.setdefault(key, threading.Lock())
        with loading:
            with self._lock:
                if key in self._sessions:
                    return self._sessions[key]
            try:
                set_mmap_threshold()
                session = load(self._blobs.verified_path(blob))
                with self._lock:
                    self._sessions[key] = session
                    while len(self._sessions) > _KEPT:
                        self._sessions.popitem(last=False)
            finally:
                with self._lock:
                    self._loading.pop(key, None)
            return session

    def forget(self, blobs: Iterable[str]) -> None:
        """Remove the sessions of deleted models, each of which takes tens of megabytes."""
        forgotten = set(blobs)
        with self._lock:
            for key in [key for key in self._sessions if key[0] in forgotten]:
                del self._sessions[key]

    def clear(self) -> None:
        with self._lock:
            self._sessions.clear()


def _classifier(path: Path) -> "Classifier":
    from emulator.vision.exported.load import load_classifier

    return load_classifier(path)


def _detector(path: Path) -> "Detector":
    from emulator.vision.exported.load import load_detector

    return load_detector(path)


def _heat_mapper(path: Path) -> "HeatMapper":
    from emulator.vision.heat_maps.mapper import HeatMapper

    return HeatMapper(path)
