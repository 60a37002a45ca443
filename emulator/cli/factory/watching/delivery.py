"""Sending results elsewhere: each at least once, and in their order."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

from emulator.cli.factory.watching.results import Position, Results, ResultsDamaged
from emulator.durable_files import write_atomically

_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.5, 60.0


class NotSent(Exception):
    """A result was not accepted. str() is the reason."""


class Delivery:
    """A thread that sends each result as JSON, and tries again until it is accepted.

    What was sent is recorded in a file. After a kill, the last result can be sent twice.

    Args:
        send: sends one result, and returns when it is accepted. Raises NotSent.
        file: where the position is kept; another file for each receiver.
    """

    def __init__(self, send: Callable[[bytes], None], results: Results, file: Path) -> None:
        self._send = send
        self._results = results
        self._file = file
        self._position = self._read()
        self._stop = threading.Event()
        self._new = threading.Event()
        # Why the last attempt failed; None after one that succeeded.
        self.failure: str | None = None
        self._thread = threading.Thread(target=self._run, name="delivery of results", daemon=True)
        self._thread.start()

    def notify(self) -> None:
        """There is a new result."""
        self._new.set()

    def close(self, seconds: float) -> str | None:
        """End when the results that are there were sent, or after some seconds.

        Returns the reason why not all were sent; None if they were.
        """
        self._stop.set()
        self._new.set()
        self._thread.join(seconds)
        if self._thread.is_alive():
            return self.failure or f"no answer in {seconds:g} seconds"
        return self.failure

    def _run(self) -> None:
        wait = _FIRST_WAIT_SECONDS
        while True:
            self._new.clear()
            try:
                for entry, position in self._results.after(self._position):
                    self._send(json.dumps(entry).encode())
                    self._position = position
                    write_atomically(self._file, json.dumps(position).encode(), durable=False)
                    wait = _FIRST_WAIT_SECONDS
                self.failure = None
            except (NotSent, ResultsDamaged, OSError) as error:
                self.failure = str(error) or type(error).__name__
                if self._stop.wait(wait):
                    return
                wait = min(2 * wait, _LONGEST_WAIT_SECONDS)
                continue
            if self._stop.is_set():
                return
            self._new.wait()

    def _read(self) -> Position:
        try:
            name, offset = json.loads(self._file.read_bytes())
            return Position(str(name), int(offset))
        except (OSError, ValueError, TypeError):
            return Position()
