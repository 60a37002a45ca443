"""The DockerFile export: a zip from which a container is built that serves the model.

It joins a model, written by `vision.exports`, and a copy of the modules that serve it (`container_program`)
in a folder `app`.
"""

from __future__ import annotations

from emulator.core.exports.container_program import REQUIREMENTS, program_files
from emulator.vision.exports.bundle import bundle
from emulator.vision.exports.formats import ExportOrder, Progress
from emulator.vision.exports.onnx import MODEL_FILE, exported_onnx_model, onnx_metadata
from emulator.vision.exports.stored_model import read_stored_model
from emulator.vision.networks.onnx_writer import serialize_model

_OPSET = 12
# ONNX Runtime has no wheels for 32-bit ARM: a Raspberry Pi needs a system of 64 bits.
_BASE_IMAGES = {
    "Linux": "python:3.13-slim",
    "ARM": "arm64v8/python:3.13-slim",
    "Windows": "python:3.13-windowsservercore-ltsc2022",
}
_HEALTH = "import urllib.request as r; r.urlopen('http://127.0.0.1/health', timeout=5)"
_HEAD = """\
# The base image needs Python 3.11 or newer; another one: docker build --build-arg BASE_IMAGE=...
ARG BASE_IMAGE={base_image}
FROM ${{BASE_IMAGE}}

WORKDIR {folder}
COPY app/requirements.txt ./
RUN python -m pip install --no-cache-dir --disable-pip-version-check --requirement requirements.txt
COPY app ./
"""
_TAIL = """\
EXPOSE 80
HEALTHCHECK --interval=30s --timeout=6s --start-period=10s CMD ["python", "-c", "{health}"]
CMD ["python", "app.py"]
"""
_APP = '''\
"""Serve the model in this folder: the same as python -m emulator.serving, at port 80 of every address."""

import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.argv[1:] = [str(Path(__file__).resolve().parent), "--host", "0.0.0.0", "--port", "80", *sys.argv[1:]]
    runpy.run_module("emulator.serving", run_name="__main__")
'''
_SCORE = '''\
"""Azure Machine Learning's entry script: init() once, run() for each picture, given as base64 in JSON:
{"data": "..."}"""

import base64
import json
import sys
from pathlib import Path

APP = Path(__file__).resolve().parent.parent / "app"
sys.path.insert(0, str(APP))

model = None


def init():
    global model
    from emulator.vision.exported.model import load_export

    model = load_export(APP)


def run(raw_data):
    found = model.score(base64.b64decode(json.loads(raw_data)["data"]))
    if not found or isinstance(found[0], float):
        return [
            {"tagName": name, "probability": probability, "boundingBox": None}
            for name, probability in zip(model.labels, found)
        ]
    return [
        {
            "tagName": model.labels[box.tag_index],
            "probability": box.probability,
            "boundingBox": {"left": box.left, "top": box.top, "width": box.width, "height": box.height},
        }
        for box in found
    ]
'''
_READ_ME = """\
{task} in a container
=====================

    docker build --tag model .
    docker run --publish 127.0.0.1:8080:80 model

    curl http://127.0.0.1:8080/
    curl --data-binary @picture.jpg --header "Content-Type: application/octet-stream" \\
        http://127.0.0.1:8080/image
    curl --header "Content-Type: application/json" --data '{{"url": "https://example.com/picture.jpg"}}' \\
        http://127.0.0.1:8080/url

Where Docker cannot reach python:3.13-slim and the like, name another image with Python 3.11 or newer:

    docker build --build-arg BASE_IMAGE=... --tag model .

/image and /url answer as the containers do that Custom Vision exports. The paths of its Prediction API are
answered too (/customvision/v3.1/prediction/...), so that its SDKs can be pointed at the container; any
project id and published name will do. /health says whether the model is loaded. Options follow the image's
name:

    docker run --publish 127.0.0.1:8080:80 model python app.py --help

{note}The folder azureml holds an entry script for Azure Machine Learning.
"""
_NOTES = {
    "ARM": "A Raspberry Pi needs a system of 64 bits: ONNX Runtime has no packages for 32.\n\n",
    "Windows": "The image is one of Windows: Docker must be running Windows containers.\n\n",
}


def container_zip(order: ExportOrder, progress: Progress) -> bytes:
    """`Dockerfile`, the model and its server in `app`, and an entry script for Azure Machine Learning."""
    stored = read_stored_model(order)
    metadata = onnx_metadata(order, stored)
    progress(0.3, "Writing the model")
    model = serialize_model(exported_onnx_model(order, stored, metadata, opset=_OPSET))
    system = order.flavor or "Linux"
    task = "Object detection" if stored.detection else "Image classification"
    extras = {
        "Dockerfile": _dockerfile(system).encode(),
        "README.txt": _READ_ME.format(task=task, note=_NOTES.get(system, "")).encode(),
        "app/app.py": _APP.encode(),
        "app/requirements.txt": "".join(f"{line}\n" for line in REQUIREMENTS).encode(),
        "azureml/score.py": _SCORE.encode(),
        "azureml/README.txt": b"score.py expects the folder app beside its own, with app/requirements.txt.\n",
        **{f"app/{path}": content for path, content in program_files()},
    }
    return bundle(order, {MODEL_FILE: model}, metadata, extras, folder="app/")


def _dockerfile(system: str) -> str:
    windows = system == "Windows"
    head = _HEAD.format(base_image=_BASE_IMAGES[system], folder="C:/app" if windows else "/app")
    tail = _TAIL.format(health=_HEALTH)
    return head + tail if windows else head + "USER 10001\n" + tail
