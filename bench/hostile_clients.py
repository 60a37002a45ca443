"""A hostile client: one process that sends requests meant to occupy the server, until it is terminated."""

from __future__ import annotations

import base64
import contextlib
import multiprocessing
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any, BinaryIO

from PIL import Image

from bench.programs import PREDICTION, TRAINING, TRAINING_PATH, request

Attack = Callable[["Target", Callable[[], None]], None]
_CONTEXT = multiprocessing.get_context("spawn")
_PATIENCE_SECONDS = 30
_MEGABYTE = 2**20


@dataclass(frozen=True)
class Target:
    """The server: its port, the paths of a project and a published model. silent_port: of another host."""

    port: int
    project: str
    model: str
    silent_port: int


@contextmanager
def attacking(case: str, target: Target) -> Iterator[Callable[[], int]]:
    """A process that carries out a case of CASES; the number of its requests that have ended so far."""
    ended = _CONTEXT.Value("i", 0)
    process = _CONTEXT.Process(target=_attack, args=(case, target, ended), daemon=True)
    process.start()
    try:
        yield lambda: int(ended.value)
    finally:
        process.terminate()
        process.join()


def _attack(case: str, target: Target, ended: Any) -> None:
    def note() -> None:
        with ended.get_lock():
            ended.value += 1

    CASES[case](target, note)


# --- ways to send -------------------------------------------------------------------------------------------


def _repeated(make: Callable[[Target], bytes], connections: int = 1, responses: int = 1) -> Attack:
    """Sends the same data again and again, over this number of connections at a time.

    responses: the number of requests in the data.
    """

    def attack(target: Target, note: Callable[[], None]) -> None:
        data = make(target)
        threads = [
            threading.Thread(target=_repeat, args=(target.port, data, responses, note))
            for _ in range(connections)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return attack


def _repeat(port: int, data: bytes, responses: int, note: Callable[[], None]) -> None:
    while True:
        with contextlib.suppress(OSError, ValueError), _connection(port) as connection:
            reader = connection.makefile("rb")
            while True:
                # In a thread, since the server may respond before it has read everything.
                sending = threading.Thread(target=_send, args=(connection, data))
                sending.start()
                try:
                    for _ in range(responses):
                        _read_response(reader)
                        note()
                finally:
                    sending.join(_PATIENCE_SECONDS)
        note()  # the server has closed the connection


def _send(connection: socket.socket, data: bytes) -> None:
    with contextlib.suppress(OSError):
        connection.sendall(data)


def _read_response(reader: BinaryIO) -> None:
    """Raises ValueError when the connection ends, before or after the response."""
    length, closes = 0, False
    if not reader.readline():
        raise ValueError
    while (line := reader.readline().lower()) not in (b"\r\n", b""):
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
        closes |= line.startswith(b"connection: close")
    reader.read(length)
    if closes:
        raise ValueError


def _connection(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), _PATIENCE_SECONDS)


def _held(data: bytes, connections: int, drip: bytes) -> Attack:
    """Opens connections, sends `data` on each, then `drip` every second; closed ones are opened again."""

    def attack(target: Target, note: Callable[[], None]) -> None:
        held: list[socket.socket] = []
        while True:
            with contextlib.suppress(OSError):
                while len(held) < connections:
                    held.append(_connection(target.port))
                    held[-1].sendall(data)
                    note()
            for connection in list(held):
                try:
                    connection.sendall(drip)
                except OSError:
                    connection.close()
                    held.remove(connection)
            time.sleep(1)

    return attack


# --- requests -----------------------------------------------------------------------------------------------

_JSON = {**TRAINING, "Content-Type": "application/json"}
_BINARY = {**PREDICTION, "Content-Type": "application/octet-stream"}


def _training(path: str, make: Callable[[], bytes]) -> Callable[[Target], bytes]:
    return lambda target: request("POST", f"{target.project}{path}", _JSON, make())


def _prediction(make: Callable[[], bytes]) -> Callable[[Target], bytes]:
    return lambda target: request("POST", f"{target.model}/image/nostore", _BINARY, make())


