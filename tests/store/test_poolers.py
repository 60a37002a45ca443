"""PostgreSQL behind a pooler of connections: one that keeps sessions can be used, others are refused."""

from collections.abc import Callable, Iterator

import pytest

from emulator.store.database import DatabaseRefused, StoreUnreachable
from emulator.store.postgresql import PostgresqlDatabase
from emulator.store.shared_postgresql import SharedPostgresqlDatabase
from tests.store.test_database import project
from tests.support.harness import wait_until
from tests.support.pgbouncer import PgBouncer
from tests.support.postgresql import HOW_TO_GET_PSYCOPG, server

pytest.importorskip("psycopg", reason=HOW_TO_GET_PSYCOPG)

Pool = Callable[..., str]
KINDS = pytest.mark.parametrize("kind", [PostgresqlDatabase, SharedPostgresqlDatabase])


@pytest.fixture
def address() -> Iterator[str]:
    """The URL of a database without the pooler."""
    url = server().new_database()
    yield url
    server().drop(url)


@pytest.fixture
def pool(address: str) -> Iterator[Pool]:
    """Starts a pooler; returns the URL of the database through it."""
    started: list[PgBouncer] = []

    def start(mode: str, more: str = "") -> str:
        started.append(PgBouncer(server(), mode, more))
        return started[-1].url(address)

    yield start
    for one in started:
        one.stop()


@KINDS
@pytest.mark.parametrize("more", ["", "server_round_robin = 1\nmin_pool_size = 5", "default_pool_size = 1"])
def test_a_pooler_that_does_not_keep_sessions_is_refused(
    kind: type[PostgresqlDatabase], pool: Pool, address: str, more: str
) -> None:
    url = pool("transaction", more)
    with pytest.raises(DatabaseRefused, match="pool_mode = session"):
        kind(url)
    kind(address).close()  # the pooler has no session with a lock


def test_a_pooler_that_does_not_keep_transactions_is_refused(pool: Pool) -> None:
    with pytest.raises((DatabaseRefused, StoreUnreachable), match="transaction"):
        PostgresqlDatabase(pool("statement"))


@KINDS
def test_a_pooler_that_keeps_sessions_can_be_used(kind: type[PostgresqlDatabase], pool: Pool) -> None:
    opened = kind(pool("session"))
    try:
        for number in range(10):  # statements are prepared from the sixth time on
            with opened.write() as session:
                session.add(project(str(number)))
        assert opened.commits == 10
    finally:
        opened.close()


def test_servers_behind_a_pooler_notice_commits_of_each_other(pool: Pool) -> None:
    url = pool("session")
    first, second = SharedPostgresqlDatabase(url), SharedPostgresqlDatabase(url)
    try:
        wait_until(lambda: second.listener.is_listening, "the second server")
        with first.write() as session:
            session.add(project("p"))
        wait_until(lambda: second.commits == 1, "the commit")
    finally:
        first.close()
        second.close()
