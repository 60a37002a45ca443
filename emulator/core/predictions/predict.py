"""Scoring images: predictions with a published iteration, quick tests with any trained one."""

from contextlib import nullcontext
from datetime import datetime
from functools import partial
from typing import NamedTuple

from sqlalchemy import and_, bindparam
from sqlmodel import Session, col, select

from emulator.core import lookup, quotas
from emulator.core.caches.published import Published, RunningRollout
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.images.sources import ImageSource, read_image
from emulator.core.new_prediction import NewPrediction
from emulator.core.predictions import storing
from emulator.core.predictions.refusals import check_size, refusal
from emulator.core.predictions.stored import checked_application
from emulator.core.rollouts import answering
from emulator.core.rules import domains
from emulator.core.rules.limits import PREDICTION_IMAGE_BYTES, TRAINING_IMAGE_BYTES
from emulator.core.scored_rows import scores
from emulator.core.scored_rows.scores import TagProbability
from emulator.store.references import raise_if_missing
from emulator.store.rollout_tables import Rollout, RolloutStatus
from emulator.store.tables import Iteration, IterationStatus

_NAMES_IN_LOG = 10
# The published iteration, and the id of the running roll-out of its name.
_PUBLISHED = (
    select(Iteration, Rollout.id)
    .outerjoin(
        Rollout,
        and_(
            col(Rollout.project_id) == Iteration.project_id,
            col(Rollout.publish_name) == Iteration.publish_name,
            col(Rollout.status) == RolloutStatus.RUNNING,
        ),
    )
    .where(Iteration.project_id == bindparam("project_id"), Iteration.publish_name == bindparam("name"))
)


class Predicted(NamedTuple):
    """A scored image: see `scores.of_classifier` and `scores.of_detector`."""

    id: str
    project_id: str
    iteration_id: str
    created: datetime
    probabilities: list[TagProbability]


class _IterationGone(ServiceError):
    """The iteration was deleted after it was looked up."""


def predict(
    context: Context,
    prediction_id: str,
    project_id: str,
    published_name: str,
    image: ImageSource,
    *,
    type: str,
    store: bool,
    application: str | None = None,
) -> Predicted:
    """Score an image with the iteration that is published under a name (matched exactly).

    The image is fetched only after the iteration has been found.

    Args:
        type: the expected type of the project's domain, Classification or ObjectDetection.
        application: the name under which a stored prediction can be queried.
    """
    if not isinstance(image, bytes):
        published(context, project_id, published_name, type)
        image = read_image(context, project_id, image, PREDICTION_IMAGE_BYTES)
    if application is not None:
        application = checked_application(application)
    found = published(context, project_id, published_name, type)
    score = partial(
        _score,
        context,
        prediction_id,
        data=image,
        store=store,
        application=application,
        limit=PREDICTION_IMAGE_BYTES,
    )
    try:
        predicted = score(found.iteration, rollout=found.rollout)
    except _IterationGone:
        # Another iteration may have the name: then it has had one all the time.
        found = published(context, project_id, published_name, type)
        predicted = score(found.iteration, rollout=found.rollout)
    quotas.count_prediction(context, project_id)
    if context.prediction_counts is not None:
        tags = ((tag.tag_name, tag.probability, tag.box is not None) for tag in predicted.probabilities)
        context.prediction_counts.add(project_id, *_names(found, predicted.iteration_id), tags)
    return predicted


def _names(found: Published, answering_id: str) -> tuple[str, str]:
    """The published name, and the name of the iteration that answered."""
    candidate = found.rollout and found.rollout.candidate
    answering = candidate if candidate and candidate.id == answering_id else found.iteration
    return found.iteration.publish_name or "", answering.name


def published(context: Context, project_id: str, published_name: str, type: str) -> Published:
    """The iteration that is published under a name in a project of that domain type, and its roll-out.

    The result is cached until the next commit, since every prediction looks it up.
    """
    context.database.follow()
    name = published_name.strip()  # as `publishing` stored it
    key, commits = (project_id, name, type), context.database.commits
    kept = context.published.get(key)
    if kept is not None:
        return kept
    with context.database.read() as session:
        row = session.exec(_PUBLISHED, params={"project_id": project_id, "name": name}).first()
        if row is None:
            _check_type(session, project_id, type)
            raise ServiceError(
                "NotFoundIteration", "Invalid iteration", _not_published(session, project_id, published_name)
            )
        iteration, rollout_id = row
        if domains.get(iteration.domain_id or "").type != type:
            raise _wrong_type(type)
        found = Published(iteration, None if rollout_id is None else _running(session, rollout_id))
    context.published.put(key, found, commits)
    return found


def _running(session: Session, rollout_id: str) -> RunningRollout:
    rollout = session.get_one(Rollout, rollout_id)
    candidate = session.get_one(Iteration, rollout.candidate_id)
    return RunningRollout(rollout.id, rollout.mode, rollout.percent or 0.0, candidate)


