"""The module for Testcontainers. No container runs: a client of Docker that tests control starts none."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from emulator.testing import EmulatorServer

pytest.importorskip("testcontainers", reason="testcontainers is missing: pip install testcontainers")


class FakeDocker:
    """A client of Docker that maps the port of a container to that of a running server."""

    def __init__(self, port: int) -> None:
        self.mapped = port
        self.created: dict[str, Any] = {}
        self.started = self.removed = False
        self.client = SimpleNamespace(close=lambda: None)

    def create(self, image: str, **more: Any) -> Any:
        self.created = {"image": image, **more}
        return SimpleNamespace(
            id="1",
            short_id="1",
            status="running",
            reload=lambda: None,
            logs=lambda **_: b"",
            remove=lambda **_: setattr(self, "removed", True),
        )

    def start(self, container: Any) -> None:
        self.started = True

    def get_connection_mode(self) -> Any:
        from testcontainers.core.config import ConnectionMode

        return ConnectionMode.docker_host

    def host(self) -> str:
        return "127.0.0.1"

    def port(self, container_id: str, port: int) -> int:
        assert port == 10010
        return self.mapped


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDocker]:
    from testcontainers.core import container
    from testcontainers.core.config import testcontainers_config

    monkeypatch.setattr(testcontainers_config, "ryuk_disabled", True)
    with EmulatorServer(training_key="mine") as server:
        fake = FakeDocker(server.port)
        monkeypatch.setattr(container, "DockerClient", lambda **_: fake)
        yield fake


def test_a_container_is_configured_awaited_and_removed(docker: FakeDocker) -> None:
    from emulator.testing.containers import CustomVisionContainer

    options = {"training_key": "mine,other", "tier": "f0"}
    with CustomVisionContainer(options=options) as container:
        assert docker.started
        emulator = container.emulator
        assert emulator.endpoint == f"http://127.0.0.1:{docker.mapped}"
        assert emulator.training_key == "mine"
        emulator.control.reset()
    assert docker.removed
    assert docker.created["image"] == "custom-vision-emulator:latest"
    assert [str(port).partition("/")[0] for port in docker.created["ports"]] == ["10010"]
    assert docker.created["environment"] == {
        "CUSTOM_VISION_EMULATOR_TRAINER": "instant",
        "CUSTOM_VISION_EMULATOR_TRAINING_KEY": "mine,other",
        "CUSTOM_VISION_EMULATOR_TIER": "f0",
    }


def test_without_testcontainers_the_error_says_how_to_install_it() -> None:
    code = "import sys; sys.modules['testcontainers'] = None; import emulator.testing.containers"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "ImportError: testcontainers is not installed: pip install 'testcontainers" in ran.stderr
