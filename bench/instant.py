"""The instant trainer: from the request of a training of 100 images to `Completed`, and predictions."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from bench import load, programs
from bench.photographs import photographs
from bench.programs import EMULATOR, PREDICTION, PREDICTION_PATH, TRAINING, TRAINING_PATH, BenchFailed
from bench.report import Measurement
from emulator.settings import DEFAULT_PREDICTION_RESOURCE_ID

IMAGES = 100
TAGS = 4
TRAININGS = 30
PREDICTIONS = 100
COMPLETED_MS = 50
DETECTOR_DOMAIN = "da2e3a8a-40a5-4171-82f4-58522f70fbc1"
# More frequent requests would occupy the processor that trains.
_POLL_SECONDS = 0.005
_IMAGE = {"Content-Type": "application/octet-stream"}
_JSON = {"Content-Type": "application/json"}
_BOX = {"left": 0.25, "top": 0.25, "width": 0.5, "height": 0.4}


def measure() -> Iterator[Measurement]:
    images = photographs(IMAGES, TAGS)
    (unseen,) = photographs(IMAGES + 1, 1)[0][-1:]
    with tempfile.TemporaryDirectory() as folder, programs.running(EMULATOR, Path(folder)) as emulator:
        client = load.Client(emulator.port)
        _ask(client, "PUT", "/_emulator/trainer", {"trainer": "instant"})
        classifier = _project(client, "classificationType=Multiclass", images, boxes=False)
        detector = _project(client, f"domainId={DETECTOR_DOMAIN}", images, boxes=True)
        trainings = {"classifier": _trainings(client, classifier), "detector": _trainings(client, detector)}
        predictions = {
            "classifier": _predictions(client, classifier, "classify", unseen),
            "detector": _predictions(client, detector, "detect", unseen),
        }
        client.close()
    for kind, samples in trainings.items():
        yield _row(f"{kind} of {IMAGES} images, request to Completed", samples, COMPLETED_MS)
    for kind, samples in predictions.items():
        yield _row(f"prediction of a {kind}, {len(unseen) // 1000} KB", samples, None)


def _row(what: str, samples: list[float], at_most: float | None) -> Measurement:
    return Measurement(what, statistics.median(samples), "ms", at_most=at_most, samples={"ours": samples})


def _ask(client: load.Client, method: str, target: str, body: object = None) -> bytes:
    content = b"" if body is None else json.dumps(body).encode()
    headers = TRAINING if body is None else {**TRAINING, **_JSON}
    return client.ask(programs.request(method, target, headers, content))


def _project(client: load.Client, parameters: str, images: list[list[bytes]], *, boxes: bool) -> str:
    """The path of a project with the images, a tag for each list."""
    made = json.loads(_ask(client, "POST", f"{TRAINING_PATH}/projects?name=bench&{parameters}"))
    path = f"{TRAINING_PATH}/projects/{made['id']}"
    for number, of_tag in enumerate(images):
        tag = json.loads(_ask(client, "POST", f"{path}/tags?name=tag{number}"))["id"]
        for image in of_tag:
            upload = programs.request("POST", f"{path}/images?tagIds={tag}", {**TRAINING, **_IMAGE}, image)
            added = json.loads(client.ask(upload))["images"][0]["image"]["id"]
            if boxes:
                region = {"imageId": added, "tagId": tag, **_BOX}
                _ask(client, "POST", f"{path}/images/regions", {"regions": [region]})
    return path


def _trainings(client: load.Client, path: str) -> list[float]:
    """Milliseconds from each request of a training until GetIteration says Completed."""
    samples = []
    for _ in range(TRAININGS):
        started = time.perf_counter()
        iteration = json.loads(_ask(client, "POST", f"{path}/train?forceTrain=true"))["id"]
        get = programs.request("GET", f"{path}/iterations/{iteration}", TRAINING)
        while (status := json.loads(client.ask(get))["status"]) == "Training":
            time.sleep(_POLL_SECONDS)
        samples.append((time.perf_counter() - started) * 1000)
        if status != "Completed":
            raise BenchFailed(f"the training ended as {status}")
    return samples


def _predictions(client: load.Client, path: str, kind: str, image: bytes) -> list[float]:
    """Milliseconds of each prediction by the newest iteration."""
    newest = json.loads(_ask(client, "GET", f"{path}/iterations"))[-1]["id"]
    resource = quote(DEFAULT_PREDICTION_RESOURCE_ID, safe="")
    _ask(client, "POST", f"{path}/iterations/{newest}/publish?publishName=bench&predictionId={resource}")
    address = f"{PREDICTION_PATH}/{path.rpartition('/')[2]}/{kind}/iterations/bench/image/nostore"
    predict = programs.request("POST", address, {**PREDICTION, **_IMAGE}, image)
    client.ask(predict)  # loads the model
    return client.timed([predict] * PREDICTIONS)