def quick_test(
    context: Context,
    prediction_id: str,
    project_id: str,
    iteration_id: str | None,
    image: ImageSource,
    *,
    store: bool,
) -> Predicted:
    """Score an image with a trained iteration, published or not. The image is fetched after the iteration."""
    iteration = trained_iteration(context, project_id, iteration_id)
    data = read_image(context, project_id, image, TRAINING_IMAGE_BYTES)
    return _score(
        context,
        prediction_id,
        iteration,
        data,
        store=store,
        application=None,
        limit=TRAINING_IMAGE_BYTES,
    )


def trained_iteration(context: Context, project_id: str, iteration_id: str | None) -> Iteration:
    with context.database.read() as session:
        lookup.project(session, project_id)
        if iteration_id is None:
            raise ServiceError("NotFoundProjectDefaultIteration", "Project has no default iteration")
        iteration = lookup.iteration(session, project_id, iteration_id)
        if iteration.status != IterationStatus.COMPLETED:
            raise ServiceError(
                "BadRequestIterationIsNotTrained",
                f"Iteration is not trained: its status is {iteration.status}.",
            )
        return iteration


def _check_type(session: Session, project_id: str, type: str) -> None:
    project = lookup.project(session, project_id)
    if domains.get(project.domain_id).type != type:
        raise _wrong_type(type)


def _wrong_type(type: str) -> ServiceError:
    other = "detect" if type == "Classification" else "classify"
    return ServiceError(
        "BadRequestNotSupported",
        "Invalid project type for operation.",
        f"The domain of the project is not of the type {type}: its paths have '{other}'.",
    )


def _not_published(session: Session, project_id: str, name: str) -> str:
    names = session.exec(
        select(Iteration.publish_name)
        .where(Iteration.project_id == project_id, col(Iteration.publish_name).is_not(None))
        .limit(_NAMES_IN_LOG)
    ).all()
    published = ", ".join(f"'{known}'" for known in names) or "none"
    return f"No iteration is published as '{name}'; published are: {published}."


def _score(
    context: Context,
    prediction_id: str,
    iteration: Iteration,
    data: bytes,
    *,
    store: bool,
    application: str | None,
    limit: int,
    rollout: RunningRollout | None = None,
) -> Predicted:
    """rollout: of the name of the iteration; its candidate may answer instead."""
    from emulator.vision.imaging.decode import ImageRejected

    check_size(data, limit)
    with storing.NewImage(context, data) if store else nullcontext() as image:
        try:
            if rollout is None:
                probabilities = _scripted_or_scored(context, iteration.publish_name, data, iteration)
            else:
                iteration, probabilities = answering.answer(
                    context,
                    prediction_id,
                    iteration,
                    rollout,
                    score=partial(_scripted_or_scored, context, iteration.publish_name, data),
                    shadow=partial(probabilities_of, context, data=data),
                    size=len(data),
                )
        except FileNotFoundError:
            raise_if_missing(context.database, iteration.model_blob or "")
            raise _IterationGone("NotFoundIteration", "Invalid iteration") from None
        except ImageRejected as rejected:
            raise refusal(rejected, prediction_id) from rejected
        predicted = Predicted(
            id=prediction_id,
            project_id=iteration.project_id,
            iteration_id=iteration.id,
            created=context.clock.now(),
            probabilities=probabilities,
        )
        if image is not None:
            image.store(_new_prediction(predicted, application))
        return predicted


def _new_prediction(predicted: Predicted, application: str | None) -> NewPrediction:
    return NewPrediction(
        id=predicted.id,
        project_id=predicted.project_id,
        iteration_id=predicted.iteration_id,
        created=predicted.created,
        application=application,
        blob="",
        predictions=scores.to_stored(predicted.probabilities),
        uncertainty=scores.uncertainty(predicted.probabilities),
    )


def _scripted_or_scored(
    context: Context, published_name: str | None, data: bytes, iteration: Iteration
) -> list[TagProbability]:
    if context.prediction_scripts.is_active:
        from emulator.core.predictions.scripted import scripted_probabilities

        probabilities = scripted_probabilities(context, iteration, published_name, data)
        if probabilities is not None:
            return probabilities
    return probabilities_of(context, iteration, data)


def probabilities_of(context: Context, iteration: Iteration, data: bytes) -> list[TagProbability]:
    """The predictions of the model of a trained iteration for an image.

    Raises ImageRejected (`emulator.vision.imaging.decode`), FileNotFoundError when the iteration is gone, and
    ServiceError when its model cannot be run: an imported model may need a package that is not installed.
    """
    from emulator.vision.onnx_runtime import ModelUnusable

    model = lookup.model_of(iteration)
    assert iteration.model_tags is not None
    try:
        if domains.get(iteration.domain_id or "").type == "ObjectDetection":
            boxes = context.models.detector(model).score(data)
            return scores.of_detector(iteration.model_tags, boxes)
        probabilities = context.models.classifier(model).score(data)
        return scores.of_classifier(iteration.model_tags, probabilities)
    except ModelUnusable as unusable:
        raise ServiceError("ErrorPrediction", f"The model cannot be run. {unusable}") from None
