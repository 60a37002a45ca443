"""Sessions: how they begin and end, for which requests they are valid, and what is kept of them."""

from __future__ import annotations

import asyncio
import re
import stat
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Scope

from emulator.core.caches.resources import KnownKey
from emulator.core.rules.access import FULL_ACCESS, Access
from emulator.gateway.proxies import TrustedProxies
from emulator.portal.attempts import MOST_WRONG_KEYS, WRONG_KEY_SECONDS
from emulator.portal.sessions import FILE_NAME, IDLE_SECONDS, TICKET_SECONDS, Sessions
from emulator.store.database import StoreUnreachable
from emulator.store.resource_tables import KeyKind

KEYS = ("first-key", "second-key")


class Resources:
    """The keys of a database, which may be away."""

    is_away = False

    def find_hash(self, _digest: str) -> KnownKey:
        if self.is_away:
            raise StoreUnreachable("away")
        return KnownKey(KeyKind.TRAINING, Access("line"))


class Time:
    def __init__(self) -> None:
        self.seconds = 1_000_000.0

    def __call__(self) -> float:
        return self.seconds


class Users:
    """Sessions at a time that the test sets."""

    def __init__(self, folder: Path | None = None, time: Time | None = None, **changes: Any) -> None:
        self.time = time or Time()
        more: dict[str, Any] = {"signs_in_alone": False, "secret": b"secret", **changes}
        file = None if folder is None else folder / FILE_NAME
        keys = more.pop("keys", KEYS)
        self.sessions = Sessions(keys, TrustedProxies(), file=file, now=self.time, **more)

    def begin(self, host: str = "127.0.0.1:10010", key: str | None = None) -> Scope:
        """A request with the cookie of a new session."""
        return request(host, self.cookie(request(host), key).partition(";")[0])

    def cookie(self, scope: Scope, key: str | None = None) -> str:
        return asyncio.run(self.sessions.begin(scope, key))

    def end(self, scope: Scope) -> str:
        return asyncio.run(self.sessions.end(scope))

    def redeem(self, ticket: str) -> bool:
        return asyncio.run(self.sessions.redeem(ticket))

    def attempt(self, scope: Scope) -> int:
        return asyncio.run(self.sessions.attempt(scope))


def request(host: str = "127.0.0.1:10010", cookie: str = "", scheme: str = "http") -> Scope:
    headers = [(b"host", host.encode())]
    if cookie:
        headers.append((b"cookie", cookie.encode()))
    return {"type": "http", "scheme": scheme, "headers": headers, "client": ("127.0.0.1", 5)}


def test_a_session_is_valid_until_it_ends() -> None:
    users = Users()
    user, other = users.begin(), users.begin()
    assert users.sessions.access_of(user)
    ended = users.end(user)
    assert re.fullmatch(r"custom_vision_session_10010=; .*; Max-Age=0", ended)
    assert not users.sessions.access_of(user)
    assert users.sessions.access_of(other)


def test_a_session_ends_some_time_after_its_last_request() -> None:
    users = Users()
    user = users.begin()
    for _ in range(3):
        users.time.seconds += IDLE_SECONDS - 1
        assert users.sessions.access_of(user)
    users.time.seconds += IDLE_SECONDS
    assert not users.sessions.access_of(user)
    users.time.seconds -= IDLE_SECONDS
    assert not users.sessions.access_of(user)


@pytest.mark.parametrize(
    ("host", "scheme", "begins", "secure"),
    [
        ("127.0.0.1:10010", "http", "custom_vision_session_10010=", False),
        ("localhost:10011", "http", "custom_vision_session_10011=", False),
        ("[::1]:7", "http", "custom_vision_session_7=", False),
        ("[::1]", "http", "custom_vision_session=", False),
        ("vision.example", "https", "custom_vision_session=", True),
        ("vision.example:8443", "https", "custom_vision_session_8443=", True),
    ],
)
def test_the_cookie(host: str, scheme: str, begins: str, secure: bool) -> None:
    cookie = Users().cookie(request(host, scheme=scheme))
    value, *attributes = cookie.split("; ")
    assert value.startswith(begins)
    assert len(value.removeprefix(begins)) >= 43
    expected = ["Path=/", "HttpOnly", "SameSite=Strict", *(["Secure"] if secure else [])]
    assert attributes == expected


def test_two_servers_on_one_host_have_a_session_each() -> None:
    first, second = Users(), Users()
    cookies = [
        users.cookie(request(host)).partition(";")[0]
        for users, host in ((first, "localhost:1"), (second, "localhost:2"))
    ]
    both = "; ".join(cookies)
    assert first.sessions.access_of(request("localhost:1", both))
    assert second.sessions.access_of(request("localhost:2", both))
    assert not first.sessions.access_of(request("localhost:2", both))


@pytest.mark.parametrize(
    "cookie", ["", "custom_vision_session_10010=", "custom_vision_session_10010=x", "other=1", ";;=;"]
)
def test_other_cookies_are_no_session(cookie: str) -> None:
    users = Users()
    users.begin()
    assert not users.sessions.access_of(request(cookie=cookie))


def test_each_key_is_accepted() -> None:
    sessions = Users().sessions
    assert [sessions.access_with(key) for key in KEYS] == [FULL_ACCESS, FULL_ACCESS]
    assert not any(map(sessions.access_with, ["", "first", "first-key ", "FIRST-KEY", "ключ", "\ud800"]))


