"""Small requests from one, eight and 64 clients, the eight compared with Azurite in memory; and reset."""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench import load, programs
from bench.photographs import photographs
from bench.programs import AZURITE_ACCOUNT, AZURITE_BLOB, EMULATOR, TRAINING, TRAINING_PATH
from bench.report import Measurement

CLIENTS = 8
SECONDS = 3.0
ROUNDS = 3
SHARE_OF_AZURITE = 0.5
ONE_CLIENT_MS = 1.0
MANY_CLIENTS = 64
# The slowest hundredth beside the median.
SLOWEST = 3.0
ALONE = 200
RESETS = 20
RESET_MS = 10
# The number of projects, and of tags in one of them.
_BLOBS = 2
# The most similar operation of Azurite for each of ours.
COUNTERPARTS = {
    "GET a project": "HEAD a blob",
    "GET a tag": "HEAD a blob",
    "GET a count of images": "HEAD a blob",
    "GET the tags": "list the blobs",
    "GET the projects": "list the blobs",
}


def measure() -> Iterator[Measurement]:
    ours: dict[str, list[float]] = {}
    theirs: dict[str, list[float]] = {}
    peers = programs.installed(AZURITE_BLOB)
    with tempfile.TemporaryDirectory() as folder, programs.running(EMULATOR, Path(folder)) as emulator:
        requests = _emulator_requests(emulator.port)
        # The two never serve at the same time, and their rounds alternate.
        for _ in range(ROUNDS):
            for name, request in requests.items():
                rate = load.throughput(emulator.port, [request], SECONDS, CLIENTS)
                ours.setdefault(name, []).append(rate)
            for peer in peers:
                with tempfile.TemporaryDirectory() as data, programs.running(peer, Path(data)) as azurite:
                    for name, request in _azurite_requests(azurite.port).items():
                        rate = load.throughput(azurite.port, [request], SECONDS, CLIENTS)
                        theirs.setdefault(name, []).append(rate)
        alone = {name: _alone(emulator.port, request) for name, request in requests.items()}
        many = load.latencies(emulator.port, [requests["GET a project"]], SECONDS, MANY_CLIENTS)
        reset = _resets(emulator.port)
    for name, rates in ours.items():
        counterpart = COUNTERPARTS[name]
        peer_rates = theirs.get(counterpart, [])
        yield Measurement(
            f"{name}, {CLIENTS} clients",
            statistics.median(rates),
            "/s",
            f"azurite-blob, {counterpart}" if peer_rates else "",
            statistics.median(peer_rates) if peer_rates else None,
            judged="ratio",
            at_least=SHARE_OF_AZURITE if peer_rates else None,
            samples={"ours": rates, "theirs": peer_rates},
        )
    for name, taken in alone.items():
        yield Measurement(
            f"{name}, one client",
            statistics.median(taken),
            "ms",
            at_most=ONE_CLIENT_MS,
            samples={"ours": taken},
        )
    yield slowest(f"GET a project, {MANY_CLIENTS} clients", many)
    yield Measurement(
        "reset of a project with a tag and 8 images",
        statistics.median(reset),
        "ms",
        at_most=RESET_MS,
        samples={"ours": reset},
    )


def slowest(what: str, taken: list[float]) -> Measurement:
    """The duration within which 99 % of requests end, beside that of half of them."""
    return Measurement(
        f"{what}: 99 % end within",
        statistics.quantiles(taken, n=100)[-1],
        "ms",
        "half of them",
        statistics.median(taken),
        judged="ratio",
        at_most=SLOWEST,
    )


def _alone(port: int, request: bytes) -> list[float]:
    client = load.Client(port)
    taken = client.timed([request] * (2 * ALONE))[ALONE:]
    client.close()
    return taken


def _emulator_requests(port: int) -> dict[str, bytes]:
    client = load.Client(port)
    path = _project(client)
    _project(client)
    tag = json.loads(client.ask(programs.request("POST", f"{path}/tags?name=other", TRAINING)))["id"]
    client.close()
    return {
        "GET a project": programs.request("GET", path, TRAINING),
        "GET a tag": programs.request("GET", f"{path}/tags/{tag}", TRAINING),
        "GET the tags": programs.request("GET", f"{path}/tags", TRAINING),
        "GET the projects": programs.request("GET", f"{TRAINING_PATH}/projects", TRAINING),
        "GET a count of images": programs.request("GET", f"{path}/images/count", TRAINING),
    }


def _azurite_requests(port: int) -> dict[str, bytes]:
    container = f"/{AZURITE_ACCOUNT}/bench"
    client = load.Client(port)
    client.ask(programs.azurite_request("PUT", f"{container}?restype=container"))
    for number in range(_BLOBS):
        headers = {"x-ms-blob-type": "BlockBlob", "Content-Type": "text/plain"}
        client.ask(programs.azurite_request("PUT", f"{container}/{number}", headers, b"text"))
    client.close()
    return {
        "HEAD a blob": programs.azurite_request("HEAD", f"{container}/0"),
        "list the blobs": programs.azurite_request("GET", f"{container}?restype=container&comp=list"),
    }


def _project(client: load.Client) -> str:
    """Create a project with a tag; returns its path."""
    made = json.loads(client.ask(programs.request("POST", f"{TRAINING_PATH}/projects?name=bench", TRAINING)))
    path = f"{TRAINING_PATH}/projects/{made['id']}"
    client.ask(programs.request("POST", f"{path}/tags?name=tag", TRAINING))
    return path


def _resets(port: int) -> list[float]:
    client = load.Client(port)
    images = photographs(8, 1)[0]
    headers = {**TRAINING, "Content-Type": "application/octet-stream"}
    taken = []
    for _ in range(RESETS):
        path = _project(client)
        for image in images:
            client.ask(programs.request("POST", f"{path}/images", headers, image))
        taken += client.timed([programs.request("POST", "/_emulator/reset", TRAINING)])
    client.close()
    return taken
