"""Trainings and exports are given to the cluster, if there is one."""

from collections.abc import Callable
from typing import Any

import pytest

from emulator.cluster.messages import ClusterFailed
from emulator.core.status import readiness
from emulator.store.tables import JobKind
from emulator.vision.exports.formats import write_export
from tests.support.fakes import FakeExporter, FakeWorker, hide_package
from tests.support.harness import Service

COMPACT = "0732100f-1a38-4e49-a514-c9b44c697ab5"


class FakeCluster(FakeWorker):
    """Carries out jobs in this process."""

    def __init__(self) -> None:
        super().__init__()
        self.exports = FakeExporter()
        self.uses_gpu: list[bool] = []
        self.reason: str | None = None

    def submit(self, fn: Callable[..., Any], /, *args: Any, uses_gpu: bool = False, **more: Any) -> Any:
        self.uses_gpu.append(uses_gpu)
        return (self.exports if fn is write_export else super()).submit(fn, *args, **more)

    def start(self) -> None:
        pass

    def shutdown(self, wait: bool = True) -> None:
        pass

    def problem(self) -> str | None:
        return self.reason


@pytest.fixture
def cluster(service: Service) -> FakeCluster:
    service.context.cluster = cluster = FakeCluster()
    return cluster


def test_trainings_and_exports_go_to_the_cluster(service: Service, cluster: FakeCluster) -> None:
    project, _, _ = service.trainable(domainId=COMPACT)
    for more in ({}, {"trainingType": "Advanced", "reservedBudgetInHours": "1", "forceTrain": "true"}):
        iteration = service.post(f"{project}/train", params=more)
        service.runner(JobKind.TRAINING).run_waiting()
        service.runner(JobKind.ADVANCED_TRAINING).run_waiting()
        assert service.get(f"{project}/iterations/{iteration['id']}")["status"] == "Completed"
    service.post(f"{project}/iterations/{iteration['id']}/export", params={"platform": "ONNX"})
    service.runner(JobKind.EXPORT).run_waiting()
    assert service.get(f"{project}/iterations/{iteration['id']}/export")[0]["status"] == "Done"
    assert cluster.uses_gpu == [True, True, False]
    assert (service.worker.jobs, service.exporter.jobs) == ([], [])
    assert service.worker.warm_ups == 0


def test_a_job_that_the_cluster_gives_up_has_failed(service: Service, cluster: FakeCluster) -> None:
    project, _, _ = service.trainable(domainId=COMPACT)
    service.post(f"{project}/train")
    cluster.failures = [ClusterFailed("2 workers of the cluster ended.")]
    service.finish_trainings()
    (failed,) = service.get(f"{project}/iterations")
    assert (failed["status"], failed["trainingErrorDetails"]) == ("Failed", "2 workers of the cluster ended.")
    assert service.rows("SELECT id FROM job") == []
    iteration = service.post(f"{project}/train", params={"forceTrain": "true"})
    service.finish_trainings()
    cluster.exports.failures = [ClusterFailed("2 workers of the cluster ended.")]
    service.post(f"{project}/iterations/{iteration['id']}/export", params={"platform": "ONNX"})
    service.runner(JobKind.EXPORT).run_waiting()
    assert service.get(f"{project}/iterations/{iteration['id']}/export")[0]["status"] == "Failed"


def test_the_server_needs_no_packages_of_trainings(
    service: Service, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide_package(monkeypatch, "torch")
    project, _, _ = service.trainable()
    service.post(f"{project}/train")
    service.finish_trainings()
    assert service.get(f"{project}/iterations")[0]["status"] == "Completed"


def test_a_server_whose_jobs_wait_is_ready(service: Service, cluster: FakeCluster) -> None:
    assert readiness.cluster_state(service.context) == "ok"
    cluster.reason = "tcp://host:8786 has no workers; start them with: cluster-worker tcp://host:8786"
    for runner in service.context.jobs.runners:
        runner.start()
    ready = service.request("GET", "/_emulator/health/ready", key=None)
    expected = "trainings and exports wait: the scheduler has no workers"
    assert (ready.status_code, ready.json()["status"], ready.json()["checks"]["cluster"]) == (
        200,
        "ready",
        expected,
    )
    service.context.cluster = None
    assert "cluster" not in service.request("GET", "/_emulator/health/ready", key=None).json()["checks"]


@pytest.mark.parametrize(
    ("problem", "shown"),
    [
        (
            "the scheduler tcp://host:8786 cannot be reached: connect to ('10.0.0.7', 8786)",
            "the scheduler cannot be reached",
        ),
        (
            "the workers of tls://host:8786 are of version 1, and this server is of 2",
            "the workers of the scheduler are of version 1, and this server is of 2",
        ),
    ],
)
def test_ready_needs_no_key_and_shows_no_address(
    service: Service, cluster: FakeCluster, problem: str, shown: str
) -> None:
    cluster.reason = problem
    checks = service.request("GET", "/_emulator/health/ready", key=None).json()["checks"]
    assert checks["cluster"] == f"trainings and exports wait: {shown}"
