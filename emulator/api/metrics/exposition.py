"""What Prometheus reads at /metrics, in its text format.

prometheus_client is imported at the first request: it takes a twentieth of a second.
"""

import shutil
from collections.abc import Iterator
from typing import NamedTuple

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import func
from sqlmodel import col, select

from emulator import __version__
from emulator.api.metrics import rollouts
from emulator.api.metrics.counts import BUCKETS, PREFIX, Durations
from emulator.core.context import Context
from emulator.core.status import information, readiness
from emulator.core.status.information import FolderSize
from emulator.store.database import DatabaseDamaged
from emulator.store.tables import Iteration, Job, JobKind, Project

MEDIA_TYPE = CONTENT_TYPE_LATEST


class Requests(NamedTuple):
    """A copy of `RequestCounts`."""

    numbers: dict[tuple[str, int], int]
    durations: dict[str, Durations]


class Exposition:
    """Writes the metrics of an emulator. Thread-safe."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._folder_size = FolderSize(context.folder)

    def text(self, requests: Requests) -> bytes:
        """All metrics, those of the process included."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Collector(self.families(requests)))
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        return generate_latest(registry)

    def families(self, requests: Requests) -> list[Metric]:
        """All metrics except those of the process."""
        return [*_of_requests(requests), *self._of_state()]

    def _of_state(self) -> Iterator[Metric]:
        context = self._context
        version = GaugeMetricFamily(f"{PREFIX}emulator_info", "The emulator.", labels=["version"])
        version.add_metric([__version__], 1)
        yield version
        yield from self._of_disk()
        problems = readiness.problems(context)
        ready = GaugeMetricFamily(f"{PREFIX}ready", "1 if a check of health succeeds.", labels=["check"])
        for check in readiness.CHECKS:
            ready.add_metric([check], 0 if check in problems else 1)
        cluster = readiness.cluster_state(context)
        if cluster is not None:
            ready.add_metric(["cluster"], 1 if cluster == "ok" else 0)
        yield ready
        ended = CounterMetricFamily(
            f"{PREFIX}jobs_ended",
            "Jobs that ended since the start, such as trainings.",
            labels=["kind", "status"],
        )
        for (kind, status), number in sorted(context.job_history.numbers().items()):
            ended.add_metric([kind, status.lower()], number)
        yield ended
        try:
            yield from self._of_rows()
        except DatabaseDamaged:
            return  # which custom_vision_ready shows

    def _of_disk(self) -> Iterator[Metric]:
        try:
            usage = shutil.disk_usage(self._context.folder)
        except OSError:
            return
        yield GaugeMetricFamily(
            f"{PREFIX}disk_free_bytes", "Free bytes on the disk of the data folder.", value=usage.free
        )
        yield GaugeMetricFamily(
            f"{PREFIX}disk_size_bytes", "Size of the disk of the data folder.", value=usage.total
        )
        yield GaugeMetricFamily(
            f"{PREFIX}data_bytes",
            "Size of the data folder, at most a minute ago.",
            value=self._folder_size.bytes,
        )

    def _of_rows(self) -> Iterator[Metric]:
        context = self._context
        objects = GaugeMetricFamily(f"{PREFIX}objects", "What is stored.", labels=["kind"])
        for kind, number in information.counts(context)._asdict().items():
            objects.add_metric([kind], number)
        yield objects
        with context.database.read() as session:
            jobs = dict(session.execute(select(Job.kind, func.count()).group_by(col(Job.kind))).all())
            names = dict(session.execute(select(Project.id, Project.name)).all())
            published = session.exec(select(Iteration).where(col(Iteration.publish_name).is_not(None))).all()
        queue = GaugeMetricFamily(f"{PREFIX}jobs", "Jobs that wait or are being executed.", labels=["kind"])
        for job_kind in JobKind:
            queue.add_metric([job_kind.value], jobs.get(job_kind, 0))
        yield queue
        labels = ["project", "published_name", "iteration_id", "iteration"]
        models = GaugeMetricFamily(
            f"{PREFIX}published_model_trained_timestamp_seconds",
            "When the model was trained that is published under a name.",
            labels=labels,
        )
        for row in published:
            name = names.get(row.project_id, row.project_id)
            trained = 0.0 if row.trained_at is None else row.trained_at.timestamp()
            models.add_metric([name, row.publish_name or "", row.id, row.name], trained)
        yield models
        yield from self._of_predictions(names)
        yield from rollouts.metrics(context, names)

    def _of_predictions(self, names: dict[str, str]) -> Iterator[Metric]:
        counts = self._context.prediction_counts
        if counts is None:
            return
        images, tags = counts.copy()
        predictions = CounterMetricFamily(
            f"{PREFIX}predictions",
            "Images that a published model has scored since the start.",
            labels=["project", "published_name", "iteration"],
        )
        for (project_id, *published), number in sorted(images.items()):
            predictions.add_metric([names.get(project_id, project_id), *published], number)
        yield predictions
        confidence = SummaryMetricFamily(
            f"{PREFIX}predicted_tag_confidence",
            "Confidence of the most probable tag, or of a tag with a detected object, by image.",
            labels=["project", "published_name", "iteration", "tag"],
        )
        for (project_id, *published_tag), (number, total) in sorted(tags.items()):
            confidence.add_metric([names.get(project_id, project_id), *published_tag], number, total)
        yield confidence


class _Collector:
    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> list[Metric]:
        return self._metrics


def _of_requests(requests: Requests) -> Iterator[Metric]:
    numbers = CounterMetricFamily(
        f"{PREFIX}requests",
        "Requests since the start. Status 0: the connection ended without a response.",
        labels=["operation", "status"],
    )
    for (operation, status), number in sorted(requests.numbers.items()):
        numbers.add_metric([operation, str(status)], number)
    yield numbers
    durations = HistogramMetricFamily(
        f"{PREFIX}request_duration_seconds",
        "Time from a request to the end of its response.",
        labels=["operation"],
    )
    for operation, values in sorted(requests.durations.items()):
        below, buckets = 0, []
        for bound, number in zip([*map(str, BUCKETS), "+Inf"], values.buckets, strict=True):
            below += number
            buckets.append((bound, below))
        durations.add_metric([operation], buckets, values.seconds)
    yield durations
