"""Executing evaluations on test sets, one after the other, in a thread of the server.

Models are scored as for predictions, with ONNX Runtime. The scores become a blob, from which figures for any
threshold are computed; the status becomes ``Completed``, or ``Failed`` with the reason.
"""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sqlmodel import Session, col, select

from emulator.core.blob_sweep import sweep_blobs
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.iterations.evaluation import anomaly_tags, is_detector
from emulator.core.jobs.job_runner import Interrupted, JobFailed, JobRunner
from emulator.core.jobs.server_job import ServerJob
from emulator.core.predictions.predict import probabilities_of
from emulator.core.scored_rows.scores import TagProbability
from emulator.core.test_sets.images import LabeledImage, with_labels
from emulator.store.database import StorageFull
from emulator.store.references import raise_if_missing
from emulator.store.tables import Iteration, Job, JobKind
from emulator.store.test_set_tables import EvaluationStatus, TestEvaluation, TestImage, TestSet
from emulator.vision.boxes.box import Box

if TYPE_CHECKING:
    from emulator.vision.evaluation.classification import Evaluation
    from emulator.vision.evaluation.detection import DetectionEvaluation

_STEP = "Scoring images"
_log = logging.getLogger(__name__)


def evaluation_runner(context: Context) -> JobRunner["EvaluationTask"]:
    server_job = ServerJob(context.database, context.jobs.changes)
    return JobRunner(
        context.database,
        JobKind.EVALUATION,
        EvaluationWork(context, server_job),
        server_job,
        name="evaluations",
        folder=context.folder / "evaluations",
        seconds_to_stop=5,
        holds=context.choreography,
        history=context.job_history,
        job_traces=context.job_traces,
        leases=context.leases,
    )


class EvaluationTask(NamedTuple):
    """The inputs of an evaluation. revision: of the test set. images: of that revision."""

    job_id: str
    evaluation_id: str
    revision: int
    iteration: Iteration
    images: list[LabeledImage]


class EvaluatedSet(NamedTuple):
    """The result. tags: those of the model, and others of the test set."""

    evaluation: "Evaluation | DetectionEvaluation"
    tags: list[dict[str, str]]


class EvaluationWork:
    """The `Work` of evaluations (`emulator.core.jobs.job_runner`)."""

    def __init__(self, context: Context, server_job: ServerJob) -> None:
        self._context = context
        self._server_job = server_job

    def begin(self, session: Session, job: Job) -> None:
        """Nothing changes when an evaluation begins."""

    def prepare(self, session: Session, job: Job) -> EvaluationTask | None:
        row = _row(session, job)
        iteration = session.get(Iteration, job.iteration_id)
        test_set = None if row is None else session.get(TestSet, row.test_set_id)
        if row is None or test_set is None or iteration is None:
            raise JobFailed("The test set is gone.")
        order = col(TestImage.number)
        statement = select(TestImage).where(TestImage.test_set_id == test_set.id).order_by(order)
        images = with_labels(session, test_set.project_id, session.exec(statement).all())
        if not images:
            raise JobFailed("The test set has no images.")
        return EvaluationTask(job.id, row.id, test_set.revision, iteration, images)

    def execute(self, task: EvaluationTask, folder: Path) -> EvaluatedSet:
        tags = _all_tags(task)
        try:
            found = []
            for number, image in enumerate(task.images):
                self._server_job.note(task.evaluation_id, number / len(task.images), _STEP)
                self._server_job.check(task.job_id)
                found.append(self._score(task, image))
        finally:
            self._server_job.end(task.evaluation_id)
        if is_detector(task.iteration):
            return EvaluatedSet(_detection_evaluation(task.images, tags, found), tags)
        return EvaluatedSet(_evaluation(task, tags, found), tags)

    def _score(self, task: EvaluationTask, image: LabeledImage) -> list[TagProbability]:
        from emulator.vision.imaging.decode import ImageRejected

        blob = image.row.blob
        try:
            data = self._context.blobs.read(blob)
            blob = task.iteration.model_blob or ""
            return probabilities_of(self._context, task.iteration, data)
        except FileNotFoundError:
            raise_if_missing(self._context.database, blob)
            raise JobFailed("The test set or the iteration was changed meanwhile; evaluate again.") from None
        except ImageRejected as rejected:
            name = image.row.name or image.row.id
            raise JobFailed(f"The image '{name}' of the test set cannot be read: {rejected}") from None
        except ServiceError as error:
            raise JobFailed(error.message) from None

    def complete(self, task: EvaluationTask, result: EvaluatedSet) -> None:
        """Store the scores, unless the evaluation was deleted meanwhile."""
        content = result.evaluation.content()
        with self._context.database.write() as session:
            row, job = session.get(TestEvaluation, task.evaluation_id), session.get(Job, task.job_id)
            if row is None or job is None:
                return
            replaced = row.evaluation_blob
            # Within the transaction, so that no sweep deletes the blob before its row is committed.
            row.evaluation_blob = self._context.blobs.put(content)
            row.status, row.evaluated = EvaluationStatus.COMPLETED, self._context.clock.now()
            row.revision, row.image_count = task.revision, len(task.images)
            row.domain_id = task.iteration.domain_id
            row.classification_type = task.iteration.classification_type
            row.model_tags, row.trained_tag_count = result.tags, len(task.iteration.model_tags or [])
            session.add(row)
            session.delete(job)
        if replaced and replaced != row.evaluation_blob:
            sweep_blobs(self._context, {replaced})

    def explain(self, error: Exception) -> str:
        if isinstance(error, Interrupted):
            return f"The evaluation was {error}."
        if isinstance(error, StorageFull):
            return "The disk is full: the evaluation could not be stored."
        return f"The emulator could not evaluate: {error or type(error).__name__}"

    def fail(self, session: Session, job: Job, reason: str) -> None:
        row = _row(session, job)
        if row is not None:
            _log.warning("Evaluation of iteration %s on a test set failed: %s", row.iteration_id, reason)
            row.status, row.failure = EvaluationStatus.FAILED, reason
            session.add(row)
        session.delete(job)


