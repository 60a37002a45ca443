"""The emulator in a container, for Testcontainers for Python: pip install testcontainers."""

from __future__ import annotations

from typing import Any

from emulator.settings import DEFAULT_PORT
from emulator.testing.server import RunningEmulator

try:
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import HttpWaitStrategy
except ImportError as error:
    raise ImportError("testcontainers is not installed: pip install 'testcontainers>=4.13'") from error

IMAGE = "custom-vision-emulator:latest"


class CustomVisionContainer(DockerContainer):
    """A container of the emulator, a context manager. Its state ends with it.

    Args:
        image: built with docker/Dockerfile.
        trainer: "instant" or "real".
        options: further options of the emulator by the names of their flags, as texts: ``tier="f0"``.
        more: arguments of `DockerContainer`.
    """

    def __init__(
        self,
        image: str = IMAGE,
        *,
        trainer: str = "instant",
        options: dict[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(image, **more)
        self._options = {"trainer": trainer, **(options or {})}
        self.with_exposed_ports(DEFAULT_PORT)
        for name, value in self._options.items():
            self.with_env(f"CUSTOM_VISION_EMULATOR_{name.upper()}", value)
        self.waiting_for(HttpWaitStrategy(DEFAULT_PORT, "/_emulator/health/ready"))

    @property
    def emulator(self) -> RunningEmulator:
        """The emulator in the running container."""
        host, port = self.get_container_host_ip(), self.get_exposed_port(DEFAULT_PORT)
        return RunningEmulator(
            f"http://{host}:{port}",
            training_key=self._first("training_key"),
            prediction_key=self._first("prediction_key"),
            prediction_resource_id=self._options.get("prediction_resource_id"),
        )

    def _first(self, name: str) -> str | None:
        """The first of the keys that an option has; None for the default."""
        return self._options[name].partition(",")[0] if name in self._options else None
