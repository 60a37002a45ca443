"""Emulators for test suites: in a thread of this process, in a process of their own, or already running."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, get_args

from emulator.settings import Settings
from emulator.settings.errors import SettingError
from emulator.settings.https import CERTIFICATE_FILE
from emulator.settings.option_fields import Option, options
from emulator.settings.settings import load_settings
from emulator.testing.control import EmulatorControl
from emulator.testing.control_client import checked_endpoint
from emulator.testing.projects import SampleProject, create_project

if TYPE_CHECKING:
    from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient
    from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient

Mode = Literal["thread", "process"]
MODES = get_args(Mode)


class RunningEmulator:
    """An emulator that runs, and what tests use of it.

    Args:
        certificate: a file with the certificate (PEM) that an https endpoint has, or with its authority's.

    Raises:
        ValueError: the endpoint is no URL.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        training_key: str | None = None,
        prediction_key: str | None = None,
        prediction_resource_id: str | None = None,
        certificate: str | Path | None = None,
    ) -> None:
        defaults = Settings()
        self._endpoint = checked_endpoint(endpoint) if endpoint else ""
        self._training_key = training_key or defaults.training_keys[0]
        self._prediction_key = prediction_key or defaults.prediction_keys[0]
        self._prediction_resource_id = prediction_resource_id or defaults.prediction_resource_id
        self._certificate = certificate
        self._control: EmulatorControl | None = None

    @property
    def endpoint(self) -> str:
        """The endpoint of both APIs."""
        return self._endpoint

    @property
    def training_key(self) -> str:
        """A key of the Training API."""
        return self._training_key

    @property
    def prediction_key(self) -> str:
        """A key of the Prediction API."""
        return self._prediction_key

    @property
    def prediction_resource_id(self) -> str:
        """The id that publishing an iteration needs."""
        return self._prediction_resource_id

    @property
    def control(self) -> EmulatorControl:
        """The control API: reset, trainer, scripts, choreography, faults, clock, snapshots, requests."""
        if self._control is None:
            self._control = EmulatorControl(self.endpoint, self.training_key, certificate=self._certificate)
        return self._control

    def environment(self) -> dict[str, str]:
        """The variables that Microsoft's quickstarts and samples read, by name."""
        from emulator.settings.client_variables import program_variables

        return program_variables(self._described())

    def training_client(self, **options: Any) -> CustomVisionTrainingClient:
        """A client of the official SDK for the Training API; close it after use.

        Args:
            options: attributes of its configuration by path, such as ``retry_policy__retries=0``.

        Raises:
            ImportError: the SDK is not installed; the message says how to install it.
            TypeError: the configuration has no such attribute.
        """
        from emulator.testing.sdk_clients import training_client

        client: CustomVisionTrainingClient = training_client(
            self.endpoint, self.training_key, **self._verification(), **options
        )
        return client

    def prediction_client(self, **options: Any) -> CustomVisionPredictionClient:
        """The same for the Prediction API."""
        from emulator.testing.sdk_clients import prediction_client

        client: CustomVisionPredictionClient = prediction_client(
            self.endpoint, self.prediction_key, **self._verification(), **options
        )
        return client

    def create_project(
        self, tags: Mapping[str, int] | Iterable[str] = ("red", "blue"), **more: Any
    ) -> SampleProject:
        """Create a project with images; see `emulator.testing.projects.create_project`."""
        return create_project(self.control.client, self.prediction_resource_id, tags=tags, **more)

    def _verification(self) -> dict[str, str]:
        """The option of SDK clients by which they trust the certificate."""
        return {} if self._certificate is None else {"connection__verify": str(self._certificate)}

    def _described(self) -> Settings:
        from urllib.parse import urlsplit

        address = urlsplit(self.endpoint)
        return replace(
            Settings(),
            public_url=self.endpoint,
            host=address.hostname or "",
            port=address.port or {"https": 443}.get(address.scheme, 80),
            training_keys=(self.training_key, self.training_key),
            prediction_keys=(self.prediction_key, self.prediction_key),
            prediction_resource_id=self.prediction_resource_id,
        )


