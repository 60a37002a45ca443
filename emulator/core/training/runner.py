"""Executing trainings: regular ones in one queue and worker process, advanced ones in another.

With a cluster, they are executed there.
So a training of seconds never waits for one of hours. Instant trainings have a queue of their own too, and
run in this process. The worker trains on the dataset that is read here; the model and its evaluation become
blobs of the iteration, whose status becomes ``Completed``, or ``Failed`` with the reason.
"""

import logging
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlmodel import Session, col, select

from emulator.core import lookup
from emulator.core.context import Context
from emulator.core.jobs.job_runner import Interrupted, JobFailed, JobRunner, TryAgain
from emulator.core.jobs.worker_job import WorkerJob
from emulator.core.jobs.worker_protocol import Worker
from emulator.core.labels.regions import holds_regions
from emulator.core.notifications import outbox
from emulator.core.rules import domains
from emulator.core.training.dataset import classification_dataset, detection_dataset, trained_tags
from emulator.store.blobs import BlobDamaged
from emulator.store.database import StorageFull
from emulator.store.tables import Image, Iteration, IterationStatus, Job, JobKind

if TYPE_CHECKING:
    from emulator.vision.classification.dataset import ClassificationDataset, TrainedClassifier
    from emulator.vision.detection.dataset import DetectionDataset, TrainedDetector

_MOST_LOGGED = 10
_log = logging.getLogger(__name__)
# Not the name of a blob.
_DELETED = "deleted"

_NOT_FINISHED = "Train again, and let the emulator run until the training has ended."
_TRY = (
    "Close other programs or give the machine (or the container) more memory, and train again; "
    "the log of the emulator tells more."
)
_NO_MEMORY = "There is not enough memory to train. Close other programs, or train with fewer images."
_DISK_FULL = "The disk is full: the trained model could not be stored. Free space; train again."


def training_runner(context: Context) -> JobRunner["Training"]:
    """The runner of regular trainings."""
    return _runner(context, JobKind.TRAINING, "trainings")


def advanced_training_runner(context: Context) -> JobRunner["Training"]:
    """The runner of trainings with a budget."""
    return _runner(context, JobKind.ADVANCED_TRAINING, "advanced trainings")


def instant_training_runner(context: Context) -> JobRunner["Training"]:
    """The runner of trainings by the instant trainer, with or without a budget."""
    return _runner(context, JobKind.INSTANT_TRAINING, "instant trainings")


def _runner(context: Context, kind: JobKind, name: str) -> JobRunner["Training"]:
    worker_job = WorkerJob(context.database, context.jobs.changes)
    return JobRunner(
        context.database,
        kind,
        TrainingWork(context, kind, worker_job),
        worker_job,
        name=name,
        folder=context.folder / kind,
        seconds_to_stop=5,
        holds=context.choreography,
        history=context.job_history,
        job_traces=context.job_traces,
        leases=context.leases,
        after_each=context.instant_trainings.note if kind == JobKind.INSTANT_TRAINING else lambda: None,
        at_once=1 if context.cluster is None or kind == JobKind.INSTANT_TRAINING else context.cluster.jobs,
    )


class Training(NamedTuple):
    """The inputs of a training. budget: in seconds; None for regular trainings."""

    job_id: str
    iteration_id: str
    attempt: int
    domain_id: str
    dataset: "ClassificationDataset | DetectionDataset"
    tags: list[dict[str, str]]
    budget: int | None
    base_model: Path | None