def _scans() -> bytes:
    """A progressive JPEG with 30,000 short scans."""
    file = BytesIO()
    Image.new("RGB", (6000, 6000)).save(file, "JPEG", quality=10, progressive=True)
    data = file.getvalue()
    start = data.rindex(b"\xff\xda")
    length = int.from_bytes(data[start + 2 : start + 4], "big")
    return data[:-2] + (data[start : start + 2 + length] + b"\x7f") * 30_000 + data[-2:]


def _pixels(side: int) -> bytes:
    """A PNG of zeros, which is small compared with its pixels."""
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(1 + 4 * side)) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def _largest_batch() -> bytes:
    """64 different images of 6 MB, which is the most that the service allows in one request."""
    entries = []
    for number in range(64):
        file = BytesIO()
        Image.effect_noise((1800, 1300), 1 + number).save(file, "JPEG")
        data = file.getvalue().ljust(6 * _MEGABYTE - 1, b"\0")
        entries.append(b'{"contents":"%s"}' % base64.b64encode(data))
    return b'{"images":[%s]}' % b",".join(entries)


def _silent_urls(target: Target) -> bytes:
    entry = f'{{"url":"http://127.0.0.1:{target.silent_port}/a.jpg"}}'
    body = f'{{"images":[{",".join([entry] * 64)}]}}'
    return request("POST", f"{target.project}/images/urls", _JSON, body.encode())


def _long_header(target: Target) -> bytes:
    return request("GET", f"{TRAINING_PATH}/projects", {"X-Long": "x" * 64 * _MEGABYTE})


def _many_headers(target: Target) -> bytes:
    return request("GET", f"{TRAINING_PATH}/projects", {f"X-{number}": "x" for number in range(1_000_000)})


def _upgrades(target: Target) -> bytes:
    headers = {**TRAINING, "Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAM"}
    return request("GET", f"{TRAINING_PATH}/domains", headers) * 100


_EMPTY_IMAGES = b'{"images":[' + b"{}," * 2_999_999 + b"{}]}"
_OPEN_HEAD = b"GET /_emulator/health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n"
# A body of which one byte arrives.
_OPEN_BODY = request("POST", f"{TRAINING_PATH}/projects?name=x", TRAINING, bytes(1000))[:-999]

# Not hostile: what it costs others is measured, and its memory is not limited.
LARGEST_BATCH = "largest batch, 512 MB"

CASES: dict[str, Attack] = {
    "3,000,000 empty images, URLs": _repeated(_training("/images/urls", lambda: _EMPTY_IMAGES)),
    "3,000,000 empty images, files": _repeated(_training("/images/files", lambda: _EMPTY_IMAGES)),
    "64 MB of brackets": _repeated(_training("/images/files", lambda: b"[" * 64 * _MEGABYTE)),
    "64 MB of base64, twice at a time": _repeated(
        _training(
            "/images/files",
            lambda: b'{"images":[%s]}' % b",".join([b'{"contents":"%s"}' % (b"A" * 8_000_000)] * 8),
        ),
        connections=2,
    ),
    "900,000 comments in single-quoted JSON": _repeated(
        _training("/images/tags", lambda: b"{" + b"/**/" * 900_000 + b"'tags':[]}")
    ),
    "JPEG of 30,000 scans, 16 at a time": _repeated(_prediction(_scans), connections=16),
    "PNG of 40 megapixels, 16 at a time": _repeated(_prediction(lambda: _pixels(6300)), connections=16),
    "64 MB as an image": _repeated(_prediction(lambda: bytes(64 * _MEGABYTE - 1))),
    "64 URLs of a silent host, 16 at a time": _repeated(_silent_urls, connections=16),
    "header of 64 MB": _repeated(_long_header),
    "1,000,000 headers": _repeated(_many_headers),
    "500 slow heads": _held(_OPEN_HEAD, 500, b"X: y\r\n"),
    "500 slow bodies": _held(_OPEN_BODY, 500, b"{"),
    "1,400 connections": _held(b"", 1_400, b""),
    LARGEST_BATCH: _repeated(_training("/images/files", _largest_batch)),
    "upgrade offers, pipelined": _repeated(_upgrades, responses=100),
}
