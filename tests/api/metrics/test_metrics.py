"""The metrics for Prometheus: requests, jobs, models, predictions, disk; and the dashboard."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from emulator.api.metrics.counts import BUCKETS, RequestCounts
from emulator.core.prediction_counts import OTHERS, PredictionCounts
from tests.support.harness import Service, running_service
from tests.support.images import picture
from tests.support.predicting import Predicted
from tests.support.rollouts import RolledOut

MONITORING = Path(__file__).parents[3] / "docker" / "monitoring"
Labels = frozenset[tuple[str, str]]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    yield from running_service(tmp_path / "data", metrics=True)


def samples(service: Service) -> dict[tuple[str, Labels], float]:
    response = service.send_unvalidated("GET", "/metrics", key=None)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def value(found: dict[tuple[str, Labels], float], name: str, **labels: str) -> float | None:
    return found.get((f"custom_vision_{name}", frozenset(labels.items())))


def test_requests_are_counted_by_operation_and_status_with_their_durations(service: Service) -> None:
    service.project()
    service.get("/projects")
    service.get("/projects")
    service.refused("GET", "/projects/00000000-0000-0000-0000-000000000000")
    service.request("GET", "/_emulator/info")
    service.send_unvalidated("GET", "/customvision/v3.3/training/nothing")
    found = samples(service)
    assert value(found, "requests_total", operation="CreateProject", status="200") == 1
    assert value(found, "requests_total", operation="GetProjects", status="200") == 2
    assert value(found, "requests_total", operation="GetProject", status="404") == 1
    assert value(found, "requests_total", operation="control", status="200") == 1
    assert value(found, "requests_total", operation="unknown", status="404") == 1
    assert value(found, "request_duration_seconds_count", operation="GetProjects") == 2
    assert value(found, "request_duration_seconds_bucket", operation="GetProjects", le="+Inf") == 2
    assert (value(found, "request_duration_seconds_sum", operation="GetProjects") or 0) > 0
    assert not any("/metrics" in str(key) for key in found)


def test_downloads_are_a_group_of_their_own(service: Service) -> None:
    project = service.project()
    service.images(project, [picture(1)])
    service.follow(service.get(f"{project}/images")[0]["originalImageUri"])
    assert value(samples(service), "requests_total", operation="download", status="200") == 1


def test_predictions_are_counted_by_tag_with_their_confidence(service: Service) -> None:
    predicted = Predicted(service, name="screws")
    for colour in ("red", "red", "blue"):
        predicted.predict(colour)
    found = samples(service)
    labels = {"project": "screws", "published_name": "published", "iteration": "Iteration 1"}
    assert value(found, "predictions_total", **labels) == 3
    counts = {
        tag: value(found, "predicted_tag_confidence_count", tag=tag, **labels) for tag in ("red", "blue")
    }
    assert sum(number or 0 for number in counts.values()) == 3
    total = sum(
        value(found, "predicted_tag_confidence_sum", tag=tag, **labels) or 0 for tag in ("red", "blue")
    )
    assert 0 < total <= 3
    assert value(found, "objects", kind="stored_predictions") == 3
    assert value(found, "jobs_ended_total", kind="training", status="completed") == 1
    trained = [key for key in found if key[0] == "custom_vision_published_model_trained_timestamp_seconds"]
    assert [dict(key[1])["iteration_id"] for key in trained] == [predicted.iteration.rpartition("/")[2]]


def test_a_running_roll_out_is_shown_with_its_iterations(service: Service) -> None:
    rolled_out = RolledOut(service, name="screws")
    rolled_out.start()
    rolled_out.answering(200, "green")
    rolled_out.state()
    rolled_out.call("PATCH", percent=100)
    rolled_out.answering(201)
    found = samples(service)
    name = {"project": "screws", "published_name": "live"}
    candidate = {**name, "iteration": "Iteration 2"}
    percent = {**candidate, "iteration_id": rolled_out.second, "mode": "percentage"}
    assert value(found, "rollout_percent", **percent) == 100
    for role, iteration, number in (("current", "Iteration 1", 1), ("candidate", "Iteration 2", 2)):
        labels = {**name, "iteration": iteration, "role": role}
        assert value(found, "rollout_scoring_seconds_count", **labels) == number
        assert value(found, "rollout_confidence_count", **labels) == number
        assert (value(found, "rollout_scoring_seconds_sum", **labels) or 0) > 0
        assert value(found, "predictions_total", **name, iteration=iteration) == 1
    counts = [value(found, f"rollout_{which}_total", **candidate) for which in ("compared", "agreed")]
    assert counts == [1, 0]
    counts = [value(found, f"rollout_{which}_total", **candidate) for which in ("failures", "dropped")]
    assert counts == [0, 0]
    rolled_out.call("POST", "/finish")
    assert not any(key[0].startswith("custom_vision_rollout") for key in samples(service))


def test_queue_disk_and_health_are_shown(service: Service) -> None:
    project, _, _ = service.trainable()
    service.post(f"{project}/train")
    found = samples(service)
    assert value(found, "jobs", kind="training") == 1
    assert value(found, "jobs", kind="export") == 0
    assert value(found, "ready", check="database") == 1
    free, size = value(found, "disk_free_bytes"), value(found, "disk_size_bytes")
    assert free and size and free < size
    assert value(found, "data_bytes")


def test_names_of_any_characters_are_escaped(service: Service) -> None:
    service.clock.advance(seconds=1)
    Predicted(service, name='a"b\\c d').predict()
    found = samples(service)
    labels = {"project": 'a"b\\c d', "published_name": "published", "iteration": "Iteration 1"}
    assert value(found, "predictions_total", **labels) == 1


@pytest.mark.sqlite
def test_a_damaged_database_shows_in_ready_and_the_rest_goes_on(service: Service) -> None:
    service.context.database.note_damage("a test")
    found = samples(service)
    assert value(found, "ready", check="database") == 0
    assert value(found, "disk_free_bytes")


def test_without_the_option_there_are_no_metrics(tmp_path: Path) -> None:
    for service in running_service(tmp_path / "data"):
        assert service.send_unvalidated("GET", "/metrics", key=None).status_code == 404
        assert service.context.prediction_counts is None


def test_metrics_are_not_in_the_request_log(service: Service) -> None:
    samples(service)
    assert service.app.state.request_log.rows() == []


def test_every_metric_of_dashboard_and_alerts_exists(service: Service) -> None:
    Predicted(service).predict()
    RolledOut(service).start()
    known = {name for name, _ in samples(service)}
    texts = [path.read_text() for path in MONITORING.iterdir()]
    named = {name for text in texts for name in re.findall(r"(?:custom_vision|process)_[a-z_]+", text)}
    assert named <= known
    assert len(named) > 12
    dashboard = json.loads((MONITORING / "grafana-dashboard.json").read_text())
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    for name in ("prometheus.yaml", "alerts.yaml"):
        assert yaml.safe_load((MONITORING / name).read_text())


def test_a_duration_is_in_the_bucket_whose_bound_it_does_not_exceed() -> None:
    counts = RequestCounts()
    for seconds in (0.0, BUCKETS[0], BUCKETS[1], 1000.0):
        counts.add("GetProjects", 200, seconds)
    found = counts.durations()["GetProjects"]
    assert found.buckets == (2, 1, *[0] * (len(BUCKETS) - 2), 1)
    assert found.seconds == pytest.approx(1000 + BUCKETS[0] + BUCKETS[1])


def test_detected_tags_are_counted_once_for_each_image_from_a_half_on() -> None:
    counts = PredictionCounts()
    counts.add("p", "n", "i", [("a", 0.6, True), ("a", 0.9, True), ("b", 0.49, True), ("c", 0.5, True)])
    counts.add("p", "n", "i", [])
    images, tags = counts.copy()
    assert images == {("p", "n", "i"): 2}
    assert tags == {("p", "n", "i", "a"): (1, 0.9), ("p", "n", "i", "c"): (1, 0.5)}


def test_the_number_of_tags_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emulator.core.prediction_counts._MOST_COMBINATIONS", 2)
    counts = PredictionCounts()
    for tag in "abcd":
        counts.add("p", "n", "i", [(tag, 1.0, False)])
    assert counts.copy()[1] == {
        ("p", "n", "i", "a"): (1, 1.0),
        ("p", "n", "i", "b"): (1, 1.0),
        ("p", "n", "i", OTHERS): (2, 2.0),
    }
