"""Several live servers with one database: what one stores, the others have, also when servers are killed."""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.harness import (
    NEWEST,
    RESOURCE_ID,
    expect,
    files_body,
    wait_until,
)
from tests.support.held_trainer_server import FOLDER
from tests.support.images import pictures
from tests.support.live_server import LiveServer
from tests.support.object_stores import HOW_TO_GET_OBSTORE
from tests.support.postgresql import HOW_TO_GET_PSYCOPG, Server, execute, server
from tests.support.team import HELD_TRAINER, Team, Uploads, prediction

pytestmark = pytest.mark.slow
pytest.importorskip("psycopg", reason=HOW_TO_GET_PSYCOPG)
pytest.importorskip("obstore", reason=HOW_TO_GET_OBSTORE)

CLIENTS = 64
# With a well-known key, sessions would begin by themselves.
KEY = "a-key-of-the-team"

MakeTeam = Callable[..., Team]


@pytest.fixture
def database() -> Iterator[str]:
    """The URL of a new, empty database."""
    url = server().new_database("TEMPLATE template0")
    yield url
    server().drop(url)


@pytest.fixture
def make_team(tmp_path: Path, serve: Callable[..., LiveServer], database: str) -> Iterator[MakeTeam]:
    """Starts the servers, at once, on an empty database."""
    made: list[Team] = []

    def make(**more: object) -> Team:
        made.append(Team(tmp_path, serve, database, **more))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for team in made:
        team.close()


def test_servers_that_start_at_once_have_one_database_and_secret(make_team: MakeTeam, database: str) -> None:
    first, second = make_team().servers
    project = first.project()
    first.post(f"{project}/images/files", json=files_body(pictures(1)))
    (image,) = second.get(f"{project}/images")
    path = image["originalImageUri"].partition("://")[2].partition("/")[2]
    for live in (first, second):
        assert httpx.get(f"{live.endpoint}/{path}", trust_env=False).status_code == 200
    assert execute(database, "SELECT count(*) FROM emulator_store") == [(1,)]


def test_each_server_sees_at_once_what_the_other_has_published(make_team: MakeTeam) -> None:
    first, second = make_team().servers
    project = first.trainable()
    trained = [
        first.wait_for_training(project, first.post(f"{project}/train", params={"forceTrain": "true"})["id"])
        for _ in range(2)
    ]
    assert [one["status"] for one in trained] == ["Completed", "Completed"]
    for number in range(6):
        iteration = trained[number % 2]["id"]
        first.post(
            f"{project}/iterations/{iteration}/publish",
            params={"publishName": "name", "predictionId": RESOURCE_ID, "overwrite": "true"},
        )
        answer = expect(prediction(second, project, "name"))
        assert answer["iteration"] == iteration


def test_nothing_that_was_confirmed_is_lost_or_doubled_while_servers_are_killed(
    make_team: MakeTeam, database: str
) -> None:
    team = make_team(with_proxy=True)
    project = team.servers[0].project()
    uploads = Uploads(team, project)
    with ThreadPoolExecutor(CLIENTS) as threads:
        running = [threads.submit(uploads.run, number, 1000) for number in range(CLIENTS)]
        for kill in range(4):
            before = len(uploads.confirmed)
            wait_until(lambda before=before: len(uploads.confirmed) > before + 30, "uploads")  # type: ignore[misc]
            team.kill(kill % 2)
            team.start(kill % 2)
        uploads.stop()
        for job in running:
            job.result()
    assert uploads.wrong == []
    stored = execute(database, "SELECT id, blob FROM image WHERE removed IS NULL")
    ids = {image_id for image_id, _ in stored}
    assert len(set(uploads.confirmed.values())) == len(uploads.confirmed)
    assert set(uploads.confirmed.values()) <= ids
    # An image whose upload was not confirmed may be stored, once.
    assert len({blob for _, blob in stored}) == len(stored)
    assert len(stored) <= len(uploads.confirmed) + CLIENTS
    (count,) = execute(database, "SELECT image_count FROM project")[0]
    assert count == len(stored)


# --- the proxy ----------------------------------------------------------------------------------------------


def test_a_session_that_begins_at_the_proxy_is_valid_for_all_requests(make_team: MakeTeam) -> None:
    team = make_team(with_proxy=True, environment={"CUSTOM_VISION_EMULATOR_TRAINING_KEY": KEY})
    assert team.proxy is not None
    page = {"Origin": team.proxy.endpoint, "Sec-Fetch-Site": "same-origin"}
    statuses = []
    for _ in range(10):  # half of them would fail if any server got them
        with httpx.Client(base_url=team.proxy.endpoint, headers=page, trust_env=False) as browser:
            began = browser.post("/portal/session", json={"key": KEY})
            assert began.status_code == 200, began.text
            projects = browser.get(f"/customvision/{NEWEST}/training/projects")
            statuses.append((projects.status_code, browser.get("/portal/session").json()["signedIn"]))
    assert set(statuses) == {(200, True)}


