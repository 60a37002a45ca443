"""Sessions of the portal: a cookie that is accepted in place of a key, for requests of the portal's pages.

A token is random and is kept as its SHA-256 only. A session ends with `end`, `IDLE_SECONDS` after its last
request, when the server starts with other keys, and when the key that it began with is replaced. Cookies are
not separated by port, so that the name of the cookie contains the port: two emulators on one machine have a
session each.

Threat model: pages of other origins, also on other ports of this machine, are refused by `same_origin`; a
page that lets its name resolve to this machine has another host, and with it no cookie. Programs on other
ports of the same host can receive the cookie when the user opens them in the same browser, as with every
cookie; with well-known keys it gives them nothing that they lack.
"""

import asyncio
import hashlib
import hmac
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from starlette.types import Scope

from emulator.core.caches.resources import ResourceIndex, hash_of
from emulator.core.rules.access import FULL_ACCESS, Access
from emulator.durable_files import write_atomically
from emulator.gateway.keys import SESSION_COOKIE
from emulator.gateway.origins import header
from emulator.gateway.proxies import TrustedProxies
from emulator.gateway.same_origin import foreign_reason
from emulator.store.resource_tables import KeyKind

IDLE_SECONDS = 12 * 3600
TICKET_SECONDS = 60
FILE_NAME = "portal-sessions.json"
_MOST_SESSIONS = 1000
# The times of the last requests are written at most this often.
_WRITE_SECONDS = 900
# Wrong keys of one client within the time, after which it has to wait.
MOST_WRONG_KEYS = 10
WRONG_KEY_SECONDS = 60
_MOST_CLIENTS = 1000
# The keys of resources that sessions begin with, besides the training keys of the options.
SESSION_KINDS = (KeyKind.TRAINING, KeyKind.ROLE)
_log = logging.getLogger(__name__)


class Session(NamedTuple):
    """A session. last_used: seconds since 1970. key_hash: of the key that it began with; empty for those of
    the options.
    """

    last_used: float
    key_hash: str


