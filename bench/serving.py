"""A server of one exported classifier: start, memory and stop, and 8 clients compared with a bare loop.

The bare loop decodes the same photograph and runs the same file with ONNX Runtime, with one thread for each
processor. The server's clients run on the same processors; their cost is measured with an echo server and
added to the loop, which gives the floor of the comparison.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy

from bench import load, programs
from bench.photographs import photographs
from bench.programs import BenchFailed, Program
from bench.report import Measurement

RUNS = 7
ROUNDS = 8
SECONDS = 1.5
CLIENTS = 8
READY_SECONDS = 0.5
IDLE_MEGABYTES = 120
STOP_SECONDS = 1.0
SHARE_OF_THROUGHPUT = 0.9
_SETTLE_SECONDS = 1.0
_LABELS = ("apple", "pear", "plum")
_HEADERS = {"Content-Type": "application/octet-stream"}


def measure() -> Iterator[Measurement]:
    photograph = photographs(2, 2)[0][0]
    with tempfile.TemporaryDirectory() as folder:
        export = Path(folder, "export.zip")
        _write_export(export)
        request = programs.request("POST", "/image", _HEADERS, photograph)
        yield from _start_and_end(export, request)
        with _running(export) as server:
            _check_same_work(server.port, request, str(export), photograph)
            yield from _throughput(server.port, request, str(export), photograph)


def _program(export: Path, *, module: bool = False) -> Program:
    def command(port: int, data: Path) -> list[str]:
        start = ["emulator.serving"] if module else ["emulator", "serve-model"]
        return [sys.executable, "-m", *start, str(export), "--port", str(port)]

    health = programs.request("GET", "/health")
    return Program("serve-model", command, health, health)


def _running(export: Path) -> Any:
    folder = Path(tempfile.mkdtemp(dir=export.parent))
    return programs.running(_program(export), folder)


def _write_export(path: Path) -> None:
    """An export of the base network of classifiers, with a random head."""
    from emulator.vision.classification.head import FEATURE_LENGTH
    from emulator.vision.exports.formats import ExportOrder, write_export
    from emulator.vision.networks.graph import with_classifier
    from emulator.vision.networks.model_file import ModelMetadata
    from emulator.vision.networks.onnx_writer import onnx_bytes
    from emulator.vision.networks.serialization import serialize
    from emulator.vision.networks.weights import BaseWeightsMissing, backbone_network

    chance = numpy.random.default_rng(0)
    try:
        backbone = backbone_network("efficientnet-lite0", 224)
    except BaseWeightsMissing as error:
        raise BenchFailed(str(error)) from None
    weight = chance.normal(0, 0.1, (1280, len(_LABELS))).astype(numpy.float32)
    bias = numpy.zeros(len(_LABELS), numpy.float32)
    network = with_classifier(backbone, weight, bias, feature_length=FEATURE_LENGTH, multilabel=False)
    stored = path.with_suffix(".onnx")
    metadata = ModelMetadata(labels=_LABELS, resolution=224, multilabel=False, network=serialize(network))
    stored.write_bytes(onnx_bytes(network, metadata.to_properties()))
    order = ExportOrder(
        str(stored),
        "ONNX",
        None,
        "General (compact) [S1]",
        "Classification",
        "Multiclass",
        _LABELS,
        "",
        "",
        datetime(2026, 1, 1, tzinfo=UTC),
    )
    write_export(order, path, lambda share, text: None)


def _start_and_end(export: Path, request: bytes) -> Iterator[Measurement]:
    ready: dict[bool, list[float]] = {False: [], True: []}
    memory: list[float] = []
    stops: list[float] = []
    for number in range(RUNS + 1):
        for module in ready:
            with (
                tempfile.TemporaryDirectory(dir=export.parent) as folder,
                programs.running(_program(export, module=module), Path(folder)) as server,
            ):
                client = load.Client(server.port)
                if number:
                    ready[module].append(server.seconds)
                    time.sleep(_SETTLE_SECONDS)
                    memory.append(programs.resident_megabytes(server.process.pid))
                client.ask(request)
                stops.append(server.stop())
                client.close()
    for module, taken in ready.items():
        name = "python -m emulator.serving" if module else "serve-model"
        yield Measurement(
            f"{name}: start to a first answer, model loaded",
            statistics.median(taken),
            "s",
            at_most=READY_SECONDS,
            samples={"ours": taken},
        )
    yield Measurement(
        "memory when idle, model loaded",
        statistics.median(memory),
        "MB",
        at_most=IDLE_MEGABYTES,
        samples={"ours": memory},
    )
    yield Measurement(
        "SIGTERM to the end, a client connected",
        statistics.median(stops),
        "s",
        at_most=STOP_SECONDS,
        samples={"ours": stops},
    )


def _check_same_work(port: int, request: bytes, export: str, photograph: bytes) -> None:
    """Raise BenchFailed unless the server and the loop return the same probabilities."""
    client = load.Client(port)
    said = [one["probability"] for one in json.loads(client.ask(request))["predictions"]]
    client.close()
    found = _scorer(export)(photograph)
    if max(abs(a - b) for a, b in zip(said, found, strict=True)) > 1e-2:
        raise BenchFailed(f"the loop does other work than the server: {found} against {said}")


def _throughput(port: int, request: bytes, export: str, photograph: bytes) -> Iterator[Measurement]:
    loops: list[float] = []
    ours: list[float] = []
    idle: list[float] = []
    with load.echo_server() as echo:
        # Alternately, so that other load on the machine affects all of them.
        for _ in range(ROUNDS):
            loops.append(load.rate([(_loop, (export, photograph))], SECONDS))
            ours.append(load.throughput(port, [request], SECONDS, CLIENTS))
            idle.append(load.throughput(echo, [request] * CLIENTS, SECONDS, CLIENTS))
    loop, clients = statistics.median(loops), statistics.median(idle)
    samples = {"ours": ours, "loop": loops, "clients alone": idle}
    rate, what = statistics.median(ours), f"{CLIENTS} clients"
    yield Measurement(what, rate, "/s", "bare loop", loop, judged="ratio", samples=samples)
    yield Measurement(
        what,
        rate,
        "/s",
        "bare loop that pays for the clients",
        1 / (1 / loop + 1 / clients),
        judged="ratio",
        at_least=SHARE_OF_THROUGHPUT,
    )


def _loop(ready: Callable[[], Any], seconds: float, export: str, photograph: bytes) -> tuple[int, float]:
    score = _scorer(export)
    score(photograph)
    counts = [0] * (os.cpu_count() or 1)
    ready()
    started = time.perf_counter()

    def work(number: int) -> None:
        while time.perf_counter() - started < seconds:
            score(photograph)
            counts[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(counts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts), time.perf_counter() - started


@cache
def _scorer(export: str) -> Callable[[bytes], list[float]]:
    """A minimal function from an image file to probabilities."""
    import onnxruntime
    from PIL import Image

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    with zipfile.ZipFile(export) as archive:
        model = archive.read("model.onnx")
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name, (_, _, height, width) = session.get_inputs()[0].name, session.get_inputs()[0].shape

    def score(photograph: bytes) -> list[float]:
        image = Image.open(BytesIO(photograph))
        image.draft("RGB", (width, height))
        pixels = numpy.asarray(image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR))
        tensor = numpy.ascontiguousarray(pixels.transpose(2, 0, 1), numpy.float32)[None] / numpy.float32(255)
        scores: list[float] = session.run(None, {name: tensor})[0][0].tolist()
        return scores

    return score
