"""A custom backbone in a running emulator: added, selected in training, used in predictions, and removed."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO
from pathlib import Path

import httpx
import numpy
import onnx
import pytest
from PIL import Image

from tests.conftest import Serve
from tests.support.harness import PREDICTION_KEY, RESOURCE_ID, database_rows, files_body, wait_until
from tests.support.live_server import LiveServer
from tests.support.vision.backbones import needs_torchvision, random_state, saved

pytestmark = [pytest.mark.slow, needs_torchvision]

# At this size single pixels are visible; scaled down to the input sizes of the built-in networks,
# they are not visible.
SIDE = 440
TAGS = ("plain", "fine")


def picture(tag: str, number: int) -> bytes:
    """A random image; with the tag "fine" it has a faint chequerboard of single pixels."""
    random = numpy.random.default_rng([TAGS.index(tag), number])
    coarse = Image.fromarray(random.integers(60, 190, (5, 5, 3), numpy.uint8))
    pixels = numpy.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC), numpy.int16)
    board = numpy.indices((SIDE, SIDE)).sum(0) % 2 * 24 - 12
    shown = pixels + (board[:, :, None] if tag == "fine" else 0)
    file = BytesIO()
    Image.fromarray(shown.clip(0, 255).astype(numpy.uint8)).save(file, "PNG", compress_level=1)
    return file.getvalue()


def models(*arguments: str, data: Path) -> str:
    ran = subprocess.run(
        [sys.executable, "-m", "emulator", "models", *arguments, "--data", str(data)],
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


def predicted(server: LiveServer, project: str, tag: str, number: int) -> str:
    path = (
        f"/customvision/v3.1/prediction{project.replace('/projects', '')}/classify/iterations/m/image/nostore"
    )
    response = httpx.post(
        f"{server.endpoint}{path}",
        headers={"Prediction-Key": PREDICTION_KEY, "Content-Type": "application/octet-stream"},
        content=picture(tag, number),
        timeout=300,
        trust_env=False,
    )
    assert response.status_code == 200, response.text
    return str(response.json()["predictions"][0]["tagName"])


def test_a_network_of_ones_own_in_a_running_emulator(serve: Serve, tmp_path: Path) -> None:
    server = serve("--training-hour", "60", "--log-level", "info")
    weights = saved(tmp_path / "squeezenet1_1-mine.pth", random_state("squeezenet1_1"))
    models("add", str(weights), "--name", "mine", "--resolution", str(SIDE), data=server.data)
    project = server.project()
    for tag in TAGS:
        tag_id = server.post(f"{project}/tags", params={"name": tag})["id"]
        pictures = [picture(tag, number) for number in range(8)]
        assert server.post(f"{project}/images/files", json=files_body(pictures, [tag_id]))[
            "isBatchSuccessful"
        ]

    begun = server.post(f"{project}/train", params={"trainingType": "Advanced", "reservedBudgetInHours": "1"})
    path = f"{project}/iterations/{begun['id']}"
    iteration = wait_until(
        lambda: (now := server.get(path))["status"] in ("Completed", "Failed") and now, "the training", 900
    )

    assert iteration["status"] == "Completed", iteration["trainingErrorDetails"]
    assert iteration["exportable"] is False
    server.post(f"{path}/publish", params={"publishName": "m", "predictionId": RESOURCE_ID})
    models("remove", "mine", data=server.data)
    for tag in TAGS:
        assert [predicted(server, project, tag, number) for number in range(100, 103)] == [tag] * 3
    # The model contains the backbone, so predictions still work.
    ((blob,),) = database_rows(server.data, "SELECT model_blob FROM iteration WHERE status = 'Completed'")
    model = onnx.load_from_string((server.data / "blobs" / blob[:2] / blob).read_bytes())
    assert any("features.0.weight" in each.name for each in model.graph.initializer)

    # A copy of the project includes it.
    token = server.get(f"{project}/export")["token"]
    copy = server.post("/projects/import", params={"token": token})["id"]
    wait_until(lambda: server.get(f"/projects/{copy}")["status"] == "Succeeded", "the copy")
    (copied,) = [each for each in server.get(f"/projects/{copy}/iterations") if each["status"] == "Completed"]
    copied_path = f"/projects/{copy}/iterations/{copied['id']}"
    server.post(f"{copied_path}/publish", params={"publishName": "m", "predictionId": RESOURCE_ID})
    assert predicted(server, f"/projects/{copy}", "fine", 200) == "fine"
