"""Metrics by OpenTelemetry: the values of /metrics, at intervals."""

import logging
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from emulator.settings import StartRefused
from emulator.store.database import StoreUnreachable
from emulator.tracing.metrics import MetricsSender
from tests.support.collector import Collector
from tests.support.harness import Service, test_settings, wait_until
from tests.support.images import picture
from tests.tracing.conftest import send_to


def measured(folder: Path, **more: Any) -> Service:
    service = Service(test_settings(folder / "data", metrics_otlp=True, **more))
    assert service.parts.metrics is not None
    service.parts.metrics.start()
    return service


def received(service: Service, collector: Collector) -> dict[str, Any]:
    """The metrics of now, by name."""
    assert service.parts.metrics is not None
    service.parts.metrics.flush()
    (resource,) = ExportMetricsServiceRequest.FromString(collector.bodies[-1]).resource_metrics
    names = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
    assert names["service.name"] == "custom-vision-emulator"
    # Otherwise, servers of one database would send the same series.
    assert names["service.instance.id"] == f"{socket.gethostname()}:{os.getpid()}"
    return {metric.name: metric for scope in resource.scope_metrics for metric in scope.metrics}


def labels(point: Any) -> dict[str, str]:
    return {pair.key: pair.value.string_value for pair in point.attributes}


def test_the_values_are_those_of_prometheus(tmp_path: Path, collector: Collector) -> None:
    service = measured(tmp_path)
    for _ in range(3):
        service.get("/domains")
    metrics = received(service, collector)
    service.end()
    (requests,) = metrics["custom_vision_requests"].sum.data_points
    assert labels(requests) == {"operation": "GetDomains", "status": "200"}
    assert (requests.as_double, metrics["custom_vision_requests"].sum.is_monotonic) == (3.0, True)
    (durations,) = metrics["custom_vision_request_duration_seconds"].histogram.data_points
    assert durations.count == sum(durations.bucket_counts) == 3
    assert len(durations.bucket_counts) == len(durations.explicit_bounds) + 1
    assert not durations.HasField("min")
    ready = {
        labels(point)["check"]: point.as_double for point in metrics["custom_vision_ready"].gauge.data_points
    }
    assert ready["database"] == 1.0


def test_a_summary_is_two_sums(tmp_path: Path, collector: Collector) -> None:
    service = measured(tmp_path)
    address = service.publish(service.exportable())
    service.predict(address, b"no image")
    service.predict(address, picture(1, "red"))
    metrics = received(service, collector)
    service.end()
    counts = metrics["custom_vision_predicted_tag_confidence_count"].sum.data_points
    sums = metrics["custom_vision_predicted_tag_confidence_sum"].sum.data_points
    assert [point.as_double for point in counts] == [1.0]
    assert 0.0 < sums[0].as_double <= 1.0


def test_values_are_sent_at_intervals(
    tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "10")
    service = measured(tmp_path)
    try:
        wait_until(lambda: len(collector.bodies) >= 3, "the values")
    finally:
        service.end()


def test_a_collector_that_is_away_is_one_line_of_the_log(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    send_to(monkeypatch, 9)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "10")
    service = measured(tmp_path)

    def lines() -> list[str]:
        return [one.getMessage() for one in caplog.records if one.name == "emulator.tracing.metrics"]

    try:
        with caplog.at_level(logging.WARNING):
            wait_until(lines, "the line")
        assert service.get("/domains")
        assert lines() == ["Metrics cannot be sent to http://127.0.0.1:9."]
    finally:
        service.end()
    assert capsys.readouterr().err == ""


def test_a_database_that_is_away_is_one_line_of_the_log(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    is_away = iter((True, True, False, False, True))

    def families() -> list[Any]:
        if next(is_away):
            raise StoreUnreachable("the database does not respond")
        return []

    sender = MetricsSender(families)
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            sender.flush()
    assert [(one.getMessage(), one.exc_info) for one in caplog.records] == [
        ("Metrics cannot be read: the database does not respond", None),
        ("Metrics can be read again.", None),
        ("Metrics cannot be read: the database does not respond", None),
    ]
    assert len(collector.bodies) == 2


def test_another_error_has_a_traceback_once(collector: Collector, caplog: pytest.LogCaptureFixture) -> None:
    def families() -> list[Any]:
        raise ZeroDivisionError

    sender = MetricsSender(families)
    for _ in range(3):
        sender.flush()
    assert [one.exc_info is not None for one in caplog.records] == [True]
    assert collector.bodies == []


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("OTEL_METRIC_EXPORT_INTERVAL", "soon", "must be a number of milliseconds"),
        ("OTEL_METRICS_EXPORTER", "prometheus", "supported: otlp, none"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector", "must be a URL"),
    ],
)
def test_variables_that_are_not_supported_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(StartRefused, match=reason):
        measured(tmp_path)


def test_nothing_is_sent_where_the_variables_say_none(
    tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    measured(tmp_path).end()
    assert collector.bodies == []
