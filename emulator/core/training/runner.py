"""Carrying out trainings, in two lanes: quick ones one after the other in one worker process, advanced ones
one after the other in another. Nobody who waits for seconds waits behind an hour.

A training is a row (`Job`) from the moment it was answered. Here a thread takes the oldest one, hands it
to the worker, and writes down how it ended. A worker that dies, a server that dies or a power cut leaves
the row; it is taken up again, a few times, and then ends as ``Failed`` with its reason.
"""

import logging
import shutil
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlmodel import Session

from emulator.core import domains, lookup
from emulator.core.iterations.manage import COMPLETED, FAILED
from emulator.core.jobs.runner import ATTEMPTS
from emulator.core.jobs.worker_runner import WorkerJobThread
from emulator.core.labels.regions import holds_regions
from emulator.core.notifications import outbox
from emulator.core.training.dataset import classification_dataset, detection_dataset, trained_tags
from emulator.store.database import StorageFull
from emulator.store.tables import Iteration, Job

if TYPE_CHECKING:
    from emulator.core.context import Context, Worker
    from emulator.vision.classification.train import ClassificationDataset, TrainedClassifier
    from emulator.vision.detection.train import DetectionDataset, TrainedDetector

_log = logging.getLogger(__name__)

# The name of no blob.
_DELETED = "deleted"

_NOT_FINISHED = "Train again, and let the emulator run until the training has ended."
_TRY = (
    "Close other programs or give the machine (or the container) more memory, and train again; "
    "the log of the emulator tells more."
)
_NO_MEMORY = "There is not enough memory to train. Close other programs, or train with fewer images."


@dataclass(frozen=True)
class _Run:
    job_id: str
    iteration_id: str
    attempt: int
    domain_id: str
    dataset: "ClassificationDataset | DetectionDataset"
    tags: list[dict[str, str]]
    # Seconds; None for regular trainings.
    budget: int | None
    base_model: Path | None


