"""Scripted predictions: checking a new script, and the predictions of one for an iteration."""

import base64
import binascii
import hashlib
import re
import struct
from collections.abc import Iterable, Sequence
from functools import partial

from sqlmodel import Session, col, select

from emulator.core import lookup
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.rules import domains
from emulator.core.rules.limits import TRAINING_IMAGE_BYTES
from emulator.core.rules.region_edges import clipped, edge_problem
from emulator.core.rules.validation import checked_name
from emulator.core.scored_rows import scores
from emulator.core.scored_rows.scores import TagProbability
from emulator.core.test_kit.prediction_scripts import Script, ScriptedPrediction
from emulator.store.tables import Iteration, IterationStatus
from emulator.vision.boxes.box import Box, DetectedBox

_MAX_SCRIPTS = 10_000
_MAX_PREDICTIONS = 500
_MAX_TIMES = 1_000_000_000
_TAGS_IN_MESSAGE = 10
# Large images need not be decoded in full size to find out whether they can be.
_SIDE = 64
_SHA256 = re.compile("[0-9a-fA-F]{64}")
_FLOAT32 = struct.Struct("<f")


def create(
    context: Context,
    *,
    project_id: str | None,
    published_name: str | None,
    iteration_id: str | None,
    image_sha256: str | None,
    times: int | None,
    predictions: Sequence[ScriptedPrediction],
) -> Script:
    """Add a script. See `Script` for the arguments.

    A published name may be one that does not exist yet. Tags and boxes are checked as far as the project or
    the iteration is known. Raises ServiceError.
    """
    if published_name is not None:
        published_name = checked_name(published_name, "BadRequestInvalidPublishName", "published iteration")
    if image_sha256 is not None and not _SHA256.fullmatch(image_sha256):
        raise _bad("image.sha256 must have 64 hexadecimal digits.")
    if times is not None and not 1 <= times <= _MAX_TIMES:
        raise _bad(f"times is {times}; it must be at least 1 and at most {_MAX_TIMES}.")
    if len(predictions) > _MAX_PREDICTIONS:
        raise _bad(f"The script has {len(predictions)} predictions; at most {_MAX_PREDICTIONS} are allowed.")
    script = Script(
        id=context.ids.internal(),
        created=context.clock.now(),
        project_id=project_id,
        published_name=published_name,
        iteration_id=iteration_id,
        image_sha256=None if image_sha256 is None else image_sha256.lower(),
        times=times,
        predictions=tuple(
            _checked(prediction, f"predictions[{place}]") for place, prediction in enumerate(predictions)
        ),
    )
    _check_shape(script)
    with context.database.read() as session:
        _check_against_project(session, script)
    if len(context.prediction_scripts) >= _MAX_SCRIPTS:
        raise _bad(f"There are {_MAX_SCRIPTS} scripts; delete those that are no longer needed.")
    context.prediction_scripts.add(script)
    return script


