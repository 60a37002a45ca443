"""What each operation costs: processor time, database transactions, bytes. `bench.scale_model` reads it.

A server with its rows in the data folder (desk), and one with its rows in PostgreSQL (team), whose processes
are on this machine, too. Four clients send requests at the same time. Processor time is that of the whole
process, from the kernel: it contains HTTP, and other programs change it little. Linux only.
"""

from __future__ import annotations

import itertools
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from bench import load, programs
from bench.clients import PUBLISHED_NAME, Trainer
from bench.photographs import photographs
from bench.prediction import scorer
from bench.programs import EMULATOR, BenchFailed, Running
from bench.report import Measurement

CLIENTS = 4
REQUESTS = 160
TAGS = 2
# Images of each tag in the first training, and in the second one.
FIRST, SECOND = 20, 100
_TICKS = os.sysconf("SC_CLK_TCK")
_BINARY = {"Content-Type": "application/octet-stream"}
_JSON = {"Content-Type": "application/json"}


class Usage(NamedTuple):
    """What was used until a moment. transactions: those that wrote."""

    server_ms: float
    database_ms: float
    transactions: int
    stored_bytes: int

    def since(self, before: Usage, number: int) -> Usage:
        """The difference to an earlier moment, for each of a number of requests."""
        return Usage(*((now - then) / number for now, then in zip(self, before, strict=True)))


class Postgresql:
    """The server of PostgreSQL of a measurement."""

    def __init__(self) -> None:
        from tests.support.postgresql import Server

        self._server = Server()
        self.url = self._server.new_database("TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'")
        self._name = self.url.partition("@/")[2].partition("?")[0]
        pid_file = self._server.folder / "data" / "postmaster.pid"
        self._pid = int(pid_file.read_text().split()[0])

    def remove(self) -> None:
        self._server.remove()

    def milliseconds(self) -> float:
        """Processor time of all its processes."""
        return sum(processor_ms(pid) for pid in (self._pid, *children(self._pid)))

    def transactions(self) -> int:
        """The number of transactions that wrote, and of those for this question."""
        ((number,),) = self._server.execute("SELECT pg_current_xact_id()::text::bigint", self._name)
        return int(number)

    def size(self) -> int:
        ((number,),) = self._server.execute(f"SELECT pg_database_size('{self._name}')")
        return int(number)


def measure() -> Iterator[Measurement]:
    yield from _profile("desk", None)
    try:
        database = Postgresql()
    except BaseException as error:  # pytest's exception of a skipped test is one
        if type(error).__name__ != "Skipped":
            raise
        raise BenchFailed(f"the costs with PostgreSQL were not measured: {error}") from None
    try:
        yield from _profile("team", database)
    finally:
        database.remove()


def _profile(profile: str, database: Postgresql | None) -> Iterator[Measurement]:
    """The costs of all operations, with the rows in the data folder or in a database."""
    more = [] if database is None else ["--database", database.url]
    program = replace(EMULATOR, command=lambda port, data: [*EMULATOR.command(port, data), *more])
    images = photographs(SECOND, TAGS)
    with tempfile.TemporaryDirectory() as name, programs.running(program, Path(name)) as server:
        data = Path(name)
        trainer = Trainer(server, TAGS)

        def usage() -> Usage:
            pids = (server.process.pid, *descendants(server.process.pid))
            return Usage(
                sum(map(processor_ms, pids)),
                database.milliseconds() if database else 0.0,
                database.transactions() if database else 0,
                _size(data) + (database.size() if database else 0),
            )

        trainer.upload([of_tag[:FIRST] for of_tag in images])
        trainer.train()  # loads what every later training has loaded
        first = _used(usage, trainer.train)
        trainer.upload([of_tag[FIRST:] for of_tag in images])
        second = _used(usage, trainer.train)
        added = TAGS * (SECOND - FIRST)
        each = (second.server_ms - first.server_ms) / added
        yield Measurement(f"{profile}, training, an image", each, "ms")
        # The features of its images were known, so that they cost little.
        yield Measurement(f"{profile}, training, fixed", first.server_ms, "ms")
        trainer.publish()
        if database is None:
            yield _scoring(data, trainer, images[0][0])
        for operation, requests in _operations(server, trainer, images[0][0]).items():
            _send(server.port, list(itertools.islice(requests, CLIENTS * 8)))  # loads modules
            chosen = list(itertools.islice(requests, REQUESTS))
            before = usage()
            _send(server.port, chosen)
            used = usage().since(before, REQUESTS)
            prefix = f"{profile}, {operation}"
            yield Measurement(f"{prefix}, server", used.server_ms, "ms")
            if database is not None:
                yield Measurement(f"{prefix}, database", used.database_ms, "ms")
                # Without that of the question itself.
                yield Measurement(f"{prefix}, transactions", used.transactions - 1 / REQUESTS, "")
                yield Measurement(f"{prefix}, stored", used.stored_bytes / 1000, "KB")


