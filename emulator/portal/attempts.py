"""Attempts to sign in to the portal: after some wrong keys, a client has to wait."""

import asyncio
from collections.abc import Callable

from emulator.store.shared_state import SharedState

# Wrong keys of one client within the time, after which it has to wait.
MOST_WRONG_KEYS = 10
WRONG_KEY_SECONDS = 60
_MOST_CLIENTS = 1000


class Attempts:
    """The attempts of clients. All methods run in the thread of the event loop, and raise StoreUnreachable.

    An attempt counts before its key is compared: requests in parallel get no more attempts.

    Args:
        now: seconds since 1970.
        shared: the state of all servers, which then count together; None for a single server.
    """

    def __init__(self, now: Callable[[], float], shared: SharedState | None) -> None:
        self._now = now
        self._shared = None if shared is None else shared.sessions
        self._times: dict[str, list[float]] = {}

    async def begin(self, client: str) -> int:
        """Count an attempt; seconds until the client may make one, 0 if it may now."""
        if self._shared is not None:
            return await asyncio.to_thread(
                self._shared.attempt, client, seconds=WRONG_KEY_SECONDS, most=MOST_WRONG_KEYS
            )
        now = self._now()
        recent = [moment for moment in self._times.pop(client, []) if 0 <= now - moment < WRONG_KEY_SECONDS]
        is_too_many = len(recent) >= MOST_WRONG_KEYS
        self._times[client] = recent if is_too_many else [*recent, now]
        while len(self._times) > _MOST_CLIENTS:
            del self._times[next(iter(self._times))]
        return max(1, round(WRONG_KEY_SECONDS - (now - recent[0]))) if is_too_many else 0

    async def forget(self, client: str) -> None:
        """The last attempt of a client was none with a wrong key."""
        if self._shared is not None:
            await asyncio.to_thread(self._shared.forget_attempt, client)
        elif self._times.get(client):
            self._times[client].pop()