class TrainingWork:
    """The `Work` of trainings (`emulator.core.jobs.job_runner`)."""

    def __init__(self, context: Context, kind: JobKind, worker_job: WorkerJob) -> None:
        self._context = context
        self._kind = kind
        self._worker_job = worker_job
        self._is_instant = kind == JobKind.INSTANT_TRAINING

    @property
    def _worker(self) -> Worker:
        if self._context.cluster is not None:
            return self._context.cluster
        is_advanced = self._kind == JobKind.ADVANCED_TRAINING
        return self._context.advanced_worker if is_advanced else self._context.worker

    def begin(self, session: Session, job: Job) -> None:
        """Note that the training has begun: responses have its domain and classification type from now on."""
        iteration = session.get_one(Iteration, job.iteration_id)
        project = lookup.project(session, iteration.project_id)
        # Iterations that earlier versions of the emulator stored have neither before they begin.
        iteration.domain_id = iteration.domain_id or project.domain_id
        iteration.classification_type = iteration.classification_type or project.classification_type
        if not self._context.choreography.shows(job.id):
            iteration.status = IterationStatus.TRAINING
        iteration.training_time_in_minutes = 1
        iteration.last_modified = self._context.clock.now()
        session.add(iteration)

    def prepare(self, session: Session, job: Job) -> Training | None:
        iteration = session.get(Iteration, job.iteration_id)
        if iteration is None:
            return None
        project = lookup.project(session, iteration.project_id)
        read = detection_dataset if holds_regions(project) else classification_dataset
        tags = trained_tags(session, iteration)
        return Training(
            job_id=job.id,
            iteration_id=iteration.id,
            attempt=job.attempts,
            domain_id=iteration.domain_id or project.domain_id,
            dataset=read(self._context, session, iteration, tags),
            tags=[{"id": tag.id, "name": tag.name, "type": tag.type} for tag in tags],
            budget=self._budget(iteration),
            base_model=self._base_model(session, iteration),
        )

    def _budget(self, iteration: Iteration) -> int | None:
        if iteration.training_type != "Advanced":
            return None
        return iteration.reserved_budget_in_hours * self._context.training_hour_seconds

    def _base_model(self, session: Session, iteration: Iteration) -> Path | None:
        """The model to start from. If it was deleted, its file is missing and the training fails."""
        base = iteration.custom_base_model_info
        if base is None:
            return None
        row = session.get(Iteration, base["iterationId"])
        if row is None or row.model_blob is None or not self._context.blobs.exists(row.model_blob):
            return self._context.blobs.path(_DELETED)
        return self._context.blobs.verified_path(row.model_blob)

    def execute(self, task: Training, folder: Path) -> "TrainedClassifier | TrainedDetector":
        from emulator.cluster.messages import ClusterFailed
        from emulator.vision.imaging.image_file import ImageFileDamaged
        from emulator.vision.training.errors import TrainingFailed
        from emulator.worker.executor import WorkerDied

        folder.mkdir(parents=True, exist_ok=True)
        try:
            future = self._submit(task, folder)
            trained: TrainedClassifier | TrainedDetector = self._worker_job.result(
                future,
                job_id=task.job_id,
                iteration_id=task.iteration_id,
                progress_id=task.iteration_id,
            )
        except (TrainingFailed, ClusterFailed) as failure:
            raise JobFailed(str(failure)) from None
        except ImageFileDamaged as damaged:
            raise BlobDamaged(*self._damaged_images(task, damaged.key)) from None
        except WorkerDied as death:
            raise TryAgain(f"The training process ended {task.attempt} times: {death}. {_TRY}") from None
        return trained

    def _damaged_images(self, task: Training, first: str) -> list[str]:
        """The blobs of all damaged images of a dataset, of which the training met the first."""
        blobs = self._context.blobs
        others = (image.key for image in task.dataset.images if image.key != first)
        return [first, *(key for key in others if blobs.exists(key) and not blobs.is_intact(key))]

    def _submit(self, task: Training, output: Path) -> "Future[Any]":
        if self._is_instant:
            return self._submit_instant(task, output)
        from emulator.vision.domain_training import training_for_domain

        # Quick training of detectors does not start from another model.
        has_base = task.budget is not None or domains.get(task.domain_id).type == "Classification"
        training = training_for_domain(
            task.dataset,
            task.domain_id,
            budget_seconds=task.budget,
            seed=self._context.seed,
            output=output,
            feature_cache=self._context.feature_cache,
            base_model=task.base_model if has_base else None,
            backbones=self._context.backbones,
            number_formats=self._context.number_formats,
            number_format=self._context.number_format,
            quick_seconds=self._context.quick_training_seconds,
        )
        note = self._worker_job.progress_callback(task.iteration_id)
        more = {} if self._context.cluster is None else {"uses_gpu": True}
        worker = self._worker
        return worker.submit(training.func, *training.args, on_progress=note, **more, **training.keywords)

    def _submit_instant(self, task: Training, output: Path) -> "Future[Any]":
        from emulator.core.jobs.in_process_worker import InProcessWorker
        from emulator.vision.instant.train import train_instant

        return InProcessWorker().submit(
            train_instant,
            task.dataset,
            seed=self._context.seed,
            output=output,
            memory=self._context.instant_features.memory,
            base_model=task.base_model,
            on_progress=self._worker_job.progress_callback(task.iteration_id),
        )

    def complete(self, task: Training, trained: "TrainedClassifier | TrainedDetector") -> None:
        """Store the model, unless the iteration was deleted meanwhile."""
        with self._context.database.write() as session:
            iteration, job = session.get(Iteration, task.iteration_id), session.get(Job, task.job_id)
            if iteration is None or job is None:
                return
            now = self._context.clock.now()
            iteration.status = IterationStatus.COMPLETED
            iteration.trained_at = iteration.last_modified = now
            minutes = sum(trained.seconds.values()) / 60
            iteration.training_time_in_minutes = max(1, round(minutes))
            iteration.exportable = domains.get(task.domain_id).exportable
            iteration.model_tags = task.tags
            # Within the transaction, so that no sweep deletes the blobs before their row is committed.
            iteration.model_blob = self._context.blobs.put_file(trained.model_path)
            iteration.evaluation_blob = self._context.blobs.put_file(trained.evaluation_path)
            iteration.training_report = None if trained.report is None else asdict(trained.report)
            session.add(iteration)
            session.delete(job)
            outbox.note_training(self._context, session, iteration)
            if trained.skipped:
                _log.error("Iteration %s was trained %s", iteration.id, _without(session, trained.skipped))

    def explain(self, error: Exception) -> str:
        if isinstance(error, Interrupted):
            return f"The training was {error}. {_NOT_FINISHED}"
        if isinstance(error, StorageFull):
            return _DISK_FULL
        if isinstance(error, MemoryError):
            return _NO_MEMORY
        what = str(error) or type(error).__name__
        return f"The emulator could not train: {what}. The log of the emulator tells more; train again."

    def fail(self, session: Session, job: Job, reason: str) -> None:
        iteration = session.get_one(Iteration, job.iteration_id)
        iteration.status = IterationStatus.FAILED
        iteration.training_error_details = reason
        iteration.last_modified = self._context.clock.now()
        session.add(iteration)
        session.delete(job)
        outbox.note_training(self._context, session, iteration)


def _without(session: Session, blobs: Sequence[str]) -> str:
    """The end of a log message: images that a training left out."""
    ids = session.exec(select(Image.id).where(col(Image.blob).in_(blobs[:_MOST_LOGGED]))).all()
    more = f" and {len(blobs) - _MOST_LOGGED} more" if len(blobs) > _MOST_LOGGED else ""
    return f"without images whose files are gone or cannot be decoded: {', '.join(sorted(ids))}{more}"
