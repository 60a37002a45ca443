"""Headless Chromium and a server of pages that report their outcome."""

from __future__ import annotations

import json
import queue
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.harness import PATIENCE_SECONDS

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
)


def chromium() -> str:
    """The program; skips the test where it is missing."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip("Chromium is not installed (Debian: apt install chromium)")
    return program


class PageServer:
    """Serves pages on a port of its own, and receives their outcomes.

    folders: by the path below which their files are served.
    """

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self._outcomes: queue.Queue[dict[str, Any]] = queue.Queue()
        outcomes = self._outcomes

        class Handler(SimpleHTTPRequestHandler):
            def translate_path(self, path: str) -> str:
                plain = path.partition("?")[0]
                # The longest prefix first.
                for prefix, folder in sorted(folders.items(), reverse=True):
                    if plain.startswith(prefix):
                        return str(folder / plain.removeprefix(prefix).lstrip("/"))
                return "/nothing"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(204)
                self.end_headers()
                outcomes.put(json.loads(body))

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def outcome(self, page: str, settings: Mapping[str, str], profile: Path, host: str = "localhost") -> Any:
        """What a page reports: ``{"result": ...}`` or ``{"error": ...}``.

        Args:
            settings: for the page, which reads them from the fragment of its address.
            profile: an empty folder for the browser.
            host: name of the page's origin; the browser resolves all names to this machine.
        """
        url = f"http://{host}:{self.port}/{page}#{quote(json.dumps(settings))}"
        command = [
            chromium(),
            *OPTIONS,
            "--host-resolver-rules=MAP * 127.0.0.1",
            "--remote-debugging-port=0",  # otherwise it ends when the page has been loaded
            f"--user-data-dir={profile}",
            url,
        ]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
            # Chromium may write more than a pipe holds.
            messages: list[bytes] = []
            assert process.stderr is not None
            reader = threading.Thread(target=lambda: messages.extend(process.stderr or ()))
            reader.start()
            try:
                return self._outcomes.get(timeout=PATIENCE_SECONDS)
            except queue.Empty:
                pytest.fail(f"the page reported nothing: {b''.join(messages).decode(errors='replace')}")
            finally:
                process.terminate()
                process.wait(timeout=PATIENCE_SECONDS)
                reader.join()


@contextmanager
def page_server(folders: Mapping[str, Path]) -> Iterator[PageServer]:
    server = PageServer(folders)
    try:
        yield server
    finally:
        server.close()
