"""Jobs of a worker on all images of a project, running and finished, of the projects that were used last."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from emulator.core.jobs.worker_protocol import Worker
from emulator.store.blobs import BlobStore

_JOBS_KEPT = 4


@dataclass
class Progress:
    """done: 0 to 1."""

    done: float = 0.0

    def note(self, fraction: float, _step: str) -> None:
        self.done = fraction


class ImageState(NamedTuple):
    """What changes whenever the images of a workspace do, whose numbers are never used again.

    images: how many there are. numbers: their sum. squares: the sum of the squares, each modulo 2^31 - 1.
    """

    images: int
    numbers: int
    squares: int


@dataclass(frozen=True)
class ImageJob:
    """A job on the images with these numbers. state: of the images. variant: of the computation."""

    numbers: list[int]
    state: ImageState
    progress: Progress
    future: "Future[Any]"
    variant: str = ""

    @property
    def is_over(self) -> bool:
        """Whether it has a result or failed; False after a cancellation, which follows a change of images."""
        return self.future.done() and not self.future.cancelled()

    def is_of(self, state: ImageState, variant: str) -> bool:
        """Whether the images of the project are unchanged."""
        return (self.state, self.variant) == (state, variant)


@dataclass(frozen=True)
class Call:
    """A function for a worker, and its arguments after the images and the folder.

    function: takes images (path and key each), the folder of the feature cache, the arguments and `progress`.
    """

    function: Callable[..., Any]
    arguments: tuple[Any, ...] = ()


@dataclass
class ImageJobs:
    """Jobs of one kind by project. A job is valid until images are added or deleted.

    folder: of the features and thumbnails that the worker keeps.
    """

    blobs: BlobStore
    folder: Path
    _jobs: OrderedDict[str, ImageJob] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, project_id: str, state: ImageState, variant: str = "") -> ImageJob | None:
        """The job on images in this state; None when there is none, or when it has failed."""
        with self._lock:
            kept = self._jobs.get(project_id)
            if kept is None or not kept.is_of(state, variant) or _failed(kept.future):
                return None
            self._jobs.move_to_end(project_id)
            return kept

    def clear(self) -> None:
        with self._lock:
            for job in self._jobs.values():
                job.future.cancel()
            self._jobs.clear()

    def begin(
        self,
        project_id: str,
        rows: Sequence[tuple[int, str]],
        state: ImageState,
        worker: Worker,
        call: Call,
        variant: str = "",
    ) -> ImageJob:
        """Begin a job on the images with these numbers and blobs, in order of the numbers."""
        from emulator.vision.imaging.image_file import StoredImage

        numbers = [number for number, _ in rows]
        with self._lock:
            kept = self._jobs.get(project_id)
            if kept is not None and kept.is_of(state, variant) and not _failed(kept.future):
                return kept  # begun by another request meanwhile
            images = [StoredImage(str(self.blobs.path(blob)), blob) for _, blob in rows]
            progress = Progress()
            future = worker.submit(
                call.function, images, self.folder, *call.arguments, on_progress=progress.note
            )
            job = ImageJob(numbers, state, progress, future, variant)
            if kept is not None:
                kept.future.cancel()
            self._jobs[project_id] = job
            self._jobs.move_to_end(project_id)
            while len(self._jobs) > _JOBS_KEPT:
                self._jobs.popitem(last=False)[1].future.cancel()
            return job


def _failed(future: "Future[Any]") -> bool:
    return future.done() and (future.cancelled() or future.exception() is not None)