def _used(usage: Callable[[], Usage], work: Callable[[], object]) -> Usage:
    before = usage()
    work()
    return usage().since(before, 1)


def _scoring(data: Path, trainer: Trainer, photograph: bytes) -> Measurement:
    """The part of a prediction that holds no lock of the interpreter: decoding, and the model."""
    from bench.clients import model_path

    score = scorer("own code", str(model_path(data, trainer.iteration_id)), 1)
    score(photograph)
    started = time.process_time()
    for _ in range(50):
        score(photograph)
    return Measurement("decoding and scoring", (time.process_time() - started) * 1000 / 50, "ms")


def _operations(server: Running, trainer: Trainer, photograph: bytes) -> dict[str, Iterator[bytes]]:
    """Endless requests of each operation."""
    project = f"{programs.TRAINING_PATH}/projects/{trainer.project_id}"
    name = f"{programs.PREDICTION_PATH}/{trainer.project_id}/classify/iterations/{PUBLISHED_NAME}"
    client = load.Client(server.port)
    listed = json.loads(client.ask(programs.request("GET", f"{project}/images?take=200", programs.TRAINING)))
    client.close()
    uri = urlsplit(listed[0]["originalImageUri"])

    def each(method: str, target: str, body: bytes = b"", **headers: str) -> Iterator[bytes]:
        return itertools.repeat(programs.request(method, target, headers, body))

    def varied(target: str, key: dict[str, str]) -> Iterator[bytes]:
        # Images that differ in the bytes after their end, so that each is stored as a new blob.
        while True:
            yield programs.request("POST", target, {**key, **_BINARY}, photograph + os.urandom(8))

    def labeled() -> Iterator[bytes]:
        for one in itertools.cycle(listed):
            (tag,) = (tag["tagId"] for tag in one["tags"])
            target = f"{project}/images/tags?imageIds={one['id']}&tagIds={tag}"
            yield programs.request("DELETE", target, programs.TRAINING)
            content = json.dumps({"tags": [{"imageId": one["id"], "tagId": tag}]}).encode()
            yield programs.request("POST", f"{project}/images/tags", {**programs.TRAINING, **_JSON}, content)

    return {
        "read": each("GET", project, **programs.TRAINING),
        "list": each("GET", f"{project}/images?take=50", **programs.TRAINING),
        "download": each("GET", f"{uri.path}?{uri.query}"),
        "prediction": each("POST", f"{name}/image/nostore", photograph, **programs.PREDICTION, **_BINARY),
        "stored prediction": varied(f"{name}/image", programs.PREDICTION),
        "upload": varied(f"{project}/images?tagIds={trainer.tag_ids[0]}", programs.TRAINING),
        "label": labeled(),
    }


def _send(port: int, requests: Sequence[bytes]) -> None:
    """Send requests, a multiple of CLIENTS, from as many connections. Raises UnexpectedResponse."""
    each = len(requests) // CLIENTS

    def client(number: int) -> None:
        connection = load.Client(port)
        try:
            for request in requests[number * each : (number + 1) * each]:
                connection.ask(request)
        finally:
            connection.close()

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(client, range(CLIENTS)))


def processor_ms(pid: int) -> float:
    """Processor time of a process in user and kernel mode; 0 if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) * 1000 / _TICKS


def children(pid: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(path.parent.name))
    return found


def descendants(pid: int) -> list[int]:
    return [one for child in children(pid) for one in (child, *descendants(child))]


def _size(folder: Path) -> int:
    """The bytes of images and models."""
    return sum(path.stat().st_size for path in (folder / "blobs").rglob("*") if path.is_file())
