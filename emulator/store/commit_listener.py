"""What other servers of a database say (LISTEN), and a look at the number of commits once in a second."""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sqlalchemy.engine import URL

from emulator.store.database import StoreUnreachable
from emulator.store.postgresql import new_engine
from emulator.store.shared_state import CONNECTED

# Notifications can be lost with a connection.
_LOOK_SECONDS = 1.0
_STOPPING_SECONDS = 5.0
_STOP = "stop"
_log = logging.getLogger(__name__)


class CommitListener:
    """A thread that calls a function for each notification, and once in a second.

    Args:
        url: of the database.
        heard: takes the topic and the text of a notification; both are empty once in a second.
        server: the id of this process.
        channel: of the notifications.
    """

    def __init__(self, url: URL, heard: Callable[[str, str], None], server: str, channel: str) -> None:
        # Whether the database can be reached, as far as is known.
        self.is_listening = False
        self._engine = new_engine(url, 1, isolation_level="AUTOCOMMIT")
        self._heard = heard
        self._server = server
        self._channel = channel
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._listen_always, name="commits", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, announce: Callable[[str, str], None]) -> None:
        """End the thread. announce: sends a message to all servers."""
        self._stopping.set()
        if self._thread.is_alive():
            with suppress(StoreUnreachable):  # it has no connection, or notices within a second
                announce(_STOP, self._server)
            self._thread.join(_STOPPING_SECONDS)
        self._engine.dispose()

    def _listen_always(self) -> None:
        while not self._stopping.is_set():
            try:
                with self._engine.connect() as connection:
                    try:
                        self._listen(connection.connection.driver_connection)
                    except Exception:
                        connection.invalidate()  # not given back to the pool, which would log that it is lost
                        raise
            except Exception as error:  # noqa: BLE001  (the thread goes on)
                if self.is_listening and not self._stopping.is_set():
                    reason = " ".join(str(error).split())
                    _log.warning("Commits of other servers are not noticed: %s", reason)
                self.is_listening = False
                self._stopping.wait(_LOOK_SECONDS)

    def _listen(self, connection: Any) -> None:
        connection.execute(f"LISTEN {self._channel}")
        self._heard(CONNECTED, "")
        while not self._stopping.is_set():
            self._heard("", "")
            self.is_listening = True
            for notification in connection.notifies(timeout=_LOOK_SECONDS):
                topic, _, text = notification.payload.partition(" ")
                if topic == _STOP and text == self._server:
                    return
                if topic != _STOP:
                    self._heard(topic, text)
