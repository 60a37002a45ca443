"""Two servers with one database behind nginx: 64 clients upload while servers are killed; publications.

Needs PostgreSQL, psycopg, obstore and nginx. BENCH_SERVERS_SECONDS: duration of the uploads.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench.report import Measurement
from tests.support.harness import RESOURCE_ID, expect
from tests.support.live_server import LiveServer
from tests.support.postgresql import execute, server
from tests.support.team import Team, Uploads, prediction

SECONDS = float(os.environ.get("BENCH_SERVERS_SECONDS", "120"))
CLIENTS = 64
KILL_EVERY_SECONDS = 5.0
PUBLICATIONS = 100


def measure() -> Iterator[Measurement]:
    database = server().new_database("TEMPLATE template0")
    with tempfile.TemporaryDirectory() as folder:
        team = Team(Path(folder), _start, database, with_proxy=True)
        try:
            yield from _uploads(team, database)
            yield from _publications(team)
        finally:
            team.close()


def _start(*arguments: str, data: Path, **more: Any) -> LiveServer:
    return LiveServer(data, *arguments, **more)


def _uploads(team: Team, database: str) -> Iterator[Measurement]:
    uploads = Uploads(team, team.servers[0].project())
    kills = 0
    begun = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as threads:
        running = [threads.submit(uploads.run, number, 100_000) for number in range(CLIENTS)]
        while time.monotonic() - begun < SECONDS:
            time.sleep(KILL_EVERY_SECONDS)
            team.kill(kills % 2)
            team.start(kills % 2)
            kills += 1
        uploads.stop()
        for job in running:
            job.result()
    seconds = time.monotonic() - begun
    stored = execute(database, "SELECT id, blob FROM image WHERE removed IS NULL")
    confirmed = set(uploads.confirmed.values())
    yield Measurement(f"confirmed uploads of {CLIENTS} clients", len(uploads.confirmed) / seconds, "/s")
    yield Measurement("  in all", len(uploads.confirmed), "")
    yield Measurement(f"  kills in {seconds:.0f} s", kills, "")
    yield Measurement("  requests that were repeated", uploads.failures, "")
    yield Measurement("  other responses", len(uploads.wrong), "", at_most=0)
    yield Measurement("  lost", len(confirmed - {found for found, _ in stored}), "", at_most=0)
    doubled = len(stored) - len({blob for _, blob in stored})
    doubled += len(uploads.confirmed) - len(confirmed)
    yield Measurement("  doubled", doubled, "", at_most=0)


def _publications(team: Team) -> Iterator[Measurement]:
    first, second = team.servers
    project = first.trainable()
    iterations = [
        first.wait_for_training(project, first.post(f"{project}/train", params={"forceTrain": "true"})["id"])
        for _ in range(2)
    ]
    old, slowest = 0, 0.0
    for number in range(PUBLICATIONS):
        iteration = iterations[number % 2]["id"]
        first.post(
            f"{project}/iterations/{iteration}/publish",
            params={"publishName": "name", "predictionId": RESOURCE_ID, "overwrite": "true"},
        )
        published = time.monotonic()
        while expect(prediction(second, project, "name"))["iteration"] != iteration:
            old += 1
        slowest = max(slowest, time.monotonic() - published)
    yield Measurement(
        f"slowest prediction by the other server after {PUBLICATIONS} publications", slowest, "s"
    )
    yield Measurement("  predictions by the earlier iteration", old, "", at_most=0)
