"""The modules of the server process: never PyTorch, and no large package at its start."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.harness import PREDICTION_KEY, RESOURCE_ID
from tests.support.images import picture
from tests.support.live_server import LiveServer

HEAVY = ("torch", "onnxruntime", "onnx", "numpy", "PIL", "alembic", "httpcore")


def test_the_application_starts_without_anything_heavy() -> None:
    program = (
        "import sys, emulator.app, emulator.server.run; "
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert (ran.stdout, ran.stderr) == ("[]\n", "")


def mapped_libraries(pid: int) -> set[str]:
    """The packages whose compiled code a process has mapped."""
    paths = {
        line.split(maxsplit=5)[5].strip()
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines()
        if "/" in line
    }
    found = set()
    for path in paths:
        parts = Path(path).parts
        if "site-packages" in parts:
            found.add(parts[parts.index("site-packages") + 1])
    return found


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc: run it on Linux")
def test_a_server_that_has_trained_and_predicted_has_not_loaded_pytorch(live: LiveServer) -> None:
    live.get("/projects")
    assert not mapped_libraries(live.pid) & {"torch", "numpy", "onnxruntime", "PIL"}
    project = live.trainable()
    iteration = live.wait_for_training(project, live.post(f"{project}/train")["id"])
    assert iteration["status"] == "Completed"
    parameters = {"publishName": "a", "predictionId": RESOURCE_ID}
    live.post(f"{project}/iterations/{iteration['id']}/publish", params=parameters)
    url = f"{live.endpoint}/customvision/v3.1/prediction/{project[10:]}/classify/iterations/a/image"
    headers = {"Prediction-Key": PREDICTION_KEY, "Content-Type": "application/octet-stream"}
    assert live.client.post(url, content=picture(99), headers=headers).status_code == 200
    live.get(f"{project}/iterations/{iteration['id']}/performance")
    loaded = mapped_libraries(live.pid)
    assert {"numpy", "onnxruntime"} <= loaded
    assert "torch" not in loaded
