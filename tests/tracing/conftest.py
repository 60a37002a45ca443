"""A collector of traces, and services that send to it."""

from collections.abc import Iterator

import pytest

pytest.importorskip("opentelemetry.sdk", reason="OpenTelemetry is missing; get it with the extra otel")

from tests.support.collector import Collector, collecting


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A collector that the variables OTEL_* name; spans are sent at the end of a service."""
    with collecting() as made:
        send_to(monkeypatch, made.port)
        yield made


def send_to(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
