"""Live emulators with the scope of a module, and a file server of images on the loopback address."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.sdk.live import TAGS, Emulator, picture

StartEmulator = Callable[..., Emulator]
UNSEEN = 1000
SERVED_PICTURES = 6


@dataclass(frozen=True)
class FileServer:
    """Serves ``Meadow/0.jpg`` ... ``Dusk/5.jpg``, and ``unseen/Meadow.jpg``, ``unseen/Dusk.jpg``.

    origin: host and port. folder: the folder of the files.
    """

    origin: str
    folder: Path

    def url(self, name: str) -> str:
        return f"http://{self.origin}/{name}"


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="session")
def file_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileServer]:
    folder = tmp_path_factory.mktemp("served")
    (folder / "unseen").mkdir()
    for tag in TAGS:
        (folder / tag).mkdir()
        for number in range(SERVED_PICTURES):
            (folder / tag / f"{number}.jpg").write_bytes(picture(tag, number))
        (folder / "unseen" / f"{tag}.jpg").write_bytes(picture(tag, UNSEEN))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield FileServer(f"127.0.0.1:{server.server_address[1]}", folder)
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def start_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartEmulator]:
    """Starts emulators, by default each on its own data folder, and stops them after the last test.

    The test fails when one of them wrote a traceback.
    """
    started: list[Emulator] = []

    def start(*options: str, data: Path | None = None) -> Emulator:
        started.append(Emulator(data or tmp_path_factory.mktemp("data"), *options))
        return started[-1]

    yield start
    for emulator in started:
        if emulator.process.poll() is None:
            emulator.kill()
    for emulator in started:
        assert "Traceback" not in emulator.log(), emulator.log()


@pytest.fixture(scope="module")
def emulator(start_emulator: StartEmulator, file_server: FileServer) -> Emulator:
    """The module's emulator; it may fetch from `file_server`."""
    return start_emulator("--url-allow", file_server.origin)
