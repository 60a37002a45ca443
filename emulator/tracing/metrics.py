"""Sending of the metrics of `/metrics` by OpenTelemetry, with ``--metrics-otlp``.

The instruments of the SDK are not used: they would count all once more, and take a lock for each value.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client.core import Metric as Family
from prometheus_client.samples import Sample

from emulator import __version__
from emulator.settings import StartRefused
from emulator.store.database import StoreUnreachable
from emulator.tracing.sending import endpoint, resource, sends

_OPTION, _SIGNAL = "--metrics-otlp", "METRICS"
_INTERVAL = "OTEL_METRIC_EXPORT_INTERVAL"
_DEFAULT_MILLISECONDS = 60_000
# The time that the last values have at the end: the process ends soon after a signal, with or without them.
_CLOSE_SECONDS = 0.25
# It tells of each attempt to send.
_REPEATING_LOGGER = "opentelemetry.exporter.otlp.proto.http.metric_exporter"
_CUMULATIVE = AggregationTemporality.CUMULATIVE
_log = logging.getLogger(__name__)


class MetricsSender:
    """A thread that sends all metrics every OTEL_METRIC_EXPORT_INTERVAL milliseconds (60 s), and at the end.

    families: reads the metrics, as Prometheus has them.

    Raises:
        StartRefused: a variable has a value that is not supported.
    """

    def __init__(self, families: Callable[[], Iterable[Family]]) -> None:
        self._families = families
        self._endpoint = endpoint(_OPTION, _SIGNAL)
        self._seconds = _interval_seconds()
        self._began = time.time_ns()
        self._is_failing = False
        self._is_unreadable = False
        # Without a handler, the lines would be printed on standard error.
        self._dropped = logging.NullHandler()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)
        try:
            self._exporter = OTLPMetricExporter() if sends(_OPTION, _SIGNAL) else None
        except (ValueError, OSError) as error:
            raise StartRefused(f"{_OPTION}: the variables OTEL_* are not valid: {error}") from None

    def start(self) -> None:
        if self._exporter is not None:
            logger = logging.getLogger(_REPEATING_LOGGER)
            logger.addHandler(self._dropped)
            logger.propagate = False
            self._thread.start()

    def close(self) -> None:
        """Send the last values, if the collector takes them at once."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(_CLOSE_SECONDS)
            if not self._thread.is_alive():
                logger = logging.getLogger(_REPEATING_LOGGER)
                logger.removeHandler(self._dropped)
                logger.propagate = not logger.handlers

    def flush(self) -> None:
        """Send the values of now, however long it takes."""
        if self._exporter is None:
            return
        try:
            metrics = list(_converted(self._families(), self._began, time.time_ns()))
        except Exception as error:  # noqa: BLE001  (the next values are sent)
            if not self._ended.is_set() and not self._is_unreadable:
                self._is_unreadable = True
                is_away = isinstance(error, StoreUnreachable)
                _log.warning("Metrics cannot be read: %s", error, exc_info=None if is_away else error)
            return
        if self._is_unreadable:
            self._is_unreadable = False
            _log.warning("Metrics can be read again.")
        scope = ScopeMetrics(InstrumentationScope("emulator", __version__), metrics, "")
        sent = self._exporter.export(MetricsData([ResourceMetrics(resource(), [scope], "")]))
        has_failed = sent is not MetricExportResult.SUCCESS
        if has_failed != self._is_failing:
            self._is_failing = has_failed
            text = "Metrics cannot be sent to %s." if has_failed else "Metrics are sent to %s again."
            _log.warning(text, self._endpoint)

    def _run(self) -> None:
        while not self._ended.wait(self._seconds):
            self.flush()
        self.flush()


def _interval_seconds() -> float:
    """Raises StartRefused."""
    text = os.environ.get(_INTERVAL, "").strip() or str(_DEFAULT_MILLISECONDS)
    if not text.isascii() or not text.isdigit() or not 0 < len(text) < 10 or int(text) == 0:
        raise StartRefused(f"{_OPTION}: {_INTERVAL} is {text[:50]!r}; it must be a number of milliseconds")
    return int(text) / 1000


def _converted(families: Iterable[Family], began: int, now: int) -> Iterator[Metric]:
    """Metrics of Prometheus as those of OTLP. A summary becomes two sums.

    began, now: nanoseconds since 1970.
    """

    def number(sample: Sample) -> NumberDataPoint:
        return NumberDataPoint(sample.labels, began, now, float(sample.value))

    for family in families:
        match family.type:
            case "gauge":
                data: Any = Gauge([number(sample) for sample in family.samples])
                yield Metric(family.name, family.documentation, "", data)
            case "histogram":
                points = list(_histogram_points(family.samples, began, now))
                yield Metric(family.name, family.documentation, "", Histogram(points, _CUMULATIVE))
            case _:
                for name in dict.fromkeys(sample.name for sample in family.samples):
                    of_name = [number(sample) for sample in family.samples if sample.name == name]
                    data = Sum(of_name, _CUMULATIVE, is_monotonic=True)
                    yield Metric(name.removesuffix("_total"), family.documentation, "", data)


def _histogram_points(samples: Iterable[Sample], began: int, now: int) -> Iterator[HistogramDataPoint]:
    bounds: list[float] = []
    below: list[int] = []
    for sample in samples:
        if sample.name.endswith("_bucket"):
            bounds.append(float(sample.labels["le"]))
            below.append(int(sample.value))
        elif sample.name.endswith("_sum"):  # the last one of a set of labels
            counts = [count - before for count, before in zip(below, [0, *below], strict=False)]
            unknown: Any = None
            yield HistogramDataPoint(
                sample.labels, began, now, below[-1], sample.value, counts, bounds[:-1], unknown, unknown
            )
            bounds, below = [], []
