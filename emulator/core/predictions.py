"""Scoring images: predictions with a published iteration, quick tests with any trained one."""

import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session, select

from emulator.core import domains, fetching, finding
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.iterations import COMPLETED
from emulator.core.limits import MEGABYTE, STORED_PREDICTION_DAYS
from emulator.core.stored_predictions import checked_application, uncertainty
from emulator.core.sweeping import sweep_blobs
from emulator.store.database import StorageFull
from emulator.store.tables import Iteration, StoredPrediction

_EXPIRED_AT_A_TIME = 8
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TagProbability:
    tag_id: str
    tag_name: str
    tag_type: str
    probability: float


@dataclass(frozen=True)
class Classified:
    """A scored image: every tag of the iteration, most probable first."""

    id: str
    project_id: str
    iteration_id: str
    created: datetime
    probabilities: list[TagProbability]


def classify(
    context: Context,
    prediction_id: str,
    project_id: str,
    published_name: str,
    data: bytes,
    *,
    store: bool,
    application: str | None = None,
    limit: int,
) -> Classified:
    """Score an image of at most `limit` bytes with what is published under a name (matched exactly)."""
    if application is not None:
        application = checked_application(application)
    iteration = published(context, project_id, published_name, "Classification")
    return _score(context, prediction_id, iteration, data, store=store, application=application, limit=limit)


def published(context: Context, project_id: str, published_name: str, type: str) -> Iteration:
    """The iteration published under a name of a project of that domain type."""
    with context.database.read() as session:
        statement = select(Iteration).where(
            Iteration.project_id == project_id, Iteration.publish_name == published_name
        )
        iteration = session.exec(statement).first()
        if iteration is None:
            _check_type(session, project_id, type)
            raise ServiceError("NotFoundIteration", "Invalid iteration")
        if domains.get(iteration.domain_id or "").type != type:
            raise _wrong_type()
        return iteration


def quick_test(
    context: Context,
    prediction_id: str,
    project_id: str,
    iteration_id: str | None,
    data: bytes,
    *,
    store: bool,
    limit: int,
) -> Classified:
    """Score an image with a trained iteration, published or not."""
    iteration = testable(context, project_id, iteration_id)
    return _score(context, prediction_id, iteration, data, store=store, application=None, limit=limit)


def testable(context: Context, project_id: str, iteration_id: str | None) -> Iteration:
    with context.database.read() as session:
        finding.project(session, project_id)
        if iteration_id is None:
            raise ServiceError("NotFoundProjectDefaultIteration", "Project has no default iteration")
        iteration = finding.iteration(session, project_id, iteration_id)
        if iteration.status != COMPLETED:
            raise ServiceError(
                "BadRequestIterationIsNotTrained",
                f"Iteration is not trained: its status is {iteration.status}.",
            )
        return iteration


def fetch(context: Context, url: str, limit: int) -> bytes:
    """The image behind a URL, or ServiceError BadRequestImageUrl."""
    try:
        return fetching.fetch(url, replace(context.fetch_policy, max_bytes=limit))
    except fetching.FetchRejected as rejected:
        raise ServiceError("BadRequestImageUrl", str(rejected)) from None


def _check_type(session: Session, project_id: str, type: str) -> None:
    project = finding.project(session, project_id)
    if domains.get(project.domain_id).type != type:
        raise _wrong_type()


def _wrong_type() -> ServiceError:
    return ServiceError("BadRequestNotSupported", "Invalid project type for operation.")


def _score(
    context: Context,
    prediction_id: str,
    iteration: Iteration,
    data: bytes,
    *,
    store: bool,
    application: str | None,
    limit: int,
) -> Classified:
    from emulator.vision.images import ImageRejected

    if len(data) > limit:
        raise ServiceError(
            "BadRequestImageSizeBytes",
            f"The image has {len(data)} bytes; at most {limit // MEGABYTE} MB are allowed.",
        )
    assert iteration.model_blob is not None
    assert iteration.model_tags is not None
    try:
        model = context.models.get(iteration.model_blob)
    except FileNotFoundError:
        # Unpublished and deleted between the look-up and now.
        raise ServiceError("NotFoundIteration", "Invalid iteration") from None
    try:
        scores = model.score(data)
    except ImageRejected as rejected:
        raise ServiceError(*_rejection(rejected, prediction_id)) from None
    probabilities = [
        TagProbability(tag["id"], tag["name"], tag["type"], score)
        for tag, score in zip(iteration.model_tags, scores, strict=True)
    ]
    probabilities.sort(key=lambda item: -item.probability)
    classified = Classified(
        prediction_id, iteration.project_id, iteration.id, context.clock.now(), probabilities
    )
    if store:
        _store(context, classified, data, application)
    return classified


def _rejection(rejected: Any, prediction_id: str) -> tuple[str, str]:
    if rejected.reason == "dimensions":
        return "BadRequestImageDimensions", str(rejected)
    if rejected.reason == "aspect_ratio":
        return "BadRequestImageAspectRatio", str(rejected)
    return "BadRequestImageFormat", f"Bad Request Image Format, Uri: {prediction_id.replace('-', '')}"


def _store(context: Context, classified: Classified, data: bytes, application: str | None) -> None:
    """Keep the image and what was predicted. A full disk costs the record, not the answer."""
    row = StoredPrediction(
        id=classified.id,
        project_id=classified.project_id,
        iteration_id=classified.iteration_id,
        created=classified.created,
        application=application,
        blob="",
        predictions=[
            {
                "tagId": item.tag_id,
                "tagName": item.tag_name,
                "tagType": item.tag_type,
                "probability": item.probability,
            }
            for item in classified.probabilities
        ],
    )
    try:
        row.blob = context.blobs.put(data)
        with context.database.write() as session:
            dropped = _drop_expired(context, session)
            iteration = session.get(Iteration, classified.iteration_id)
            if iteration is None:
                dropped.add(row.blob)  # its project was deleted meanwhile
            else:
                row.domain_id = iteration.domain_id or ""
                row.uncertainty = uncertainty(
                    [item.probability for item in classified.probabilities],
                    exclusive=iteration.classification_type == "Multiclass",
                )
                if not context.blobs.exists(row.blob):
                    context.blobs.put(data)
                session.add(row)
        sweep_blobs(context, dropped)
    except StorageFull:
        _log.error("The disk is full: prediction %s was answered but not stored.", classified.id)


def stored_probabilities(row: StoredPrediction) -> list[TagProbability]:
    """What was predicted, as it was answered."""
    return [
        TagProbability(item["tagId"], item["tagName"], item["tagType"], item["probability"])
        for item in row.predictions
    ]


def _drop_expired(context: Context, session: Session) -> set[str]:
    """Delete a few stored predictions whose time is over, if there are any; returns their blobs.

    With every prediction stored, more go than come, so that the store does not grow for ever.
    """
    limit = context.clock.now() - timedelta(days=STORED_PREDICTION_DAYS)
    statement = select(StoredPrediction).where(StoredPrediction.created < limit).limit(_EXPIRED_AT_A_TIME)
    expired = session.exec(statement).all()
    for row in expired:
        session.delete(row)
    return {row.blob for row in expired}
