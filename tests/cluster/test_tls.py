"""A cluster whose connections are encrypted: the server, the workers and their pieces need a certificate."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.cluster.exchange import address_of
from emulator.cluster.executor import ClusterExecutor
from tests.cluster import job_functions as jobs
from tests.support.certificates import self_signed
from tests.support.dask_cluster import DaskCluster
from tests.support.harness import PATIENCE_SECONDS, wait_until

pytestmark = pytest.mark.slow


@pytest.fixture
def certified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Dask has a certificate, in this process and in those that the test starts."""
    dask = pytest.importorskip("dask")
    certificate, key = (str(path) for path in self_signed(tmp_path))
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION", "True")
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TLS__CA_FILE", certificate)
    for role in ("SCHEDULER", "WORKER", "CLIENT"):
        monkeypatch.setenv(f"DASK_DISTRIBUTED__COMM__TLS__{role}__CERT", certificate)
        monkeypatch.setenv(f"DASK_DISTRIBUTED__COMM__TLS__{role}__KEY", key)
    files = {"ca-file": certificate, "client.cert": certificate, "client.key": key}
    with dask.config.set({f"distributed.comm.tls.{name}": file for name, file in files.items()}):
        yield


def test_a_job_and_its_pieces_are_carried_out_by_workers_with_certificates(
    certified: None, tmp_path: Path
) -> None:
    cluster = DaskCluster(tmp_path / "cluster", "tls")
    data = tmp_path / "data"
    data.mkdir()
    executor = ClusterExecutor(cluster.address, address_of(None, data), data, sent=(), jobs=1)
    try:
        executor.start()
        for _ in range(2):
            cluster.start_worker()
        wait_until(lambda: executor.problem() is None, "the workers")
        (tmp_path / "released").touch()
        future = executor.submit(jobs.divide, 2, tmp_path, certain=1)
        assert len(set(future.result(PATIENCE_SECONDS))) == 2
    finally:
        executor.shutdown()
        cluster.stop()
