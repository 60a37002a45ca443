"""Trainings and exports on a cluster are those of the machine itself."""

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Serve
from tests.support.dask_cluster import DaskCluster
from tests.support.harness import database_rows, wait_until
from tests.support.live_server import LiveServer

pytestmark = pytest.mark.slow

COMPACT = "0732100f-1a38-4e49-a514-c9b44c697ab5"
OPTIONS = ("--quick-training-seconds", "0", "--number-format", "float32", "--id-seed", "1")


def trained(server: LiveServer) -> tuple[str, dict[str, Any]]:
    """The path of an iteration, and what its training has made: blobs have their SHA-256 as their name."""
    project = server.trainable()
    server.client.patch(project, json={"name": "live", "settings": {"domainId": COMPACT}})
    iteration = server.post(f"{project}/train")["id"]
    assert server.wait_for_training(project, iteration)["status"] == "Completed"
    path = f"{project}/iterations/{iteration}"
    (blobs,) = database_rows(server.data, "SELECT model_blob, evaluation_blob FROM iteration")
    return path, {"performance": server.get(f"{path}/performance"), "blobs": blobs}


def test_the_same_seed_makes_the_same_metrics_and_model(serve: Serve, tmp_path: Path) -> None:
    cluster = DaskCluster(tmp_path / "cluster")
    try:
        here = serve(*OPTIONS, data=tmp_path / "here")
        there = serve(*OPTIONS, "--cluster", cluster.address, data=tmp_path / "there")
        cluster.start_worker()
        path, made = trained(there)
        assert made == trained(here)[1]
        assert (cluster.folder / "worker-0/features/features.sqlite").exists()
        assert not (there.data / "features").exists()
        there.post(f"{path}/export", params={"platform": "ONNX"})
        export = wait_until(
            lambda: next((one for one in there.get(f"{path}/export") if one["status"] != "Exporting"), None),
            "the export",
        )
        assert export["status"] == "Done"
        with zipfile.ZipFile(io.BytesIO(there.client.get(export["downloadUri"]).content)) as archive:
            assert "model.onnx" in archive.namelist()
        assert there.terminate() == 0
        assert there.log() == ""
    finally:
        cluster.stop()
