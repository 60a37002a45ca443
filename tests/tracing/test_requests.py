"""Spans of requests: what they show and what not, and the trace of the client."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.core.rules.limits import MEGABYTE
from emulator.gateway import log_context
from emulator.server.log import JsonFormatter
from tests.support.collector import Collector, Received
from tests.support.harness import NOWHERE, PREDICTION_KEY, TRAINING_KEY, Service, test_settings
from tests.support.images import picture
from tests.support.predicting import Predicted

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


@pytest.fixture
def service(tmp_path: Path, collector: Collector) -> Iterator[Service]:
    made = Service(test_settings(tmp_path / "data", traces=True, public_url="http://emulator.localhost"))
    yield made
    made.end()


def sent(service: Service, collector: Collector) -> list[Received]:
    """The spans of all requests until now."""
    assert service.parts.tracing is not None
    service.parts.tracing.flush()
    return collector.spans()


def test_a_span_has_operation_status_version_and_request_id(service: Service, collector: Collector) -> None:
    response = service.request("GET", "/customvision/v3.3/training/projects")
    (span,) = sent(service, collector)
    assert span == Received(
        name="GetProjects",
        trace=span.trace,
        id=span.id,
        parent="",
        attributes={
            "http.request.method": "GET",
            "http.response.status_code": 200,
            "http.route": "/customvision/v{version}/training/projects",
            "url.scheme": "http",
            "custom_vision.operation": "GetProjects",
            "custom_vision.api_version": "3.3",
            "custom_vision.request_id": response.headers["apim-request-id"],
        },
        failed=False,
    )
    assert (len(span.trace), len(span.id)) == (32, 16)
    assert collector.resource["service.name"] == "custom-vision-emulator"
    assert collector.resource["telemetry.sdk.language"] == "python"


def test_refusals_are_no_failures_and_other_requests_have_the_name_of_their_group(
    service: Service, collector: Collector
) -> None:
    service.refused("GET", f"/projects/{NOWHERE}")
    service.request("GET", "/_emulator/info")
    service.send_unvalidated("GET", "/customvision/v3.3/training/nothing")
    service.send_unvalidated("BREW", "/anything")
    refused, *others = sent(service, collector)
    assert (refused.name, refused.attributes["http.response.status_code"]) == ("GetProject", 404)
    assert not refused.failed
    assert [span.name for span in others] == ["control", "unknown", "unknown"]
    assert others[-1].attributes["http.request.method"] == "_OTHER"


def test_an_error_of_the_server_is_a_failure(
    service: Service, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: object, **_more: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(service.context.database, "write", broken)
    response = service.send_unvalidated("POST", "/customvision/v3.3/training/projects?name=a")
    assert response.status_code == 500
    (span,) = sent(service, collector)
    assert (span.failed, span.attributes["error.type"]) == (True, "500")


def test_nothing_that_is_sent_has_keys_queries_paths_or_contents(
    service: Service, collector: Collector
) -> None:
    predicted = Predicted(service, name="secret-project")
    predicted.predict()
    image = service.get(f"{predicted.project}/images")[0]
    service.follow(image["originalImageUri"])
    service.send_unvalidated(
        "GET",
        "/customvision/v3.3/training/projects/secret-path?token=secret-query",
        headers={"Authorization": "Bearer secret-header"},
    )
    service.post(f"{predicted.project}/tags", params={"name": "secret-tag"})
    assert len(sent(service, collector)) > 5
    everything = b"".join(collector.bodies)
    signature = image["originalImageUri"].rpartition("sig=")[2]
    assert len(signature) > 10
    for secret in (TRAINING_KEY, PREDICTION_KEY, signature, "secret", image["id"]):
        assert secret.encode() not in everything, secret


def test_the_trace_of_the_client_is_continued_and_shown_in_the_log(
    service: Service, collector: Collector
) -> None:
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    handler = Keep()
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("emulator.refusals")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        service.refused("GET", f"/projects/{NOWHERE}", headers={"traceparent": TRACEPARENT})
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
    (span,) = sent(service, collector)
    assert (span.trace, span.parent) == (TRACE, PARENT)
    (line,) = lines
    assert f'"traceId": "{TRACE}"' in line
    assert f'"spanId": "{span.id}"' in line
    assert log_context.trace_id() is None


@pytest.mark.parametrize(
    "header", ["", "00", TRACEPARENT.replace(TRACE, "0" * 32), "00-ü-b7ad6b7169203331-01", "x" * MEGABYTE]
)
def test_a_trace_of_another_form_is_not_continued(
    service: Service, collector: Collector, header: str
) -> None:
    service.get("/projects", headers={"traceparent": header.encode()})
    (span,) = sent(service, collector)
    assert span.parent == ""
    assert int(span.trace, 16) > 0


def test_a_client_decides_that_its_trace_is_not_recorded(service: Service, collector: Collector) -> None:
    service.get("/projects", headers={"traceparent": TRACEPARENT[:-2] + "00"})
    assert sent(service, collector) == []


def test_probes_and_metrics_are_not_traced(service: Service, collector: Collector) -> None:
    service.send_unvalidated("GET", "/_emulator/health/live", key=None)
    service.send_unvalidated("GET", "/metrics", key=None)
    service.images(service.project(), [picture(1)])
    assert [span.name for span in sent(service, collector)] == ["CreateProject", "CreateImagesFromFiles"]