class Sessions:
    """The sessions of a server. All methods run in the thread of the event loop.

    Args:
        keys: any of which starts a session.
        proxies: give scheme and host as the browser used them.
        signs_in_alone: whether pages get a session without a key: the key is well known, and only programs
            of this machine reach the server.
        file: where sessions that began with a key are kept across a restart; None for nowhere.
        secret: of the data folder; the file is valid for the same secret and keys only.
        resources: have further keys, of the kinds `SESSION_KINDS`; None when there are none.
        now: seconds since 1970. Not the emulator's clock, which tests set to other times.
    """

    def __init__(
        self,
        keys: Sequence[str],
        proxies: TrustedProxies,
        *,
        signs_in_alone: bool,
        file: Path | None = None,
        secret: bytes = b"",
        resources: ResourceIndex | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._keys = tuple(key.encode() for key in keys)
        self._proxies = proxies
        self.signs_in_alone = signs_in_alone
        self._file = None if signs_in_alone else file
        self._fingerprint = hmac.new(secret, "\n".join(keys).encode(), hashlib.sha256).hexdigest()
        self._resources = resources
        self._now = now
        # By the hash of the token; None until they are needed.
        self._current: dict[str, Session] | None = None
        self._written = 0.0
        self._tickets: dict[str, float] = {}
        self._wrong_keys: dict[str, list[float]] = {}

    # --- requests -------------------------------------------------------------------------------------------

    def foreign_reason(self, scope: Scope) -> str | None:
        """Why a request is not from a page of this server; None if it is."""
        return foreign_reason(scope, self._proxies.base_url(scope))

    def has_cookie(self, scope: Scope) -> bool:
        """Whether a request has a cookie of a session, valid or not."""
        return self._token(scope) is not None

    def access_of(self, scope: Scope) -> Access | None:
        """What the session of a request's cookie gives access to, whose idle time begins anew.

        None when the cookie is of no session.

        Where pages sign in without a key, every cookie is valid: a page that is open while the server
        restarts goes on, and could begin another session anyway.
        """
        token = self._token(scope)
        if not token:
            return None
        sessions, name, now = self._sessions(), _hashed(token), self._now()
        session = sessions.get(name)
        if self.signs_in_alone and (session is None or not session.key_hash):
            session = Session(now, "")
        if session is None:
            return None
        is_idle = now - session.last_used >= IDLE_SECONDS
        # Where the database is away, this raises, and the session goes on.
        access = None if is_idle else self._access(session.key_hash)
        sessions.pop(name, None)
        if access is None:
            return None
        sessions[name] = session._replace(last_used=now)  # now the last one of the dictionary
        if now - self._written >= _WRITE_SECONDS:
            self._write()
        return access

    async def load(self) -> None:
        """Read the keys of resources, if that is needed; the other methods then wait for no database."""
        if self._resources is not None and not self._resources.is_loaded:
            await asyncio.get_running_loop().run_in_executor(None, self._resources.load)

    # --- begin and end --------------------------------------------------------------------------------------

    def access_with(self, key: str) -> Access | None:
        """What a session that begins with the key gives access to; None if none may begin with it.

        All keys of the options are compared: the duration tells nothing.
        """
        encoded = key.encode(errors="replace")
        if sum(hmac.compare_digest(encoded, one) for one in self._keys):
            return FULL_ACCESS
        return self._access(hash_of(encoded))

    def begin(self, scope: Scope, key: str | None = None) -> str:
        """Begin a session; returns the value of the header Set-Cookie.

        key: one that `access_with` accepts; None for full access.
        """
        token = secrets.token_urlsafe(32)
        sessions, now = self._sessions(), self._now()
        for name in [name for name, one in sessions.items() if now - one.last_used >= IDLE_SECONDS]:
            del sessions[name]
        while len(sessions) >= _MOST_SESSIONS:
            del sessions[next(iter(sessions))]  # the one that was not used for the longest time
        is_of_options = key is None or self.access_with(key) is FULL_ACCESS
        sessions[_hashed(token)] = Session(now, "" if is_of_options else hash_of(str(key).encode()))
        self._write()
        return self._cookie(scope, token)

    def end(self, scope: Scope) -> str:
        """End the session of a request, if it has one; returns the value of the header Set-Cookie."""
        token = self._token(scope)
        if token is not None and self._sessions().pop(_hashed(token), None) is not None:
            self._write()
        return f"{self._cookie(scope, '')}; Max-Age=0"

    def new_ticket(self) -> str:
        """A text that begins one session within `TICKET_SECONDS`."""
        ticket = secrets.token_urlsafe(32)
        self._tickets[_hashed(ticket)] = self._now()
        return ticket

    def redeem(self, ticket: str) -> bool:
        """Whether the ticket is valid, which ends with this."""
        made = self._tickets.pop(_hashed(ticket), None)
        return made is not None and self._now() - made < TICKET_SECONDS

    # --- wrong keys -----------------------------------------------------------------------------------------

    def seconds_to_wait(self, scope: Scope) -> int:
        """Seconds until the client may try another key; 0 if it may now."""
        times = self._wrong_keys.get(self._proxies.client_address(scope), [])
        recent = [moment for moment in times if 0 <= self._now() - moment < WRONG_KEY_SECONDS]
        if len(recent) < MOST_WRONG_KEYS:
            return 0
        return max(1, round(WRONG_KEY_SECONDS - (self._now() - recent[0])))

    def note_wrong_key(self, scope: Scope) -> None:
        client = self._proxies.client_address(scope)
        times = self._wrong_keys.pop(client, [])
        self._wrong_keys[client] = [*times, self._now()][-MOST_WRONG_KEYS:]
        while len(self._wrong_keys) > _MOST_CLIENTS:
            del self._wrong_keys[next(iter(self._wrong_keys))]

    # --- cookie and file ------------------------------------------------------------------------------------

    def _token(self, scope: Scope) -> str | None:
        cookies = header(scope, b"cookie")
        if cookies is None:
            return None
        name = self._cookie_name(scope)
        for part in cookies.decode("latin-1").split(";"):
            key, _, value = part.strip().partition("=")
            if key == name:
                return value
        return None

    def _cookie_name(self, scope: Scope) -> str:
        host = self._proxies.base_url(scope).partition("://")[2]
        port = host.rpartition(":")[2]
        return f"{SESSION_COOKIE}_{port}" if ":" in host and port.isdigit() else SESSION_COOKIE

    def _cookie(self, scope: Scope, token: str) -> str:
        secure = "; Secure" if self._proxies.base_url(scope).startswith("https:") else ""
        return f"{self._cookie_name(scope)}={token}; Path=/; HttpOnly; SameSite=Strict{secure}"

    def _access(self, key_hash: str) -> Access | None:
        """What a key gives access to. key_hash: empty for the keys of the options."""
        if not key_hash:
            return FULL_ACCESS
        known = None if self._resources is None else self._resources.find_hash(key_hash)
        return known.access if known is not None and known.kind in SESSION_KINDS else None

    def _sessions(self) -> dict[str, Session]:
        if self._current is None:
            self._current = self._read()
        return self._current

    def _read(self) -> dict[str, Session]:
        """The sessions in the file; none if it is of other keys, damaged or missing."""
        if self._file is None:
            return {}
        try:
            kept: Any = orjson.loads(self._file.read_bytes())
            if not hmac.compare_digest(str(kept["keys"]), self._fingerprint):
                return {}
            # A number in the files of earlier versions.
            return {
                str(name): Session(float(one), "") if isinstance(one, float) else Session(*one)
                for name, one in kept["sessions"].items()
            }
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return {}

    def _write(self) -> None:
        self._written = self._now()
        if self._file is None:
            return
        sessions = {name: list(session) for name, session in self._sessions().items()}
        try:
            write_atomically(
                self._file,
                orjson.dumps({"keys": self._fingerprint, "sessions": sessions}),
                durable=False,
            )
        except OSError as error:  # sessions then end with the server
            _log.warning("%s cannot be written: %s", self._file, error.strerror or error)


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()