def sha256_of_contents(contents: str) -> str:
    """The SHA-256 of an image that is given in base64. Raises ServiceError."""
    if len(contents) > 4 * -(-TRAINING_IMAGE_BYTES // 3):
        raise _bad(f"image.contents has more than {TRAINING_IMAGE_BYTES} bytes, so no prediction accepts it.")
    try:
        data = base64.b64decode(contents, validate=True)
    except (binascii.Error, ValueError):
        raise _bad("image.contents is not in base64.") from None
    if not data:
        raise _bad("image.contents is empty.")
    return hashlib.sha256(data).hexdigest()


def scripted_probabilities(
    context: Context, iteration: Iteration, published_name: str | None, data: bytes
) -> list[TagProbability] | None:
    """The predictions of the script for a call, in the order of the service; None if there is no script.

    published_name: of the call; None for a quick test of an unpublished iteration.

    Raises ServiceError when the iteration lacks a tag of the script or is of another type, and ImageRejected
    like the models.
    """
    from emulator.vision.imaging.decode import open_rgb

    scripts = context.prediction_scripts
    digest = scripts.digest(data)
    if not scripts.has_one_for(iteration, published_name, digest):
        return None
    open_rgb(data, target=_SIDE)  # which refuses the images that models refuse
    return scripts.use(iteration, published_name, digest, partial(_predictions, iteration))


def _predictions(iteration: Iteration, script: Script) -> list[TagProbability]:
    """Classifiers list all tags; those that the script does not name have the probability 0."""
    tags = iteration.model_tags or []
    problem = _type_problem(script, domains.get(iteration.domain_id or "").type) or _tag_problem(script, tags)
    if problem:
        raise _bad(f"Prediction script {script.id} cannot be used for iteration {iteration.id}: {problem}")
    indexes = [_index(prediction, tags) for prediction in script.predictions]
    if domains.get(iteration.domain_id or "").type == "ObjectDetection":
        return scores.of_detector(tags, list(_boxes(script, indexes)))
    probabilities = [0.0] * len(tags)
    for index, prediction in zip(indexes, script.predictions, strict=True):
        probabilities[index] = prediction.probability
    return scores.of_classifier(tags, probabilities)


def _boxes(script: Script, indexes: Iterable[int]) -> Iterable[DetectedBox]:
    for index, prediction in zip(indexes, script.predictions, strict=True):
        box = prediction.box
        assert box is not None
        yield DetectedBox(index, prediction.probability, box.left, box.top, box.width, box.height)


def _index(prediction: ScriptedPrediction, tags: Sequence[dict[str, str]]) -> int:
    """The index of the tag of a prediction; -1 if there is none."""
    for index, tag in enumerate(tags):
        if prediction.tag_id in (None, tag["id"]) and prediction.tag_name in (None, tag["name"]):
            return index
    return -1


def _checked(prediction: ScriptedPrediction, place: str) -> ScriptedPrediction:
    """With numbers of single precision, as models predict. place: for messages."""
    if prediction.tag_id is None and prediction.tag_name is None:
        raise _bad(f"{place} has neither tagName nor tagId.")
    if not 0 <= prediction.probability <= 1:  # neither for NaN
        raise _bad(f"{place}.probability is {prediction.probability:g}; it must be at least 0 and at most 1.")
    probability = _FLOAT32.unpack(_FLOAT32.pack(prediction.probability))[0]
    if prediction.box is None:
        return prediction._replace(probability=probability)
    box = prediction.box
    horizontal, vertical = clipped(box.left, box.width), clipped(box.top, box.height)
    if horizontal is None or vertical is None:
        problem = edge_problem("left", box.left, "width", box.width)
        problem = problem or edge_problem("top", box.top, "height", box.height)
        raise _bad(f"{place}.boundingBox is not within the image: {problem}.")
    sides = Box(left=horizontal[0], top=vertical[0], width=horizontal[1], height=vertical[1])
    return prediction._replace(probability=probability, box=sides)


def _check_shape(script: Script) -> None:
    """Raises ServiceError when the predictions fit neither a classifier nor a detector."""
    with_boxes = sum(prediction.box is not None for prediction in script.predictions)
    if with_boxes not in (0, len(script.predictions)):
        raise _bad("Either all predictions have a boundingBox (of a detector), or none (of a classifier).")
    if with_boxes:
        return
    for names in (
        [prediction.tag_id for prediction in script.predictions],
        [prediction.tag_name for prediction in script.predictions],
    ):
        given = [name for name in names if name is not None]
        if len(set(given)) < len(given):
            twice = next(name for name in given if given.count(name) > 1)
            raise _bad(f"A classifier predicts each tag once; the script has '{twice}' more than once.")


def _check_against_project(session: Session, script: Script) -> None:
    """Raises ServiceError when the project, the iteration or a tag is unknown, or the type is wrong."""
    project_id, iteration = script.project_id, None
    if script.iteration_id is not None:
        iteration = session.get(Iteration, script.iteration_id)
        if iteration is None or project_id not in (None, iteration.project_id):
            raise ServiceError("NotFoundIteration", "Invalid iteration")
        project_id = iteration.project_id
    if project_id is None:
        return
    project = lookup.project(session, project_id)
    if iteration is None and script.published_name is not None:
        published = select(Iteration).where(
            Iteration.project_id == project_id, Iteration.publish_name == script.published_name
        )
        iteration = session.exec(published).first()
    domain_id = (iteration.domain_id if iteration else None) or project.domain_id
    if problem := _type_problem(script, domains.get(domain_id).type):
        raise _bad(problem)
    if iteration is not None and iteration.status == IterationStatus.COMPLETED:
        problem = _tag_problem(script, iteration.model_tags or [])
    else:
        problem = _tag_problem(script, _tags_of_project(session, project_id))
    if problem:
        raise ServiceError("NotFoundTag", problem)


def _tags_of_project(session: Session, project_id: str) -> list[dict[str, str]]:
    """The tags of the workspace and of all iterations."""
    workspace = lookup.workspace_tags(session, project_id).values()
    rows = session.exec(
        select(Iteration.model_tags).where(
            Iteration.project_id == project_id, col(Iteration.model_tags).is_not(None)
        )
    )
    trained = [tag for row in rows for tag in row or ()]
    return [{"id": tag.id, "name": tag.name} for tag in workspace] + trained


def _type_problem(script: Script, type: str) -> str:
    """Why the script cannot be used for projects of that type, in words; empty if it can."""
    if not script.predictions:
        return ""
    has_boxes = script.predictions[0].box is not None
    if type == "ObjectDetection" and not has_boxes:
        return "The project detects objects, so each prediction must have a boundingBox."
    if type == "Classification" and has_boxes:
        return "The project classifies images, so predictions must not have a boundingBox."
    return ""


def _tag_problem(script: Script, tags: Sequence[dict[str, str]]) -> str:
    """Why the script cannot be used with `tags`, in words; empty if it can."""
    indexes: set[int] = set()
    for prediction in script.predictions:
        index = _index(prediction, tags)
        if index < 0:
            names = list(dict.fromkeys(tag["name"] for tag in tags))
            more = ", ..." if len(names) > _TAGS_IN_MESSAGE else ""
            known = ", ".join(f"'{name}'" for name in names[:_TAGS_IN_MESSAGE]) + more
            wanted = prediction.tag_name if prediction.tag_id is None else prediction.tag_id
            return f"There is no tag '{(wanted or '')[:100]}'; the tags are: {known or 'none'}."
        if prediction.box is None and index in indexes:
            return f"A classifier predicts each tag once; '{tags[index]['name'][:100]}' is there twice."
        indexes.add(index)
    return ""


def _bad(message: str) -> ServiceError:
    return ServiceError("BadRequest", message)