class TrainingRunner(WorkerJobThread):
    """The thread that carries out quick trainings."""

    kind = "training"
    name = "trainings"
    folder_name = "training"

    @property
    def _worker(self) -> "Worker":
        return self._context.worker

    def _carry_out_or_fail(self, run: _Run) -> None:
        try:
            self._carry_out(run)
        except StorageFull:
            raise
        except Exception as error:  # noqa: BLE001  (likewise)
            if not self._stopping:
                _log.exception("Training of iteration %s failed", run.iteration_id)
                self._end(run, failure=_explained(error))

    def _carry_out(self, run: _Run) -> None:
        from emulator.vision.training.errors import TrainingFailed
        from emulator.worker.executor import WorkerDied

        output = self._work_folder / run.job_id
        output.mkdir(parents=True, exist_ok=True)
        try:
            trained = self._result(self._submit(run, output), run.iteration_id, run.iteration_id)
            self._end(run, trained=trained)
        except CancelledError:
            _log.info("Training of iteration %s was stopped", run.iteration_id)
        except TrainingFailed as failure:
            self._end(run, failure=str(failure))
        except StorageFull:
            self._end(
                run,
                failure="The disk is full: the trained model could not be stored. Free space; train again.",
            )
        except WorkerDied as death:
            if self._stopping:
                return
            if run.attempt >= ATTEMPTS:
                self._end(run, failure=f"The training process ended {run.attempt} times: {death}. {_TRY}")
            else:
                _log.warning("The training process ended (%s); trying again", death)
        finally:
            shutil.rmtree(output, ignore_errors=True)

    def _submit(self, run: _Run, output: Path) -> "Future[Any]":
        from emulator.vision.classification.advanced import train_advanced_classifier
        from emulator.vision.classification.train import train_classifier
        from emulator.vision.detection.advanced import train_advanced_detector
        from emulator.vision.detection.train import train_detector
        from emulator.vision.recipes.recipes import (
            advanced_detector_recipe_for_domain,
            advanced_recipe_for_domain,
            detector_recipe_for_domain,
            recipe_for_domain,
        )

        note = self._noting(run.iteration_id)
        common: dict[str, Any] = {"seed": self._context.seed, "output": output, "on_progress": note}
        submit = self._worker.submit
        # Without a budget, nothing is tried but quick training and, for classifiers, the base model.
        more = {"budget_seconds": run.budget or 0, "base_model": run.base_model}
        if domains.get(run.domain_id).type == "ObjectDetection":
            how = detector_recipe_for_domain(run.domain_id)
            if run.budget is None:
                return submit(train_detector, run.dataset, how, **common)
            all_layers = advanced_detector_recipe_for_domain(run.domain_id)
            return submit(train_advanced_detector, run.dataset, how, advanced=all_layers, **common, **more)
        common["feature_cache"] = self._context.feature_cache
        more["backbones"] = self._context.backbones
        recipe = recipe_for_domain(run.domain_id)
        if run.budget is None and run.base_model is None:
            return submit(train_classifier, run.dataset, recipe, **common)
        advanced = advanced_recipe_for_domain(run.domain_id)
        return submit(train_advanced_classifier, run.dataset, recipe, advanced=advanced, **common, **more)

    def _claim(self) -> _Run | None:
        """The oldest job with its dataset, which is read when the attempt has been counted."""
        job: Job | None = self._take()
        if job is None:
            return None
        with self._context.database.read() as session:
            iteration = session.get(Iteration, job.iteration_id)
            if iteration is None:  # deleted meanwhile, and its job with it
                return self._claim()
            project = lookup.project(session, iteration.project_id)
            read = detection_dataset if holds_regions(project) else classification_dataset
            dataset = read(self._context, session, iteration)
            tags = [
                {"id": tag.id, "name": tag.name, "type": tag.type} for tag in trained_tags(session, iteration)
            ]
            return _Run(
                job_id=job.id,
                iteration_id=iteration.id,
                attempt=job.attempts,
                domain_id=iteration.domain_id or project.domain_id,
                dataset=dataset,
                tags=tags,
                budget=self._budget(iteration),
                base_model=self._base_model(session, iteration),
            )

    def _budget(self, iteration: Iteration) -> int | None:
        if iteration.training_type != "Advanced":
            return None
        return iteration.reserved_budget_in_hours * self._context.training_hour_seconds

    def _base_model(self, session: Session, iteration: Iteration) -> Path | None:
        """The model to start from. One that is deleted meanwhile is not there: the training then says so."""
        base = iteration.custom_base_model_info
        if base is None:
            return None
        row = session.get(Iteration, base["iterationId"])
        return self._context.blobs.path(row.model_blob if row and row.model_blob else _DELETED)

    def _begin(self, session: Session, job: Job) -> Job:
        iteration = session.get_one(Iteration, job.iteration_id)
        project = lookup.project(session, iteration.project_id)
        # What the iteration was trained as is fixed when the training begins, as the service does.
        iteration.domain_id = iteration.domain_id or project.domain_id
        iteration.classification_type = iteration.classification_type or project.classification_type
        iteration.training_time_in_minutes = 1
        iteration.last_modified = self._context.clock.now()
        session.add(iteration)
        return job

    def _give_up(self, session: Session, job: Job, why: str) -> None:
        iteration = session.get_one(Iteration, job.iteration_id)
        reason = f"The training was {why}. {_NOT_FINISHED}"
        _fail(self._context, session, iteration, job, reason)

    def _end(
        self,
        run: _Run,
        trained: "TrainedClassifier | TrainedDetector | None" = None,
        failure: str | None = None,
    ) -> None:
        """Write down how a training ended. Nothing is written when the iteration was deleted meanwhile."""
        with self._context.database.write() as session:
            iteration, job = session.get(Iteration, run.iteration_id), session.get(Job, run.job_id)
            if iteration is not None and job is not None and trained is not None:
                now = self._context.clock.now()
                iteration.status = COMPLETED
                iteration.trained_at = iteration.last_modified = now
                minutes = sum(trained.seconds.values()) / 60
                iteration.training_time_in_minutes = max(1, round(minutes))
                iteration.exportable = domains.get(run.domain_id).exportable
                iteration.model_tags = run.tags
                # Inside the transaction: until it ends, nobody sweeps.
                iteration.model_blob = self._context.blobs.put_file(trained.model_path)
                iteration.evaluation_blob = self._context.blobs.put_file(trained.evaluation_path)
                session.add(iteration)
                session.delete(job)
                outbox.note_training(self._context, session, iteration)
            elif iteration is not None and job is not None:
                _fail(self._context, session, iteration, job, failure or "")


class AdvancedTrainingRunner(TrainingRunner):
    """The thread that carries out trainings with a budget."""

    kind = "advanced training"
    name = "advanced trainings"
    folder_name = "advanced training"

    @property
    def _worker(self) -> "Worker":
        return self._context.advanced_worker


def _explained(error: Exception) -> str:
    """What to tell a person about an error that nobody thought of, or that has no words of its own."""
    if isinstance(error, MemoryError):
        return _NO_MEMORY
    what = str(error) or type(error).__name__
    return f"The emulator could not train: {what}. The log of the emulator tells more; train again."


def _fail(context: "Context", session: Session, iteration: Iteration, job: Job, reason: str) -> None:
    iteration.status = FAILED
    iteration.training_error_details = reason
    iteration.last_modified = context.clock.now()
    session.add(iteration)
    session.delete(job)
    outbox.note_training(context, session, iteration)