class EmulatorServer(RunningEmulator):
    """An emulator of its own, with temporary state: a context manager, also an asynchronous one.

    Several can run at once. Options of the environment (``CUSTOM_VISION_EMULATOR_...``) do not apply.

    Args:
        trainer: "instant" or "real".
        port: 0 takes any free one.
        mode: "thread" of this process, or "process".
        settings: options by the names of their flags, with underscores, as texts, numbers, paths, or lists
            of texts for a flag that can be repeated, or as the values of `emulator.settings.Settings`:
            ``tier="f0"``, ``max_body_mb=8``, ``url_allow=["10.0.0.1"]``. None stands for the default.

    Raises:
        SettingError: for an option or a value that is not allowed.
    """

    def __init__(
        self,
        *,
        trainer: str = "instant",
        port: int = 0,
        mode: Mode = "thread",
        **settings: Any,
    ) -> None:
        if mode not in MODES:
            raise SettingError(f"mode: {mode!r} must be one of {', '.join(MODES)}")
        self.mode = mode
        self.settings = make_settings(trainer=trainer, port=port, **settings)
        self._server: _Server | None = None
        super().__init__(
            "",
            training_key=self.settings.training_keys[0],
            prediction_key=self.settings.prediction_keys[0],
            prediction_resource_id=self.settings.prediction_resource_id,
            certificate=_certificate(self.settings),
        )

    @property
    def endpoint(self) -> str:
        """The endpoint of both APIs. Raises RuntimeError when the server does not run."""
        if self._server is None:
            raise RuntimeError(
                "this EmulatorServer does not run: use it in a with statement, or call start()"
            )
        return self._endpoint

    @property
    def port(self) -> int:
        """The port that the server listens on. Raises RuntimeError when the server does not run."""
        assert self.endpoint
        assert self._server is not None
        return self._server.port

    def start(self) -> Self:
        """Start the server and wait until it is ready.

        Raises:
            StartRefused: for example, because the port is in use.
            RuntimeError: it runs.
        """
        if self._server is not None:
            raise RuntimeError("this EmulatorServer runs already")
        server = _new_server(self.mode, self.settings)
        server.start()
        self._server, self._control = server, None
        self._endpoint = self.settings.training_endpoint(server.port)
        return self

    def stop(self) -> None:
        """Stop the server, if it runs, and remove its state."""
        server, self._server = self._server, None
        if server is not None:
            server.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.start)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.stop)

    def _described(self) -> Settings:
        return replace(self.settings, port=self.port)


def _certificate(settings: Settings) -> Path | None:
    """The certificate by which clients trust the server, once it has started."""
    if settings.https == "auto":
        return settings.authority_folder / CERTIFICATE_FILE
    return settings.certificate


class _Server(Protocol):
    port: int

    def start(self) -> None: ...

    def stop(self) -> None: ...


def _new_server(mode: Mode, settings: Settings) -> Any:
    if mode == "thread":
        from emulator.server.background import BackgroundServer

        return BackgroundServer(settings)
    from emulator.testing.server_process import ServerProcess

    return ServerProcess(settings)


def make_settings(**given: Any) -> Settings:
    """Settings from options by the names of their flags or fields; temporary state unless `data` is given.

    Raises:
        SettingError: for an option or a value that is not allowed.
    """
    described = options(Settings)
    by_name = {one.name.replace("-", "_"): field for field, one in described.items()}
    by_name |= {field: field for field in described}
    texts: dict[str, Any] = {}
    values: dict[str, Any] = {}
    for name, value in given.items():
        field = by_name.get(name)
        if field is None:
            raise SettingError(f"{name}: the emulator has no such option")
        if value is None:
            continue
        text = _as_text(value, described[field])
        if text is not None:
            texts[field] = text
        elif isinstance(value, tuple):
            values[field] = value
        else:
            raise SettingError(f"{name}: {value!r} is not a value of this option")
    is_lasting = "data" in texts or "data" in values
    settings = load_settings(texts, environment={})
    return replace(settings, **{"ephemeral": not is_lasting or settings.ephemeral, **values})


def _as_text(value: Any, option: Option) -> str | bool | list[str] | None:
    """A value as a flag has it, so that its limits are checked; None if a flag cannot have it."""
    if isinstance(value, bool):
        return value if option.switch else None
    if isinstance(value, (str, int, float, Path)):
        return str(value)
    if option.separator is not None and isinstance(value, (list, tuple)):
        return list(value) if all(isinstance(one, str) for one in value) else None
    return None
