"""Storing the predictions of requests: those that come while a transaction is written share the next one."""

import logging
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from functools import partial
from typing import Self

from sqlalchemy import bindparam
from sqlalchemy import select as select_columns
from sqlmodel import col

from emulator.core.blob_sweep import sweep_blobs
from emulator.core.context import Context
from emulator.core.new_prediction import NewPrediction
from emulator.core.scored_rows import expiry, prediction_rows
from emulator.core.thread_pools import in_background
from emulator.store.database import StorageFull, keep_published
from emulator.store.row_queries import RowQuery
from emulator.store.tables import Iteration
from emulator.vision.concurrency import processor_count
from emulator.vision.imaging.work_limits import has_image_signature

_MOST_TOGETHER = 64
_DOMAIN: RowQuery[tuple[str | None]] = RowQuery(
    lambda: select_columns(col(Iteration.domain_id)).where(col(Iteration.id) == bindparam("iteration_id"))
)
_log = logging.getLogger(__name__)


class NewImage:
    """A context manager around the scoring and the storing of an image.

    While processors are idle, the image is written while it is scored, which takes about as long. Otherwise
    another thread would only take the processor from others.
    """

    def __init__(self, context: Context, data: bytes) -> None:
        self._context = context
        self._data = data
        self._expected = ExitStack()
        self._writing: Future[str] | None = None

    def __enter__(self) -> Self:
        context = self._context
        self._expected.enter_context(context.new_predictions.expected())
        few = max(2, processor_count())
        is_image = has_image_signature(self._data)
        if is_image and context.new_predictions.coming < few and not context.disk.is_low():
            self._writing = in_background(context.blobs.put, self._data)
        return self

    def __exit__(self, *_error: object) -> None:
        self._expected.close()
        # The image was rejected, or there is another error, which does not wait for the removal.
        if self._writing is not None:
            removal = in_background(partial(_remove, self._context), self._writing)
            self._context.removals.add(removal)
            removal.add_done_callback(partial(_note_removal, self._context))

    def store(self, prediction: NewPrediction) -> None:
        """Store a prediction and the image durably. When the disk is full, only a message is logged.

        prediction: without the name of its blob, and without its domain.
        """
        context = self._context
        dropped: set[str] = set()
        try:
            stored = prediction._replace(blob=self._blob())
            self._expected.close()
            most = min(_MOST_TOGETHER, context.kept_predictions.most or _MOST_TOGETHER)
            try:
                context.new_predictions.write((stored, self._data), partial(_write, context, dropped), most)
            finally:
                sweep_blobs(context, dropped)  # those of other predictions, too, if this one cannot be stored
        except StorageFull:
            _log.error("The disk is full: prediction %s was not stored.", prediction.id)

    def _blob(self) -> str:
        """The name of the blob of the image, which is stored."""
        if self._writing is not None:
            writing, self._writing = self._writing, None
            return writing.result()
        if self._context.disk.is_low():
            _make_room(self._context)
        return self._context.blobs.put(self._data)


def _write(context: Context, dropped: set[str], news: Sequence[tuple[NewPrediction, bytes]]) -> None:
    """Write predictions whose images are stored. dropped: receives blobs that have lost their rows."""
    kept, unused = [], set()
    try:
        with context.database.write() as session:
            keep_published(session)
            expired = expiry.delete_expired_predictions(context, session, adding=len(news))
            domains = {
                iteration_id: _DOMAIN.on(session.connection(), iteration_id=iteration_id)
                for iteration_id in {new.iteration_id for new, _ in news}
            }
            for new, data in news:
                found = domains[new.iteration_id]
                if not found:
                    unused.add(new.blob)  # its project was deleted meanwhile
                    continue
                if not context.blobs.exists(new.blob):
                    context.blobs.put(data)
                kept.append(new._replace(domain_id=found[0][0] or ""))
            prediction_rows.add(context, session, kept)
    except BaseException:
        context.kept_predictions.forget()  # what was counted is not stored
        raise
    dropped |= expired | unused


def _remove(context: Context, writing: "Future[str]") -> None:
    """Remove a blob without a row when it is written."""
    if writing.exception() is None:
        sweep_blobs(context, {writing.result()})


def _note_removal(context: Context, removal: "Future[None]") -> None:
    """A removal that failed stays noted, so that the next start looks for the blob."""
    error = removal.exception()
    if error is None:
        context.removals.discard(removal)
    else:
        _log.warning("The image of a rejected prediction was not removed: %s", error)


def _make_room(context: Context) -> None:
    """Delete the oldest stored predictions. Raises StorageFull if there are none: the next is not stored."""
    with context.database.write() as session:
        dropped = expiry.delete_expired_predictions(context, session)
    if not dropped:
        raise StorageFull("too little of the disk is free")
    sweep_blobs(context, dropped)