def test_the_proxy_passes_on_why_servers_refuse_requests(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    postgresql = Server()
    try:
        team = Team(tmp_path, serve, postgresql.new_database("TEMPLATE template0"), with_proxy=True)
        with team.client() as client:
            expect(client.get("/projects"))
            postgresql.stop("fast")
            refused = [client.get("/projects") for _ in range(6)]
            refused += [client.post("/projects", params={"name": "new"}) for _ in range(6)]
            postgresql.start()
            wait_until(lambda: client.get("/projects").status_code == 200, "the database")
        team.close()
    finally:
        postgresql.remove()
    assert {one.status_code for one in refused} == {503}
    assert all("database" in one.json()["message"] and "Retry-After" in one.headers for one in refused)


def test_without_servers_the_proxy_answers_in_the_form_of_the_service(make_team: MakeTeam) -> None:
    team = make_team(with_proxy=True)
    for number in range(2):
        team.kill(number)
    with team.client() as client:
        for _ in range(3):
            refused = client.get("/projects")
            assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
            assert refused.headers["Content-Type"] == "application/json"
            assert refused.json()["message"].startswith("No server of the emulator answered.")


# --- jobs ---------------------------------------------------------------------------------------------------


class HeldTraining:
    """A training that a server of a team has begun, and that waits."""

    def __init__(self, make_team: MakeTeam, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self.team = make_team(program=HELD_TRAINER, environment={FOLDER: str(folder)})
        self.project = self.team.servers[0].trainable()
        self.iteration = self.team.servers[0].post(f"{self.project}/train")["id"]
        wait_until(lambda: self._begun(), "a training")
        (self.executing,) = (one for one in self.team.servers if one.pid in self._begun())
        (self.other,) = (one for one in self.team.servers if one is not self.executing)

    def _begun(self) -> set[int]:
        return {int(path.name.partition("-")[2]) for path in self._folder.glob("begun-*")}

    def wait_for(self, live: LiveServer) -> None:
        """Wait until a server executes the training."""
        wait_until(lambda: live.pid in self._begun(), "the training on another server")

    def wait_for_cancellation(self, live: LiveServer) -> None:
        path = self._folder / f"cancelled-{live.pid}"
        wait_until(path.exists, "the cancellation of the training")

    def let_go(self, live: LiveServer) -> None:
        (self._folder / f"go-{live.pid}").touch()

    def job(self, live: LiveServer) -> dict[str, Any]:
        """The only job, as a server lists it."""
        (job,) = expect(live.client.get(f"{live.endpoint}/_emulator/jobs"))["jobs"]
        return dict(job)


@pytest.fixture
def held(make_team: MakeTeam, tmp_path: Path) -> HeldTraining:
    return HeldTraining(make_team, tmp_path / "held")


def test_a_training_whose_server_was_killed_is_executed_by_another(held: HeldTraining) -> None:
    held.executing.kill()
    held.wait_for(held.other)
    held.let_go(held.other)
    assert held.other.wait_for_training(held.project, held.iteration)["status"] == "Completed"


def test_the_result_of_a_server_that_lost_its_lease_is_not_stored(held: HeldTraining, database: str) -> None:
    os.kill(held.executing.pid, signal.SIGSTOP)
    held.wait_for(held.other)
    held.let_go(held.executing)
    os.kill(held.executing.pid, signal.SIGCONT)
    wait_until(lambda: "by another server" in held.executing.log(), "the end of the first execution")
    assert held.other.get(f"{held.project}/iterations/{held.iteration}")["status"] == "Training"
    held.let_go(held.other)
    assert held.other.wait_for_training(held.project, held.iteration)["status"] == "Completed"
    assert execute(database, "SELECT count(*) FROM emulator_job_end") == [(1,)]


def test_a_training_ends_though_the_database_is_restarted_amid_it(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    postgresql = Server()
    try:
        url = postgresql.new_database("TEMPLATE template0")

        def make(**more: Any) -> Team:
            return Team(tmp_path, serve, url, **more)

        held = HeldTraining(make, tmp_path / "held")
        postgresql.stop()
        refused = held.executing.client.get("/projects")
        assert refused.status_code == 503
        postgresql.start()
        held.let_go(held.executing)
        held.let_go(held.other)  # it has the job if the restart took longer than the lease
        assert held.other.wait_for_training(held.project, held.iteration)["status"] == "Completed"
        ended = "SELECT count(*) FROM emulator_job_end"
        wait_until(lambda: execute(url, ended) == [(1,)], "the record of the end")
        ((model,),) = execute(url, "SELECT model_blob FROM iteration")
        assert list((tmp_path / "objects").glob(f"blobs/*/{model}"))
        held.team.close()
    finally:
        postgresql.remove()


def test_every_server_shows_the_progress_of_a_job_and_can_cancel_it(held: HeldTraining) -> None:
    wait_until(lambda: held.job(held.other).get("progress") == 0.5, "the progress")
    assert held.job(held.other)["status"] == "Running"
    path = f"/_emulator/jobs/{held.job(held.other)['id']}/cancel"
    cancelled = expect(held.other.client.post(held.other.endpoint + path))
    assert cancelled["status"] == "Cancelled"
    held.wait_for_cancellation(held.executing)
    for live in held.team.servers:
        assert held.job(live)["status"] == "Cancelled"
        assert live.get(f"{held.project}/iterations/{held.iteration}")["status"] == "Failed"
