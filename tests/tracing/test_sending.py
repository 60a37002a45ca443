"""Sending of spans: a collector that is away or slow, and the variables OTEL_*."""

import logging
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.settings import StartRefused
from tests.support.collector import Collector, collecting
from tests.support.harness import Service, test_settings, wait_until
from tests.tracing.conftest import send_to

LOGGER = "emulator.tracing.sending"


@pytest.fixture
def root_log() -> Iterator[list[logging.LogRecord]]:
    """Warnings that reach the handlers of the root logger; pytest's own see those of other loggers, too."""
    records: list[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    handler = Keep(logging.WARNING)
    logging.getLogger().addHandler(handler)
    yield records
    logging.getLogger().removeHandler(handler)


def traced(folder: Path) -> Service:
    return Service(test_settings(folder / "data", traces=True))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def test_a_collector_that_is_away_is_one_line_of_the_log_and_its_return_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root_log: list[logging.LogRecord]
) -> None:
    port = free_port()
    send_to(monkeypatch, port)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")

    def lines() -> list[str]:
        return [record.getMessage() for record in root_log]

    service = traced(tmp_path)
    try:
        service.get("/projects")
        wait_until(lines, "the line about the collector")
        for _ in range(3):
            service.get("/projects")
        with collecting(port) as collector:
            service.get("/projects")
            wait_until(lambda: len(lines()) > 1, "the line about the return")
            assert collector.bodies
            away, again = lines()
    finally:
        service.end()
    assert away.startswith(f"Traces cannot be sent to http://127.0.0.1:{port}; spans are dropped until")
    assert again == f"Traces are sent to http://127.0.0.1:{port} again."
    assert {record.name for record in root_log} == {LOGGER}


def test_a_collector_that_does_not_respond_holds_up_neither_requests_nor_the_end(
    tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "1")
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "8")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "8")
    collector.released.clear()
    service = traced(tmp_path)
    service.get("/projects")
    assert collector.arrived.wait(60)
    for _ in range(20):  # more than the queue has room for
        service.get("/projects")
    service.end()
    assert not collector.released.is_set()
    assert collector.bodies == []


def test_spans_that_wait_are_sent_at_the_end(tmp_path: Path, collector: Collector) -> None:
    service = traced(tmp_path)
    service.get("/projects")
    service.end()
    wait_until(lambda: [span.name for span in collector.spans()] == ["GetProjects"], "the last span")


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("OTEL_TRACES_EXPORTER", "zipkin", "OTEL_TRACES_EXPORTER is 'zipkin'; supported: otlp, none"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "PROTOCOL is 'grpc'; supported: http/protobuf"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "must be a URL such as http://collector:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:secret@host:x", "ENDPOINT must be a URL"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "-1", "variables OTEL_* are not valid"),
    ],
)
def test_values_that_are_not_supported_are_refused_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, problem: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(StartRefused) as refused:
        traced(tmp_path)
    assert str(refused.value).startswith("--traces: ")
    assert problem in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(("name", "value"), [("OTEL_TRACES_EXPORTER", "none"), ("OTEL_SDK_DISABLED", "true")])
def test_sending_can_be_switched_off_by_a_variable(
    tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    service = traced(tmp_path)
    project, _, _ = service.trainable()
    service.train(project)
    service.end()
    assert collector.bodies == []


def test_the_name_of_the_service_is_that_of_the_variable(
    tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "line-7")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "factory=west,service.instance.id=7-a")
    service = traced(tmp_path)
    service.get("/projects")
    service.end()
    wait_until(collector.spans, "the span")
    assert (collector.resource["service.name"], collector.resource["factory"]) == ("line-7", "west")
    assert collector.resource["service.instance.id"] == "7-a"


def test_without_the_packages_the_message_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "emulator.tracing.sending", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(StartRefused, match=r"^--traces needs .*: pip install .*\[otel\]"):
        traced(tmp_path)


def test_without_the_option_the_sdk_is_not_imported(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from emulator.app import create_app\n"
        "from emulator.settings import Settings\n"
        f"create_app(Settings(data=Path({str(tmp_path)!r}))).state.parts.close()\n"
        "names = ('opentelemetry.sdk', 'opentelemetry.exporter', 'emulator.tracing')\n"
        "print([name for name in sys.modules if name.startswith(names)])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_a_start_that_is_refused_leaves_nothing_of_tracing(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "emulator.sqlite").write_bytes(b"no database" * 1000)
    threads = set(threading.enumerate())
    handlers = list(logging.getLogger("opentelemetry.exporter").handlers)
    with pytest.raises(StartRefused, match="--data"):
        Service(test_settings(folder, traces=True))
    assert set(threading.enumerate()) == threads
    assert logging.getLogger("opentelemetry.exporter").handlers == handlers
