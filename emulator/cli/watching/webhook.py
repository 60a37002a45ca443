"""Sending results to an address, each at least once and in their order."""

from __future__ import annotations

import http.client
import json
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from emulator.cli.watching.results import Position, Results
from emulator.durable_files import write_atomically

_FILE_NAME = ".webhook"
_TIMEOUT_SECONDS = 30.0
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.5, 60.0
_SUCCESS = range(200, 300)


class Webhook:
    """A thread that sends each result as the body (JSON) of a POST, and tries again until it is accepted.

    What was sent is recorded in the folder of the results. After a kill, the last result can be sent twice.
    """

    def __init__(self, url: str, results: Results, folder: Path) -> None:
        self._parts = urlsplit(url)
        self._results = results
        self._file = folder / _FILE_NAME
        self._position = self._read()
        self._stop = threading.Event()
        self._new = threading.Event()
        self.failure: str | None = None
        self._thread = threading.Thread(target=self._run, name="webhook", daemon=True)
        self._thread.start()

    def notify(self) -> None:
        """There is a new result."""
        self._new.set()

    def close(self, seconds: float) -> None:
        """End after the results that are there were sent, or after some seconds."""
        self._stop.set()
        self._new.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        wait = _FIRST_WAIT_SECONDS
        while True:
            self._new.clear()
            try:
                for entry, position in self._results.after(self._position):
                    self._send(entry)
                    self._position = position
                    write_atomically(self._file, json.dumps(position).encode(), durable=False)
                    wait = _FIRST_WAIT_SECONDS
                self.failure = None
            except (OSError, http.client.HTTPException) as error:
                self.failure = str(error) or type(error).__name__
                if self._stop.wait(wait):
                    return
                wait = min(2 * wait, _LONGEST_WAIT_SECONDS)
                continue
            if self._stop.is_set():
                return
            self._new.wait()

    def _send(self, entry: dict[str, Any]) -> None:
        parts = self._parts
        of_kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = of_kind(parts.netloc.rpartition("@")[2], timeout=_TIMEOUT_SECONDS)
        try:
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            body = json.dumps(entry).encode()
            connection.request("POST", target or "/", body, {"Content-Type": "application/json"})
            status = connection.getresponse().status
        finally:
            connection.close()
        if status not in _SUCCESS:
            raise OSError(f"the webhook answers with status {status}")

    def _read(self) -> Position:
        try:
            name, offset = json.loads(self._file.read_bytes())
            return Position(str(name), int(offset))
        except (OSError, ValueError, TypeError):
            return Position()
