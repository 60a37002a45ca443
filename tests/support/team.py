"""Several live servers with one database and one object store, behind nginx."""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from tests.support.harness import NEWEST, PATIENCE_SECONDS, PREDICTION_KEY, TRAINING_KEY, files_body
from tests.support.images import picture
from tests.support.live_server import LiveServer
from tests.support.nginx import Nginx, free_port
from tests.support.object_stores import folder_address

STUB_TRAINER = "tests.support.stub_trainer_server"
HELD_TRAINER = "tests.support.held_trainer_server"


class Team:
    """Servers in processes of their own, each with a data folder and a port that it keeps.

    Args:
        start: the fixture `serve`.
        database: the URL of the database.
        with_proxy: whether to start nginx before them.
    """

    def __init__(
        self,
        folder: Path,
        start: Callable[..., LiveServer],
        database: str,
        *,
        count: int = 2,
        with_proxy: bool = False,
        program: str = STUB_TRAINER,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self._environment = dict(environment or {})
        self._start = start
        self._program = program
        self._database = database
        self._ports = [free_port() for _ in range(count)]
        self.proxy = Nginx(folder / "nginx", self._ports) if with_proxy else None
        with ThreadPoolExecutor(count) as threads:
            self.servers = list(threads.map(self._started, range(count)))

    def _started(self, number: int) -> LiveServer:
        return self._start(
            "--blobs",
            folder_address(self.folder / "objects"),
            "--port",
            str(self._ports[number]),
            data=self.folder / f"server-{number}",
            environment={"CUSTOM_VISION_EMULATOR_DATABASE": self._database} | self._environment,
            program=self._program,
        )

    def kill(self, number: int) -> None:
        self.servers[number].kill()

    def start(self, number: int) -> None:
        """Start a server again that was killed."""
        self.servers[number] = self._started(number)

    def client(self) -> httpx.Client:
        """A client of nginx."""
        assert self.proxy is not None
        return httpx.Client(
            base_url=f"{self.proxy.endpoint}/customvision/{NEWEST}/training",
            headers={"Training-Key": TRAINING_KEY},
            timeout=PATIENCE_SECONDS,
            trust_env=False,
        )

    def close(self) -> None:
        for server in self.servers:
            if server.process.poll() is None:
                server.kill()
        if self.proxy is not None:
            self.proxy.stop()


def prediction(live: LiveServer, project: str, name: str) -> httpx.Response:
    """A prediction by the iteration that is published under a name, from one of the servers."""
    return httpx.post(
        f"{live.endpoint}/customvision/v3.1/prediction{project.replace('/projects', '')}/classify/iterations"
        f"/{name}/image",
        content=picture(),
        headers={"Prediction-Key": PREDICTION_KEY, "Content-Type": "application/octet-stream"},
        trust_env=False,
    )


class Uploads:
    """What clients of nginx have uploaded, one image a request, until `stop`.

    confirmed: the ids of the images, by number of the picture. failures: requests without a confirmation,
    which were repeated.
    """

    def __init__(self, team: Team, project: str) -> None:
        self.confirmed: dict[int, str] = {}
        self.failures = 0
        self.wrong: list[str] = []
        self._team = team
        self._project = project
        self._stopping = threading.Event()
        self._lock = threading.Lock()

    def stop(self) -> None:
        self._stopping.set()

    def run(self, client_number: int, most: int) -> None:
        """Upload images until `stop`, at most this number."""
        with self._team.client() as client:
            for number in range(client_number * most, (client_number + 1) * most):
                if self._stopping.is_set():
                    return
                self._upload(client, number)

    def _upload(self, client: httpx.Client, number: int) -> None:
        body: dict[str, Any] = files_body([picture(number, size=(16, 12))])
        while True:
            try:
                response = client.post(f"{self._project}/images/files", json=body)
            except httpx.TransportError:
                response = None
            if response is not None and response.status_code in (200, 207):
                item = response.json()["images"][0]
                with self._lock:
                    self.confirmed[number] = item["image"]["id"]
                return
            with self._lock:
                self.failures += 1
                if response is not None and response.status_code not in (502, 503, 504):
                    self.wrong.append(f"{response.status_code} {response.text[:200]}")
                    return
            if self._stopping.wait(0.05):
                return
