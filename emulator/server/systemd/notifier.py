"""Messages to systemd: that the server is ready, that it stops, and that it is alive (``Type=notify``).

The protocol is one datagram for each message, for which no library is needed: sd_notify(3).
"""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping


class Notifier:
    """Sends the state of this process to systemd; does nothing where systemd has not started it.

    Takes the variables from the environment, so that child processes do not report in its place.

    Attributes:
        watchdog_seconds: at most the time between two calls of `alive`; None when nobody waits for them.
    """

    def __init__(self, environment: MutableMapping[str, str] | None = None) -> None:
        environment = os.environ if environment is None else environment
        address = environment.pop("NOTIFY_SOCKET", "")
        microseconds = environment.pop("WATCHDOG_USEC", "")
        process = environment.pop("WATCHDOG_PID", "")
        # An abstract socket begins with a null byte, for which the variable has an at sign.
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self.watchdog_seconds: float | None = None
        is_watched = microseconds.isdigit() and int(microseconds) > 0 and process in ("", str(os.getpid()))
        if self._address and is_watched:
            # Half of the time after which systemd ends the process, as its documentation recommends.
            self.watchdog_seconds = int(microseconds) / 2e6
        self._alive_again = 0.0

    def ready(self) -> None:
        self._send(b"READY=1")

    def stopping(self) -> None:
        self._send(b"STOPPING=1")

    def alive(self, now: float) -> None:
        """Report that the server works, if it is time; to be called more often. now: seconds, monotonic."""
        if self.watchdog_seconds is not None and now >= self._alive_again:
            self._alive_again = now + self.watchdog_seconds
            self._send(b"WATCHDOG=1")

    def _send(self, message: bytes) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as opened:
                opened.setblocking(False)
                opened.sendto(message, self._address)
        except OSError:
            pass  # systemd restarts at the worst a server that it has not heard of
