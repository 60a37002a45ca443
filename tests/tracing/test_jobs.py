"""Traces of jobs: a span for each execution, and one for each step."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.core.jobs import traces
from emulator.gateway import log_context
from emulator.vision.training.errors import TrainingFailed
from tests.support.collector import Collector, Received
from tests.support.harness import Service, test_settings


@pytest.fixture
def service(tmp_path: Path, collector: Collector) -> Iterator[Service]:
    made = Service(test_settings(tmp_path / "data", traces=True))
    yield made
    made.end()


def jobs(service: Service, collector: Collector) -> list[tuple[Received, list[Received]]]:
    """The spans of jobs, each with those of its steps."""
    assert service.parts.tracing is not None
    service.parts.tracing.flush()
    spans = collector.spans()
    found = [span for span in spans if span.name.startswith("job ")]
    return [(job, [span for span in spans if span.parent == job.id]) for job in found]


def test_trainings_and_exports_are_in_the_traces_of_their_requests(
    service: Service, collector: Collector
) -> None:
    iteration = service.exportable()
    service.export(iteration, "ONNX")
    (training, steps), (export, export_steps) = jobs(service, collector)
    assert training.name == "job training"
    assert training.attributes == {
        "custom_vision.job.id": training.attributes["custom_vision.job.id"],
        "custom_vision.job.kind": "training",
        "custom_vision.job.attempt": 1,
        "custom_vision.job.outcome": "completed",
        "custom_vision.iteration_id": iteration.rpartition("/")[2],
    }
    assert [step.name for step in steps][-1] == "Recording the result"
    assert len(steps) > 1
    assert {step.trace for step in steps} == {training.trace}
    assert (export.name, export.attributes["custom_vision.job.outcome"]) == ("job export", "completed")
    assert [step.name for step in export_steps][-1] == "Recording the result"
    assert export.trace != training.trace
    requests = {span.name: (span.trace, span.id) for span in collector.spans()}
    assert requests["TrainProject"] == (training.trace, training.parent)
    assert requests["ExportIteration"] == (export.trace, export.parent)


def test_a_failed_training_is_a_failure_without_its_text(service: Service, collector: Collector) -> None:
    project, _, _ = service.trainable()
    service.worker.failures.append(TrainingFailed("secret reason"))
    service.train(project)
    ((training, _),) = jobs(service, collector)
    assert training.failed
    assert training.attributes["custom_vision.job.outcome"] == "failed"
    assert training.attributes["error.type"] == "JobFailed"
    assert b"secret reason" not in b"".join(collector.bodies)


def test_lines_of_the_log_have_the_trace_of_the_job(service: Service, collector: Collector) -> None:
    seen: list[str | None] = []
    submit = service.worker.submit

    def noting(*arguments: object, **more: object) -> object:
        seen.append(log_context.trace_id())
        return submit(*arguments, **more)  # type: ignore[arg-type]

    service.worker.submit = noting  # type: ignore[method-assign]
    project, _, _ = service.trainable()
    service.train(project)
    ((training, _),) = jobs(service, collector)
    assert seen == [training.trace]
    assert log_context.trace_id() is None


def test_reports_after_the_end_of_a_job_are_passed_over(service: Service, collector: Collector) -> None:
    project, _, _ = service.trainable()
    service.train(project)
    service.worker.jobs[0]["on_progress"](0.5, "late")
    ((_, steps),) = jobs(service, collector)
    assert "late" not in [step.name for step in steps]


def test_without_the_option_nothing_follows_the_jobs() -> None:
    assert isinstance(traces.current(), traces.NoTrace)
