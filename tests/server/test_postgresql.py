"""Live servers with their rows on PostgreSQL."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.harness import expect, files_body
from tests.support.images import picture
from tests.support.live_server import LiveServer
from tests.support.postgresql import HOW_TO_GET_PSYCOPG, server

pytestmark = pytest.mark.slow
pytest.importorskip("psycopg", reason=HOW_TO_GET_PSYCOPG)


@pytest.fixture
def variables() -> Iterator[dict[str, str]]:
    """The environment that names a new database."""
    url = server().new_database("TEMPLATE template0")
    yield {"CUSTOM_VISION_EMULATOR_DATABASE": url}
    server().drop(url)


def test_nothing_that_was_confirmed_is_lost_when_the_server_is_killed(
    serve: Callable[..., LiveServer], variables: dict[str, str]
) -> None:
    live = serve(environment=variables)
    project = expect(live.client.post("/projects", params={"name": "name"}))["id"]
    confirmed: set[str] = set()
    for number in range(3):
        for which in range(4):
            body = files_body([picture(10 * number + which)])
            response = expect(live.client.post(f"/projects/{project}/images/files", json=body))
            confirmed.add(response["images"][0]["image"]["id"])
        live.kill()
        live = serve(environment=variables)
        images = expect(live.client.get(f"/projects/{project}/images"))
        assert {image["id"] for image in images} == confirmed


def test_a_second_server_of_the_database_does_not_start(
    serve: Callable[..., LiveServer], variables: dict[str, str], tmp_path: Path
) -> None:
    live = serve(environment=variables)
    command = [sys.executable, "-m", "emulator", "serve", "--port", "0", "--data", str(tmp_path / "second")]
    second = subprocess.run(
        [*command, "--database", variables["CUSTOM_VISION_EMULATOR_DATABASE"]],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert second.returncode == 1
    assert "--database: postgresql://emulator@" in second.stderr
    assert f":{live.pid}; stop it or give another database" in second.stderr
    assert second.stderr.count("\n") == 1
