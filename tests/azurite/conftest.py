"""A real Azurite with its blob and queue services, and Microsoft's clients for them."""

import contextlib
import re
import shutil
import subprocess
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.harness import PATIENCE_SECONDS, Service, running_service

FOLDER = Path(__file__).parent
AZURITE = FOLDER / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
ACCOUNT = "devstoreaccount1"
# The well-known key in Azurite's documentation.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_LISTENING = re.compile(r"Azurite (\w+) service is successfully listening at http://[^:]+:(\d+)")


class Azurite:
    """Azurite in a process of its own, with its data in `folder`; a restart uses the same free ports."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {"Blob": "0", "Queue": "0", "Table": "0"}
        self.start()

    def start(self) -> None:
        node = shutil.which("node")
        assert node is not None
        ports = [part for name, port in self.ports.items() for part in (f"--{name.lower()}Port", port)]
        self.process = subprocess.Popen(
            [
                node,
                str(AZURITE),
                "--location",
                str(self.folder),
                *ports,
                "--disableTelemetry",
                "--skipApiVersionCheck",  # the tests' clients may use a newer API version
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        overdue = threading.Timer(PATIENCE_SECONDS, self.process.kill)
        overdue.start()
        said = []
        listening: dict[str, str] = {}
        assert self.process.stdout is not None
        for line in self.process.stdout:
            said.append(line)
            if found := _LISTENING.search(line):
                listening[found[1]] = found[2]
            if len(listening) == len(self.ports):
                break
        overdue.cancel()
        assert len(listening) == len(self.ports), "".join(said)
        self.ports = listening
        # Its log of requests would fill the pipe.
        self._reader = threading.Thread(target=self.process.stdout.read, daemon=True)
        self._reader.start()

    def stop(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE_SECONDS)
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def address(self, service: str) -> str:
        return f"http://127.0.0.1:{self.ports[service]}/{ACCOUNT}"


@dataclass
class Storage:
    """The container and the queue of one test, and URIs that grant access to them."""

    azurite: Azurite
    name: str = field(default_factory=lambda: f"test-{uuid.uuid4().hex}")

    def __post_init__(self) -> None:
        from azure.storage.blob import ContainerClient
        from azure.storage.queue import QueueClient, TextBase64DecodePolicy

        account = {"account_name": ACCOUNT, "account_key": KEY}
        self.container = ContainerClient(self.azurite.address("Blob"), self.name, credential=account)
        self.queue = QueueClient(
            self.azurite.address("Queue"),
            self.name,
            credential=account,
            message_decode_policy=TextBase64DecodePolicy(),
        )
        self.create()

    def create(self) -> None:
        """Create the container and the queue unless they exist."""
        from azure.core.exceptions import ResourceExistsError

        for make in (self.container.create_container, self.queue.create_queue):
            with contextlib.suppress(ResourceExistsError):
                make()

    def container_uri(self, permission: str = "rwdl", hours: float = 24) -> str:
        """The container's URI with a signature for permissions and a lifetime."""
        from azure.storage.blob import generate_container_sas

        signature = generate_container_sas(ACCOUNT, self.name, KEY, **_grant(permission, hours))
        return f"{self.azurite.address('Blob')}/{self.name}?{signature}"

    def queue_uri(self, permission: str = "raup", hours: float = 24) -> str:
        """The queue's URI with a signature for permissions and a lifetime."""
        from azure.storage.queue import generate_queue_sas

        signature = generate_queue_sas(ACCOUNT, self.name, KEY, **_grant(permission, hours))
        return f"{self.azurite.address('Queue')}/{self.name}?{signature}"

    def messages(self) -> list[str]:
        """Receive and delete the messages of the queue, oldest first."""
        found = []
        while (message := self.queue.receive_message()) is not None:
            self.queue.delete_message(message)
            found.append(message.content)
        return found

    def blobs(self) -> dict[str, bytes]:
        return {
            blob.name: self.container.download_blob(blob.name).readall()
            for blob in self.container.list_blobs()
        }

    def close(self) -> None:
        self.container.close()
        self.queue.close()


def _grant(permission: str, hours: float) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "permission": permission,
        "start": now - timedelta(days=2),
        "expiry": now + timedelta(hours=hours),
    }


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    if shutil.which("node") is None:
        pytest.skip("Node is not installed (get Node 20 or newer from nodejs.org)")
    if not AZURITE.is_file():
        pytest.skip("Azurite is not installed (run make test, or npm ci in tests/azurite)")
    running = Azurite(tmp_path_factory.mktemp("azurite"))
    yield running
    running.stop()


@pytest.fixture
def storage(azurite: Azurite) -> Iterator[Storage]:
    made = Storage(azurite)
    yield made
    made.close()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """The application in this process; it may reach storage on this machine."""
    yield from running_service(tmp_path / "data", url_allow=("127.0.0.1",))
