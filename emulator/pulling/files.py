"""Fetching the images of a pull, beside the calls to the API.

An image comes with the URI of its list, or with none: then the service is asked for 256 at a time.
A URI that has expired (403) is asked for again; that of a prediction by the caller, with all predictions.
"""

import hashlib
import logging
import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlsplit

from emulator.core.pulled.archive import WORKSPACE, PullArchive
from emulator.pulling.service import PullFailed, Refused, Service
from emulator.vision.imaging.decode import ImageRejected, inspect_image, stored_size

IMAGE_BYTES = 64 * 2**20
# Images for which URIs are asked at a time; the most that the service takes.
IDS_PER_CALL = 256
# Images with URIs in memory; of further ones only the ids.
_MOST_WAITING = 20_000
# While fewer wait, further URIs are asked for.
_FEW_WAITING = 64
ATTEMPTS_WITH_NEW_URI = 3
_log = logging.getLogger(__name__)


class Wanted(NamedTuple):
    """An image to fetch. kind: image or prediction. size: its listed width and height in pixels."""

    kind: str
    id: str
    uri: str
    size: tuple[int, int] | None


class Files:
    """Threads that fetch images into an archive.

    Args:
        look_up: the URIs of images of a view, by id: those that the service still has.
        workers: the number of images that are fetched at a time.
    """

    def __init__(
        self,
        service: Service,
        archive: PullArchive,
        project_id: str,
        look_up: Callable[[str, list[str]], list[Wanted]],
        workers: int,
    ) -> None:
        self._service = service
        self._archive = archive
        self._project_id = project_id
        self._look_up = look_up
        self._waiting: queue.SimpleQueue[Wanted | None] = queue.SimpleQueue()
        # Ids that wait, with a URI or without one, so that an image that many views list is fetched once.
        self._pending: set[tuple[str, str]] = set()
        self._without_uri: deque[tuple[str, str]] = deque()
        self._refusals: dict[str, int] = {}
        self._failure: Exception | None = None
        self._is_ending = False
        self._changed = threading.Condition()
        self.fetched = 0
        self._threads = [
            threading.Thread(target=self._fetch_all, name=f"images {number}", daemon=True)
            for number in range(workers)
        ]
        self._threads.append(threading.Thread(target=self._look_up_all, name="URIs of images", daemon=True))

    def start(self) -> None:
        for image, view in self._archive.unsettled_images():
            self._pending.add(("image", image))
            self._without_uri.append((image, view))
        for thread in self._threads:
            thread.start()

    def offer(self, wanted: Wanted, view: str = WORKSPACE) -> None:
        """Fetch an image unless the archive has it. Does not wait. view: one that lists it."""
        key = wanted.kind, wanted.id
        with self._changed:
            if key in self._pending or self._archive.is_settled(*key):
                return
            self._pending.add(key)
            if wanted.kind == "image" and self._waiting.qsize() >= _MOST_WAITING:
                self._without_uri.append((wanted.id, view))
                self._changed.notify_all()
            else:
                self._waiting.put(wanted)

    def wait(self) -> None:
        """Wait until no image waits. Raises what prevents further fetching."""
        with self._changed:
            self._changed.wait_for(lambda: self._failure is not None or not self._pending)
        self.check()

    def check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def end(self) -> None:
        """End the threads; requests that run are waited for."""
        with self._changed:
            self._is_ending = True
            self._changed.notify_all()
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    @property
    def remaining(self) -> int:
        return len(self._pending)

    def _fetch_all(self) -> None:
        while (wanted := self._waiting.get()) is not None and not self._is_ending:
            try:
                is_settled = self._fetch(wanted)
            except Exception as error:  # noqa: BLE001  (raised by `check`)
                self._fail(error)
                return
            with self._changed:
                if is_settled:
                    self._pending.discard((wanted.kind, wanted.id))
                    self.fetched += 1
                self._changed.notify_all()

    def _fail(self, error: Exception) -> None:
        with self._changed:
            self._failure = self._failure or error
            self._is_ending = True
            self._changed.notify_all()
        for _ in self._threads:
            self._waiting.put(None)

    def _fetch(self, wanted: Wanted) -> bool:
        """Fetch an image. Returns False when another URI is needed."""
        if self._adopted(wanted):
            return True
        try:
            content = self._content(wanted.uri)
        except Refused as refused:
            if refused.status != 403:
                self._archive.put_reason(wanted.kind, wanted.id, f"its file: {refused}")
                return True
            return self._refused(wanted, refused)
        reason, size = "", (0, 0)

        def is_accepted() -> bool:
            nonlocal reason, size
            reason, size = checked_image(content, wanted.size)
            return not reason

        if self._archive.write_file(wanted.kind, wanted.id, content, is_accepted=is_accepted):
            self._archive.put_file(wanted.kind, wanted.id, content, *size)
        else:
            self._archive.put_reason(wanted.kind, wanted.id, reason)
        return True

    def _adopted(self, wanted: Wanted) -> bool:
        """Whether the file was written by a process that ended before it could note that."""
        path = self._archive.path(wanted.kind, wanted.id)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return False
        reason, size = checked_image(content, wanted.size)
        if reason:
            path.unlink()
            return False
        self._archive.put_file(wanted.kind, wanted.id, content, *size)
        return True

    def _content(self, uri: str) -> bytes:
        if urlsplit(uri).netloc:
            return self._service.file(uri, IMAGE_BYTES)
        return self._service.artifact(self._project_id, uri, IMAGE_BYTES)

    def _refused(self, wanted: Wanted, refused: Refused) -> bool:
        count = self._refusals[wanted.id] = self._refusals.get(wanted.id, 0) + 1
        if count >= ATTEMPTS_WITH_NEW_URI:
            self._archive.put_reason(wanted.kind, wanted.id, f"its file: {refused}")
            return True
        with self._changed:
            if wanted.kind == "image":
                self._without_uri.append((wanted.id, self._archive.view_of(wanted.id)))
            else:  # it is offered again with all predictions
                self._pending.discard((wanted.kind, wanted.id))
            self._changed.notify_all()
        return False

    def _look_up_all(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._is_ending or (self._without_uri and self._waiting.qsize() < _FEW_WAITING)
                )
                if self._is_ending:
                    return
                view = self._without_uri[0][1]
                ids: list[str] = []
                while self._without_uri and len(ids) < IDS_PER_CALL and self._without_uri[0][1] == view:
                    ids.append(self._without_uri.popleft()[0])
            try:
                found = self._look_up(view, ids)
            except Exception as error:  # noqa: BLE001  (raised by `check`)
                self._fail(error)
                return
            for wanted in found:
                self._waiting.put(wanted)
            self._note_gone(set(ids) - {wanted.id for wanted in found})

    def _note_gone(self, ids: set[str]) -> None:
        for image in ids:
            self._archive.put_reason("image", image, "the service lists it and does not return it")
        with self._changed:
            self._pending -= {("image", image) for image in ids}
            self._changed.notify_all()


def checked_image(content: bytes, size: tuple[int, int] | None) -> tuple[str, tuple[int, int]]:
    """Why the bytes are not the image, or an empty text, and its width and height in pixels."""
    try:
        found = stored_size(inspect_image(content))
    except ImageRejected as rejected:
        digest = hashlib.sha256(content).hexdigest()[:16]
        return f"the file that the service has is no image ({rejected}; SHA-256 {digest}…)", (0, 0)
    if size is not None and size != found:
        _log.info("An image has %d x %d pixels; %d x %d are listed.", *found, *size)
    return "", found


__all__ = ["IDS_PER_CALL", "IMAGE_BYTES", "Files", "PullFailed", "Wanted", "checked_image"]