def _row(session: Session, job: Job) -> TestEvaluation | None:
    assert job.details is not None
    return session.get(TestEvaluation, job.details["evaluation"])


def _all_tags(task: EvaluationTask) -> list[dict[str, str]]:
    """The tags of the model in the order of its outputs, then those of the test set that it does not have.

    To an anomaly detector, these are all defects, as in its training.
    """
    tags = list(task.iteration.model_tags or [])
    if anomaly_tags(task.iteration) is not None:
        return tags
    known = {tag["id"] for tag in tags}
    others = {
        tag_id: name for image in task.images for tag_id, name in image.tags.items() if tag_id not in known
    }
    return tags + [{"id": tag_id, "name": name, "type": "Regular"} for tag_id, name in others.items()]


def _evaluation(
    task: EvaluationTask, tags: list[dict[str, str]], found: list[list[TagProbability]]
) -> "Evaluation":
    import numpy

    from emulator.vision.evaluation.classification import NEVER, Evaluation

    positions = {tag["id"]: position for position, tag in enumerate(tags)}
    anomalies = anomaly_tags(task.iteration)
    if anomalies is not None:
        of_images = {tag_id for image in task.images for tag_id in image.tags}
        positions |= dict.fromkeys(of_images - positions.keys(), anomalies.anomaly)
    probabilities_NT = numpy.full((len(found), len(tags)), NEVER, numpy.float32)
    targets_NT = numpy.zeros((len(found), len(tags)), bool)
    for row, (image, probabilities) in enumerate(zip(task.images, found, strict=True)):
        for item in probabilities:
            probabilities_NT[row, positions[item.tag_id]] = item.probability
        for tag_id in image.tags:
            targets_NT[row, positions[tag_id]] = True
        if anomalies is not None and targets_NT[row, anomalies.good]:
            targets_NT[row, anomalies.anomaly] = False
    return Evaluation(
        keys=tuple(image.row.blob for image in task.images),
        folds=numpy.zeros(len(found), numpy.int8),
        probabilities_NT=probabilities_NT,
        targets_NT=targets_NT,
    )


def _detection_evaluation(
    images: list[LabeledImage], tags: list[dict[str, str]], found: list[list[TagProbability]]
) -> "DetectionEvaluation":
    import numpy

    from emulator.vision.boxes.box import BoxArrays, DetectedBox, TaggedBox
    from emulator.vision.evaluation.detection import DetectionEvaluation

    positions = {tag["id"]: position for position, tag in enumerate(tags)}
    truths = [
        [TaggedBox(positions[marked.box.tag_id], *_ltwh(marked.box)) for marked in image.boxes]
        for image in images
    ]
    boxes = [
        sorted(
            (
                DetectedBox(positions[item.tag_id], item.probability, *_ltwh(item.box))
                for item in probabilities
                if item.box is not None
            ),
            key=lambda box: -box.probability,
        )
        for probabilities in found
    ]
    return DetectionEvaluation(
        keys=tuple(image.row.blob for image in images),
        folds=numpy.zeros(len(images), numpy.int8),
        tag_count=len(tags),
        truths=BoxArrays.of_images(truths),
        detections=BoxArrays.of_images(boxes),
        probabilities=numpy.array([box.probability for row in boxes for box in row], numpy.float32),
    )


def _ltwh(box: Box) -> tuple[float, float, float, float]:
    return box.left, box.top, box.width, box.height
