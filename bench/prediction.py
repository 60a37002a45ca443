"""Prediction of a photograph of 100 KB, compared with a bare loop that decodes it and runs the same model.

The floor is a process that does nothing else. It is measured with the emulator's own preprocessing and with a
plain loop, in several configurations of threads; the fastest one is the floor. Server and clients share the
processors, while the floor has them alone; the cost of a client is measured too.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

from bench import load, programs
from bench.clients import PUBLISHED_NAME, Trainer, model_path
from bench.management import MANY_CLIENTS, slowest
from bench.photographs import photographs, with_comment
from bench.programs import EMULATOR, BenchFailed
from bench.report import Measurement

ROUNDS = 6
REQUESTS = 30
CLIENTS = 8
SECONDS = 1.5
THROUGHPUT_ROUNDS = 8
MANY_SECONDS = 4.0
OVERHEAD_MS = 3.0
SHARE_OF_THROUGHPUT = 0.8

Score = Callable[[bytes], list[float]]


def measure() -> Iterator[Measurement]:
    images = photographs(20, 2)
    photograph = images[0][0]
    with tempfile.TemporaryDirectory() as folder, programs.running(EMULATOR, Path(folder)) as server:
        trainer = Trainer(server, 2)
        trainer.upload(images)
        trainer.train()
        trainer.publish()
        model = str(model_path(Path(folder), trainer.iteration_id))
        path = f"{programs.PREDICTION_PATH}/{trainer.project_id}/classify/iterations/{PUBLISHED_NAME}"
        targets = {False: f"{path}/image/nostore", True: f"{path}/image"}
        _check_same_work(server.port, _classify(targets[False], photograph), model, photograph)
        yield from _latency(server.port, targets, model, photograph)
        yield from _throughput(server.port, targets, model, photograph)
        for stored, target in targets.items():
            requests = _varied(target, photograph, 4 * MANY_CLIENTS)
            many = load.latencies(server.port, requests, MANY_SECONDS, MANY_CLIENTS)
            yield slowest(f"{MANY_CLIENTS} clients, {'stored' if stored else 'not stored'}", many)
        yield from _client_cost(_classify(targets[False], photograph))


def _classify(target: str, photograph: bytes) -> bytes:
    headers = {**programs.PREDICTION, "Content-Type": "application/octet-stream"}
    return programs.request("POST", target, headers, photograph)


def _varied(target: str, photograph: bytes, number: int) -> list[bytes]:
    """Requests whose images differ in a comment, so that each is stored as a new blob."""
    return [_classify(target, with_comment(photograph, os.urandom(8))) for _ in range(number)]


def _check_same_work(port: int, request: bytes, model: str, photograph: bytes) -> None:
    """Raise BenchFailed unless the server and both floors return the same probabilities."""
    client = load.Client(port)
    answer = json.loads(client.ask(request))
    client.close()
    said = sorted(one["probability"] for one in answer["predictions"])
    for kind in KINDS:
        found = sorted(scorer(kind, model, 1)(photograph))
        if max(abs(a - b) for a, b in zip(said, found, strict=True)) > 1e-3:
            raise BenchFailed(f"the {kind} floor does other work than the server: {found} against {said}")


# --- one request at a time ----------------------------------------------------------------------------------


def _latency(port: int, targets: dict[bool, str], model: str, photograph: bytes) -> Iterator[Measurement]:
    arrangements = [(kind, threads) for kind in KINDS for threads in (1, 0)]
    floors: dict[str, list[float]] = {}
    ours: dict[bool, list[float]] = {False: [], True: []}
    context = multiprocessing.get_context("spawn")
    client = load.Client(port)
    with ProcessPoolExecutor(1, mp_context=context) as apart:
        # Alternately, so that other load on the machine affects all of them.
        for round_number in range(ROUNDS + 1):
            for kind, threads in arrangements:
                taken = apart.submit(_sequential, kind, model, threads, photograph, REQUESTS).result()
                if round_number:
                    floors.setdefault(_name(kind, threads), []).extend(taken)
            for stored, target in targets.items():
                taken = client.timed(_varied(target, photograph, REQUESTS))
                if round_number:
                    ours[stored].extend(taken)
    client.close()
    fastest = min(floors, key=lambda name: statistics.median(floors[name]))
    for stored in targets:
        yield Measurement(
            f"one prediction at a time, {'stored' if stored else 'not stored'}",
            statistics.median(ours[stored]),
            "ms",
            f"bare loop, {fastest}",
            statistics.median(floors[fastest]),
            judged="difference",
            at_most=OVERHEAD_MS,
            samples={"ours": ours[stored], **floors},
        )
    for name, taken in floors.items():
        if name != fastest:
            yield Measurement(f"  bare loop, {name}", statistics.median(taken), "ms")


def _sequential(kind: str, model: str, threads: int, photograph: bytes, number: int) -> list[float]:
    score = scorer(kind, model, threads)
    score(photograph)
    taken = []
    for _ in range(number):
        started = time.perf_counter()
        score(photograph)
        taken.append((time.perf_counter() - started) * 1000)
    return taken


# --- many at a time -----------------------------------------------------------------------------------------


def _throughput(port: int, targets: dict[bool, str], model: str, photograph: bytes) -> Iterator[Measurement]:
    processors = os.cpu_count() or 1
    arrangements = [(kind, threads, loops) for kind in KINDS for threads, loops in ((0, 1), (1, processors))]
    floors: dict[str, list[float]] = {}
    ours: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(THROUGHPUT_ROUNDS):
        for kind, threads, loops in arrangements:
            done = load.rate([(_loops, (kind, model, threads, loops, photograph))], SECONDS)
            floors.setdefault(f"{_name(kind, threads)}, {loops} at once", []).append(done)
        for stored, target in targets.items():
            requests = _varied(target, photograph, 200 if stored else CLIENTS)
            ours[stored].append(load.throughput(port, requests, SECONDS, CLIENTS))
    fastest = max(floors, key=lambda name: statistics.median(floors[name]))
    for stored in targets:
        yield Measurement(
            f"{CLIENTS} clients, {'stored' if stored else 'not stored'}",
            statistics.median(ours[stored]),
            "/s",
            f"bare loop, {fastest}",
            statistics.median(floors[fastest]),
            judged="ratio",
            at_least=SHARE_OF_THROUGHPUT,
            samples={"ours": ours[stored], **floors},
        )
    for name, rates in floors.items():
        if name != fastest:
            yield Measurement(f"  bare loop, {name}", statistics.median(rates), "/s")


def _loops(
    ready: Callable[[], Any],
    seconds: float,
    kind: str,
    model: str,
    threads: int,
    loops: int,
    photograph: bytes,
) -> tuple[int, float]:
    score = scorer(kind, model, threads)
    score(photograph)
    counts = [0] * loops
    ready()
    started = time.perf_counter()

    def loop(number: int) -> None:
        while time.perf_counter() - started < seconds:
            score(photograph)
            counts[number] += 1

    running = [threading.Thread(target=loop, args=(number,)) for number in range(loops)]
    for one in running:
        one.start()
    for one in running:
        one.join()
    return sum(counts), time.perf_counter() - started


def _client_cost(request: bytes) -> Iterator[Measurement]:
    """The cost of a client and the loopback interface alone, for requests of the same size."""
    with load.echo_server() as port:
        client = load.Client(port)
        taken = client.timed([request] * (REQUESTS * 4))[REQUESTS:]
        client.close()
        yield Measurement(
            "  the client alone: one request, no server behind it", statistics.median(taken), "ms"
        )
        together = load.throughput(port, [request] * CLIENTS, SECONDS, CLIENTS)
        yield Measurement(f"  the clients alone: {CLIENTS}, no server behind them", together, "/s")


# --- the floors ---------------------------------------------------------------------------------------------

KINDS = ("own code", "plain code")


def _name(kind: str, threads: int) -> str:
    return f"{kind}, {'default threads' if threads == 0 else f'{threads} thread'}"


@cache
def scorer(kind: str, model: str, threads: int) -> Score:
    """A function from an image file to probabilities. threads: of one run of the model; 0 for the default."""
    return _own_code(model, threads) if kind == "own code" else _plain_code(model, threads)


def _own_code(model: str, threads: int) -> Score:
    from emulator.vision.classification.session import ClassifierSession

    return ClassifierSession(Path(model), threads).score


def _plain_code(model: str, threads: int) -> Score:
    import numpy
    import onnxruntime
    from PIL import Image

    options = onnxruntime.SessionOptions()
    if threads:
        options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name, side = session.get_inputs()[0].name, session.get_inputs()[0].shape[1]

    def score(photograph: bytes) -> list[float]:
        image = Image.open(BytesIO(photograph))
        image.draft("RGB", (side, side))
        pixels = numpy.asarray(image.convert("RGB").resize((side, side), Image.Resampling.BILINEAR))
        scores: list[float] = session.run(None, {name: pixels[None]})[0][0].tolist()
        return scores

    return score