def test_the_number_of_sessions_is_limited() -> None:
    users = Users()
    first, oldest = users.begin(), users.begin()
    assert users.sessions.access_of(first)
    for _ in range(999):
        users.begin()
    assert users.sessions.access_of(first)
    assert not users.sessions.access_of(oldest)


# --- tickets ------------------------------------------------------------------------------------------------


def test_a_ticket_is_valid_once_and_for_a_minute() -> None:
    users = Users()
    ticket = users.sessions.new_ticket()
    assert users.redeem(ticket)
    assert not users.redeem(ticket)
    late = users.sessions.new_ticket()
    users.time.seconds += TICKET_SECONDS
    assert not users.redeem(late)
    assert not users.redeem("")


# --- wrong keys ---------------------------------------------------------------------------------------------


def test_many_wrong_keys_have_to_wait() -> None:
    users = Users()
    for _ in range(MOST_WRONG_KEYS):
        assert users.attempt(request()) == 0
    assert users.attempt(request()) == WRONG_KEY_SECONDS
    assert users.attempt({**request(), "client": ("10.0.0.1", 5)}) == 0
    users.time.seconds += WRONG_KEY_SECONDS - 1
    assert users.attempt(request()) == 1
    users.time.seconds += 1
    assert users.attempt(request()) == 0


def test_right_keys_do_not_count() -> None:
    users = Users()
    for _ in range(2 * MOST_WRONG_KEYS):
        assert users.attempt(request()) == 0
        asyncio.run(users.sessions.forget_attempt(request()))


def test_clients_behind_a_proxy_wait_for_their_own_wrong_keys() -> None:
    users = Users()
    for _ in range(MOST_WRONG_KEYS):
        users.attempt(behind_a_proxy("10.0.0.1"))
    assert users.attempt(behind_a_proxy("10.0.0.1")) == WRONG_KEY_SECONDS
    assert users.attempt(behind_a_proxy("10.0.0.2")) == 0


def behind_a_proxy(client: str) -> Scope:
    return {**request(), "headers": [*request()["headers"], (b"x-forwarded-for", client.encode())]}


def test_clients_with_wrong_keys_take_limited_memory() -> None:
    users = Users()
    for number in range(1500):
        users.attempt({**request(), "client": (str(number), 5)})
    assert len(users.sessions._attempts._times) == 1000


# --- the file -----------------------------------------------------------------------------------------------


def test_sessions_survive_a_restart(tmp_path: Path) -> None:
    users = Users(tmp_path)
    user, ended = users.begin(), users.begin()
    users.end(ended)
    again = Users(tmp_path, users.time)
    assert again.sessions.access_of(user)
    assert not again.sessions.access_of(ended)


def test_the_idle_time_counts_across_a_restart(tmp_path: Path) -> None:
    users = Users(tmp_path)
    user = users.begin()
    users.time.seconds += IDLE_SECONDS - 10
    assert users.sessions.access_of(user)
    users.time.seconds += IDLE_SECONDS - 10
    again = Users(tmp_path, users.time)
    assert again.sessions.access_of(user)
    users.time.seconds += IDLE_SECONDS
    assert not Users(tmp_path, users.time).sessions.access_of(user)


@pytest.mark.parametrize("change", [{"keys": ("other", "keys")}, {"secret": b"another"}])
def test_other_keys_end_all_sessions(tmp_path: Path, change: dict[str, Any]) -> None:
    users = Users(tmp_path)
    user = users.begin()
    assert not Users(tmp_path, users.time, **change).sessions.access_of(user)


def test_the_order_of_keys_does_not_matter(tmp_path: Path) -> None:
    users = Users(tmp_path)
    user = users.begin()
    assert Users(tmp_path, users.time, keys=(*KEYS[::-1], KEYS[0])).sessions.access_of(user)


def test_the_file_contains_neither_tokens_nor_keys(tmp_path: Path) -> None:
    user = Users(tmp_path).begin()
    kept = (tmp_path / FILE_NAME).read_text()
    token = dict(user["headers"])[b"cookie"].decode().partition("=")[2]
    assert not [secret for secret in (token, *KEYS) if secret in kept]
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) & 0o077 == 0


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b'{"keys": 1}', b'{"keys": "x", "sessions": []}', b"\xff"]
)
def test_a_damaged_file_is_no_obstacle(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    users = Users(tmp_path)
    assert users.sessions.access_of(users.begin())


def test_a_folder_that_cannot_be_written_is_no_obstacle(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    users = Users(tmp_path / "missing")
    assert users.sessions.access_of(users.begin())
    assert "cannot be written" in caplog.text


def test_a_page_goes_on_when_a_server_that_needs_no_key_restarts() -> None:
    user = Users(signs_in_alone=True).begin()
    again = Users(signs_in_alone=True)
    assert again.sessions.access_of(user)
    assert not again.sessions.access_of(request())


def test_sessions_without_a_key_are_not_kept(tmp_path: Path) -> None:
    users = Users(tmp_path, signs_in_alone=True)
    users.begin()
    assert list(tmp_path.iterdir()) == []


def test_a_session_goes_on_when_the_database_is_back() -> None:
    resources = Resources()
    users = Users(resources=resources)
    user = users.begin(key="key of the line")
    assert users.sessions.access_of(user) == Access("line")
    resources.is_away = True
    with pytest.raises(StoreUnreachable):
        users.sessions.access_of(user)
    resources.is_away = False
    assert users.sessions.access_of(user) == Access("line")
