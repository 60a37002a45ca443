"""Sessions of the portal: a cookie that is accepted in place of a key, for requests of the portal's pages.

A token is random and is kept as its SHA-256 only. A session ends with `end`, `IDLE_SECONDS` after its last
request, when the server starts with other keys, and when the key that it began with is replaced. Cookies are
not separated by port, so that the name of the cookie contains the port: two emulators on one machine have a
session each.

Servers of one database have the same sessions: each asks the database again after a second, so that a session
that has ended at one server ends at the others within that time.

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
from emulator.portal.attempts import Attempts
from emulator.store.resource_tables import KeyKind
from emulator.store.shared_state import SharedState

IDLE_SECONDS = 12 * 3600
TICKET_SECONDS = 60
FILE_NAME = "portal-sessions.json"
_MOST_SESSIONS = 1000
# The times of the last requests are written at most this often.
_WRITE_SECONDS = 900
# How long a session that the database had counts without asking it again.
SHARED_SECONDS = 1
# The keys of resources that sessions begin with, besides the training keys of the options.
SESSION_KINDS = (KeyKind.TRAINING, KeyKind.ROLE)
_log = logging.getLogger(__name__)


class Session(NamedTuple):
    """A session.

    Attributes:
        last_used: seconds since 1970.
        key_hash: of the key that it began with; empty for those of the options.
        read: seconds since 1970, when the database had it; 0 on a server that has its own sessions.
    """

    last_used: float
    key_hash: str
    read: float = 0.0


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
        shared: the state of all servers, whose sessions these are then; None for a single server.
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
        shared: SharedState | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._keys = tuple(key.encode() for key in keys)
        self._proxies = proxies
        self.signs_in_alone = signs_in_alone
        self._shared = None if shared is None else shared.sessions
        self._file = None if signs_in_alone or shared is not None else file
        distinct = "\n".join(sorted({*keys}))  # in any order, as `common_options` compares them
        self._fingerprint = hmac.new(secret, distinct.encode(), hashlib.sha256).hexdigest()
        self._resources = resources
        self._now = now
        # By the hash of the token; None until they are needed.
        self._current: dict[str, Session] | None = None
        self._written = 0.0
        self._tickets: dict[str, float] = {}
        self._attempts = Attempts(now, shared)

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

        Of the sessions of all servers, it knows those that `load` has read.
        """
        token = self._token(scope)
        if not token:
            return None
        sessions, name, now = self._sessions(), _hashed(token), self._now()
        session = sessions.get(name)
        if self.signs_in_alone and (session is None or not session.key_hash):
            session = Session(now, "", now)
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

    async def load(self, scope: Scope) -> None:
        """Read what `access_of` needs for a request, and `access_with`, which then wait for no database."""
        if self._resources is not None and not self._resources.is_loaded:
            await asyncio.to_thread(self._resources.load)
        if self._shared is not None and (token := self._token(scope)):
            await self._read_shared(_hashed(token))

    async def _read_shared(self, name: str) -> None:
        assert self._shared is not None
        sessions, now = self._sessions(), self._now()
        known = sessions.get(name)
        if known is not None and 0 <= now - known.read < SHARED_SECONDS:
            return
        key_hash = await asyncio.to_thread(self._shared.find, name, keys=self._fingerprint, idle=IDLE_SECONDS)
        sessions.pop(name, None)
        if key_hash is not None:
            self._add(name, Session(now, key_hash, now))

    # --- begin and end --------------------------------------------------------------------------------------

    def access_with(self, key: str) -> Access | None:
        """What a session that begins with the key gives access to; None if none may begin with it.

        All keys of the options are compared: the duration tells nothing.
        """
        encoded = key.encode(errors="replace")
        if sum(hmac.compare_digest(encoded, one) for one in self._keys):
            return FULL_ACCESS
        return self._access(hash_of(encoded))

    async def begin(self, scope: Scope, key: str | None = None) -> str:
        """Begin a session; returns the value of the header Set-Cookie.

        key: one that `access_with` accepts; None for full access.
        """
        token, now = secrets.token_urlsafe(32), self._now()
        is_of_options = key is None or self.access_with(key) is FULL_ACCESS
        key_hash = "" if is_of_options else hash_of(str(key).encode())
        if self._shared is not None:
            await asyncio.to_thread(
                self._shared.add,
                _hashed(token),
                keys=self._fingerprint,
                key_hash=key_hash,
                idle=IDLE_SECONDS,
                most=_MOST_SESSIONS,
            )
        self._add(_hashed(token), Session(now, key_hash, 0.0 if self._shared is None else now))
        self._write()
        return self._cookie(scope, token)

    def _add(self, name: str, session: Session) -> None:
        sessions, now = self._sessions(), self._now()
        for old in [old for old, one in sessions.items() if now - one.last_used >= IDLE_SECONDS]:
            del sessions[old]
        while len(sessions) >= _MOST_SESSIONS:
            del sessions[next(iter(sessions))]  # the one that was not used for the longest time
        sessions[name] = session

    async def end(self, scope: Scope) -> str:
        """End the session of a request, if it has one; returns the value of the header Set-Cookie."""
        token = self._token(scope)
        if token is not None:
            if self._shared is not None:
                await asyncio.to_thread(self._shared.remove, _hashed(token))
            if self._sessions().pop(_hashed(token), None) is not None:
                self._write()
        return f"{self._cookie(scope, '')}; Max-Age=0"

    def new_ticket(self) -> str:
        """A text that begins one session within `TICKET_SECONDS`. It may wait for the database."""
        ticket = secrets.token_urlsafe(32)
        if self._shared is not None:
            self._shared.add_ticket(_hashed(ticket), TICKET_SECONDS)
        else:
            self._tickets[_hashed(ticket)] = self._now()
        return ticket

    async def redeem(self, ticket: str) -> bool:
        """Whether the ticket is valid, which ends with this."""
        if self._shared is not None:
            return await asyncio.to_thread(self._shared.redeem, _hashed(ticket))
        made = self._tickets.pop(_hashed(ticket), None)
        return made is not None and self._now() - made < TICKET_SECONDS

    # --- attempts to sign in --------------------------------------------------------------------------------

    async def attempt(self, scope: Scope) -> int:
        """Count an attempt of the client; seconds until it may make one, 0 if it may now."""
        return await self._attempts.begin(self._proxies.client_address(scope))

    async def forget_attempt(self, scope: Scope) -> None:
        """The last attempt of the client was none with a wrong key."""
        await self._attempts.forget(self._proxies.client_address(scope))

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
        sessions = {name: [one.last_used, one.key_hash] for name, one in self._sessions().items()}
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
