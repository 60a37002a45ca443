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
_PREDICT = '''\
"""Predictions by the model in this folder, for programs that import them instead of calling the server:

    from predict import initialize, predict_image, predict_url

Needs the packages in requirements.txt.
"""

import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
if str(FOLDER) not in sys.path:
    sys.path.insert(0, str(FOLDER))

_model = None


def initialize():
    """Load the model; without this call, the first prediction loads it."""
    global _model
    from emulator.serving.in_process import InProcessModel

    _model = InProcessModel(FOLDER)


def predict_image(image):
    """The predictions for an image of Pillow: a dictionary, as the response of the server."""
    return _loaded().predict_image(image)


def predict_url(image_url):
    """The predictions for the image at a URL. Private addresses need CUSTOM_VISION_EMULATOR_URL_ALLOW."""
    return _loaded().predict_url(image_url)


def predict_bytes(data):
    """The predictions for the content of an image file."""
    return _loaded().predict_bytes(data)


def _loaded():
    if _model is None:
        initialize()
    return _model
'''
_SCORE = '''\
"""Azure Machine Learning's entry script: init() once, then run() for each request, with the JSON
{"image": "<base64>"} or {"url": "<address>"}. The result has the form of the container's response; it is a
text if there was an error."""

import base64
import json
import sys
from pathlib import Path

APP = Path(__file__).resolve().parent.parent / "app"
sys.path.insert(0, str(APP))

from predict import initialize, predict_bytes, predict_url


def init():
    initialize()


def run(json_input):
    try:
        given = json.loads(json_input)
        if given.get("url"):
            return predict_url(given["url"])
        encoded = given.get("image") or given.get("data")
        if not encoded:
            raise ValueError("Invalid input. Expected url or image")
        if encoded.startswith("b'"):
            encoded = encoded[2:-1]
        return predict_bytes(base64.b64decode(encoded))
    except Exception as error:
        return str(error)
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

Programs in Python can do without the server: app/predict.py has initialize(), predict_image(image) and
predict_url(url).

{note}The folder azureml holds an entry script for Azure Machine Learning, for requests of the form
{{"image": "<base64>"}} or {{"url": "https://example.com/picture.jpg"}}.
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
        "app/predict.py": _PREDICT.encode(),
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
