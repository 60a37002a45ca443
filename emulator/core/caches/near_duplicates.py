"""Searches for near-duplicates, running and finished, of the projects that were searched last."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulator.core.jobs.worker_protocol import Worker
from emulator.store.blobs import BlobStore

_SEARCHES_KEPT = 4

# Indexes of two images in a search, their similarity (at most 1), whether one is mirrored.
Pair = tuple[int, int, float, bool]


@dataclass
class Progress:
    """done: 0 to 1."""

    done: float = 0.0

    def note(self, fraction: float, _step: str) -> None:
        self.done = fraction


@dataclass(frozen=True)
class Search:
    """A search for similar pairs among the images with these numbers.

    newest: the highest number. count: of the images.
    """

    numbers: list[int]
    newest: int
    count: int
    progress: Progress
    future: "Future[list[Pair]]"

    @property
    def is_over(self) -> bool:
        """Whether it has a result or failed; False after a cancellation, which follows a change of images."""
        return self.future.done() and not self.future.cancelled()

    def is_of(self, newest: int, count: int) -> bool:
        """Whether the images of the project are unchanged: numbers only grow and are never reused."""
        return (self.newest, self.count) == (newest, count)


class NearDuplicateSearches:
    """Searches by project. A search is valid until images are added or deleted.

    folder: of the thumbnails that the worker keeps.
    """

    def __init__(self, blobs: BlobStore, folder: Path) -> None:
        self._blobs = blobs
        self._folder = folder
        self._searches: OrderedDict[str, Search] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, project_id: str, newest: int, count: int) -> Search | None:
        """The search among `count` images of which `newest` is the highest number; None when there is none,
        or when it has failed."""
        with self._lock:
            kept = self._searches.get(project_id)
            if kept is None or not kept.is_of(newest, count) or _failed(kept.future):
                return None
            self._searches.move_to_end(project_id)
            return kept

    def clear(self) -> None:
        with self._lock:
            for search in self._searches.values():
                search.future.cancel()
            self._searches.clear()

    def begin(self, project_id: str, rows: Sequence[tuple[int, str]], worker: Worker) -> Search:
        """Search among the images with these numbers and blobs, in order of the numbers."""
        from emulator.vision.duplicates.find import StoredImage, find_near_duplicates

        numbers = [number for number, _ in rows]
        newest, count = max(numbers, default=0), len(numbers)
        with self._lock:
            kept = self._searches.get(project_id)
            if kept is not None and kept.is_of(newest, count) and not _failed(kept.future):
                return kept  # begun by another request meanwhile
            images = [StoredImage(str(self._blobs.path(blob)), blob) for _, blob in rows]
            progress = Progress()
            future = worker.submit(find_near_duplicates, images, self._folder, on_progress=progress.note)
            search = Search(numbers, newest, count, progress, future)
            if kept is not None:
                kept.future.cancel()
            self._searches[project_id] = search
            self._searches.move_to_end(project_id)
            while len(self._searches) > _SEARCHES_KEPT:
                self._searches.popitem(last=False)[1].future.cancel()
            return search


def _failed(future: "Future[Any]") -> bool:
    return future.done() and (future.cancelled() or future.exception() is not None)
